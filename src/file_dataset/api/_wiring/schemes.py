"""Which schemes are known, what serves them, and what refuses the others."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection

import attrs

from file_dataset.adapters.layers.routed import Routed
from file_dataset.adapters.registry import Registry
from file_dataset.adapters.registry import default as registry
from file_dataset.adapters.s3 import S3Options
from file_dataset.api._wiring.stores import (
    OPT_IN,
    CreatingBefore,
    how_to_opt_in,
    makers,
    of_archives,
    store_for,
)
from file_dataset.domain.errors import (
    InvalidDatasetError,
    InvalidUrlError,
    MissingDependencyError,
    UnsupportedSchemeError,
)
from file_dataset.domain.requests import Read
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

_OF_BUCKETS = frozenset({"s3", "gs", "gcs", "az", "abfs"})


def schemes() -> list[str]:
    """All schemes that are known in this process, sorted."""
    return registry.schemes()


def store_of(scheme: str) -> Store:
    """The store that serves a scheme for who gives no options.

    Raises:
        FileDatasetError: If it cannot be had.
    """
    built_in = {
        **makers(registry, S3Options(), scheme),
        **of_archives(store_for(None)),
    }
    return registry.create(scheme, built_in=built_in)


def extra_of(scheme: str) -> str:
    """The extra of this library that brings what a scheme's store needs; empty if it needs none."""
    built_in = registry.built_in(scheme)
    return "" if built_in is None else built_in.needs


def note(store: Store) -> str:
    """What is worth knowing about a store: for S3, what carries its bytes."""
    from file_dataset.adapters.s3 import S3Store
    from file_dataset.adapters.s3.engines import curl

    if not isinstance(store, S3Store):
        return ""
    version, reason = curl()
    return f"boto3 serves: {reason}" if reason else f"curl serves where it can: {version}"


def scheme_check(store: Store, *, names_host: bool = False) -> Callable[[Url, str], None]:
    """What refuses URLs that nobody serves here, given the URL and where it stands.

    The function raises UnsupportedSchemeError, MissingDependencyError if an extra would do, or
    InvalidDatasetError for what is to be opted into. What names no bucket where there has to be one
    is an InvalidUrlError.

    Args:
        store: In front of all stores, as store_for() makes it.
        names_host: Whether the error is to name this machine, which may lack what others have.
    """
    mounted = {url.scheme for url in store.mounts} if isinstance(store, Routed) else set()
    made_by = store.create if isinstance(store, Routed) else None
    # A store that was pickled brings along what was registered where it comes from.
    made = made_by.registry if isinstance(made_by, CreatingBefore) else registry
    host = f", on host {platform.node()}" if names_host else ""
    return _SchemeCheck(store, made, frozenset(mounted), host)


@attrs.frozen
class _SchemeCheck:
    """Refuses URLs that nobody serves here."""

    store: Store
    registry: Registry
    mounted: Collection[str]
    host: str

    def __call__(self, url: Url, where: str) -> None:
        if url.is_member:
            self(url.archive, where)
        if url.scheme in OPT_IN and not self.store.can(Read, url):
            raise InvalidDatasetError(f"{where}: {how_to_opt_in(url.scheme)}")
        if not url.authority and url.scheme in _OF_BUCKETS:
            raise InvalidUrlError(f"{where}: {url.scheme}:// names no bucket")
        if url.scheme in self.mounted:
            return
        schemes = self.registry.schemes()
        if url.scheme not in schemes:
            known = sorted({*schemes, *self.mounted})
            raise UnsupportedSchemeError(url.scheme, known=known, where=where + self.host)
        try:
            self.registry.check_installed(url.scheme)
        except MissingDependencyError as error:
            raise MissingDependencyError(f"{where}{self.host}: {error}") from None
