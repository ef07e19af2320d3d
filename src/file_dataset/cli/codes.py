"""The codes that commands exit with, and which of them it is that something is worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from file_dataset import AllRowsFailedError, RowFailure, StoreError

SOME_FAILED: Final = 1
USAGE: Final = 2
NOTHING_CAN_COME_THROUGH: Final = 3
INTERRUPTED: Final = 130


def of_failures(failures: Sequence[RowFailure]) -> int:
    """The code of a command that could not do all of its rows."""
    if any(cause.systemic for failure in failures for cause in failure.causes):
        return NOTHING_CAN_COME_THROUGH
    return SOME_FAILED if failures else 0


def of_errors(errors: Iterable[Exception]) -> int:
    """The code of a command that could not do all of its objects."""
    codes = {
        NOTHING_CAN_COME_THROUGH
        if isinstance(error, StoreError) and error.systemic
        else SOME_FAILED
        for error in errors
    }
    return max(codes, default=0)


def of_error(error: Exception) -> int:
    """The code of a command that an error has ended."""
    if isinstance(error, AllRowsFailedError):
        return of_failures(error.failures) or SOME_FAILED
    if isinstance(error, ValueError | TypeError | ImportError):
        return USAGE
    return of_errors([error])
