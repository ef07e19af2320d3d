"""Large objects, whose parts come over several connections at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.checksums import Sum, VerifyReads, expected
from file_dataset.adapters.s3.curl.answers import described, status
from file_dataset.adapters.s3.curl.exchange import BREAK_OFF, Exchange
from file_dataset.adapters.s3.curl.sinks import Sink
from file_dataset.adapters.s3.curl.tasks import NOT_YET, Streams
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

# Where an object ends whose length the server does not tell.
_UNKNOWN: Final = 2**62
# How often a part is asked for, since what the other parts brought is not worth losing.
_ATTEMPTS: Final = 3

Ask = Callable[[tuple[tuple[str, str], ...]], Exchange]


@attrs.frozen
class Terms:
    """How the objects of a batch are fetched.

    Args:
        streams: The connections for parts, over all objects of the batch.
        threshold: Size in bytes from which an object is fetched in parts.
        part: Size of a part in bytes.
        verify: By what the bytes are looked at when they have come.
    """

    streams: Streams
    threshold: int
    part: int
    verify: VerifyReads = "checksum"


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


class Parts:
    """The bytes of a large object on their way, over the connection that found it so and others.

    As far as there are connections for it, others bring parts from its end, of the same version,
    until they meet the first.

    Args:
        url: The object.
        sink: Takes its bytes.
        terms: How it is fetched.
        ask: Makes a request for some of it, given the headers that say so.
        first: The exchange that found that it is large.
    """

    def __init__(self, url: Url, sink: Sink, terms: Terms, ask: Ask, first: Exchange) -> None:
        if status(first.head) != 200:
            raise Declined
        self._url = url
        self._sink = sink
        self._terms = terms
        self._ask = ask
        # What the first answer said of the object, and how long it is.
        said = self._said = described(first.head)
        length, etag = said.get("content-length", ""), said.get("etag", "")
        self._size = int(length) if length.isdecimal() else _UNKNOWN
        # A weak etag never matches, since it does not promise the same bytes.
        self._etag = "" if self._size == _UNKNOWN or etag.startswith("W/") else etag
        # What its checksum is, and those of its parts that are there, by where they begin.
        self._expected = expected(said, terms.verify)
        self._sums: dict[int, Sum] = {}
        # What nobody fetches yet, and who fetches the rest.
        self._unclaimed: deque[_Part] = deque()
        self._parts: dict[Exchange, _Part] = {}
        sink.begin()
        part = self._parts[first] = self._part(0, self._size)
        part.is_first = part.is_sound = True
        in_order = self._expected is not None and not self._expected.is_of_parts
        if self._etag and self._size >= terms.threshold and not in_order:
            self._split(part)

    def end(self, exchange: Exchange) -> object:
        """What the sink gives, once all bytes are there."""
        part = self._parts[exchange]
        if part.stop == _UNKNOWN:
            part.stop = self._size = part.offset
        missing = part.stop - part.offset
        if not missing:
            return self._go_on(exchange)
        truncated = f"truncated read: want {part.stop - part.start}, got {part.offset - part.start}"
        return self.broke(exchange, TransientError(f"{self._url.redacted}: {truncated} bytes"))

    def broke(self, exchange: Exchange, error: FileDatasetError) -> object:
        """As end(), if what is missing can be asked for once more."""
        part = self._parts[exchange]
        if part.offset == part.stop:
            # The first connection is broken off where it meets what the others brought.
            return self._go_on(exchange)
        if isinstance(error, (IntegrityError, RangeNotSatisfiableError)):
            raise Call(self._url).failed(CHANGED, {}, detail=str(error)) from error
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
        """Give back the connections."""
        for part in self._parts.values():
            if not part.is_first:
                self._terms.streams.give_back()
        self._parts.clear()

    def receive(self, exchange: Exchange, data: bytes) -> int | None:
        """Take a piece of an answer. Raises Declined if the answer is something else."""
        part = self._parts[exchange]
        if not (part.is_sound or self._brings(exchange, part)):
            exchange.said.append(data)
        elif part.offset + len(data) > part.stop:
            return self._put_beyond(part, data)
        else:
            # libcurl brings 16 KiB at a time, so that this is called often.
            part.take(self._sink, data)
        return None

    def _ask_for(self, part: _Part) -> None:
        part.is_sound = False
        span = f"bytes={part.offset}-{part.stop - 1}"
        exchange = self._ask((("If-Match", self._etag), ("Range", span)))
        self._parts[exchange] = part
        self._terms.streams.ready.append(exchange)

    def _go_on(self, exchange: Exchange) -> object:
        """What a connection does that has brought its part."""
        part = self._parts.pop(exchange)
        if part.sum is not None:
            self._sums[part.start] = part.sum
        if self._unclaimed and not part.is_first:
            self._ask_for(self._unclaimed.pop())
        elif not part.is_first:
            self._terms.streams.give_back()
        if self._parts:
            return NOT_YET
        if self._expected is not None:
            sums = [self._sums[start] for start in sorted(self._sums)]
            self._expected.check_parts(self._url, sums)
        return self._sink.finish(self._size, self._said)

    def _brings(self, exchange: Exchange, part: _Part) -> bool:
        """Whether an answer is a part, and no refusal. Raises Declined if it is something else."""
        if status(exchange.head) not in (200, 206):
            return False
        said = described(exchange.head)
        begins = sent_from(said.get("content-range", "")) or 0
        # Not every server heeds If-Match.
        if begins != part.offset or said.get("etag", self._etag) != self._etag:
            raise Declined
        part.is_sound = True
        return True

    def _part(self, start: int, stop: int) -> _Part:
        return _Part(start, stop, None if self._expected is None else self._expected.begin())

    def _split(self, first: _Part) -> None:
        each, size = self._terms.part, self._size
        starts = range(each, size, each)
        helpers = self._terms.streams.take(len(starts))
        if helpers:
            first.stop = each
            self._unclaimed.extend(self._part(start, min(start + each, size)) for start in starts)
            for _ in range(helpers):
                self._ask_for(self._unclaimed.pop())

    def _put_beyond(self, part: _Part, data: bytes) -> int | None:
        """Take a piece that goes on behind its part."""
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
