"""Several iterators as one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import Generic, TypeVar

import attrs

from file_dataset.domain.threads import closing, unordered

T = TypeVar("T")


def merged(streams: Sequence[Iterator[T]]) -> Iterator[T]:
    """The items of several iterators as they come, with a thread for each.

    Closing it closes them, after each has made the item that it was at.
    """
    turns = _Turns(streams)
    with contextlib.ExitStack() as stack:
        for stream in streams:
            stack.enter_context(closing(stream))
        steps = unordered(turns.step, turns, workers=len(streams))
        for step in stack.enter_context(closing(steps)):
            if isinstance(step, _Item):
                yield step.value


@attrs.frozen
class _Item(Generic[T]):
    value: T


class _Turns(Iterator[Iterator[T]]):
    """Whose turn it is: each stream over and over, at one thread at a time, until it ends.

    There are as many threads as streams, and each end of a stream is the end of one thread. So a
    thread that waits here always finds a stream or an end, also when the others have stopped.
    """

    def __init__(self, streams: Sequence[Iterator[T]]) -> None:
        self._waiting: SimpleQueue[Iterator[T] | None] = SimpleQueue()
        for stream in streams:
            self._waiting.put(stream)

    def __next__(self) -> Iterator[T]:
        stream = self._waiting.get()
        if stream is None:
            raise StopIteration
        return stream

    def step(self, stream: Iterator[T]) -> _Item[T] | None:
        """The stream's next item, or None at its end."""
        again: Iterator[T] | None = None
        try:
            for item in stream:
                again = stream
                return _Item(item)
            return None
        finally:
            self._waiting.put(again)
