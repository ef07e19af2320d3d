"""Pipelines: every row comes out once, whatever fails, and nothing stays on disk."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.pipeline_support import (
    DEADLINE,
    INTO,
    Directories,
    id_of,
    number_in,
    run,
    table,
    work,
)

from file_dataset.adapters.layers.faulty import Faults, Faulty
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.calling import RowFunction
from file_dataset.domain.errors import TransientError
from file_dataset.domain.pipeline import Pipelining
from file_dataset.domain.publishing import Publishing
from file_dataset.domain.requests import Abort, Complete, Download, Prepare, Request
from file_dataset.domain.rows import Row, RowDone, RowFailure
from file_dataset.domain.staging import StagedFiles, Staging
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing

RUNS = pytest.mark.parametrize(
    ("workers", "prefetch"), [(workers, prefetch) for workers in (1, 2, 4) for prefetch in range(6)]
)
SOME_RUNS = pytest.mark.parametrize(("workers", "prefetch"), [(1, 0), (1, 3), (2, 0), (3, 4)])


@pytest.fixture
def scratch(tmp_path) -> Directories:
    (tmp_path / "scratch").mkdir()
    return Directories(tmp_path / "scratch")


# Conservation.

WORDS = st.lists(st.sampled_from(["work", "work", "work", "raise", "lose"]), max_size=12)
FAULTS = st.tuples(st.integers(), *[st.sampled_from([0.0, 0.2, 0.5])] * 2)


@given(WORDS, FAULTS, st.sampled_from([1, 2, 4]), st.integers(0, 5))
def test_every_row_comes_out_once_as_done_or_as_failed(words, faults, workers, prefetch):
    store, rows = table(*words)
    seed, before, after = faults
    # Nobody can take back what was prepared if its token was lost, so that one is spared.
    losing = Faulty(store, Faults(seed=seed, after=after, verbs={Download, Complete}))
    faulty = Faulty(losing, Faults(seed=seed, before=before, verbs={Download, Prepare, Complete}))
    with tempfile.TemporaryDirectory() as place:
        scratch = Directories(Path(place))
        with run(faulty, rows, scratch, workers=workers, prefetch=prefetch) as results:
            found = list(results)
        assert scratch.left == set()
    ids = [id_of(result) for result in found]
    assert (ids if workers == 1 else sorted(ids)) == [row.id for row in rows]
    assert store._prepared == {}
    for result in found:
        number, word = id_of(result), words[id_of(result)]
        if isinstance(result, RowDone):
            assert word == "work"
            row = INTO.joined(str(number))
            targets = {name: row.joined(name) for name in ("out.txt", "in.txt")}
            assert result.values == {**targets, "none": None}
            assert store.read(targets["out.txt"]) == f"{number}".encode()
            assert store.read(targets["in.txt"]) == f"work {number}".encode()
        else:
            possible = {
                "work": ("read", "write"),
                "raise": ("read", "call"),
                "lose": ("read", "call"),
            }
            assert result.stage in possible[word]


@RUNS
def test_all_good_rows_come_out_done(workers, prefetch, scratch):
    store, rows = table(*["work"] * 20)
    with run(store, rows, scratch, workers=workers, prefetch=prefetch) as results:
        found = list(results)
    assert {type(result) for result in found} == {RowDone}
    assert sorted(map(id_of, found)) == list(range(20))
    assert scratch.left == set()


def test_rows_that_fail_say_where(scratch):
    store, rows = table("work", "raise", "lose", "work", "work")
    store.delete(rows[3].sources["in.txt"])

    def script(request: Request):
        is_bad = type(request) is Complete and request.url.key.startswith("into/4/")
        return TransientError("no") if is_bad else None

    with run(Faulty(store, script), rows, scratch) as results:
        done, *failures = results
    assert isinstance(done, RowDone)
    assert [
        (failure.row_id, failure.stage, failure.causes[0].error)
        for failure in failures
        if isinstance(failure, RowFailure)
    ] == [
        (1, "call", "ValueError"),
        (2, "call", "NotFoundError"),
        (3, "read", "NotFoundError"),
        (4, "write", "TransientError"),
    ]


def test_a_function_of_one_directory_works_in_it(scratch):
    def upper(d: Path):
        (d / "out.txt").write_text((d / "in.txt").read_text().upper())
        return {"out.txt": "out.txt"}

    store, rows = table("work", "work")
    with run(store, rows, scratch, fn=upper) as results:
        assert Counter(map(type, results)) == {RowDone: 2}
    assert store.read(INTO.joined("1", "out.txt")) == b"WORK 1"


def test_a_function_may_change_the_working_directory(scratch, monkeypatch):
    monkeypatch.chdir(scratch.root)  # and back in the end

    def wandering(inside: Path, out: Path):
        os.chdir(out)
        Path("out.txt").write_text("here")
        return {"out.txt": "out.txt"}

    store, rows = table("work", "work", "work")
    with run(store, rows, scratch, fn=wandering) as results:
        assert Counter(map(type, results)) == {RowDone: 3}


def test_no_rows_are_no_results(scratch):
    with run(MemoryStore(), [], scratch) as results:
        assert list(results) == []


# However it ends.


@RUNS
@pytest.mark.parametrize("taken", [0, 1, 5])
def test_closing_early_leaves_nothing_and_begins_nothing_more(taken, workers, prefetch, scratch):
    store, rows = table(*["work"] * 30)
    calls = []

    def counted(inside, out):
        calls.append(inside)
        return work(inside, out)

    threads = set(threading.enumerate())
    with run(store, rows, scratch, fn=counted, workers=workers, prefetch=prefetch) as results:
        for _ in range(taken):
            next(results)
    begun = len(calls)
    assert (scratch.left, store._prepared) == (set(), {})
    assert set(threading.enumerate()) <= threads
    assert begun == len(calls) < len(rows)


@SOME_RUNS
def test_an_exception_in_the_consumer_leaves_nothing(workers, prefetch, scratch):
    store, rows = table(*["work"] * 10)

    def consume():
        with run(store, rows, scratch, workers=workers, prefetch=prefetch) as results:
            next(results)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert scratch.left == set()


@SOME_RUNS
@pytest.mark.parametrize("at", [0, 1, 9])
def test_an_interrupt_in_the_function_stops_the_run_and_leaves_nothing(
    at, workers, prefetch, scratch
):
    store, rows = table(*["work"] * at, "interrupt", *["work"] * (9 - at))
    with (
        pytest.raises(KeyboardInterrupt),
        run(store, rows, scratch, workers=workers, prefetch=prefetch) as results,
    ):
        list(results)
    assert (scratch.left, store._prepared) == (set(), {})


@SOME_RUNS
@pytest.mark.parametrize("verb", [Download, Prepare, Complete, Abort])
@pytest.mark.parametrize("at", [0, 9])
def test_a_bug_of_a_store_stops_the_run_and_leaves_no_directory(
    at, verb, workers, prefetch, scratch
):
    store, rows = table(*["work"] * 10)

    def script(request: Request):
        if type(request) is Complete and verb is Abort:
            return TransientError("to have something to abort")
        if type(request) is verb and str(at) in request.url.key:
            raise ZeroDivisionError
        return None

    with (
        pytest.raises(ZeroDivisionError),
        run(Faulty(store, script), rows, scratch, workers=workers, prefetch=prefetch) as results,
    ):
        list(results)
    assert scratch.left == set()


# Who calls the function.


class Calling:
    """Calls the function as ever, and knows when it was told to stop."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._function = RowFunction.of(work)

    def call(self, staged: StagedFiles, /) -> Row | RowFailure:
        return self._function.call(staged)

    def stop(self) -> None:
        self.stopped.set()


def pipelining(store: Store, scratch: Directories, caller: Calling, workers: int, prefetch: int):
    staging = Staging(store, scratch, prefetch, with_output=True)
    return Pipelining(staging, caller, Publishing(store, INTO), workers)


@SOME_RUNS
@pytest.mark.parametrize("taken", [1, 3])
def test_the_caller_is_told_when_the_run_is_over(taken, workers, prefetch, scratch):
    store, rows = table("work", "work", "work")
    caller = Calling()
    with closing(pipelining(store, scratch, caller, workers, prefetch).run(rows)) as results:
        for _ in range(taken):
            assert not caller.stopped.is_set()
            next(results)
    assert caller.stopped.is_set()


@pytest.mark.parametrize("prefetch", [1, 4])
def test_an_interrupt_stops_the_caller_before_downloads_are_waited_for(prefetch, scratch):
    store, rows = table("interrupt", *["work"] * 20)
    begun = threading.Event()

    class Interrupted(Calling):
        def call(self, staged: StagedFiles, /) -> Row | RowFailure:
            assert begun.wait(DEADLINE)
            return super().call(staged)

    caller = Interrupted()

    def script(request: Request) -> None:
        # In the second batch, which is on its way when the first row is in the function.
        if type(request) is Download and request.url.key == f"from/{(prefetch + 1) // 2}":
            begun.set()
            assert caller.stopped.wait(DEADLINE)

    faulty = Faulty(store, script)
    with (
        pytest.raises(KeyboardInterrupt),
        closing(pipelining(faulty, scratch, caller, 1, prefetch).run(rows)) as results,
    ):
        list(results)
    assert scratch.left == set()


# Stops.


@pytest.mark.parametrize("workers", [1, 2])
def test_a_row_that_is_staged_when_the_run_is_stopped_has_no_turn(workers, scratch):
    store, rows = table("work", "work", "work")
    stopped = threading.Event()
    called: list[int] = []

    def script(request: Request):
        if type(request) is Download and request.url == rows[1].sources["in.txt"]:
            stopped.set()

    def fn(inside: Path, out: Path):
        called.append(number_in(inside))
        return {}

    staging = Staging(Faulty(store, script), scratch, 0, with_output=True)
    pipelining = Pipelining(staging, RowFunction.of(fn), Publishing(store, INTO), workers)
    found = list(pipelining.run(rows, is_stopped=stopped.is_set))
    assert [id_of(result) for result in found] == called == [0]
    assert scratch.left == set()
