"""Pipelines: download, function and upload at the same time, with bounds on what that takes."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest
from tests.unit.domain.pipeline_support import (
    DEADLINE,
    Directories,
    id_of,
    number_in,
    run,
    table,
    work,
)

from file_dataset.adapters.layers.faulty import Faulty
from file_dataset.domain.requests import Download, Prepare, Request, Upload
from file_dataset.domain.rows import RowDone, RowId


@pytest.fixture
def scratch(tmp_path) -> Directories:
    return Directories(tmp_path)


class Meeting:
    """Where several have to be at the same time; whoever waits for the others in vain fails."""

    def __init__(self, parties: int) -> None:
        self._barrier = threading.Barrier(parties, timeout=DEADLINE)

    def join(self) -> None:
        self._barrier.wait()


def is_for(request: Request, verb: type[Request], number: int) -> bool:
    """Whether a request is the verb on the first file of a row."""
    return type(request) is verb and request.url.key in (f"from/{number}", f"into/{number}/out.txt")


def done(results) -> int:
    with results as found:
        return Counter(map(type, found))[RowDone]


def test_one_worker_calls_the_function_in_the_calling_thread(scratch):
    threads = set()

    def noting(inside: Path, out: Path):
        threads.add(threading.current_thread())
        return work(inside, out)

    store, rows = table(*["work"] * 5)
    assert done(run(store, rows, scratch, fn=noting, prefetch=3)) == 5
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("workers", [2, 3])
def test_so_many_workers_are_in_the_function_at_a_time_and_no_more(workers, scratch):
    meeting = Meeting(workers)
    inside_now: set[int] = set()
    most = []

    def meeting_others(inside: Path, out: Path):
        inside_now.add(threading.get_ident())
        most.append(len(inside_now))
        meeting.join()
        inside_now.discard(threading.get_ident())
        return work(inside, out)

    store, rows = table(*["work"] * 2 * workers)
    assert done(run(store, rows, scratch, fn=meeting_others, workers=workers)) == len(rows)
    assert max(most) <= workers


@pytest.mark.parametrize(("workers", "prefetch"), [(1, 0), (1, 1), (1, 4), (2, 0), (2, 4)])
def test_a_row_is_published_while_the_function_is_at_the_next(workers, prefetch, scratch):
    meeting = Meeting(2)

    def script(request: Request) -> None:
        if is_for(request, Prepare, 0):
            meeting.join()

    def fn(inside: Path, out: Path):
        if number_in(inside) == 1:
            meeting.join()
        return work(inside, out)

    store, rows = table("work", "work")
    faulty = Faulty(store, script)
    assert done(run(faulty, rows, scratch, fn=fn, workers=workers, prefetch=prefetch)) == 2


@pytest.mark.parametrize(("workers", "prefetch"), [(1, 1), (1, 2), (1, 3), (2, 1)])
def test_download_function_and_upload_are_at_it_at_the_same_time(workers, prefetch, scratch):
    meeting = Meeting(3)

    def script(request: Request) -> None:
        if is_for(request, Prepare, 0) or is_for(request, Download, 2):
            meeting.join()

    def fn(inside: Path, out: Path):
        if number_in(inside) == 1:
            meeting.join()
        return work(inside, out)

    store, rows = table("work", "work", "work")
    faulty = Faulty(store, script)
    assert done(run(faulty, rows, scratch, fn=fn, workers=workers, prefetch=prefetch)) == 3


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_a_row_is_reported_as_soon_as_it_is_published(prefetch, scratch):
    reported = threading.Event()

    def fn(inside: Path, out: Path):
        # The other worker's row, and then every later one, takes until the first is known.
        assert number_in(inside) == 0 or reported.wait(DEADLINE)
        return work(inside, out)

    store, rows = table(*["work"] * 6)
    with run(store, rows, scratch, fn=fn, workers=2, prefetch=prefetch) as results:
        assert id_of(next(results)) == 0
        reported.set()
        assert Counter(map(type, results)) == {RowDone: 5}


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_one_worker_reports_what_is_published_before_its_next_row(prefetch, scratch):
    begun = [threading.Event() for _ in range(4)]
    reported: list[RowId] = []

    def script(request: Request) -> None:
        for number, event in enumerate(begun):
            if is_for(request, Prepare, number):
                event.set()

    def fn(inside: Path, out: Path):
        number = number_in(inside)
        # Row 0 is a batch of its own, and has ended when that of row 1 begins.
        assert number not in (1, 2) or begun[number - 1].wait(DEADLINE)
        assert number != 3 or reported[:1] == [0]
        return work(inside, out)

    store, rows = table(*["work"] * 4)
    faulty = Faulty(store, script)
    with run(faulty, rows, scratch, fn=fn, prefetch=prefetch) as results:
        for result in results:
            assert isinstance(result, RowDone), result
            reported.append(result.row.id)
    assert reported == [0, 1, 2, 3]


@pytest.mark.parametrize("prefetch", [0, 1, 2, 5])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_rows_on_disk_are_bounded_however_slow_the_upload_is(workers, prefetch, scratch):
    behind = max(1, prefetch)
    calls = threading.Semaphore(0)
    on_disk = []

    def slowly(request: Request) -> None:
        on_disk.append(len(scratch.left))
        if is_for(request, Upload, 0):
            # Until the function has been called for this row, and for as many as may wait for it.
            assert all(calls.acquire(timeout=DEADLINE) for _ in range(1 + behind))

    def fn(d: Path):
        on_disk.append(len(scratch.left))
        calls.release()
        return {"out.txt": d / "in.txt"}

    store, rows = table(*["work"] * 60)
    faulty = Faulty(store, slowly)
    assert done(run(faulty, rows, scratch, fn=fn, workers=workers, prefetch=prefetch)) == 60
    in_the_function = 0 if workers == 1 else 2 * workers
    assert behind < max(on_disk) <= prefetch + in_the_function + 2 * behind
