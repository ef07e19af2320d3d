"""How many bytes may be staged at a time, and who has to wait until there is room."""

from __future__ import annotations

import threading

import attrs


class Budget:
    """Bytes of one run's staged rows, of which there may be so many at a time.

    Args:
        limit: How many; None for as many as come.
        is_strict: Whether it is never passed, for which sizes have to be asked for. Otherwise
            what was fetched is counted when it is there, and nothing more is begun past the limit.
    """

    def __init__(self, limit: int | None = None, *, is_strict: bool = False) -> None:
        self.limit = limit
        self.is_strict: bool = is_strict and limit is not None
        self._used = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def allows(self, size: int) -> bool:
        """Whether a row of so many bytes fits at all."""
        return not self.is_strict or self.limit is None or size <= self.limit

    def has_room(self, size: int) -> bool:
        """Whether a row of so many bytes fits now; where nothing is staged, the next row does."""
        return self.limit is None or not self._used or self._used + max(size, 1) <= self.limit

    def wait_for_room(self, size: int) -> bool:
        """Wait until a row of so many bytes fits, or the run is over; tell whether it does."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self.has_room(size))
            return self.has_room(size)

    def share(self, size: int) -> Share:
        """A share of so many bytes."""
        share = Share(self)
        share.resize(size)
        return share

    def change(self, by: int) -> None:
        """Count so many bytes more, or less."""
        with self._changed:
            self._used += by
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any more; the run is over."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


@attrs.define
class Share:
    """What one row has of a budget."""

    budget: Budget
    size: int = 0

    def resize(self, size: int) -> None:
        """Make it so many bytes."""
        self.budget.change(size - self.size)
        self.size = size

    def give_back(self) -> None:
        """Leave it to others."""
        self.resize(0)
