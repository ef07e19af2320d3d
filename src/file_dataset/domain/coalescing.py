"""Many small pieces of an object by few large requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import attrs

from file_dataset.domain.objects import Span
from file_dataset.domain.url import Url

GAP: Final = 256 << 10
"""Bytes between two wanted ones that are rather read than asked for around."""

SPAN: Final = 1 << 20
"""What is read by one request, where a single piece is not larger.

Several at a time bring more than a large one, and what has come can be taken apart meanwhile.
"""

AT_ONCE: Final = 64 << 20
"""What is read by the requests of one batch, which is in memory meanwhile."""


class Piece(NamedTuple):
    """A part of an object that is wanted.

    Attributes:
        start: Where it begins.
        length: How long it is, at least one byte.
        number: Whose it is.
    """

    start: int
    length: int
    number: int


@attrs.define
class Stretch:
    """A part of an object that is read by one request, with the pieces that are in it."""

    url: Url
    start: int
    stop: int
    pieces: list[Piece] = attrs.field(factory=list)

    @property
    def span(self) -> Span:
        """What is asked for."""
        return Span(self.start, self.stop - self.start)


def stretches(url: Url, pieces: Iterable[Piece]) -> Iterator[Stretch]:
    """The pieces of an object, each together with its neighbours.

    >>> url = Url.parse("s3://bucket/shard-000001.tar")
    >>> near = [Piece(number * 5000, 4096, number) for number in range(3)]
    >>> [each.span for each in stretches(url, [*near, Piece(10**9, 1, 3)])]
    [Span(start=0, length=14096), Span(start=1000000000, length=1)]
    """
    current: Stretch | None = None
    for piece in sorted(pieces):
        start, length, _ = piece
        stop = start + length
        if (
            current is None
            or start - current.stop > GAP
            or max(stop, current.stop) - current.start > SPAN
        ):
            if current is not None:
                yield current
            current = Stretch(url, start, stop)
        elif stop > current.stop:
            current.stop = stop
        current.pieces.append(piece)
    if current is not None:
        yield current


def batches(found: Iterable[Stretch]) -> Iterator[Sequence[Stretch]]:
    """The stretches in batches that fit into memory, as far as each of them does."""
    batch: list[Stretch] = []
    size = 0
    for stretch in found:
        length = stretch.stop - stretch.start
        if batch and size + length > AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(stretch)
        size += length
    if batch:
        yield batch
