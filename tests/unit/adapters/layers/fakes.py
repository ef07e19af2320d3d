"""Stores and clocks that tests can look into."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import Request
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

T = TypeVar("T")


def key(name: str) -> Url:
    return Url("memory", "", name)


def by_index(outcomes: Iterator[Outcome[T]]) -> list[Outcome[T]]:
    """The outcomes in the order of their requests, each of which has exactly one."""
    found = list(outcomes)
    assert sorted(outcome.index for outcome in found) == list(range(len(found)))
    return sorted(found, key=lambda outcome: outcome.index)


def value(outcome: Outcome[T]) -> T:
    assert isinstance(outcome, Done), outcome
    return outcome.value


def error(outcome: Outcome[object]) -> Any:
    assert isinstance(outcome, Failed), outcome
    return outcome.error


def close(items: Any) -> None:
    """What every iterator that a store gives can do, though its type does not say so."""
    items.close()


class FakeClock:
    """Nobody waits; what was asked for is kept."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def now(self) -> float:
        return sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Watched(MemoryStore):
    """Remembers the batches that it was asked for and how many requests were inside at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[Request[object]]] = []
        self.closed = 0
        self.most_inside = 0
        self._inside = 0
        self._count = threading.Lock()

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        self.batches.append(list(requests))
        self._step(len(requests))
        try:
            yield from super().run(requests)
        finally:
            self._step(-len(requests))

    def _step(self, by: int) -> None:
        with self._count:
            self._inside += by
            self.most_inside = max(self.most_inside, self._inside)

    @property
    def asked(self) -> int:
        return sum(map(len, self.batches))

    def close(self) -> None:
        self.closed += 1


def in_forked_child(function: Callable[[], T]) -> T:
    """What the function gives in a child of this process, which ends right after it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, pickle.dumps(function()))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    given: T = pickle.loads(answer)
    return given


def mounted(store: Store) -> dict[Url, Store]:
    return {Url("memory", "", ""): store}
