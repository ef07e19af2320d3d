"""What is below a prefix, as plain lists of URLs or keys."""

from __future__ import annotations

import builtins

from file_dataset.api import _wiring
from file_dataset.api.objects import Place, served
from file_dataset.api.options import Options
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.reading import NotWantedError, Wanted, always
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url


def list(  # noqa: A001 - the verb's name; only here does it stand before Python's own
    url: Place, *, recursive: bool = True, options: Options | None = None
) -> builtins.list[str]:
    """The URLs of the objects below a prefix, sorted; paths, where they are local.

    Args:
        url: The prefix, with or without a slash at its end; ``data`` does not list ``data2/``.
        recursive: Whether to go below the direct children.
        options: How storage is reached.

    Raises:
        FileDatasetError: If it cannot be listed. Where nothing is, the list is empty.

    >>> import file_dataset
    >>> file_dataset.put("memory://shelf/raw/1.txt", b"")
    >>> file_dataset.list("memory://shelf/")
    ['memory://shelf/raw/1.txt']
    """
    return list_while(always, url, recursive=recursive, options=options)


def list_while(
    wanted: Wanted,
    url: Place,
    *,
    recursive: bool = True,
    options: Options | None = None,
) -> builtins.list[str]:
    """As list(), given up between two objects by a NotWantedError once nobody wants them."""
    return [str(each) for each in _listed(wanted, url, recursive=recursive, options=options)]


def list_keys(
    url: Place, *, recursive: bool = True, options: Options | None = None
) -> builtins.list[str]:
    """The keys of the objects below a prefix, sorted: their URLs without scheme and bucket.

    Args:
        url: The prefix, as for ``list``.
        recursive: Whether to go below the direct children.
        options: How storage is reached.

    Raises:
        FileDatasetError: If it cannot be listed. Where nothing is, the list is empty.

    >>> import file_dataset
    >>> file_dataset.put("memory://drawer/raw/1.txt", b"")
    >>> file_dataset.list_keys("memory://drawer/raw/")
    ['raw/1.txt']
    """
    return list_keys_while(always, url, recursive=recursive, options=options)


def list_keys_while(
    wanted: Wanted,
    url: Place,
    *,
    recursive: bool = True,
    options: Options | None = None,
) -> builtins.list[str]:
    """As list_keys(), given up between two objects by a NotWantedError once nobody wants them."""
    return [each.key for each in _listed(wanted, url, recursive=recursive, options=options)]


def _listed(
    wanted: Wanted, url: Place, *, recursive: bool, options: Options | None
) -> builtins.list[Url]:
    store = _wiring.store_for(options)
    urls: builtins.list[Url] = []
    with closing(store.list(served(url, store), recursive=recursive)) as found:
        for each in found:
            if not wanted():
                raise NotWantedError
            if isinstance(each, ObjectInfo):
                urls.append(each.url)
    return sorted(urls)
