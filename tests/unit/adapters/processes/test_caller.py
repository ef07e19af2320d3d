"""Worker processes: whatever the function does to its own, it is one row's failure."""

from __future__ import annotations

import ctypes
import functools
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cloudpickle  # type: ignore[import-untyped]  # it has no stubs either
import pytest
from tests.unit.adapters.processes.support import Leash, calling, staged, start_child

from file_dataset.adapters.processes import ProcessCaller, spawning
from file_dataset.adapters.processes.descendants import kill_marked
from file_dataset.domain.calling import RowFunction
from file_dataset.domain.rows import Row, RowFailure


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    assert multiprocessing.active_children() == []


@pytest.fixture
def leash(tmp_path):
    leash = Leash(tmp_path / "leash")
    yield leash
    leash.close()


@pytest.fixture
def standard_input():
    """Where to write what is then on this process's standard input."""
    mine = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    yield writing
    os.dup2(mine, 0)
    for end in (mine, reading, writing):
        os.close(end)


def told(out: Path, text: object) -> dict[str, str]:
    """Outputs of a function: a file that says something."""
    (out / "told.txt").write_text(str(text))
    return {"told.txt": "told.txt"}


def said(answer: Row | RowFailure) -> str:
    """What the file of a row says."""
    assert isinstance(answer, Row), answer
    return Path(answer.sources["told.txt"].path).read_text()


# What kills a worker.


def sleep_for_ever(*_):
    while True:
        time.sleep(1000)


def interrupt():
    raise KeyboardInterrupt("in the function")


def hang_in_c(*_):
    """Hang where no Python code can be run, and so no handler of a signal."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(1000)


DEATHS = {
    "segmentation fault": (lambda: ctypes.string_at(0), "ProcessDiedError", "SIGSEGV", False),
    "abort": (os.abort, "ProcessDiedError", "SIGABRT", False),
    "killed": (lambda: os.kill(os.getpid(), 9), "ProcessDiedError", "SIGKILL", True),
    "exit 3": (lambda: os._exit(3), "ProcessDiedError", "exited with code 3", False),
    "exit 0": (lambda: os._exit(0), "ProcessDiedError", "exited with code 0", False),
    "sys.exit": (lambda: sys.exit("enough"), "SystemExit", "enough", False),
    "KeyboardInterrupt": (interrupt, "KeyboardInterrupt", "in the function", False),
    "hang": (sleep_for_ever, "TimeoutError", "longer than 3 s", True),
    "hang in C": (hang_in_c, "TimeoutError", "longer than 3 s", True),
}


@pytest.mark.parametrize(("act", "error", "words", "retryable"), DEATHS.values(), ids=DEATHS.keys())
def test_a_death_is_its_rows_failure_and_the_next_row_is_called(
    act, error, words, retryable, tmp_path
):
    def fn(inside, out):
        if inside.name == "in-bad":
            act()
        return told(out, inside.name)

    # By value: a worker that is started for each of these need not import the tests.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        # As long as the good row may take as well.
        with calling(fn, tmp_path, timeout=3 if error == "TimeoutError" else None) as call:
            failure = call("bad")
            assert isinstance(failure, RowFailure)
            (cause,) = failure.causes
            assert (failure.row_id, failure.stage) == ("bad", "call")
            assert (cause.error, cause.retryable) == (error, retryable)
            assert words in cause.message
            assert said(call("good")) == "in-good"
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_the_others_go_on_while_one_dies(tmp_path):
    def fn(inside, out):
        if int(inside.name[3:]) % 3 == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return told(out, inside.name)

    with calling(fn, tmp_path, workers=2) as call, ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(call, range(1, 10)))
    died = [answer.row_id for answer in answers if isinstance(answer, RowFailure)]
    assert died == [3, 6, 9]
    assert [said(answer) for answer in answers if isinstance(answer, Row)] == [
        f"in-{number}" for number in (1, 2, 4, 5, 7, 8)
    ]


def test_a_worker_that_dies_between_rows_is_replaced(tmp_path):
    with calling(lambda _, out: told(out, os.getpid()), tmp_path) as call:
        first = int(said(call(1)))
        os.kill(first, signal.SIGKILL)
        second = call(2)
        if isinstance(second, RowFailure):
            assert (second.causes[0].error, second.causes[0].retryable) == (
                "ProcessDiedError",
                True,
            )
            second = call(3)
        assert int(said(second)) != first


# What it starts.

# Whether a child is in a session of its own, without its parent.
AWAY = pytest.mark.parametrize(
    "away",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(
                sys.platform != "linux", reason="only Linux tells what became of such"
            ),
        ),
    ],
    ids=["near", "away"],
)


def hang_until_held(call, leash):
    """Call a function that hangs until its time lets a child begin; gives how often."""
    for times in itertools.count(1):
        assert call().causes[0].error == "TimeoutError"
        if leash.is_held:
            return times
    raise AssertionError


@AWAY
def test_children_of_a_row_that_hangs_end_with_it(away, tmp_path, leash):
    path = str(leash.path)

    def fn(inside, out):
        start_child(path, away=away)
        time.sleep(1000)

    with calling(fn, tmp_path, timeout=1) as call:
        times = hang_until_held(call, leash)
        leash.wait_for_begin()
        leash.wait_for_end(after=times - 1)


@AWAY
def test_children_of_a_row_that_crashes_end_with_it(away, tmp_path, leash):
    path = str(leash.path)

    def fn(inside, out):
        start_child(path, away=away)
        os.kill(os.getpid(), signal.SIGSEGV)

    with calling(fn, tmp_path) as call:
        assert "SIGSEGV" in call().causes[0].message
        leash.wait_for_begin()
        leash.wait_for_end()


@AWAY
@pytest.mark.parametrize("raises", [False, True])
def test_children_that_a_row_leaves_behind_end_with_its_call_and_the_worker_stays(
    raises, away, tmp_path, leash
):
    path = str(leash.path)

    def fn(inside, out):
        if inside.name == "in-1":
            start_child(path, away=away)
            if raises:
                raise ValueError
        return told(out, os.getpid())

    with calling(fn, tmp_path) as call:
        assert isinstance(call(1), RowFailure if raises else Row)
        leash.wait_for_begin()
        leash.wait_for_end()
        assert said(call(2)) == said(call(3))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what became of such")
def test_children_that_are_forked_and_fork_go_too_with_a_row_that_hangs(tmp_path, leash):
    path = str(leash.path)

    def fn(inside, out):
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                os.environ.clear()
                with Path(path).open("wb", buffering=0) as end:
                    if os.fork() == 0:
                        os.setsid()
                        end.write(b"!")
                    time.sleep(1000)
        time.sleep(1000)

    with calling(fn, tmp_path, timeout=2) as call:
        times = hang_until_held(call, leash)
        leash.wait_for_begin()
        leash.wait_for_end(after=3 * times - 1)


def test_processes_of_others_are_left_alone(tmp_path):
    # One that has another one's mark, and one that has none.
    others = [
        subprocess.Popen(["sleep", "1000"], env={**os.environ, "FILE_DATASET_WORKER": mark})
        for mark in (f"{spawning.ORIGIN}-0", "")
    ]
    try:
        with calling(lambda _, __: os.abort(), tmp_path) as call:
            assert "SIGABRT" in call().causes[0].message
        kill_marked(spawning.ORIGIN)
    finally:
        for other in others:
            other.terminate()
        # Not by the signal that ends what the function started.
        assert [other.wait() for other in others] == [-signal.SIGTERM] * 2


def test_a_function_that_leaves_the_group_is_answered_all_the_same(tmp_path):
    def fn(inside, out):
        if os.getpgrp() == os.getpid():
            os.setpgid(0, os.getpgid(os.getppid()))
        os.setsid()
        return told(out, "here")

    with calling(fn, tmp_path) as call:
        assert said(call()) == "here"


def test_a_function_may_start_processes_and_wait_for_them(tmp_path):
    def fn(inside, out):
        listed = subprocess.check_output(["echo", "one"], text=True)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            return told(out, listed.strip() + str(pool.apply(abs, (-2,))))

    with calling(fn, tmp_path) as call:
        assert [said(call(number)) for number in range(2)] == ["one2", "one2"]


# What it changes.


def test_the_working_directory_and_the_environment_are_as_before_in_the_next_row(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("OUTER", "as it was")
    monkeypatch.delenv("INNER", raising=False)
    monkeypatch.chdir(tmp_path)

    def fn(inside, out):
        seen = f"{Path.cwd()} {os.environ.get('OUTER')} {os.environ.get('INNER')}"
        os.chdir(out)
        os.environ["INNER"] = "changed"
        del os.environ["OUTER"]
        Path("told.txt").write_text(f"{seen} {os.getpid()}")
        return {"told.txt": Path("told.txt")}

    with calling(fn, tmp_path) as call:
        first, second = said(call(1)), said(call(2))
    assert first == second
    assert first.startswith(f"{tmp_path} as it was None ")
    assert (Path.cwd(), os.environ["OUTER"], os.environ.get("INNER")) == (
        tmp_path,
        "as it was",
        None,
    )


def test_a_timer_and_the_mask_of_new_files_are_as_before_in_the_next_row(tmp_path):
    def fn(inside, out):
        mask = os.umask(0o77)
        os.umask(mask)
        outputs = told(out, f"{mask:o} {signal.getitimer(signal.ITIMER_REAL)}")
        os.umask(0o777)
        signal.setitimer(signal.ITIMER_REAL, 1000.0)
        return outputs

    with calling(fn, tmp_path) as call:
        assert said(call(1)) == said(call(2))


def test_a_relative_output_is_found_where_the_function_went(tmp_path):
    def fn(inside, out):
        (out.parent / "elsewhere").mkdir()
        os.chdir(out.parent / "elsewhere")
        Path("told.txt").write_text("there")
        return {"told.txt": "told.txt"}

    with calling(fn, tmp_path) as call:
        assert said(call()) == "there"


def test_there_is_nothing_to_read_from_standard_input(tmp_path, standard_input):
    os.write(standard_input, b"typed")
    with calling(lambda _, out: told(out, (sys.stdin.read(), os.read(0, 9))), tmp_path) as call:
        assert said(call()) == "('', b'')"


# What it raises.


class OddError(Exception):
    """Cannot be pickled, and less so be unpickled."""

    def __init__(self, one, two):
        super().__init__(f"odd: {one} {two}")
        self.lock = threading.Lock()


def test_what_it_raises_comes_back_in_words_even_if_it_cannot_be_pickled(tmp_path):
    def fn(inside, out):
        raise OddError("this", "that")

    with calling(fn, tmp_path) as call:
        (cause,) = call().causes
    assert (cause.error, cause.message, cause.retryable) == ("OddError", "odd: this that", False)
    assert 'raise OddError("this", "that")' in cause.traceback


def test_what_it_returns_need_not_be_picklable_to_be_refused(tmp_path):
    with calling(lambda _, __: {"a.txt": threading.Lock()}, tmp_path) as call:
        (cause,) = call().causes
    assert (cause.error, cause.file) == ("InvalidDatasetError", "a.txt")


# How it gets there.


class Loads:
    """Says in a file how often it was loaded."""

    def __init__(self, log: Path, fault: str = "") -> None:
        self.log = log
        self.fault = fault

    def __setstate__(self, state):
        self.__dict__.update(state)
        with self.log.open("a") as log:
            log.write(f"{os.getpid()}\n")
        if self.fault == "raise":
            raise ImportError("no such module here")
        if self.fault == "die":
            os._exit(7)

    def __call__(self, input_dir, output_dir):
        return told(output_dir, os.getpid())


def test_the_function_is_sent_to_each_worker_once_and_workers_take_row_after_row(tmp_path):
    log = tmp_path / "log"
    with (
        calling(Loads(log), tmp_path, workers=2) as call,
        ThreadPoolExecutor(4) as threads,
    ):
        workers = {said(answer) for answer in threads.map(call, range(20))}
    loaded = log.read_text().split()
    assert len(loaded) == len(set(loaded)) <= 2
    assert workers <= set(loaded)


def test_nothing_is_started_before_the_first_call(tmp_path):
    with ProcessCaller(RowFunction.of(lambda d: {})):
        assert multiprocessing.active_children() == []


def test_why_it_cannot_be_loaded_is_each_rows_failure(tmp_path):
    with calling(Loads(tmp_path / "log", "raise"), tmp_path) as call:
        for row_id in (1, 2):
            (cause,) = call(row_id).causes
            assert (cause.error, cause.message) == ("ImportError", "no such module here")


def test_a_worker_that_dies_while_it_loads_the_function_is_each_rows_failure(tmp_path):
    with calling(Loads(tmp_path / "log", "die"), tmp_path) as call:
        for row_id in (1, 2):
            (cause,) = call(row_id).causes
            assert cause.error == "ProcessDiedError"
            assert "did not start" in cause.message


def test_what_no_other_process_can_have_is_refused_at_once():
    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"fn cannot be sent to another process: .*lock"):
        ProcessCaller(RowFunction.of(lambda d: {"lock": lock}))


def local(prefix: str, _, out: Path):
    return told(out, prefix)


FUNCTIONS = {
    "lambda": lambda _, out: told(out, "yes"),
    "partial": functools.partial(local, "yes"),
}


@pytest.mark.parametrize("fn", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_functions_without_a_name_go_too(fn, tmp_path):
    with calling(fn, tmp_path) as call:
        assert said(call()) == "yes"


def test_as_many_rows_as_there_are_workers_are_in_the_function_at_a_time(tmp_path):
    os.mkfifo(tmp_path / "meeting")

    def fn(inside, out):
        # Each end waits until the other one is opened.
        with (inside.parent / "meeting").open("r" if inside.name == "in-1" else "w"):
            return told(out, os.getpid())

    with calling(fn, tmp_path, workers=2) as call, ThreadPoolExecutor(2) as threads:
        assert len({said(answer) for answer in threads.map(call, (1, 2))}) == 2


# How it ends.


@AWAY
def test_stopping_ends_what_is_under_way_and_nothing_is_called_any_more(away, tmp_path, leash):
    path = str(leash.path)

    def fn(inside, out):
        start_child(path, away=away)
        time.sleep(1000)

    caller = ProcessCaller(RowFunction.of(fn), workers=2)
    with ThreadPoolExecutor(1) as thread:
        under_way = thread.submit(caller.call, staged(tmp_path))
        leash.wait_for_begin()
        caller.stop()
        assert multiprocessing.active_children() == []
        leash.wait_for_end()
        caller.stop()
        for answer in (under_way.result(), caller.call(staged(tmp_path, 2))):
            assert isinstance(answer, RowFailure)
            assert answer.causes[0].error == "ProcessDiedError"


class LostPool:
    """Takes a row, and breaks before it has told anybody."""

    active = True

    def schedule(self, *_, **__):
        self.active = False
        return Future()

    def stop(self):
        pass

    join = stop


def test_a_row_that_is_lost_with_its_pool_is_not_waited_for(tmp_path):
    caller = ProcessCaller(RowFunction.of(lambda d: {}))
    caller._pool = LostPool()  # type: ignore[assignment]
    answer = caller.call(staged(tmp_path))
    assert isinstance(answer, RowFailure)
    assert answer.causes[0].error == "ProcessDiedError"


LEFT_ALONE = """
import subprocess, sys, time
from pathlib import Path
from tests.unit.adapters.processes.support import calling, start_child

leash = sys.argv[1]

def fn(inside, out):
    start_child(leash, away=bool(sys.argv[3:]))
    time.sleep(1000)

with calling(fn, Path(sys.argv[2])) as call:
    call()
"""


@AWAY
def test_workers_end_when_the_process_that_started_them_is_killed(away, tmp_path, leash):
    command = [sys.executable, "-c", LEFT_ALONE, str(leash.path), str(tmp_path)]
    command += ["away"] if away else []
    with subprocess.Popen(command, cwd=Path(__file__).parents[4]) as process:
        leash.wait_for_begin()
        process.kill()
    leash.wait_for_end()
