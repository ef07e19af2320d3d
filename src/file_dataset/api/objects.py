"""Single objects, by their URLs."""

from __future__ import annotations

import os
from pathlib import Path

from file_dataset.api import _wiring
from file_dataset.api.options import Options
from file_dataset.domain.errors import InvalidUrlError
from file_dataset.domain.url import Url


def copy(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    options: Options | None = None,
) -> str:
    """Copy one object or file to another place, of any scheme; what is there is replaced.

    Args:
        source: A URL or a local path.
        target: A URL or a local path; one that ends in a slash, or is a directory here, keeps the
            source's name.
        options: How storage is reached.

    Returns:
        Where it is now.

    Raises:
        FileDatasetError: If it cannot be read or written.
    """
    store = _wiring.store_for(options)
    read, written = Url.parse(source), Url.parse(target)
    for url, where in ((read, "source"), (written, "target")):
        _wiring.scheme_check(store)(url, where)
    if not read.name:
        raise InvalidUrlError(f"{read.redacted!r} names no object to copy")
    if os.fspath(target).endswith("/") or not written.name or _is_directory(written):
        written = written.joined(read.name)
    store.copy(read, written)
    return str(written)


def _is_directory(url: Url) -> bool:
    return url.is_local and Path(url.path).is_dir()
