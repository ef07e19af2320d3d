"""What the services need besides a store: a clock, an observer, temporary space."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import attrs


class Clock(Protocol):
    """Time, so that tests need not wait for it."""

    def now(self) -> float:
        """Seconds since some moment, never going back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@attrs.frozen
class Progress:
    """How far a run is.

    Args:
        total: How many rows it has.
        done: How many came through.
        failed: How many were dropped.

    >>> Progress(total=3, done=2, failed=1).is_over
    True
    """

    total: int
    done: int = 0
    failed: int = 0

    @property
    def is_over(self) -> bool:
        """Whether no row is left."""
        return self.done + self.failed >= self.total


class Observer(Protocol):
    """Who is told how far a run is: at its beginning and after every row, from one thread."""

    def __call__(self, progress: Progress, /) -> None:
        """Take note."""


class Scratch(Protocol):
    """Temporary space, private to this user, which is empty again in the end."""

    def open(self) -> AbstractContextManager[Path]:
        """A new directory that is gone, with all that is in it, when the context ends."""
