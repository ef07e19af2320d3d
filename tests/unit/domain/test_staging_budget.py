"""Staging within a budget of bytes: it is not passed, no row is lost, and nobody waits for ever."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.pipeline_support import (
    DEADLINE,
    INTO,
    Directories,
    Directory,
    id_of,
)

from file_dataset.adapters.layers._layer import Layer
from file_dataset.adapters.layers.faulty import Faulty
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.budget import Budget
from file_dataset.domain.calling import RowFunction
from file_dataset.domain.outcomes import Done
from file_dataset.domain.pipeline import Pipelining
from file_dataset.domain.publishing import Publishing
from file_dataset.domain.requests import Download, Request, Stat
from file_dataset.domain.rows import Row, RowDone, RowFailure
from file_dataset.domain.staging import StagedFiles, Staging
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

SOURCES = Url("memory", "", "sources")


@pytest.fixture
def scratch(tmp_path) -> Disk:
    return Disk(tmp_path)


def table(sizes) -> tuple[MemoryStore, list[Row]]:
    """A store, and rows with files of so many bytes each; the first bytes tell which file."""
    store = MemoryStore()
    rows = []
    for number, row_sizes in enumerate(sizes):
        files = {f"{n}.bin": SOURCES.joined(f"{number}-{n}") for n in range(len(row_sizes))}
        for url, size in zip(files.values(), row_sizes, strict=True):
            store.write(url, bytes(size))
        rows.append(Row(number, files))
    return store, rows


class Disk(Directories):
    """Scratch that knows how many bytes were in its directories at most, to the byte."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.most = 0
        self._held: dict[Path, int] = {}
        self._lock = threading.Lock()

    def open(self) -> Directory:
        return Counted(self)

    def forget(self, directory: Path) -> None:
        with self._lock:
            self._held.pop(directory, None)

    def note(self, file: Path) -> None:
        with self._lock:
            self._held[file.parent] = self._held.get(file.parent, 0) + file.stat().st_size
            self.most = max(self.most, sum(self._held.values()))


class Counted(Directory):
    """A directory whose bytes count until it is gone."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk.root)
        self._disk = disk

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._disk.forget(self.path)


@attrs.frozen(eq=False)
class Watched(Layer):
    """Tells the disk about each file that is fetched, and keeps what was asked for."""

    disk: Disk
    batches: list[list[type[Request]]] = attrs.field(factory=list)

    def run(self, requests, /):
        self.batches.append([type(request) for request in requests])
        for outcome in self.store.run(requests):
            request = requests[outcome.index]
            if isinstance(request, Download) and isinstance(outcome, Done):
                self.disk.note(request.path)
            yield outcome

    @property
    def asked(self) -> Counter[type[Request]]:
        return Counter(verb for batch in self.batches for verb in batch)


def stage(staging: Staging, rows):
    return closing(staging.stage(rows))


SIZES = st.lists(st.lists(st.integers(0, 40), max_size=3), max_size=14)


@given(SIZES, st.integers(1, 100), st.integers(0, 9))
def test_a_strict_budget_is_never_passed_and_every_row_comes_once_in_order(sizes, limit, prefetch):
    store, rows = table(sizes)
    with tempfile.TemporaryDirectory() as place:
        scratch = Disk(Path(place))
        store_ = Watched(store, scratch)
        staging = Staging(store_, scratch, prefetch, budget=Budget(limit, is_strict=True))
        found = []
        with stage(staging, rows) as staged:
            for each in staged:
                found.append(id_of(each) if isinstance(each, RowFailure) else each.row.id)
                too_large = sum(sizes[found[-1]]) > limit
                assert isinstance(each, RowFailure) == too_large
                if isinstance(each, StagedFiles):
                    each.release()
        assert scratch.left == set()
    assert found == list(range(len(rows)))
    assert scratch.most <= limit


@given(SIZES, st.integers(1, 100), st.integers(0, 9), st.sampled_from([1, 2, 3]), st.booleans())
def test_a_pipeline_within_a_budget_ends_and_accounts_for_every_row(
    sizes, limit, prefetch, workers, is_strict
):
    store, rows = table(sizes)
    with tempfile.TemporaryDirectory() as place:
        scratch = Disk(Path(place))
        store_ = Watched(store, scratch)
        staging = Staging(store_, scratch, prefetch, budget=Budget(limit, is_strict=is_strict))
        function = RowFunction.of(lambda d: {path.name: path for path in d.iterdir()})
        pipelining = Pipelining(staging, function, Publishing(store_, INTO), workers)
        with closing(pipelining.run(rows)) as results:
            found = list(results)
        assert scratch.left == set()
    failed = {id_of(each) for each in found if isinstance(each, RowFailure)}
    assert sorted(map(id_of, found)) == list(range(len(rows)))
    assert failed == {n for n, row in enumerate(sizes) if is_strict and sum(row) > limit}
    if is_strict:
        assert scratch.most <= limit


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("prefetch", [0, 1, 4])
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_closing_a_pipeline_that_waits_for_room_ends_it(taken, prefetch, workers, scratch):
    store, rows = table([[10]] * 12)
    staging = Staging(store, scratch, prefetch, budget=Budget(10, is_strict=True))
    function = RowFunction.of(lambda d: {"0.bin": d / "0.bin"})
    pipelining = Pipelining(staging, function, Publishing(store, INTO), workers)
    with closing(pipelining.run(rows)) as results:
        found = [next(results) for _ in range(taken)]
    assert Counter(map(type, found)) == ({RowDone: taken} if taken else {})
    assert scratch.left == set()


@pytest.mark.parametrize("prefetch", [1, 4])
def test_closing_the_staging_that_waits_for_room_ends_it(prefetch, scratch):
    store, rows = table([[10]] * 12)
    staging = Staging(store, scratch, prefetch, budget=Budget(10, is_strict=True))
    with stage(staging, rows) as staged:
        held = next(staged)
    assert scratch.left == {held.path}


def test_a_row_that_is_too_large_fails_before_its_download_and_says_how_much_it_needs(scratch):
    store, rows = table([[5, 6], [10]])
    store_ = Watched(store, scratch)
    staging = Staging(store_, scratch, 2, budget=Budget(10, is_strict=True))
    with stage(staging, rows) as staged:
        failed, fine = staged
        fine.release()
    (cause,) = failed.causes
    assert (failed.stage, cause.error, cause.retryable) == ("read", "NoSpaceError", False)
    assert "needs 11 bytes" in cause.message
    assert "allowed are 10" in cause.message
    assert store_.asked == {Stat: 3, Download: 1}


def test_a_file_that_is_missing_is_told_without_a_download(scratch):
    store, rows = table([[5], [5]])
    store.delete(rows[0].sources["0.bin"])
    store_ = Watched(store, scratch)
    staging = Staging(store_, scratch, 2, budget=Budget(10, is_strict=True))
    with stage(staging, rows) as staged:
        failed, fine = staged
        fine.release()
    assert (failed.stage, failed.causes[0].error) == ("read", "NotFoundError")
    assert store_.asked == {Stat: 2, Download: 1}


@pytest.mark.parametrize("budget", [Budget, lambda: Budget(10)], ids=["none", "not strict"])
def test_sizes_are_asked_for_only_where_the_budget_is_strict(budget, scratch):
    store, rows = table([[5, 5]] * 3)
    store_ = Watched(store, scratch)
    with stage(Staging(store_, scratch, 2, budget=budget()), rows) as staged:
        for each in staged:
            each.release()
    assert store_.asked == {Download: 6}


def test_past_a_budget_that_is_not_strict_nothing_more_is_begun_until_a_release(scratch):
    store, rows = table([[10]] * 40)
    budget = Budget(10)
    begun = threading.Semaphore(0)

    def note(request: Request) -> None:
        begun.release()

    staging = Staging(Faulty(store, note), scratch, prefetch=16, budget=budget)
    with stage(staging, rows) as staged:
        batch = [next(staged) for _ in range(8)]
        assert all(begun.acquire(timeout=DEADLINE) for _ in batch)
        # The first batch is past it; the next one waits for all that is held.
        assert not begun.acquire(timeout=0.05)
        for each in batch[1:]:
            each.release()
        assert not begun.acquire(timeout=0.05)
        batch[0].release()
        assert begun.acquire(timeout=DEADLINE)


def test_sizes_of_the_next_rows_are_asked_for_while_rows_are_fetched(scratch):
    store, rows = table([[1]] * 8)
    asked_for_last = threading.Event()

    def script(request: Request) -> None:
        if request == Stat(rows[7].sources["0.bin"]):
            asked_for_last.set()
        if request == Download(rows[3].sources["0.bin"], getattr(request, "path", "")):
            assert asked_for_last.wait(DEADLINE)

    budget = Budget(100, is_strict=True)
    with stage(Staging(Faulty(store, script), scratch, 7, budget=budget), rows) as staged:
        for each in staged:
            each.release()
    assert asked_for_last.is_set()


# How many rows are one batch.

BATCHES = {
    "small files make larger batches": (1, [8, 16, 32, 32, 12]),
    "large files make smaller ones": (20 << 20, [8, 4, 4, 4]),
}


@pytest.mark.parametrize(("size", "expected"), BATCHES.values(), ids=BATCHES.keys())
def test_batches_follow_the_size_of_the_rows(size, expected, scratch, monkeypatch):
    store, rows = table([[0]] * sum(expected))
    # As if the files were that large.
    monkeypatch.setattr("file_dataset.domain.staging.bytes_of", lambda _: size)
    store_ = Watched(store, scratch)
    staging = Staging(store_, scratch, prefetch=64)
    with stage(staging, rows) as staged:
        for each in staged:
            each.release()
    assert list(map(len, store_.batches)) == expected
