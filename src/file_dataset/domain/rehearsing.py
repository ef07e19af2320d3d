"""Stores that look and do nothing: what they are asked tells what a run would ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from file_dataset.domain.errors import AlreadyExistsError, StoreError, UnsupportedError
from file_dataset.domain.objects import CREATE, ObjectInfo, Prefix
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.per_object import failed
from file_dataset.domain.requests import (
    Copy,
    Prepare,
    Prepared,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.url import Url

T = TypeVar("T")


class Looking(Store):
    """Hands on questions, refuses everything else, and counts what goes over a network.

    Args:
        store: Answers.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.requests: int = 0

    @property
    def verbs(self) -> frozenset[Verb]:
        """As the store has them; what would change something is refused when it is asked for."""
        return self.store.verbs

    def can(self, verb: Verb, url: Url) -> bool:
        """Whether the store can do the verb to this object."""
        return self.store.can(verb, url)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """What the store lists."""
        return self.store.list(prefix, recursive=recursive)

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """The answers to questions."""
        asked = [n for n, each in enumerate(requests) if isinstance(each, Stat | Read)]
        self.requests += self.store.cost([requests[n] for n in asked], [0] * len(asked))
        for outcome in self.store.run([requests[n] for n in asked]):
            yield _as_of(asked[outcome.index], outcome)
        for n in sorted({*range(len(requests))} - {*asked}):
            refusal = UnsupportedError("nothing is changed by who only looks")
            yield failed(n, requests[n], refusal)


class Rehearsal(Store):
    """Takes what is written as if it were, asks what is there, and counts as Looking does.

    It takes conditions on writes to hold, and forgets what was written by ``forget``.

    Args:
        store: Tells what is there.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.requests: int = 0
        self._made: set[Url] = set()

    @property
    def verbs(self) -> frozenset[Verb]:
        """As the store has them."""
        return self.store.verbs

    def can(self, verb: Verb, url: Url) -> bool:
        """Whether the store can do the verb to this object."""
        return self.store.can(verb, url)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """What the store lists."""
        return self.store.list(prefix, recursive=recursive)

    def forget(self) -> None:
        """Take what was written as not written."""
        self._made.clear()

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """What the store would answer."""
        # One by one: a run asks for less at a time, and so not by listings.
        self.requests += sum(self.store.cost([each], [0]) for each in requests)
        asked = [n for n, each in enumerate(requests) if self._is_asked(each)]
        questions = [_question(requests[n]) for n in asked]
        answers = dict(zip(asked, _answers(self.store, questions), strict=True))
        for n, request in enumerate(requests):
            outcome = answers.get(n)
            if isinstance(request, Stat | Read) and outcome is not None:
                yield _as_of(n, outcome)
            else:
                yield self._written(n, request, is_there=isinstance(outcome, Done))

    def _is_asked(self, request: Request[object]) -> bool:
        is_question = isinstance(request, Stat | Read) or _creates(request)
        return is_question and request.url not in self._made

    def _written(self, n: int, request: Request[T], *, is_there: bool) -> Outcome[T]:
        value: Any = None
        if _creates(request) and (is_there or request.url in self._made):
            there = AlreadyExistsError(f"{request.url.redacted} is there already")
            return failed(n, request, there)
        if isinstance(request, Prepare):
            value = Prepared(request.url, "rehearsed", request.draft, size=0)
        elif isinstance(request, Stat):
            value = ObjectInfo(request.url, 0)
        elif isinstance(request, Write):
            self._made.add(request.url)
        return Done(n, value)


def _creates(request: Request[object]) -> bool:
    return isinstance(request, Write | Upload | Copy) and request.mode is CREATE


def _question(request: Request[Any]) -> Request[Any]:
    return request if isinstance(request, Stat | Read) else Stat(request.url)


def _answers(store: Store, questions: Sequence[Request[Any]]) -> list[Outcome[Any]]:
    silence = StoreError("the store gave no outcome")
    answers: list[Outcome[Any]] = [Failed(n, silence) for n in range(len(questions))]
    if questions:
        for outcome in store.run(questions):
            answers[outcome.index] = outcome
    return answers


def _as_of(n: int, outcome: Outcome[T]) -> Outcome[T]:
    return Failed(n, outcome.error) if isinstance(outcome, Failed) else Done(n, outcome.value)
