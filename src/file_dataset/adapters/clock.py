"""The time of this machine."""

from __future__ import annotations

import time

import attrs


@attrs.frozen
class SystemClock:
    """The clock that runs on through changes of the date, and really waits."""

    def now(self) -> float:
        """Seconds since some moment, never going back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
