"""Plans: whatever a store does, every row comes out once, in order, with all bad files named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.errors import InvalidUrlError, NotFoundError, StoreError, TransientError
from file_dataset.domain.objects import ObjectInfo, Prefix
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.plan import run_rows, settle_rows, windows
from file_dataset.domain.requests import Read, Request
from file_dataset.domain.rows import Row, RowDone, RowFailure
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url


class Scripted(Store):
    """Gives the outcomes that a script makes of the requests, and knows how far it was asked."""

    verbs = frozenset({Read})

    def __init__(self, script: Callable[[Sequence[Request]], Sequence[Outcome]]) -> None:
        self.script = script
        self.batches: list[list[Request]] = []
        self.given = 0
        self.is_open = False

    def run(self, requests: Sequence[Request], /) -> Iterator[Outcome]:
        self.batches.append(list(requests))
        self.is_open = True
        try:
            for outcome in self.script(requests):
                self.given += 1
                yield outcome
        finally:
            self.is_open = False

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        raise NotImplementedError


def url_of(row_id: object, name: str) -> Url:
    return Url("memory", "", f"{row_id}/{name}")


def read(_position: int, _name: str, url: Url) -> Read:
    return Read(url)


def body(index: int) -> bytes:
    return f"body {index}".encode()


def all_done(requests: Sequence[Request]) -> list[Outcome]:
    return [Done(index, body(index)) for index in range(len(requests))]


def rows_of(*files: int) -> list[Row]:
    """Rows with so many files each."""
    return [
        Row(row_id, {name: url_of(row_id, name) for name in "abc"[:count]})
        for row_id, count in enumerate(files)
    ]


# Conservation.

FATES = ("done", "failed", "missing", "twice", "refused", "absent")
TABLES = st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from(FATES)), max_size=6)


@given(TABLES, st.randoms(use_true_random=False), st.sampled_from(["read", "call", "write"]))
def test_every_row_comes_out_once_in_order_with_all_bad_files_named(table, random, stage):
    rows = [
        Row(
            row_id,
            {
                name: None if fate == "absent" else url_of(row_id, name)
                for name, fate in fates.items()
            },
        )
        for row_id, fates in enumerate(table)
    ]
    fate_of = {
        url_of(row_id, name): fate
        for row_id, fates in enumerate(table)
        for name, fate in fates.items()
    }
    first_word: dict[Url, bytes | str] = {}

    def request(position: int, name: str, url: Url) -> Read:
        assert url == rows[position].files[name]
        if fate_of[url] == "refused":
            raise InvalidUrlError(f"refused {url}")
        return Read(url)

    def script(requests: Sequence[Request]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for index, each in enumerate(requests):
            fate = fate_of[each.url]
            if fate in ("done", "twice"):
                outcomes.append(Done(index, body(index)))
            if fate in ("failed", "twice"):
                outcomes.append(Failed(index, NotFoundError(f"failed {each.url}")))
        random.shuffle(outcomes)
        for outcome in reversed(outcomes):
            said = str(outcome.error) if isinstance(outcome, Failed) else outcome.value
            first_word[requests[outcome.index].url] = said
        return outcomes

    store = Scripted(script)
    results = list(run_rows(store, rows, request, stage=stage))

    assert len(store.batches) == 1
    assert [r.row.id if isinstance(r, RowDone) else r.row_id for r in results] == [
        r.id for r in rows
    ]
    for row, result in zip(rows, results, strict=True):
        said = {name: first_word.get(url) for name, url in row.sources.items()}
        bad = [name for name in row.sources if not isinstance(said[name], bytes)]
        if isinstance(result, RowDone):
            assert not bad
            assert result.row is row
            assert result.values == {name: said.get(name) for name in row.files}
        else:
            assert [cause.file for cause in result.causes] == bad != []
            assert result.stage == stage
            for cause in result.causes:
                assert cause.url == str(row.files[cause.file])
                assert str(said[cause.file] or "") in cause.message


# What a store owes and does not give.


def test_a_store_that_says_nothing_fails_every_file():
    results = list(run_rows(Scripted(lambda _: []), rows_of(2, 0, 1), read, stage="read"))
    assert [type(result) for result in results] == [RowFailure, RowDone, RowFailure]
    messages = [result.file_errors for result in results if isinstance(result, RowFailure)]
    no_word = "the store gave no outcome"
    assert messages == [{"a": no_word, "b": no_word}, {"a": no_word}]


def test_a_second_word_does_not_change_a_row_that_was_given():
    late = TransientError("late")
    store = Scripted(
        lambda _: [Done(0, b"first"), Done(1, b""), Failed(0, late), Done(0, b"third")]
    )
    results = run_rows(store, rows_of(1, 1), read, stage="read")
    first = next(results)
    list(results)
    assert isinstance(first, RowDone)
    assert first.values == {"a": b"first"}


def test_what_is_no_store_error_is_a_bug_and_propagates():
    def broken(requests):
        yield Done(0, b"")
        raise ZeroDivisionError

    store = Scripted(broken)
    results = run_rows(store, rows_of(1, 1), read, stage="read")
    assert isinstance(next(results), RowDone)
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not store.is_open


# What is not asked for.


@pytest.mark.parametrize("error", [StoreError("no"), InvalidUrlError("no")], ids=repr)
def test_what_cannot_be_asked_for_fails_its_file_only(error):
    rows = rows_of(2, 1)

    def request(position, name, url):
        if (position, name) == (0, "a"):
            raise error
        return Read(url)

    store = Scripted(all_done)
    failed, done = run_rows(store, rows, request, stage="read")
    assert isinstance(failed, RowFailure)
    assert failed.file_errors == {"a": "no"}
    assert isinstance(done, RowDone)
    assert [each.url for each in store.batches[0]] == [url_of(0, "b"), url_of(1, "a")]


def test_a_bug_in_making_a_request_propagates_before_anything_is_run():
    store = Scripted(all_done)
    with pytest.raises(ZeroDivisionError):
        list(run_rows(store, rows_of(1), lambda *_: Read(1 // 0), stage="read"))  # type: ignore[arg-type]
    assert store.batches == []


def test_files_that_worked_are_known_of_a_row_that_failed():
    store = Scripted(lambda _: [Done(0, b"kept"), Failed(1, NotFoundError("gone"))])
    (settled,) = settle_rows(store, rows_of(2), read)
    assert settled.values == {"a": b"kept"}
    assert list(settled.causes or ()) == ["b"]


# When.


def test_a_row_is_given_as_soon_as_it_and_those_before_it_are_known():
    order = [2, 0, 1, 4, 3, 5]
    store = Scripted(lambda _: [Done(index, body(index)) for index in order])
    results = run_rows(store, rows_of(1, 2, 1, 1, 1), read, stage="read")
    assert [(next(results), store.given)[1] for _ in range(5)] == [2, 3, 5, 5, 6]


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_closing_in_the_middle_closes_what_the_store_had_begun(taken):
    store = Scripted(all_done)
    results = settle_rows(store, rows_of(1, 1, 1), read)
    for _ in range(taken):
        next(results)
    assert store.is_open == (taken > 0)
    results.close()  # type: ignore[attr-defined]
    assert not store.is_open
    assert store.given == taken


def test_no_rows_are_no_results():
    assert list(run_rows(Scripted(all_done), [], read, stage="read")) == []


# Windows.


@given(st.lists(st.integers()), st.integers(1, 10))
def test_windows_are_the_items_in_order_and_full_but_for_the_last(items, size):
    made = list(windows(items, size))
    assert [item for window in made for item in window] == items
    assert all(len(window) == size for window in made[:-1])
    assert all(0 < len(window) <= size for window in made)


def test_a_window_takes_no_more_items_than_it_holds():
    items = iter(range(10))
    next(windows(items, 3))
    assert next(items) == 3
