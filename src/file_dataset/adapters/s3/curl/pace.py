"""How many requests may be under way at once, and how fast they may follow each other."""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import Final, NamedTuple

# What keeps a server on the same machine busy, and a client's interpreter too.
_LEAST: Final = 64
# What one thread can settle, about; more requests than this times the latency only wait.
_PER_SECOND: Final = 15_000
# How often the shortest latency is made a little longer, so that a lucky one is forgotten.
_FORGET_EVERY: Final = 0.25
_FORGET: Final = 1.025

# Many servers count by the second: what they took in less of one says little about the next.
_WINDOW: Final = 1.0
_TALLY_EVERY: Final = 0.05
# So large a share of refusals is no sign of a limit: some servers refuse a few whatever the rate.
_SHARE: Final = 0.05
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
_LONGEST_PAUSE: Final = _PATIENCE


class _Tally(NamedTuple):
    """What there was until a moment."""

    time: float
    served: int
    refused: int


class Rate:
    """How fast requests may follow each other, by what a server said to those before.

    There is no limit until the server refuses some for coming too fast; then it is a little below
    what the server took, and grows as long as next to nothing is refused. Any number of batches,
    each in its thread, share it.

    Args:
        now: The time in seconds since some moment.
    """

    def __init__(self, *, now: float) -> None:
        self._limit = math.inf
        self._next = now
        self._sent = now
        self._served = 0
        self._refused = 0
        # When the refusals began that no answer came between, and when there was the last one.
        self._refused_since = now
        self._refused_at = -math.inf
        self._lock = threading.Lock()
        self._tallies = deque([_Tally(now, 0, 0)])
        self._tally_next = now
        # How it was at the last cut, and how long since then nothing spoke for another one.
        self._cut = self._tallies[0]
        self._limit_then = math.inf
        self._calm = 0.0

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
        self._served += 1
        self._refused_at = -math.inf
        if now >= self._tally_next:
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
            self._refused += 1
            if now - self._refused_at > 2 * _PATIENCE:
                self._refused_since = now
            self._refused_at = now
            self._take_tally(now)
            wait = min(max(pause, self._probe(now)), _LONGEST_PAUSE)
            self._next = max(self._next, now + wait)
            if self.is_stuck(now):
                self._limit = self._limit_then = _STUCK
            elif sent >= self._cut.time and self._is_too_fast(now):
                self._slow_down(now)

    def is_stuck(self, now: float) -> bool:
        """Whether for a long time until now requests were refused and none was served."""
        return self._refused_at > -math.inf and now - self._refused_since >= _PATIENCE

    def _is_too_fast(self, now: float) -> bool:
        since = max(self._cut, self._tallies[0])
        refused = self._refused - since.refused
        answers = self._served - since.served + refused
        # Of few answers that share may be a larger one by chance.
        expected = _SHARE * answers
        if refused <= expected + 2 * math.sqrt(expected) + 1:
            return False
        # A server that takes nothing just now says nothing about what it takes in a second.
        return answers > refused or now - self._tallies[0].time >= _WINDOW

    def _slow_down(self, now: float) -> None:
        first = self._tallies[0]
        took = (self._served - first.served) / max(_WINDOW, now - first.time)
        tried = min(self._limit, _PER_SECOND)
        self._limit = min(tried, max(_LESS * took, _MUCH_LESS * tried, _SLOWEST))
        self._limit_then, self._calm = self._limit, 0.0
        self._cut = _Tally(now, self._served, self._refused)
        self._next = max(self._next, now + 1 / self._limit)

    def _probe(self, now: float) -> float:
        """Seconds to the next attempt as long as nothing is served."""
        return 0.0 if self.is_stuck(now) else _PROBE * (now - self._refused_since)

    def _grow(self, now: float) -> None:
        # Who sends nothing for a while learns nothing meanwhile.
        self._calm += min(now - self._sent, 0.1 + 1 / self._limit)
        self._limit = self._limit_then * math.exp(_GROWTH * self._calm**2)
        if self._limit > 2 * _PER_SECOND:
            self._limit = math.inf

    def _take_tally(self, now: float) -> None:
        """Keep what was served until now, and forget all but the last of what is long ago."""
        if now < self._tally_next:
            return
        self._tally_next = now + _TALLY_EVERY
        tallies = self._tallies
        tallies.append(_Tally(now, self._served, self._refused))
        while len(tallies) > 1 and tallies[1].time <= now - _WINDOW:
            tallies.popleft()


class Pace:
    """How a batch adapts to a server: to its distance, and to the rate that it bears.

    As many requests are under way as the shortest latency seen calls for.

    Args:
        most: How many requests may be under way, whatever the latency.
        rate: What is known of the server's own limits.
        now: The time in seconds since some moment.

    Attributes:
        served: How many requests of the batch were answered.
    """

    def __init__(self, most: int, rate: Rate, *, now: float) -> None:
        self.served = 0
        self._rate = rate
        self._most = most
        self._limit = min(most, _LEAST)
        self._shortest = math.inf
        self._forget = now + _FORGET_EVERY

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._limit} at once, {self._rate!r})"

    def wait(self, under_way: int, now: float) -> float:
        """Seconds until another request may be sent; infinity while too many are under way."""
        return math.inf if under_way >= self._limit else self._rate.wait(now)

    def sent(self, now: float) -> None:
        """Take note that a request was sent."""
        self._rate.sent(now)

    def answered(self, latency: float, now: float) -> None:
        """Take note of an answer, and of the seconds until its first byte."""
        self.served += 1
        self._rate.answered(now)
        if now >= self._forget:
            self._forget = now + _FORGET_EVERY
            self._shortest *= _FORGET
        elif latency >= self._shortest:
            return
        self._shortest = min(latency, self._shortest)
        self._limit = min(self._most, max(_LEAST, round(self._shortest * _PER_SECOND)))

    def throttled(self, sent: float, now: float, *, pause: float = 0.0) -> bool:
        """Take note of a request that the server refused because there were too many.

        Args:
            sent: When it was sent; what was sent before the last change says nothing about it.
            now: The time.
            pause: Seconds that the server asks for.

        Returns:
            Whether it is worth its while to have its turn again, later.
        """
        self._rate.throttled(sent, now, pause=pause)
        return pause <= _LONGEST_PAUSE and not self._rate.is_stuck(now)
