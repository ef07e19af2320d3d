"""Reading ahead: in order, so many at most, and nothing left running."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.errors import NotFoundError, StoreError
from file_dataset.domain.items import Objects, Rows
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.reading import NotWantedError, Reading, contents_of
from file_dataset.domain.requests import Request
from file_dataset.domain.rows import Row
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url


class Counted(Store):
    """Hands batches on, and counts what is under way and what was asked for."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked = self.at_once = self.largest = 0
        self.on_run = lambda: None
        self._lock = threading.Lock()

    @property
    def verbs(self) -> frozenset[Verb]:
        return self.store.verbs

    def list(self, prefix, /, *, recursive=True):
        return self.store.list(prefix, recursive=recursive)

    def run(self, requests: Sequence[Request[Any]], /) -> Iterator[Outcome[Any]]:
        with self._lock:
            self.asked += len(requests)
            self.at_once += len(requests)
            self.largest = max(self.largest, len(requests))
        self.on_run()
        try:
            yield from self.store.run(requests)
        finally:
            with self._lock:
                self.at_once -= len(requests)


def objects(number: int) -> tuple[Counted, Objects]:
    """A store with so many objects, each of which holds its number."""
    memory = MemoryStore()
    urls = [Url("memory", "data", f"{n}") for n in range(number)]
    for url in urls:
        memory.write(url, url.key.encode())
    return Counted(memory), Objects([str(url) for url in urls])


def bodies(indexes) -> list[bytes]:
    return [str(n).encode() for n in indexes]


settings_of_readers = {
    "prefetch": st.integers(1, 20),
    "threads": st.integers(0, 4),
    "unit": st.integers(1, 5),
    "at_once": st.none() | st.integers(1, 9),
}


@given(number=st.integers(0, 40), data=st.data(), **settings_of_readers)
def test_items_come_in_their_order_and_so_many_are_under_way(number, data, **settings):
    store, items = objects(number)
    order = data.draw(st.permutations(range(number)))
    reading = Reading(store, items, **settings)
    had = most = 0
    found = []

    def note() -> None:
        nonlocal most
        most = max(most, store.asked - had)

    store.on_run = note
    for item in reading.each(order):
        had += 1
        found.append(item)
    assert found == bodies(order)
    # Who takes several together has that many under way at least.
    assert most <= max(settings["prefetch"], settings["unit"])
    if not settings["threads"]:
        assert most <= settings["unit"]
    # As many batches at once as there are threads.
    assert reading.crew <= max(1, settings["threads"])
    assert store.largest * reading.crew <= (settings["at_once"] or number * reading.crew)


@pytest.mark.parametrize(
    ("prefetch", "threads", "size", "depth"),
    [(1, 1, 1, 1), (4, 1, 2, 2), (64, 1, 32, 2), (6, 2, 2, 3), (3, 4, 1, 3), (64, 3, 16, 4)],
)
def test_others_are_read_while_the_first_are_taken(prefetch, threads, size, depth):
    store, items = objects(200)
    reached = threading.Event()

    def note() -> None:
        if store.asked == size * depth:
            reached.set()

    store.on_run = note
    reading = Reading(store, items, prefetch=prefetch, threads=threads)
    with contextlib.closing(reading.ahead(range(200))) as ahead:
        first = next(ahead.windows()).result()
        assert reached.wait(10)
        assert len(first) == size
    assert store.asked == size * depth <= prefetch


def test_a_loop_that_is_left_leaves_nothing_running():
    store, items = objects(100)
    before = set(threading.enumerate())
    with closing(Reading(store, items, prefetch=30, threads=3).each(range(100))) as reading:
        assert [next(reading), next(reading)] == [b"0", b"1"]
    assert set(threading.enumerate()) <= before
    assert store.at_once == 0


def test_what_is_under_way_is_given_up_between_two_objects():
    store, items = objects(100)
    answers = []

    def wanted() -> bool:
        answers.append(store.asked)
        return len(answers) < 3

    with pytest.raises(NotWantedError):
        contents_of(store, [item.url for item in map(items.__getitem__, range(100))], wanted=wanted)
    assert len(answers) == 3
    assert store.at_once == 0


def test_an_error_comes_when_its_turn_has_come():
    store, items = objects(5)
    store.store.delete(Url("memory", "data", "2"))
    reading = Reading(store, items, prefetch=5, threads=1).each([0, 1, 2, 3])
    assert [next(reading), next(reading)] == [b"0", b"1"]
    with pytest.raises(NotFoundError, match="data/2: not found"):
        next(reading)


class Broken(Counted):
    def run(self, requests, /):
        raise ZeroDivisionError


@pytest.mark.parametrize("threads", [0, 2])
def test_a_bug_of_a_store_is_told_and_not_waited_for(threads):
    _, items = objects(5)
    with pytest.raises(ZeroDivisionError):
        list(Reading(Broken(MemoryStore()), items, prefetch=4, threads=threads).each(range(5)))


class Silent(Counted):
    def run(self, requests, /):
        return (each for each in super().run(requests) if each.index != 1)


def test_a_store_that_forgets_an_object_is_told():
    store, items = objects(3)
    reading = Reading(Silent(store.store), items, unit=3).each(range(3))
    assert next(reading) == b"0"
    with pytest.raises(StoreError, match="gave no outcome"):
        next(reading)


def test_rows_are_dicts_and_tell_all_that_failed():
    memory = MemoryStore()
    urls = {name: Url("memory", "", name) for name in ("a.bin", "b.bin", "c.bin")}
    memory.write(urls["b.bin"], b"B")
    rows = Rows(
        [Row(7, {**urls, "d.bin": None}), Row(8, {"b.bin": urls["b.bin"], "d.bin": None})],
        {"id": [7, 8], "label": ["x", "y"], "b.bin": None, "d.bin": None},
    )
    bad, good = Reading(memory, rows).some([0, 1])
    assert isinstance(good, Done)
    assert isinstance(bad, Failed)
    assert good.value == {"id": 8, "label": "y", "b.bin": b"B", "d.bin": None}
    assert list(good.value) == ["id", "label", "b.bin", "d.bin"]
    assert isinstance(bad.error, NotFoundError)
    assert list(bad.error.file_errors) == ["a.bin", "c.bin"]
    assert bad.error.__notes__ == ["row 7 cannot be read for want of 'a.bin', 'c.bin'"]
