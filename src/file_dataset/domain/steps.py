"""Work that asks a store for something, looks at what came of it, and asks for more.

A piece of work is a generator: it yields requests and is sent their outcomes, in the order of the
requests. It knows neither threads nor stores, so that a test can carry out every request itself,
crash between any two of them, and let several pieces of work get in each other's way.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from file_dataset.domain.errors import StoreError
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.requests import Request
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing

T = TypeVar("T")

# `Any`: what comes back for a request is a matter of its type, and a list has several.
Asked: TypeAlias = Sequence[Request[Any]]
Told: TypeAlias = Sequence[Outcome[Any]]
Steps: TypeAlias = Generator[Asked, Told, T]


@attrs.define
class _Work(Generic[T]):
    """A piece of work, what it waits for, and in the end what it came to."""

    steps: Steps[T]
    asked: Asked = ()
    results: list[T] = attrs.field(factory=list)

    def go_on(self, told: Told | None) -> None:
        """Let it move until it asks for something, or is done."""
        try:
            self.asked = next(self.steps) if told is None else self.steps.send(told)
        except StopIteration as end:
            self.asked, self.results = (), [end.value]


def in_step(store: Store, works: Sequence[Steps[T]]) -> list[T]:
    """Carry out several pieces of work; what they ask for at one time goes in one batch.

    Args:
        store: Carries out the requests.
        works: The pieces of work, none of them begun.

    Returns:
        What each came to.
    """
    begun = [_Work(steps) for steps in works]
    waiting = begun
    told: Sequence[Told | None] = [None] * len(begun)
    while waiting:
        for each, news in zip(waiting, told, strict=True):
            each.go_on(news)
        waiting = [each for each in waiting if not each.results]
        told = _carry_out(store, [each.asked for each in waiting])
    return [each.results[0] for each in begun]


def _carry_out(store: Store, asked: Sequence[Asked]) -> list[Told]:
    """The outcomes of several lists of requests, each in its order."""
    batch = list(itertools.chain.from_iterable(asked))
    silence = StoreError("the store gave no outcome")
    outcomes: list[Outcome[Any]] = [Failed(number, silence) for number in range(len(batch))]
    if batch:
        with closing(store.run(batch)) as coming:
            for outcome in coming:
                outcomes[outcome.index] = outcome
    rest = iter(outcomes)
    return [list(itertools.islice(rest, len(each))) for each in asked]
