"""The one seam at which the errors of fsspec's file systems become this library's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from file_dataset.domain.errors import (
    AlreadyExistsError,
    FileDatasetError,
    InvalidUrlError,
    NotFoundError,
    PermissionDeniedError,
    StoreError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.files import local_errors
from file_dataset.domain.url import Url

_MEANINGS: Final[tuple[tuple[type[Exception], type[StoreError], str], ...]] = (
    (FileNotFoundError, NotFoundError, "not found"),
    (PermissionError, PermissionDeniedError, "permission denied"),
    (FileExistsError, AlreadyExistsError, "exists already, or a part of its path is a file"),
    (NotADirectoryError, NotFoundError, "not found: a part of its path is a file"),
    (IsADirectoryError, UnsupportedError, "is a directory, not a file"),
    (ConnectionError, TransientError, "the connection broke"),
    (EOFError, TransientError, "the connection broke"),
    (TimeoutError, TransientError, "no answer in time"),
    (NotImplementedError, UnsupportedError, "this file system of fsspec cannot do that"),
)


@contextlib.contextmanager
def fsspec_errors(url: Url) -> Iterator[None]:
    """Turn whatever a file system raises into this library's errors; each has its own libraries."""
    try:
        yield
    except FileDatasetError:
        raise
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        for kind, ours, meaning in _MEANINGS:
            if isinstance(error, kind):
                raise ours(f"{url.redacted}: {meaning}", url=url, detail=detail) from error
        if isinstance(error, ValueError) and not url.key.isprintable():
            raise InvalidUrlError(f"{url.redacted!r} is no name there: {error}") from error
        if isinstance(error, OSError) and error.errno:
            with local_errors(url):
                raise
        raise StoreError(f"{url.redacted}: {detail}", url=url, detail=detail) from error
