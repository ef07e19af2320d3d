"""The one seam at which obstore's errors become this library's."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final

from file_dataset.domain.errors import (
    AlreadyExistsError,
    FileDatasetError,
    InvalidUrlError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    StoreError,
    ThrottledError,
    TransientError,
    UnauthenticatedError,
    UnsupportedError,
)
from file_dataset.domain.files import local_errors
from file_dataset.domain.url import Url

# By their names, since the library is there only once it has been used.
_MEANINGS: Final[dict[str, tuple[type[StoreError], str]]] = {
    "AlreadyExistsError": (AlreadyExistsError, "exists already"),
    "PreconditionError": (PreconditionFailedError, "is no longer that version"),
    "NotModifiedError": (PreconditionFailedError, "is still that version"),
    "PermissionDeniedError": (PermissionDeniedError, "permission denied, or missing"),
    "UnauthenticatedError": (UnauthenticatedError, "the credentials are not accepted"),
    "NotSupportedError": (UnsupportedError, "obstore cannot do that"),
    "UnknownConfigurationKeyError": (StoreError, "obstore knows no such setting"),
    "JoinError": (StoreError, "obstore failed"),
    "GenericError": (StoreError, "obstore failed"),
    "BaseError": (StoreError, "obstore failed"),
}
_BY_STATUS: Final[dict[int, tuple[type[StoreError], str]]] = {
    401: (UnauthenticatedError, "the credentials are not accepted"),
    403: (PermissionDeniedError, "permission denied, or missing"),
    404: (NotFoundError, "not found"),
    408: (TransientError, "the store did not wait"),
    412: (PreconditionFailedError, "is no longer that version"),
    416: (RangeNotSatisfiableError, "the span is past the end"),
    429: (ThrottledError, "the store asks to slow down"),
    503: (ThrottledError, "the store asks to slow down"),
}
# obstore has one error for most of what can happen, and tells the status in its text alone.
_STATUS: Final = re.compile(r"non-2xx status code: (\d{3})")
_UNREACHED: Final = re.compile(r"error sending request|HTTP error|timed out")
_TOKEN: Final = re.compile(r"performing token request")
_DEBUG: Final = "\n\nDebug source:"


@contextlib.contextmanager
def obstore_errors(url: Url) -> Iterator[None]:
    """Turn obstore's errors, and Python's that it raises, into this library's.

    Raises:
        StoreError: The kind that fits what the store, or obstore on the way to it, said.
        InvalidUrlError: If obstore cannot spell the name.
    """
    try:
        yield
    except FileDatasetError:
        raise
    except FileNotFoundError as error:
        raise _told(NotFoundError, "not found", error, url) from error
    except ValueError as error:
        raise InvalidUrlError(f"{url.redacted}: obstore cannot spell the name: {error}") from error
    except OSError:
        with local_errors(url):
            raise
        raise
    except Exception as error:
        if not type(error).__module__.startswith("obstore"):
            raise
        raise _translated(error, url) from error


def _translated(error: Exception, url: Url) -> FileDatasetError:
    name, text = type(error).__name__, str(error).partition(_DEBUG)[0]
    if name == "InvalidPathError":
        return InvalidUrlError(f"{url.redacted}: obstore cannot spell the name: {text}")
    kind, meaning = _MEANINGS.get(name, _MEANINGS["BaseError"])
    if _TOKEN.search(text):
        kind, meaning = UnauthenticatedError, "no credentials are to be had"
    elif kind is StoreError:
        status = _STATUS.search(text)
        if status is not None:
            code = int(status[1])
            other = (TransientError, "the store failed") if code >= 500 else (kind, meaning)
            kind, meaning = _BY_STATUS.get(code, other)
        elif _UNREACHED.search(text):
            kind, meaning = TransientError, "the store cannot be reached"
    return _told(kind, meaning, error, url)


def _told(kind: type[StoreError], meaning: str, error: Exception, url: Url) -> StoreError:
    said = " ".join(str(error).partition(_DEBUG)[0].split())
    text = f"{url.redacted}: {meaning}"
    return kind(text if kind is NotFoundError else f"{text}: {said}", url=url, detail=said)
