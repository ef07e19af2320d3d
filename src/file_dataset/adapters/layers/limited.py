"""A store that is never asked for more than so many things at a time."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TypeVar

import attrs
from attrs.validators import ge, instance_of

from file_dataset.adapters.layers._layer import Layer, renumbered
from file_dataset.adapters.per_process import PerProcess
from file_dataset.domain.outcomes import Outcome
from file_dataset.domain.requests import Request

T = TypeVar("T")


class _Permits:
    """So many permits, handed out in the order of asking."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    def take(self, wanted: int) -> int:
        """Wait for at least one permit; gives how many were had, at most as many as wanted."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                self._changed.wait_for(lambda: self._free and self._queue[0] is ticket)
                # The free ones are shared with who waits, and who waits longest is served first.
                taken = min(wanted, max(1, self._free // len(self._queue)))
                self._free -= taken
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
        return taken

    def give_back(self, permits: int) -> None:
        with self._changed:
            self._free += permits
            self._changed.notify_all()


@attrs.frozen(eq=False)
class Limited(Layer):
    """Keeps the number of requests inside a store at a time below a limit, over all its callers.

    A batch is carried out in parts, each as large as there are permits free, and a part is carried
    out in full before its first outcome is given: who pauses while taking outcomes, or starts
    another batch meanwhile, holds no permit that others wait for. Each process counts for itself.
    Listings are not counted.

    Args:
        store: The store to ask.
        max_concurrent: The most requests inside at a time, at least one.
    """

    max_concurrent: int = attrs.field(validator=[instance_of(int), ge(1)])
    _permits: PerProcess[_Permits] = attrs.field(init=False, repr=False)

    @_permits.default
    def _permits_of_each_process(self) -> PerProcess[_Permits]:
        return PerProcess(functools.partial(_Permits, self.max_concurrent))

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out a batch in parts, each as large as there are permits free."""
        done = 0
        while done < len(requests):
            permits = self._permits()
            taken = permits.take(len(requests) - done)
            try:
                outcomes = list(self.store.run(requests[done : done + taken]))
            finally:
                permits.give_back(taken)
            for outcome in outcomes:
                yield renumbered(outcome, done + outcome.index)
            done += taken
