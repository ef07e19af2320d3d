"""Every error that this library raises on purpose.

::

    FileDatasetError                  .file_errors: {filename: message}
    ├─ InvalidUrlError (ValueError)
    ├─ UnsupportedSchemeError (ValueError)
    ├─ InvalidDatasetError (ValueError)
    ├─ MissingDependencyError (ImportError)
    ├─ CommandError
    ├─ AllRowsFailedError             .failures: what happened to each row
    ├─ RunStoppedError                .failures: the same, with the rows that had no turn
    ├─ TimestampToleranceError        .oldest .newest: when files were written
    └─ StoreError                     .url .operation .attempts .detail .transient .systemic
       ├─ NotFoundError (FileNotFoundError)
       ├─ AlreadyExistsError (FileExistsError)
       ├─ PermissionDeniedError (PermissionError)
       │  └─ UnauthenticatedError     .systemic is True: no other request would fare better
       ├─ PreconditionFailedError
       ├─ RangeNotSatisfiableError
       ├─ UnsupportedError
       ├─ IntegrityError
       ├─ NoSpaceError (OSError)
       └─ TransientError              .transient is True: worth another attempt
          └─ ThrottledError           .retry_after: seconds, where the server said so

Each survives pickling with its message and its fields, because workers send them home.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from file_dataset.domain.rows import RowFailure
    from file_dataset.domain.url import Url


class FileDatasetError(Exception):
    """The root of every error that this library raises on purpose.

    Args:
        message: What happened, and what to do about it.
        file_errors: For each file that could not be had, its name and what went wrong.
    """

    def __init__(self, message: str, *, file_errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.file_errors: dict[str, str] = dict(file_errors or {})

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions rebuild themselves from `args`, which would lose keyword-only fields.
        return _rebuild, (type(self), self.message), self.__dict__


def _rebuild(cls: type[FileDatasetError], message: str) -> FileDatasetError:
    error = cls.__new__(cls, message)
    Exception.__init__(error, message)
    return error


class CommandError(FileDatasetError):
    """A program that was run for a row did not do its work."""


class InvalidUrlError(FileDatasetError, ValueError):
    """A text that is no URL, or a URL that cannot name what it is meant to name."""


class UnsupportedSchemeError(FileDatasetError, ValueError):
    """No store is registered for the scheme of a URL.

    Args:
        scheme: The scheme that nobody serves.
        known: The schemes that are served.
        where: The row, file or argument the URL came from.
    """

    def __init__(self, scheme: str, *, known: Sequence[str], where: str = "") -> None:
        # A module of some size, for those who err.
        import difflib

        place = f"{where}: " if where else ""
        nearest = difflib.get_close_matches(scheme, known, n=1)
        hint = f" (did you mean {nearest[0] + '://'!r}?)" if nearest else ""
        super().__init__(
            f"{place}unsupported scheme {scheme + '://'!r}{hint}; known schemes: "
            f"{', '.join(sorted(known))}. Another store can be added with register_store()."
        )
        self.scheme = scheme


class InvalidDatasetError(FileDatasetError, ValueError):
    """A table, a row, an id or a filename that breaks the rules, found before any I/O."""


class MissingDependencyError(FileDatasetError, ImportError):
    """An optional library is not installed; the message names the extra that brings it."""


class AllRowsFailedError(FileDatasetError):
    """Not one row of a non-empty table came through.

    Args:
        message: The summary, with the most frequent causes.
        failures: What happened to each row.
    """

    def __init__(self, message: str, *, failures: Sequence[RowFailure] = ()) -> None:
        super().__init__(message, file_errors={"all_rows": message})
        self.failures: tuple[RowFailure, ...] = tuple(failures)


class RunStoppedError(FileDatasetError):
    """A run ended before its time, since to go on would have been in vain.

    Args:
        message: Why, and how far it was.
        failures: What happened to each row that did not come through; rows that had no turn have
            0 attempts.
    """

    def __init__(self, message: str, *, failures: Sequence[RowFailure] = ()) -> None:
        super().__init__(message)
        self.failures: tuple[RowFailure, ...] = tuple(failures)


class TimestampToleranceError(FileDatasetError):
    """The files of a data set were written too far apart to belong together.

    Args:
        message: Which files, and how far apart.
        oldest: When the first of them was written.
        newest: When the last of them was.
    """

    def __init__(self, message: str, *, oldest: datetime, newest: datetime) -> None:
        super().__init__(message)
        self.oldest = oldest
        self.newest = newest


class StoreError(FileDatasetError):
    """A store could not carry out a request.

    Of every error, and of a single one where a store knows more, these can be told: ``transient``,
    whether another attempt may help; ``systemic``, whether every other request would fail as
    well, so that a run ends at once; ``common_cause``, what else is likely not to work either.
    That alone costs a row, and ends a run only if nothing else happens from its beginning.

    Args:
        message: What happened, in words that stand alone.
        url: The object that the request was about.
        operation: The verb, such as ``Download``.
        attempts: How often the request was tried.
        detail: What the engine said, verbatim, for the log.
    """

    transient: bool = False
    systemic: bool = False
    common_cause: str = ""

    def __init__(
        self,
        message: str,
        *,
        url: Url | None = None,
        operation: str = "",
        attempts: int = 1,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.url = url
        self.operation = operation
        self.attempts = attempts
        self.detail = detail


class NotFoundError(StoreError, FileNotFoundError):
    """There is no such object, or no such bucket or directory."""


class AlreadyExistsError(StoreError, FileExistsError):
    """CREATE found that somebody else had been first."""


class PermissionDeniedError(StoreError, PermissionError):
    """The credentials, or the file's mode, do not allow it."""

    common_cause = "permission denied"


class UnauthenticatedError(PermissionDeniedError):
    """There are no credentials, or the store does not accept them."""

    systemic = True


class PreconditionFailedError(StoreError):
    """The object is no longer the one that IfMatch named."""


class RangeNotSatisfiableError(StoreError):
    """A span starts past the end of the object."""


class UnsupportedError(StoreError):
    """The store cannot do this, and says so before it tries."""


class IntegrityError(StoreError):
    """The bytes that arrived are not the bytes that were promised."""


class NoSpaceError(StoreError, OSError):
    """The target is full, or a quota is used up."""

    common_cause = "no space"


class TransientError(StoreError):
    """A fault that may be gone at the next attempt: a timeout, a reset, a 5xx."""

    transient = True
    common_cause = "the store cannot be reached or does not serve"


class ThrottledError(TransientError):
    """The store asks its callers to slow down.

    Args:
        retry_after: Seconds to wait before the next attempt, if the store named them.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        url: Url | None = None,
        operation: str = "",
        attempts: int = 1,
        detail: str = "",
    ) -> None:
        super().__init__(message, url=url, operation=operation, attempts=attempts, detail=detail)
        self.retry_after = retry_after
