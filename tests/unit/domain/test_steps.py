from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.layers.faulty import Faulty
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.errors import NotFoundError, StoreError
from file_dataset.domain.outcomes import Done, Failed
from file_dataset.domain.requests import Read, Request, Stat, Write
from file_dataset.domain.steps import Steps, Told, in_step
from file_dataset.domain.url import Url

ROOT = Url.parse("memory://")


class Counting(MemoryStore):
    """A store that remembers what it was asked, a batch at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[Request[object]]] = []

    def run(self, requests, /):
        self.batches.append(list(requests))
        return super().run(requests)


def copying(name: str, times: int) -> Steps[bytes]:
    """Write something, so many times, and read it again each time."""
    data = b""
    for number in range(times):
        (wrote,) = yield [Write(ROOT.joined(name), f"{name} {number}".encode())]
        assert isinstance(wrote, Done)
        info, read = yield [Stat(ROOT.joined(name)), Read(ROOT.joined(name))]
        assert isinstance(info, Done)
        assert isinstance(read, Done)
        assert info.value.size == len(read.value)
        data += read.value
    return data


@given(st.lists(st.integers(0, 4), max_size=6))
def test_each_comes_to_what_it_comes_to_alone_in_as_many_batches_as_the_longest(lengths):
    store = Counting()
    works = [copying(str(name), times) for name, times in enumerate(lengths)]

    results = in_step(store, works)

    alone = [
        b"".join(f"{name} {number}".encode() for number in range(times))
        for name, times in enumerate(lengths)
    ]
    assert results == alone
    assert len(store.batches) == 2 * max(lengths, default=0)
    assert sum(map(len, store.batches)) == 3 * sum(lengths)


def test_a_failure_is_told_to_who_asked():
    def asking(name: str) -> Steps[object]:
        (outcome,) = yield [Read(ROOT.joined(name))]
        return outcome.error if isinstance(outcome, Failed) else outcome.value

    store = MemoryStore()
    store.write(ROOT.joined("there"), b"data")

    found, missing = in_step(store, [asking("there"), asking("missing")])

    assert found == b"data"
    assert isinstance(missing, NotFoundError)


def test_a_list_of_no_requests_is_answered_as_one():
    def idle() -> Steps[str]:
        told = yield []
        assert told == []
        return "done"

    assert in_step(MemoryStore(), [idle()]) == ["done"]


class Silent(MemoryStore):
    """A store that breaks the first law."""

    def run(self, requests, /):
        yield from list(super().run(requests))[1:]


def test_an_outcome_that_never_comes_is_a_failure():
    def asking() -> Steps[Told]:
        outcomes = yield [Write(ROOT.joined("a"), b""), Write(ROOT.joined("b"), b"")]
        return outcomes

    ((first, second),) = in_step(Silent(), [asking()])

    assert isinstance(first, Failed)
    assert isinstance(first.error, StoreError)
    assert isinstance(second, Done)


def test_a_bug_of_the_store_is_raised_and_ends_the_work():
    ended = []

    def asking() -> Steps[None]:
        try:
            yield [Read(ROOT.joined("a"))]
        finally:
            ended.append(True)

    def script(request: Request[object]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_step(Faulty(MemoryStore(), script), [asking()])
    assert ended == [True]
