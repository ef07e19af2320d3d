from __future__ import annotations

import hashlib
import os
import threading
from queue import SimpleQueue

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import open_files
from tests.unit.adapters.s3.curl.simulated import (
    PLACE,
    Answer,
    Handles,
    Unhurried,
    drive_of,
    driven,
    whole,
)

from file_dataset.adapters.s3.curl import helpers as module
from file_dataset.adapters.s3.curl.fetch import Fetch
from file_dataset.adapters.s3.curl.helpers import Helpers
from file_dataset.adapters.s3.curl.parts import Terms
from file_dataset.adapters.s3.curl.sending import Send, SendFile, SendPart
from file_dataset.adapters.s3.curl.signing import Keys, Scope
from file_dataset.adapters.s3.curl.sinks import InMemory
from file_dataset.adapters.s3.curl.tasks import Describe, Streams
from file_dataset.adapters.s3.multipart import Part
from file_dataset.domain.errors import IntegrityError
from file_dataset.domain.objects import Span
from file_dataset.domain.url import Url

HASHING = attrs.evolve(PLACE, hashes=True)
MANY = module._MANY
_CORES = module._cores


def keyed(number):
    return Url.parse(f"s3://bucket/{number}")


def threads():
    return [each for each in threading.enumerate() if each.name.startswith("file_dataset.curl.h")]


class Slow(Send):
    """What waits, once it is begun, until it may go on."""

    def __init__(self, number, size=MANY, raises=None):
        super().__init__(keyed(number), HASHING, bytes(size))
        self.begun: SimpleQueue[str] = SimpleQueue()
        self.may_go_on = threading.Event()
        self.dropped = 0
        self._raises = raises

    def begin(self):
        self.begun.put(threading.current_thread().name)
        assert self.may_go_on.wait(10)
        if self._raises is not None:
            raise self._raises
        return super().begin()

    def drop(self):
        self.dropped += 1


def soon(tasks):
    """Let tasks go on when the helpers have long been asked to stop."""

    def go_on():
        for task in tasks:
            task.may_go_on.set()

    threading.Timer(0.05, go_on).start()


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """As many as the machine of the tests may have."""
    monkeypatch.setattr(module, "_cores", lambda: 2)


@pytest.fixture
def rings():
    return SimpleQueue()


@pytest.fixture
def helpers(rings):
    made = Helpers(lambda: rings.put(None))
    yield made
    made.stop()
    assert threads() == []


def helped(makes, answer=lambda asked: Answer(200), **settings):
    """What becomes of tasks that helpers may begin, and the requests by their keys."""
    handles = Handles(answer)
    handles.has_helpers = True
    drive = drive_of(makes, handles, **settings)
    try:
        carried = driven(drive)
    finally:
        drive.stop()
    assert threads() == []
    return {each.index: each.value for each in carried}, handles


class TestHelpers:
    def test_they_begin_what_is_long_in_threads_of_their_own(self, helpers, rings):
        task = Slow(0)
        assert helpers.take(task, MANY)
        assert task.begun.get(timeout=10).startswith("file_dataset.curl.helper")
        assert (len(helpers), helpers.have_begun) == (1, False)

        task.may_go_on.set()
        rings.get(timeout=10)
        assert (len(helpers), helpers.have_begun) == (1, True)
        given_back, begun = helpers.give()

        assert given_back is task
        assert begun.result().payload == hashlib.sha256(bytes(MANY)).hexdigest()
        assert (len(helpers), helpers.have_begun) == (0, False)

    def test_what_is_short_they_leave_to_others(self, helpers):
        assert not helpers.take(Slow(0), MANY - 1)
        assert threads() == []

    def test_there_are_none_where_there_is_one_core(self, helpers, monkeypatch):
        monkeypatch.setattr(module, "_cores", lambda: 1)

        assert not helpers.take(Slow(0), 100 * MANY)
        assert threads() == []

    @pytest.mark.parametrize(("cores", "expected"), [(2, 2), (3, 3), (4, 4), (64, 4)])
    def test_there_are_a_few_at_most(self, helpers, monkeypatch, cores, expected):
        monkeypatch.setattr(module, "_cores", lambda: cores)
        tasks = [Slow(number) for number in range(8)]
        for task in tasks:
            assert helpers.take(task, MANY)
        for task in tasks[:expected]:
            task.begun.get(timeout=10)

        assert len(threads()) == expected
        assert all(task.begun.empty() for task in tasks[expected:])
        for task in tasks:
            task.may_go_on.set()

    def test_they_have_enough_with_many(self, helpers):
        for number in range(2 * module._WAITING):
            assert not helpers.have_enough
            helpers.take(Send(keyed(number), HASHING, b""), MANY)

        assert helpers.have_enough

    def test_they_have_enough_with_large_ones_until_those_are_taken_back(self, helpers, rings):
        helpers.take(Send(keyed(0), HASHING, b""), module._BYTES - MANY)
        assert not helpers.have_enough
        helpers.take(Send(keyed(1), HASHING, b""), MANY)
        assert helpers.have_enough

        rings.get(timeout=10)
        helpers.give()
        assert not helpers.have_enough

    def test_what_is_raised_is_given_back(self, helpers, rings):
        error = IntegrityError("changed")
        task = Slow(0, raises=error)
        task.may_go_on.set()
        helpers.take(task, MANY)
        rings.get(timeout=10)

        assert helpers.give()[1].exception() is error

    def test_what_nobody_has_begun_when_they_stop_is_never_begun(self, helpers):
        tasks = [Slow(number) for number in range(4)]
        for task in tasks:
            helpers.take(task, MANY)
        for task in tasks[:2]:
            task.begun.get(timeout=10)
        soon(tasks)
        helpers.stop()

        assert threads() == []
        assert all(task.begun.empty() for task in tasks)


def test_as_many_cores_count_as_the_process_may_use():
    kept = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(kept)})
    try:
        assert _CORES() == 1
    finally:
        os.sched_setaffinity(0, kept)


class TestDrives:
    @given(st.lists(st.sampled_from([0, 1, MANY - 1, MANY, 2 * MANY + 1]), max_size=12))
    def test_all_bodies_arrive_whole_and_hashed(self, sizes):
        bodies = [bytes([number]) * size for number, size in enumerate(sizes)]
        place = attrs.evolve(HASHING, scope=Scope("mars-1"))
        makes = [
            lambda number=number, body=body: Send(keyed(number), place, body)
            for number, body in enumerate(bodies)
        ]
        carried, handles = helped(makes, keys=lambda: Keys("key", "secret"))

        assert carried == dict.fromkeys(range(len(sizes)))
        assert {int(asked.key): asked.body for asked in handles.asked} == dict(enumerate(bodies))
        for asked in handles.asked:
            said = asked.headers["X-Amz-Content-SHA256"]
            assert said == hashlib.sha256(asked.body).hexdigest()

    def test_files_and_parts_of_files_arrive_whole(self, tmp_path):
        path = tmp_path / "large"
        content = os.urandom(3 * MANY)
        path.write_bytes(content)
        last = Part(2, Span(MANY, 2 * MANY))
        makes = [
            lambda: SendFile(keyed(0), HASHING, path, most=4 * MANY),
            lambda: SendPart(keyed(1), HASHING, path, last, upload="id"),
        ]
        before = open_files()
        carried, handles = helped(makes, lambda asked: Answer(200, {"ETag": '"part"'}))

        assert carried == {0: None, 1: '"part"'}
        assert {asked.key: asked.body for asked in handles.asked} == {
            "0": content,
            "1": content[MANY:],
        }
        assert open_files() == before

    def test_others_go_on_meanwhile(self):
        slow = Slow(0)
        quick = [lambda number=number: Describe(keyed(number), PLACE) for number in range(1, 30)]
        asked: list[str] = []

        def answer(request):
            asked.append(request.key)
            if len(asked) == 29:
                slow.may_go_on.set()
            return whole(b"")

        carried, _ = helped([lambda: slow, *quick], answer)

        assert asked[-1] == "0"
        assert len(carried) == 30

    def test_who_cannot_begin_says_so_and_lets_go(self):
        error = IntegrityError("changed")
        slow = Slow(0, raises=error)
        slow.may_go_on.set()
        carried, handles = helped(
            [lambda: slow, lambda: Describe(keyed(1), PLACE)], lambda _: whole(b"")
        )

        assert carried[0] is error
        assert slow.dropped == 1
        assert [asked.key for asked in handles.asked] == ["1"]

    def test_a_bug_in_a_helper_is_raised(self):
        slow = Slow(0, raises=ZeroDivisionError())
        slow.may_go_on.set()
        with pytest.raises(ZeroDivisionError):
            helped([lambda: slow])

    def test_a_file_that_changes_before_its_turn_is_told_and_closed(self, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(bytes(MANY))

        class Changed(SendFile):
            def open(self):
                size = super().open()
                path.write_bytes(bytes(MANY + 1))
                return size

        before = open_files()
        carried, handles = helped([lambda: Changed(keyed(0), HASHING, path, most=2**30)])

        assert type(carried[0]) is IntegrityError
        assert handles.asked == []
        assert open_files() == before

    def test_stopping_waits_for_who_is_at_it_and_drops_all(self):
        slow = [Slow(number) for number in range(3)]
        handles = Handles(lambda asked: Answer(200))
        makes = [lambda task=task: task for task in slow]
        drive = drive_of([*makes, lambda: Describe(keyed(3), PLACE)], handles)
        drive.step(may_send=True)
        for task in slow[:2]:
            task.begun.get(timeout=10)
        soon(slow)
        drive.stop()

        assert threads() == []
        assert [task.dropped for task in slow] == [1, 1, 1]
        assert [asked.key for asked in handles.asked] == ["3"]

    def test_who_is_slow_is_given_no_more_than_a_few(self):
        slow: list[Slow] = []

        def make():
            slow.append(Slow(len(slow)))
            return slow[-1]

        drive = drive_of([make] * 100, Handles(lambda asked: Answer(200)))
        for _ in range(50):
            drive.step(may_send=True)
        soon(slow)
        drive.stop()

        assert len(slow) == 2 * module._WAITING

    @pytest.mark.parametrize("size", [MANY, 2**24])
    def test_no_more_is_read_ahead_than_may_be_in_memory(self, size):
        """And none of it waits for room that only it takes."""
        opened: list[int] = []
        body = bytes(size)

        class Noted(Send):
            def open(self):
                opened.append(len(self._data))
                return super().open()

            def end(self, exchange):
                opened.remove(size)
                return super().end(exchange)

        most = 0

        def answer(asked):
            nonlocal most
            most = max(most, len(opened))
            return Answer(200)

        makes = [lambda n=n: Noted(keyed(n), HASHING, body) for n in range(60)]
        pace = Unhurried(4, bytes_at_once=8 * MANY)
        carried, _ = helped(makes, answer, pace=pace)

        assert carried == dict.fromkeys(range(60))
        # Besides the helpers' there are eight on their way, or, of large ones, 64 MiB.
        assert most <= 2 * module._WAITING + 9 if size == MANY else most <= 1 + 5


def test_only_what_is_hashed_counts():
    terms = Terms(Streams(0), threshold=9, part=40)
    assert Fetch(keyed(0), HASHING, InMemory(), terms).open() == 0
    assert Send(keyed(0), PLACE, bytes(2 * MANY)).open() == 0
    assert Send(keyed(0), PLACE, bytes(2 * MANY), verify=True).open() == 2 * MANY
