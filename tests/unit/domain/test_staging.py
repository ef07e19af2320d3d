"""Staging: rows become directories with the right bytes, few at a time, and none is left over."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.pipeline_support import DEADLINE, Directories, files_in

from file_dataset.adapters.layers.faulty import Faulty
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.errors import NoSpaceError, NotFoundError
from file_dataset.domain.requests import Request
from file_dataset.domain.rows import Row, RowFailure
from file_dataset.domain.staging import StagedFiles, Staging
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

SOURCES = Url("memory", "", "sources")


@pytest.fixture
def scratch(tmp_path) -> Directories:
    return Directories(tmp_path)


def row(row_id, *names: str) -> Row:
    return Row(row_id, {name: SOURCES.joined(str(row_id), name) for name in names})


def store_of(*rows: Row, missing: frozenset[str] = frozenset()) -> MemoryStore:
    """A store with the rows' files, each of which holds its own name, but for the missing ones."""
    store = MemoryStore()
    for each in rows:
        for url in each.sources.values():
            if url.key not in missing:
                store.write(url, url.key.encode())
    return store


def stage(store: Store, scratch: Directories, rows, *, prefetch: int = 2, with_output=False):
    return closing(Staging(store, scratch, prefetch, with_output=with_output).stage(rows))


# What is staged.

NAMES = st.lists(st.sampled_from(["a", "b.txt", "deep/a", "deep/er/a"]), unique=True, max_size=3)


@given(
    st.lists(NAMES, max_size=8), st.integers(0, 6), st.sets(st.sampled_from(range(8))), st.data()
)
def test_every_row_comes_in_order_with_its_bytes_or_with_its_bad_files(table, prefetch, bad, data):
    rows = [row(number, *names) for number, names in enumerate(table)]
    missing = {
        url.key: name
        for each in rows
        if each.id in bad and each.files
        for name, url in data.draw(
            st.sets(st.sampled_from(sorted(each.sources.items())), min_size=1)
        )
    }
    with tempfile.TemporaryDirectory() as place:
        scratch = Directories(Path(place))
        with stage(
            store_of(*rows, missing=frozenset(missing)), scratch, rows, prefetch=prefetch
        ) as staged:
            for expected, each in zip(rows, staged, strict=True):
                lost = [name for name, url in expected.sources.items() if url.key in missing]
                if isinstance(each, RowFailure):
                    assert (each.row_id, each.stage) == (expected.id, "read")
                    assert list(each.file_errors) == lost != []
                else:
                    assert each.row is expected
                    assert not lost
                    assert files_in(each.path) == {
                        name: url.key.encode() for name, url in expected.sources.items()
                    }
                    each.release()
        assert scratch.left == set()


def test_an_absent_file_is_not_there(scratch):
    rows = [Row(1, {"a": None, "b": None})]
    with stage(MemoryStore(), scratch, rows) as staged:
        (each,) = staged
        assert files_in(each.path) == {}


def test_outputs_have_an_empty_directory_of_their_own(scratch):
    rows = [row(1, "a")]
    with stage(store_of(*rows), scratch, rows, with_output=True) as staged:
        (each,) = staged
        assert each.directories == (each.path, each.output)
        assert each.output.is_dir()
        assert files_in(each.output) == {}
        assert scratch.left == set(each.directories)
        each.release()
        assert scratch.left == set()


def test_a_name_that_no_disk_can_hold_fails_its_row_only(scratch):
    rows = [row(1, "/".join(["a" * 255] * 20)), row(2, "a")]
    with stage(store_of(*rows), scratch, rows) as staged:
        failed, fine = staged
        assert isinstance(failed, RowFailure)
        assert failed.causes[0].error == "InvalidUrlError"
        assert isinstance(fine, StagedFiles)


@pytest.mark.parametrize("prefetch", [-1, "2", None, 1.0], ids=repr)
def test_prefetch_is_a_number_of_rows(prefetch, scratch):
    with pytest.raises((ValueError, TypeError), match="prefetch"):
        Staging(MemoryStore(), scratch, prefetch)


def test_rows_can_be_staged_again(scratch):
    rows = [row(1, "a"), row(2, "a")]
    staging = Staging(store_of(*rows), scratch, prefetch=2)
    for _ in range(2):
        with closing(staging.stage(rows)) as staged:
            assert [each.row.id for each in staged if isinstance(each, StagedFiles)] == [1, 2]


# How many at a time.


def test_a_released_row_and_a_failed_one_leave_nothing(scratch):
    rows = [row(1, "a"), row(2, "a", "b"), row(3, "a")]
    with stage(
        store_of(*rows, missing=frozenset({"sources/2/b"})), scratch, rows, prefetch=0
    ) as staged:
        for each in staged:
            if isinstance(each, StagedFiles):
                assert scratch.left == {each.path}
                each.release()
            assert scratch.left == set()


@pytest.mark.parametrize("prefetch", [0, 1, 2, 5, 16])
def test_up_to_prefetch_rows_are_fetched_ahead_of_the_one_that_was_taken(prefetch, scratch):
    rows = [row(number, "a") for number in range(3 * prefetch + 3)]
    begun = {each.sources["a"]: threading.Event() for each in rows}
    on_disk = []

    def note(request: Request) -> None:
        on_disk.append(len(scratch.left))
        begun[request.url].set()

    with stage(Faulty(store_of(*rows), note), scratch, rows, prefetch=prefetch) as staged:
        for number, each in enumerate(staged):
            # The next batch is begun, at the latest, when half of them are taken.
            at_least = min(prefetch, prefetch // 2 + 1)
            for later in rows[number : number + at_least + 1]:
                assert begun[later.sources["a"]].wait(DEADLINE)
            each.release()
    assert max(on_disk) == prefetch + 1


# What is left over.


@pytest.mark.parametrize("prefetch", [0, 1, 2, 5])
@pytest.mark.parametrize("taken", [0, 1, 3, 10])
def test_closing_early_leaves_what_was_taken_to_its_taker_and_nothing_else(
    taken, prefetch, scratch
):
    rows = [row(number, "a") for number in range(10)]
    with stage(store_of(*rows), scratch, rows, prefetch=prefetch) as staged:
        held = [next(staged) for _ in range(taken)]
    assert [files_in(each.path) for each in held] == [
        {"a": b"sources/%d/a" % number} for number in range(taken)
    ]
    assert scratch.left == {each.path for each in held}


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_an_exception_in_the_consumer_leaves_nothing(error, prefetch, scratch):
    rows = [row(number, "a") for number in range(10)]

    def consume():
        with stage(store_of(*rows), scratch, rows, prefetch=prefetch) as staged:
            next(staged).release()
            next(staged).release()
            raise error

    with pytest.raises(error):
        consume()
    assert scratch.left == set()


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_a_store_that_breaks_takes_no_row_from_its_taker_and_leaves_no_other(prefetch, scratch):
    rows = [row(number, "a") for number in range(4)]

    def broken(request: Request) -> NotFoundError | None:
        if request.url.key == "sources/3/a":
            raise ZeroDivisionError
        return None

    held = []
    with (
        stage(Faulty(store_of(*rows), broken), scratch, rows, prefetch=prefetch) as staged,
        pytest.raises(ZeroDivisionError),
    ):
        held.extend(iter(staged))
    assert scratch.left == {each.path for each in held}


@pytest.mark.parametrize("room", [0, 1, 2, 3])
def test_a_full_disk_is_told_and_leaves_nothing(room, tmp_path):
    scratch = Directories(tmp_path, room=room)
    rows = [row(number, "a") for number in range(4)]
    with (
        stage(store_of(*rows), scratch, rows, prefetch=4, with_output=True) as staged,
        pytest.raises(NoSpaceError),
    ):
        list(staged)
    assert scratch.left == set()
