"""Stores of clouds that obstore speaks to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from file_dataset.adapters.cloud.base import CloudStore
from file_dataset.domain.errors import InvalidUrlError, PreconditionFailedError
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore


class AzureStore(CloudStore):
    """Blobs of Azure: ``az://container/path``.

    Args:
        config: obstore's settings, such as ``account_name``, ``account_key``, ``sas_key`` or
            ``endpoint``; what is not given is looked for in the environment (``AZURE_STORAGE_...``)
            and with the machine's managed identity.
        client_options: obstore's settings of connections, such as ``timeout``.

    Raises:
        MissingDependencyError: If obstore is not installed.
    """

    def _kind(self) -> Callable[..., ObjectStore]:
        from obstore.store import AzureStore as Connected

        return Connected

    def _spelled(self, url: Url) -> str:
        if "\\" in url.key:
            raise InvalidUrlError(f"{url.redacted}: Azure takes a backslash for a slash")
        return super()._spelled(url)

    def _tag(self, meta: ObjectMeta) -> str | None:
        return meta["e_tag"] and meta["e_tag"].strip('"')

    def _version(self, etag: str) -> Mapping[str, str]:
        return {"e_tag": f'"{etag}"'}


class GcsStore(CloudStore):
    """Objects of Google Cloud Storage: ``gs://bucket/path``. Their etags are their generations.

    Args:
        config: obstore's settings, such as ``service_account`` (a file) or ``skip_signature``;
            what is not given is looked for in the environment (``GOOGLE_...``) and with the
            machine's metadata service.
        client_options: obstore's settings of connections, such as ``timeout``.

    Raises:
        MissingDependencyError: If obstore is not installed.
    """

    def _kind(self) -> Callable[..., ObjectStore]:
        from obstore.store import GCSStore as Connected

        return Connected

    def _tag(self, meta: ObjectMeta) -> str | None:
        return meta["version"]

    def _version(self, etag: str) -> Mapping[str, str]:
        if not etag.isdecimal():
            raise PreconditionFailedError(f"{etag!r} is no generation, so that it matches none")
        return {"version": etag}
