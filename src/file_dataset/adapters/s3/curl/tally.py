"""How many requests were served and how many were refused, lately."""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

# Many servers count by the second: what they took in less of one says little about the next.
WINDOW: Final = 1.0
EVERY: Final = 0.05


class Tally(NamedTuple):
    """What there was until a moment."""

    time: float
    served: int
    refused: int


class Answers(NamedTuple):
    """What there was in some seconds."""

    seconds: float
    served: int
    refused: int

    @property
    def all(self) -> int:
        """How many there were."""
        return self.served + self.refused

    @property
    def rate(self) -> float:
        """How many of them there were in a second."""
        return self.all / self.seconds

    @property
    def share(self) -> float:
        """How much of them was refused."""
        return self.refused / max(1, self.all)

    def is_beyond(self, share: float, *, deviations: float = 2.0) -> bool:
        """Whether more than a share was refused, and not by chance, as it can be among few."""
        expected = share * self.all
        return self.refused > expected + deviations * math.sqrt(expected) + 1


class Tallies:
    """The counts, and what they were during the last second.

    Args:
        now: The time in seconds since some moment.

    Attributes:
        served: How many were served so far.
        refused: How many were refused so far.
    """

    def __init__(self, *, now: float) -> None:
        self.served = 0
        self.refused = 0
        self._taken = deque([self.at(now)])
        self._next = now

    def at(self, now: float) -> Tally:
        """What there was until now."""
        return Tally(now, self.served, self.refused)

    def is_due(self, now: float) -> bool:
        """Whether what there was until now is to be remembered."""
        return now >= self._next

    def take(self, now: float) -> Tally | None:
        """Remember what there was until now, if that is due."""
        if not self.is_due(now):
            return None
        self._next = now + EVERY
        taken = self._taken
        if now - taken[-1].time > WINDOW:
            taken.clear()  # while nobody asks nothing is learned
        tally = self.at(now)
        taken.append(tally)
        while len(taken) > 1 and taken[1].time <= now - WINDOW:
            taken.popleft()
        return tally

    def lately(self, now: float, *, since: Tally | None = None) -> Answers:
        """What there was in the last second, or since a moment that was later."""
        first = self._taken[0] if since is None else max(since, self._taken[0])
        return Answers(now - first.time, self.served - first.served, self.refused - first.refused)
