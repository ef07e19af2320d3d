"""How fast requests may follow each other."""

from __future__ import annotations

import math
import threading
from typing import Final

from file_dataset.adapters.s3.curl.tally import EVERY, WINDOW, Answers, Tallies

# What one thread can settle, about; more requests than this times the latency only wait.
PER_SECOND: Final = 15_000
# So large a share of refusals, beyond what is usual, is no sign of a limit.
_SHARE: Final = 0.05
# For so large a one less is sent at once, and not only when it has been looked at for a second.
_MUCH: Final = 0.5
_MUCH_AT_FIRST: Final = 0.25
# In so many seconds a usual share is forgotten where less is refused.
_FORGET: Final = 5.0
# How much less is sent than the server took; and than was tried, until that is known.
_LESS: Final = 0.9
_MUCH_LESS: Final = 0.5
# The limit is that at the last refusal times exp(_GROWTH * t²): it feels its way up to what the
# server has just refused, and soon leaves behind what the server no longer does.
_GROWTH: Final = 0.2
# A server that refuses everything for so many seconds will not serve the others of a batch either.
_PATIENCE: Final = 3.0
# So they leave only to be refused, and are many.
_STUCK: Final = 250.0
# Who may send less than this might as well be told that nothing works.
_SLOWEST: Final = 5.0
# While nothing is served at all, the next to try waits for this share of the time that it lasted.
_PROBE: Final = 0.2
# Who is asked to wait for longer is to be told so, and does not wait here.
LONGEST_PAUSE: Final = _PATIENCE


# Before any cut nothing is known of what was sent.
_NO_CUT: Final = Answers(1.0, 0, 0)


class Rate:
    """How fast requests may follow each other, by what a server said to those before.

    There is no limit until the server refuses some for coming too fast; then it is a little below
    what the server took, and grows as long as next to nothing is refused. Where so much less was
    of no use, since as large a share of it was refused, that share is usual from then on, and no
    sign of a limit. Any number of batches, each in its thread, share it.

    Args:
        now: The time in seconds since some moment.
    """

    def __init__(self, *, now: float) -> None:
        self._limit = math.inf
        self._next = now
        self._sent = now
        # When the refusals began that no answer came between, and when there was the last one.
        self._refused_since = now
        self._refused_at = -math.inf
        self._lock = threading.Lock()
        self._tallies = Tallies(now=now)
        # Since when the answers tell something of the limit as it is. Some servers go on refusing
        # for a second, so that what it is good for shows only then.
        self._since = self._tallies.at(now)
        self._settles = now
        # What was seen in the second that led to the last cut, and the limit of then.
        self._cut = _NO_CUT
        self._limit_before = math.inf
        # The limit after the last cut, and how long since then nothing spoke for another one.
        self._limit_then = math.inf
        self._calm = 0.0
        # How many answers there were in the busiest second, not long ago.
        self._busiest = 0.0
        # The share that is refused at any rate.
        self._usual = 0.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._limit:.0f} a second)"

    def wait(self, now: float) -> float:
        """Seconds until another request may be sent."""
        return max(0.0, self._next - now)

    def sent(self, now: float) -> None:
        """Take note that a request was sent."""
        if self._limit != math.inf:
            self._grow(now)
            # Who was busy elsewhere may catch up on a little, and not on all that was not sent.
            self._next = max(self._next, now - 0.01) + 1 / self._limit
            self._sent = now
        if self._refused_at != -math.inf:
            self._next = max(self._next, now + self._probe(now))

    def answered(self, now: float) -> None:
        """Take note of an answer."""
        self._tallies.served += 1
        self._refused_at = -math.inf
        if self._tallies.is_due(now):
            with self._lock:
                self._take_tally(now)

    def throttled(self, sent: float, now: float, *, pause: float = 0.0) -> None:
        """Take note of a request that the server refused because there were too many.

        Args:
            sent: When it was sent; what was sent before the last change says nothing about it.
            now: The time.
            pause: Seconds that the server asks for.
        """
        with self._lock:
            self._tallies.refused += 1
            if now - self._refused_at > 2 * _PATIENCE:
                self._refused_since = now
            self._refused_at = now
            self._take_tally(now)
            wait = min(max(pause, self._probe(now)), LONGEST_PAUSE)
            self._next = max(self._next, now + wait)
            if self.is_stuck(now):
                self._limit = self._limit_then = _STUCK
            elif sent >= self._since.time:
                self._adapt(now)

    def is_stuck(self, now: float) -> bool:
        """Whether for a long time until now requests were refused and none was served."""
        return self._refused_at > -math.inf and now - self._refused_since >= _PATIENCE

    def _adapt(self, now: float) -> None:
        """Send less if too much is refused, and as much as before if that was of no use."""
        seen = self._tallies.lately(now, since=self._since)
        too_much = self._usual + _SHARE
        if not seen.is_beyond(too_much):
            return
        lately = self._tallies.lately(now)
        # A server that takes nothing just now says nothing about what it takes in a second.
        if not seen.served and lately.seconds < WINDOW:
            return
        much = _MUCH_AT_FIRST if lately.seconds < WINDOW else _MUCH
        if seen.is_beyond(max(too_much, much), deviations=1.0):
            self._cut = _NO_CUT
            self._slow_down(now)
        elif self._since.time >= self._settles and seen.seconds >= WINDOW:
            if self._was_of_no_use(seen):
                self._usual = seen.share
                self._limit = self._limit_then = self._limit_before
                self._calm, self._cut = 0.0, _NO_CUT
            else:
                self._cut, self._limit_before = seen, self._limit
                self._slow_down(now)

    def _was_of_no_use(self, seen: Answers) -> bool:
        """Whether more is refused than a limit would: it lets pass what it took of more before."""
        before = self._cut
        is_less = seen.all * before.seconds <= before.served * seen.seconds
        # Where nothing is served there is nothing usual about it.
        return is_less and seen.served > 0

    def _slow_down(self, now: float) -> None:
        seen = self._tallies.lately(now)
        busiest = max(self._busiest, seen.rate) if seen.seconds >= WINDOW else math.inf
        tried = min(self._limit, busiest, PER_SECOND)
        took = seen.served / max(WINDOW, seen.seconds) / (1 - self._usual)
        self._limit = min(self._limit, max(_LESS * took, _MUCH_LESS * tried, _SLOWEST))
        self._limit_then, self._calm = self._limit, 0.0
        self._since, self._settles = self._tallies.at(now), now + WINDOW
        self._next = max(self._next, now + 1 / self._limit)

    def _probe(self, now: float) -> float:
        """Seconds to the next attempt as long as nothing is served."""
        return 0.0 if self.is_stuck(now) else _PROBE * (now - self._refused_since)

    def _grow(self, now: float) -> None:
        if now < self._settles:
            return
        # Who sends nothing for a while learns nothing meanwhile.
        self._calm += min(now - self._sent, 0.1 + 1 / self._limit)
        self._limit = self._limit_then * math.exp(_GROWTH * self._calm**2)
        if self._limit > 2 * PER_SECOND:
            self._limit = math.inf

    def _take_tally(self, now: float) -> None:
        if (tally := self._tallies.take(now)) is None:
            return
        if self._since.time < self._settles <= now:
            self._since = tally
        seen = self._tallies.lately(now)
        if seen.seconds >= WINDOW:
            self._busiest = max(seen.rate, self._busiest * (1 - EVERY))
        if seen.share < self._usual:
            self._usual += (seen.share - self._usual) * EVERY / _FORGET
