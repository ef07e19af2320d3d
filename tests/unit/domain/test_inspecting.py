"""Inspecting: sizes without bodies, and contents of which few are alive at a time."""

from __future__ import annotations

from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.layers.faulty import Faulty
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain import inspecting
from file_dataset.domain.inspecting import contents, sizes
from file_dataset.domain.objects import Span
from file_dataset.domain.requests import Request
from file_dataset.domain.rows import Row, RowDone, RowFailure
from file_dataset.domain.url import Url

BOTH = pytest.mark.parametrize("inspect", [sizes, contents])


class Body(bytes):
    """Bytes that are counted for as long as somebody has them."""

    alive = 0
    most = 0

    def __init__(self, *_: object) -> None:
        Body.alive += 1
        Body.most = max(Body.most, Body.alive)

    def __del__(self) -> None:
        Body.alive -= 1


class CountingStore(MemoryStore):
    def _read(self, url: Url, span: Span | None) -> bytes:
        return Body(super()._read(url, span))


def row(row_id: int, *names: str, absent: str = "absent") -> Row:
    urls = {name: Url("memory", "", f"{row_id}/{name}") for name in names}
    return Row(row_id, {**urls, absent: None})


def store_of(*rows: Row, missing=()) -> MemoryStore:
    """A store with the rows' files, each of which holds its key, but for the missing ones."""
    store = CountingStore()
    for each in rows:
        for url in each.sources.values():
            if url.key not in missing:
                store.write(url, url.key.encode())
    return store


TABLES = st.lists(st.lists(st.sampled_from("abc"), unique=True), max_size=10)
MISSING = st.sets(
    st.builds(lambda n, name: f"{n}/{name}", st.integers(0, 9), st.sampled_from("abc"))
)


@given(TABLES, MISSING, st.integers(1, 4))
def test_every_row_comes_in_order_with_what_was_asked_or_with_its_bad_files(table, missing, window):
    rows = [row(number, *names) for number, names in enumerate(table)]
    store = store_of(*rows, missing=missing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspecting, "_SIZES_AT_ONCE", window)
        patch.setattr(inspecting, "_CONTENTS_AT_ONCE", window)
        both = zip(rows, sizes(store, rows), contents(store, rows), strict=True)
        for expected, sized, read in both:
            keys = {name: url.key for name, url in expected.sources.items()}
            bad = [name for name, key in keys.items() if key in missing]
            if isinstance(sized, RowDone) and isinstance(read, RowDone):
                assert not bad
                assert sized.row is read.row is expected
                assert sized.values == {name: len(key) for name, key in keys.items()} | {
                    "absent": None
                }
                assert read.values == {name: key.encode() for name, key in keys.items()} | {
                    "absent": None
                }
            else:
                assert sized == read
                assert isinstance(sized, RowFailure)
                assert (sized.row_id, sized.stage) == (expected.id, "read")
                assert list(sized.file_errors) == bad != []


@pytest.mark.parametrize(("inspect", "verb"), [(sizes, "Stat"), (contents, "Read")])
def test_there_is_one_request_for_each_file(inspect, verb):
    rows = [row(1, "a", "b"), row(2), row(3, "a")]
    requests: list[Request] = []
    list(inspect(Faulty(store_of(*rows), requests.append), rows))
    assert Counter(request.operation for request in requests) == {verb: 3}


def test_sizes_read_no_body():
    rows = [row(number, "a") for number in range(3)]
    Body.most = 0
    list(sizes(store_of(*rows), rows))
    assert Body.most == 0


def test_no_more_than_a_window_of_bodies_is_alive(monkeypatch):
    monkeypatch.setattr(inspecting, "_CONTENTS_AT_ONCE", 4)
    rows = [row(number, "a", "b") for number in range(13)]
    store = store_of(*rows)
    Body.most = 0
    deque(contents(store, rows), maxlen=0)
    assert 0 < Body.most <= 4 * 2
    assert Body.alive == 0


@BOTH
def test_rows_are_taken_as_they_are_needed(inspect, monkeypatch):
    monkeypatch.setattr(inspecting, "_SIZES_AT_ONCE", 2)
    monkeypatch.setattr(inspecting, "_CONTENTS_AT_ONCE", 2)
    rows = [row(number, "a") for number in range(5)]
    source = iter(rows)
    next(inspect(store_of(*rows), source))
    assert next(source) is rows[2]


@BOTH
def test_no_rows_are_no_results(inspect):
    assert list(inspect(MemoryStore(), [])) == []
