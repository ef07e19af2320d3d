"""Whole objects: small ones by one GET, large ones by several at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import attrs

from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.checksums import ASKING, Expected, Sum, VerifyReads, check, expected
from file_dataset.adapters.s3.curl.answers import described
from file_dataset.adapters.s3.curl.exchange import BREAK_OFF, Exchange
from file_dataset.adapters.s3.curl.places import Place
from file_dataset.adapters.s3.curl.sinks import Sink
from file_dataset.adapters.s3.curl.tasks import NOT_YET, Streams, Task
from file_dataset.adapters.s3.meanings import CHANGED
from file_dataset.adapters.s3.ranges import sent_from
from file_dataset.domain.errors import (
    FileDatasetError,
    IntegrityError,
    RangeNotSatisfiableError,
    StoreError,
    TransientError,
)
from file_dataset.domain.url import Url

# Up to here a body waits in memory for its end, and is written at once.
_SMALL: Final = 2**20
# Where an object ends whose length the server does not tell.
_UNKNOWN: Final = 2**62
# How often a part is asked for, since what the other parts brought is not worth losing.
_ATTEMPTS: Final = 3


@attrs.define(eq=False)
class _Part:
    """Some bytes of a large object: from where on they are missing, and where they end.

    The first connection's part grows, part by part, into what nobody else has claimed. The sum is
    of the bytes that came already.
    """

    offset: int
    stop: int
    sum: Sum | None = None
    is_first: bool = False
    is_sound: bool = False
    attempts: int = 1
    start: int = attrs.field(init=False)

    @start.default
    def _where_it_begins(self) -> int:
        return self.offset

    def take(self, sink: Sink, data: bytes | memoryview) -> None:
        """Hand on the next bytes."""
        sink.put(self.offset, data)
        if self.sum is not None:
            self.sum.update(data)
        self.offset += len(data)


class Fetch(Task):
    """A whole object.

    That it is large is seen when its first bytes come. Then, as far as there are connections for
    it, others bring parts from its end, of the same version, until they meet the first.

    Args:
        url: The object.
        place: How it is addressed.
        sink: Takes its bytes.
        streams: The connections for parts, over all objects of a batch.
        threshold: Size in bytes from which an object is fetched in parts.
        part: Size of a part in bytes.
        verify: By what the bytes are looked at when they have come.
    """

    operation = "GetObject"

    def __init__(
        self,
        url: Url,
        place: Place,
        sink: Sink,
        streams: Streams,
        *,
        threshold: int,
        part: int,
        verify: VerifyReads = "checksum",
    ) -> None:
        super().__init__(url, place)
        self._sink = sink
        self._streams = streams
        self._threshold = threshold
        self._part_size = part
        self._verify = verify
        self._in_memory = 0
        self._etag = ""
        # What the first answer said of the object, and how long it is.
        self._said: Mapping[str, str] = {}
        self._size = 0
        # What its checksum is, and those of its parts that are there, by where they begin.
        self._expected: Expected | None = None
        self._sums: dict[int, Sum] = {}
        # What nobody fetches yet, and who fetches the rest.
        self._unclaimed: deque[_Part] = deque()
        self._parts: dict[Exchange, _Part] = {}
        self._fault: Exception | None = None

    def begin(self) -> Exchange:
        """The request for all of it."""
        return self._exchange(() if self._verify == "size" else (ASKING,))

    def end(self, exchange: Exchange) -> object:
        """What the sink gives, once all bytes are there."""
        part = self._parts.get(exchange)
        if part is None:
            if exchange.status != 200:
                raise Declined
            data, said = exchange.take_said(), described(exchange.head)
            check(self.url, said, data, self._verify)
            return self._sink.whole(data, said)
        if part.stop == _UNKNOWN:
            part.stop = self._size = part.offset
        missing = part.stop - part.offset
        if not missing:
            return self._go_on(exchange)
        truncated = f"truncated read: want {part.stop - part.start}, got {part.offset - part.start}"
        return self.broke(exchange, TransientError(f"{self.url.redacted}: {truncated} bytes"))

    def broke(self, exchange: Exchange, error: FileDatasetError) -> object:
        """As end(), if what is missing can be asked for once more."""
        if self._fault is not None:
            raise self._fault from error
        part = self._parts.get(exchange)
        if part is None:
            raise error
        if part.offset == part.stop:
            # The first connection is broken off where it meets what the others brought.
            return self._go_on(exchange)
        if isinstance(error, (IntegrityError, RangeNotSatisfiableError)):
            raise Call(self.url).failed(CHANGED, {}, detail=str(error)) from error
        if not self._etag or part.attempts == _ATTEMPTS or not _may_help(error):
            raise error
        part.attempts += 1
        del self._parts[exchange]
        self._ask_for(part)
        return NOT_YET

    def exchanges(self) -> Sequence[Exchange]:
        """Those that bring parts."""
        return list(self._parts)

    def drop(self) -> None:
        """Take back what the sink has, and give back the connections."""
        self._sink.drop()
        for part in self._parts.values():
            if not part.is_first:
                self._streams.give_back()
        self._parts.clear()

    def _exchange(self, asked: tuple[tuple[str, str], ...]) -> Exchange:
        exchange = Exchange(self, "GET", headers=asked)
        exchange.receive = partial(self._receive, exchange)
        return exchange

    def _ask_for(self, part: _Part) -> None:
        part.is_sound = False
        span = f"bytes={part.offset}-{part.stop - 1}"
        exchange = self._exchange((("If-Match", self._etag), ("Range", span)))
        self._parts[exchange] = part
        self._streams.ready.append(exchange)

    def _go_on(self, exchange: Exchange) -> object:
        """What a connection does that has brought its part."""
        part = self._parts.pop(exchange)
        if part.sum is not None:
            self._sums[part.start] = part.sum
        if self._unclaimed and not part.is_first:
            self._ask_for(self._unclaimed.pop())
        elif not part.is_first:
            self._streams.give_back()
        if self._parts:
            return NOT_YET
        if self._expected is not None:
            sums = [self._sums[start] for start in sorted(self._sums)]
            self._expected.check_parts(self.url, sums)
        return self._sink.finish(self._size, self._said)

    # What follows is called by libcurl, which an exception would not pass through.

    def _receive(self, exchange: Exchange, data: bytes) -> int | None:
        try:
            part = self._parts.get(exchange)
            if part is None:
                return self._receive_beginning(exchange, data)
            if part.is_sound or self._brings(exchange, part):
                return self._put(part, data)
            exchange.said.append(data)
        except Exception as fault:  # noqa: BLE001 - raised again by broke()
            self._fault = fault
            return BREAK_OFF
        return None

    def _brings(self, exchange: Exchange, part: _Part) -> bool:
        """Whether an answer is a part, and no refusal. Raises Declined if it is something else."""
        if _status(exchange) not in (200, 206):
            return False
        said = described(exchange.head)
        begins = sent_from(said.get("content-range", "")) or 0
        # Not every server heeds If-Match.
        if begins != part.offset or said.get("etag", self._etag) != self._etag:
            raise Declined
        part.is_sound = True
        return True

    def _receive_beginning(self, exchange: Exchange, data: bytes) -> int | None:
        exchange.said.append(data)
        self._in_memory += len(data)
        if self._in_memory <= _SMALL:
            return None
        if _status(exchange) != 200:
            raise Declined
        said = self._said = described(exchange.head)
        length, etag = said.get("content-length", ""), said.get("etag", "")
        stop = int(length) if length.isdecimal() else _UNKNOWN
        self._sink.begin()
        self._size = stop
        self._expected = expected(said, self._verify)
        part = self._part(0, stop)
        part.is_first = part.is_sound = True
        self._parts[exchange] = part
        # A weak etag never matches, since it does not promise the same bytes.
        if stop != _UNKNOWN and not etag.startswith("W/"):
            self._etag = etag
        in_order = self._expected is not None and not self._expected.is_of_parts
        if self._etag and stop >= self._threshold and not in_order:
            self._split(part, stop)
        return self._put(part, exchange.take_said())

    def _part(self, start: int, stop: int) -> _Part:
        return _Part(start, stop, None if self._expected is None else self._expected.begin())

    def _split(self, first: _Part, size: int) -> None:
        starts = range(self._part_size, size, self._part_size)
        helpers = self._streams.take(len(starts))
        if helpers:
            first.stop = self._part_size
            self._unclaimed.extend(
                self._part(start, min(start + self._part_size, size)) for start in starts
            )
            for _ in range(helpers):
                self._ask_for(self._unclaimed.pop())

    def _put(self, part: _Part, data: bytes) -> int | None:
        if part.offset + len(data) <= part.stop:
            part.take(self._sink, data)
            return None
        rest = memoryview(data)
        while rest:
            if part.offset == part.stop and not self._claim_next(part):
                return BREAK_OFF
            piece = rest[: part.stop - part.offset]
            part.take(self._sink, piece)
            rest = rest[len(piece) :]
        return None

    def _claim_next(self, part: _Part) -> bool:
        if not (part.is_first and self._unclaimed):
            return False
        part.stop = self._unclaimed.popleft().stop
        return True


def _may_help(error: FileDatasetError) -> bool:
    """Whether another attempt may help."""
    return isinstance(error, StoreError) and error.transient


def _status(exchange: Exchange) -> int:
    """The status of an answer that has begun."""
    lines = [line for line in exchange.head if line.startswith(b"HTTP/")]
    return int(lines[-1].split()[1])
