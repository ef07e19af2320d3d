"""How many requests may be under way at once."""

from __future__ import annotations

import math
from typing import Final

from file_dataset.adapters.s3.curl.rate import LONGEST_PAUSE, PER_SECOND, Rate

# What keeps a server on the same machine busy, and a client's interpreter too.
_LEAST: Final = 64
# Bytes of bodies that a server may take in a second; more of them than this times the latency only
# wait. For a near one there are as many as the processor's own cache has room for.
_BYTES_PER_SECOND: Final = 2 * 10**9
_LEAST_BYTES: Final = 2**21
# How often the shortest latency is made a little longer, so that a lucky one is forgotten.
_FORGET_EVERY: Final = 0.25
_FORGET: Final = 1.025


class Pace:
    """How a batch adapts to a server: to its distance, and to the rate that it bears.

    As many requests are under way as the shortest latency seen calls for.

    Args:
        most: How many requests may be under way, whatever the latency.
        rate: What is known of the server's own limits.
        now: The time in seconds since some moment.

    Attributes:
        served: How many requests of the batch were answered.
        bytes_at_once: How much may be on its way to the server, for it to be busy at its distance.
    """

    def __init__(self, most: int, rate: Rate, *, now: float) -> None:
        self.served: int = 0
        self.bytes_at_once: int = _LEAST_BYTES
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
        self._limit = min(self._most, max(_LEAST, round(self._shortest * PER_SECOND)))
        self.bytes_at_once = max(_LEAST_BYTES, round(self._shortest * _BYTES_PER_SECOND))

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
        return pause <= LONGEST_PAUSE and not self._rate.is_stuck(now)
