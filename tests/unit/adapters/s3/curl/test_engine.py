"""The engine with drives that do as a test tells them, and no network."""

from __future__ import annotations

import os
import signal
import threading
from queue import SimpleQueue

import pytest

from file_dataset.adapters.s3.carried import Carried
from file_dataset.adapters.s3.curl import engine as module
from file_dataset.adapters.s3.curl.engine import Engine
from file_dataset.adapters.s3.curl.handles import Handles
from file_dataset.adapters.s3.curl.network import Network
from file_dataset.adapters.s3.curl.signing import Keys
from file_dataset.adapters.s3.curl.tasks import Streams


class Drives:
    """What the engine makes a drive with; the drive is this object."""

    def __init__(self, *results, at_once=1):
        self.left = list(results)
        self.at_once = at_once
        self.steps: list[bool] = []
        self.stopped = 0
        self.stepped: SimpleQueue[int] = SimpleQueue()
        self.handles: list[object] = []

    def __call__(self, tasks, handles, pace, keys, streams):
        self.handles.append(handles)
        return self

    @property
    def is_over(self):
        return not self.left

    def step(self, *, may_send, patience=0.0):
        self.steps.append(may_send)
        results, self.left = self.left[: self.at_once], self.left[self.at_once :]
        for result in results:
            if isinstance(result, BaseException):
                raise result
        self.stepped.put(len(self.steps))
        return results

    def stop(self):
        self.stopped += 1


@pytest.fixture
def driven(monkeypatch):
    """Makes an engine whose drives are one that gives these results."""

    def make(*results, **more):
        drives = Drives(*results, **more)
        monkeypatch.setattr(module, "Drive", drives)
        return drives, Engine(Network({}), lambda: Keys("key", "secret"), most=4)

    return make


def run(engine):
    return engine.run(iter(()), Streams(0))


def results(number, value=None):
    return [Carried(index, value) for index in range(number)]


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "file_dataset.curl"]


def test_results_come_in_the_order_of_the_drive(driven):
    drives, engine = driven(*results(10), at_once=3)

    assert list(run(engine)) == results(10)
    assert drives.stopped == 1
    assert threads() == []


@pytest.mark.parametrize("taken", [0, 1, 5, 10])
def test_closing_ends_the_thread_and_stops_the_drive(driven, taken):
    drives, engine = driven(*results(5_000))
    carried = run(engine)
    for _ in range(taken):
        next(carried)
    carried.close()

    assert threads() == []
    assert drives.stopped == (1 if taken else 0)


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), SystemExit(3)], ids=repr)
def test_what_a_drive_raises_comes_out(driven, error):
    drives, engine = driven(*results(2), error, *results(2))
    carried = run(engine)

    assert [next(carried), next(carried)] == results(2)
    with pytest.raises(type(error)) as caught:
        next(carried)
    assert caught.value is error
    assert threads() == []
    assert drives.stopped == 1


def test_what_a_drive_raises_while_it_stops_comes_out(driven, monkeypatch):
    drives, engine = driven(*results(2))

    def stop():
        raise ZeroDivisionError

    monkeypatch.setattr(drives, "stop", stop)
    carried = run(engine)
    assert [next(carried), next(carried)] == results(2)
    with pytest.raises(ZeroDivisionError):
        next(carried)


def test_results_that_nobody_takes_do_not_pile_up(driven, monkeypatch):
    monkeypatch.setattr(module, "_UNTAKEN", 10)
    drives, engine = driven(*results(100))
    waits: SimpleQueue[float] = SimpleQueue()
    wait = Handles.wait

    def noted(handles, seconds):
        waits.put(seconds)
        return wait(handles, seconds)

    monkeypatch.setattr(Handles, "wait", noted)
    carried = run(engine)
    next(carried)

    # With nothing under way and no room it waits until somebody rings.
    assert waits.get(timeout=30) > 0
    assert 10 <= len(drives.steps) <= 11
    assert all(drives.steps)
    assert [each.index for each in carried] == list(range(1, 100))


def test_transfers_under_way_go_on_while_nobody_takes_results(driven, monkeypatch):
    monkeypatch.setattr(module, "_UNTAKEN", 10)
    drives, engine = driven(*results(100))
    monkeypatch.setattr(Handles, "__len__", lambda handles: 1)
    carried = run(engine)
    next(carried)
    while drives.stepped.get(timeout=30) < 100:
        pass

    assert drives.steps.count(True) <= 11
    assert drives.steps[20:] == [False] * 80
    assert len(list(carried)) == 99


def test_large_results_take_more_room(driven, monkeypatch):
    monkeypatch.setattr(module, "_UNTAKEN", 10)
    monkeypatch.setattr(Handles, "__len__", lambda handles: 1)
    drives, engine = driven(*results(20, b"x" * 2**17))
    carried = run(engine)
    next(carried)
    while drives.stepped.get(timeout=30) < 20:
        pass

    assert drives.steps.count(True) <= 5
    assert len(list(carried)) == 19


def test_connections_are_kept_for_the_next_batch_and_closed_in_the_end(driven):
    drives, engine = driven()
    for _ in range(3):
        assert list(run(engine)) == []
    first, second, third = drives.handles
    assert first is second is third
    engine.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first._alarm)


def test_batches_at_a_time_have_connections_of_their_own(driven):
    drives, engine = driven(*results(50_000))
    batches = [run(engine) for _ in range(6)]
    for batch in batches:
        next(batch, None)
    for batch in batches:
        batch.close()

    assert len({id(handles) for handles in drives.handles}) == 6
    assert len(engine._idle) == 4
    engine.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_is_told_that_the_batch_is_not_its_own(driven):
    _, engine = driven(*results(3_000))
    carried = run(engine)
    next(carried)
    child = os.fork()
    if child == 0:
        try:
            # A child that waits for ever is ended.
            signal.alarm(20)
            with pytest.raises(RuntimeError, match="by the process that began it"):
                list(carried)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(list(carried)) == 2_999
