"""What the engine carries: each of a store's requests, as the exchanges that it takes."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Final

from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.curl.answers import described, headers, object_info, status
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.places import Place
from file_dataset.adapters.s3.curl.signing import quoted
from file_dataset.adapters.s3.ranges import sent_from
from file_dataset.adapters.s3.values import cut
from file_dataset.domain.errors import FileDatasetError, StoreError
from file_dataset.domain.objects import OVERWRITE, ObjectInfo, Span, WriteMode
from file_dataset.domain.url import Url

# Up to here an answer comes in so few pieces that they are put together in no time.
_SMALL: Final = 2**16


class Task(ABC):
    """A request of a store, as the exchanges that it takes.

    Args:
        url: The object.
        place: How it is addressed.
    """

    operation: str
    mode: WriteMode = OVERWRITE

    def __init__(self, url: Url, place: Place) -> None:
        self.url = url
        self.place = place
        self.key: str = quoted(url.key)

    def open(self) -> int:
        """Get ready to begin; gives how many bytes begin() hashes, if it does.

        Raises:
            StoreError: If what it reads cannot be read.
            Declined: If boto3 has to do it.
        """
        return 0

    @abstractmethod
    def begin(self) -> Exchange:
        """The first exchange, or the only one, after open(); perhaps in another thread.

        Raises:
            StoreError: If it cannot even be asked for.
            Declined: If boto3 has to do it.
        """

    @abstractmethod
    def end(self, exchange: Exchange) -> object:
        """What the request gives, after an exchange that went well.

        NOT_YET if more of its own are needed, and another task if that is to go on in its place.

        Raises:
            StoreError: If the answer is not what was asked for.
            Declined: If boto3 has to do it.
        """

    def broke(self, exchange: Exchange, error: FileDatasetError) -> object:
        """As end(), after an exchange that went wrong. Raises the error if it cannot be helped."""
        if exchange.raised is not None:
            raise exchange.raised from error
        raise error

    def exchanges(self) -> Sequence[Exchange]:
        """What else is under way for it, or to be sent."""
        return ()

    def undoing(self, why: FileDatasetError | Declined) -> Task | None:  # noqa: ARG002 - for those with something to undo
        """What undoes at the server what was begun there, and then raises why; None for nothing."""
        return None

    def drop(self) -> None:  # noqa: B027 - most have begun nothing but exchanges
        """Take back what was begun."""


NOT_YET: Final = object()
"""What end() gives as long as other exchanges of the task are under way."""


class Streams:
    """How many connections may carry parts of large objects at once, over a whole batch.

    Args:
        most: Their number.
        each: How many of them one object may have.

    Attributes:
        ready: Exchanges that are to be sent next.
    """

    def __init__(self, most: int, *, each: int | None = None) -> None:
        self.ready: deque[Exchange] = deque()
        self._free = most
        self._each = most if each is None else each

    def take(self, wanted: int) -> int:
        """Take as many for an object as there are, at most so many."""
        taken = min(wanted, self._free, self._each)
        self._free -= taken
        return taken

    def give_back(self) -> None:
        """Give one back."""
        self._free += 1


class Describe(Task):
    """An object's description, by HEAD."""

    operation = "HeadObject"

    def begin(self) -> Exchange:
        """The request."""
        return Exchange(self, "HEAD")

    def end(self, exchange: Exchange) -> ObjectInfo:
        """The description, from the head of the answer."""
        said = described(exchange.head)
        size = said.get("content-length", "")
        if not size.isdecimal():
            raise StoreError(f"{self.url.redacted}: the store does not say how long the object is")
        return object_info(self.url, int(size), said)


class ReadSpan(Task):
    """Some bytes of an object, by GET.

    Args:
        url: The object.
        place: How it is addressed.
        span: Which bytes.
    """

    operation = "GetObject"

    def __init__(self, url: Url, place: Place, span: Span) -> None:
        super().__init__(url, place)
        self._span = span
        self._buffer: io.BytesIO | None = None

    def begin(self) -> Exchange:
        """The request."""
        span = self._span
        last = "" if span.stop is None else span.stop - 1
        is_small = span.length is not None and span.length <= _SMALL
        take = None if is_small else self._receive
        return Exchange(self, "GET", take, headers=(("Range", f"bytes={span.start}-{last}"),))

    def end(self, exchange: Exchange) -> bytes:
        """The bytes."""
        data = exchange.take_said() if self._buffer is None else self._received(self._buffer)
        told = headers(exchange.head).get("content-range", "")
        if exchange.status == 200 and not told:
            return cut(data, self.url, self._span)
        if sent_from(told) != self._span.start or len(data) != self._length_of(told):
            raise Declined
        return data

    def _receive(self, exchange: Exchange, data: bytes) -> int | None:
        if self._buffer is None:
            told = described(exchange.head).get("content-length", "")
            length = int(told) if told.isdecimal() else 0
            if status(exchange.head) != 206 or not 0 < length <= (self._span.length or length):
                exchange.said.append(data)
                return None
            # Memory of its own, of which each piece is written once: kept until the last one came
            # and put together then, they would take it twice.
            self._buffer = io.BytesIO(bytes(length))
        self._buffer.write(data)
        return None

    def _received(self, buffer: io.BytesIO) -> bytes:
        self._buffer = None
        buffer.truncate()
        return buffer.getvalue()

    def _length_of(self, content_range: str) -> int:
        """How many bytes of an object there are in the span."""
        size = int(content_range.rpartition("/")[2])
        stop = self._span.stop
        return (size if stop is None else min(size, stop)) - self._span.start
