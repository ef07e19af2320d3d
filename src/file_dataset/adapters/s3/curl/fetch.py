"""Whole objects: small ones by one GET, large ones by several at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.checksums import ASKING, check
from file_dataset.adapters.s3.curl.answers import described
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.parts import Parts, Terms
from file_dataset.adapters.s3.curl.places import Place
from file_dataset.adapters.s3.curl.sinks import Sink
from file_dataset.adapters.s3.curl.tasks import Task
from file_dataset.domain.errors import FileDatasetError
from file_dataset.domain.url import Url

# Up to here a body waits in memory for its end, and is written at once; of a larger one the
# processor's cache would have lost the beginning by then.
_SMALL: Final = 2**16


class Fetch(Task):
    """A whole object.

    That it is large is seen when its first bytes come; then it comes in parts.

    Args:
        url: The object.
        place: How it is addressed.
        sink: Takes its bytes.
        terms: How it is fetched.
    """

    operation = "GetObject"

    def __init__(self, url: Url, place: Place, sink: Sink, terms: Terms) -> None:
        super().__init__(url, place)
        self._sink = sink
        self._terms = terms
        self._in_memory = 0
        self._parts: Parts | None = None

    def begin(self) -> Exchange:
        """The request for all of it."""
        return self._ask(() if self._terms.verify == "size" else _ASKED)

    def end(self, exchange: Exchange) -> object:
        """What the sink gives, once all bytes are there."""
        if self._parts is not None:
            return self._parts.end(exchange)
        if exchange.status != 200:
            raise Declined
        pieces, said = exchange.take_pieces(), described(exchange.head)
        check(self.url, said, pieces, self._terms.verify)
        return self._sink.whole(pieces, said)

    def broke(self, exchange: Exchange, error: FileDatasetError) -> object:
        """As end(), if what is missing can be asked for once more."""
        if self._parts is None or exchange.raised is not None:
            return super().broke(exchange, error)
        return self._parts.broke(exchange, error)

    def exchanges(self) -> Sequence[Exchange]:
        """Those that bring parts."""
        return () if self._parts is None else self._parts.exchanges()

    def drop(self) -> None:
        """Take back what the sink has, and give back the connections."""
        self._sink.drop()
        if self._parts is not None:
            self._parts.drop()

    def _ask(self, headers: tuple[tuple[str, str], ...]) -> Exchange:
        return Exchange(self, "GET", self._receive, headers=headers)

    def _receive(self, exchange: Exchange, data: bytes) -> int | None:
        if self._parts is None:
            exchange.said.append(data)
            self._in_memory += len(data)
            if self._in_memory <= _SMALL:
                return None
            self._parts = Parts(self.url, self._sink, self._terms, self._ask, exchange)
            data = exchange.take_said()
        exchange.take = self._parts.receive
        return self._parts.receive(exchange, data)


_ASKED: Final = (ASKING,)
