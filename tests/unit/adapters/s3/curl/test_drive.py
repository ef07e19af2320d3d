from __future__ import annotations

import contextlib
from collections import Counter
from unittest import mock

import attrs
import pycurl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.s3.curl.simulated import (
    PLACE,
    URL,
    Answer,
    Handles,
    Unhurried,
    drive_of,
    driven,
    refusal,
    whole,
)

from file_dataset.adapters.s3.carried import Declined, Redirected
from file_dataset.adapters.s3.curl import drive as module
from file_dataset.adapters.s3.curl.drafting import AbortUpload, BeginUpload, CompleteUpload
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.fetch import Fetch
from file_dataset.adapters.s3.curl.parts import Terms
from file_dataset.adapters.s3.curl.sending import Send
from file_dataset.adapters.s3.curl.signing import EMPTY, Keys, Scope, signed
from file_dataset.adapters.s3.curl.sinks import InMemory
from file_dataset.adapters.s3.curl.tasks import NOT_YET, Describe, ReadSpan, Streams, Task
from file_dataset.domain.errors import (
    FileDatasetError,
    InvalidUrlError,
    NotFoundError,
    PermissionDeniedError,
    StoreError,
    ThrottledError,
    TransientError,
)
from file_dataset.domain.objects import Span
from file_dataset.domain.requests import Draft, Prepare, Prepared
from file_dataset.domain.url import Url

KEYS = Keys("AKIDEXAMPLE", "made-up-secret")
HERE = Url.local(__file__)
DRAFT = Draft(Url.parse("s3://bucket/dir"), "attempt")
SIGNED = attrs.evolve(PLACE, scope=Scope("mars-1"))


class Ask(Task):
    """A task that is nothing but its requests; it gives how many of them went well."""

    operation = "GetObject"

    def __init__(self, *, url=URL, place=PLACE, more=0, ready=None, begin=None):
        super().__init__(url, place)
        self.more = more
        self.ready = ready
        self.failing = begin
        self.under_way: list[Exchange] = []
        self.well = 0
        self.dropped = 0

    def begin(self):
        if self.failing is not None:
            raise self.failing
        self.under_way = [Exchange(self, "GET") for _ in range(1 + self.more)]
        if self.ready is not None:
            self.ready.extend(self.under_way[1:])
        return self.under_way[0]

    def end(self, exchange):
        self.under_way.remove(exchange)
        self.well += 1
        return NOT_YET if self.under_way else self.well

    def exchanges(self):
        return list(self.under_way)

    def drop(self):
        self.dropped += 1


@pytest.mark.parametrize("end", [None, 1, 2])
def test_an_answer_whose_head_is_cut_off_is_none(end):
    """libcurl tells of no fault there, and the body seems to be empty."""

    class Cut(Answer):
        @property
        def head(self):
            return super().head[:end]

    answer = Cut(200, {"Content-Length": "0"})

    (carried,) = driven(drive_of([lambda: Send(URL, PLACE, b"")], Handles(lambda _: answer)))

    assert (carried.value is None) == (end is None)
    assert end is None or type(carried.value) is TransientError


def given_as(task):
    """What makes a task that is made already."""
    return lambda: task


def keyed(number):
    return Url.parse(f"s3://bucket/{number}")


ANSWERS = {
    "well": whole(b"body"),
    "long": whole(bytes(500)),
    "missing": refusal(404, "NoSuchKey"),
    "denied": refusal(403),
    "moved": refusal(301, "PermanentRedirect"),
    "odd": refusal(400, "Odd"),
    "broken": refusal(500, "InternalError"),
    "slow": refusal(503, "SlowDown"),
    "slow, and says how long": refusal(503, "SlowDown", Retry_After="2"),
    "too many": refusal(429),
    "reset": Answer(200, {}, b"bo", pycurl.E_RECV_ERROR),
    "no answer": Answer(0, {}, b"", pycurl.E_COULDNT_CONNECT),
    "a fault that nobody knows": Answer(0, {}, b"", 9999),
    "nothing": Answer(204),
    "begun": Answer(200, {}, b"<UploadId>id</UploadId>"),
    "a part": Answer(200, {"ETag": '"1"'}),
    "completed": Answer(200, {}, b"<CompleteMultipartUploadResult/>"),
    "no upload": refusal(404, "NoSuchUpload"),
    "not modified": Answer(304),
}

MAKES = {
    "describe": lambda streams: Describe(URL, PLACE),
    "span": lambda streams: ReadSpan(URL, PLACE, Span(1, 2)),
    "send": lambda streams: Send(URL, PLACE, b"data"),
    "fetch": lambda streams: Fetch(URL, PLACE, InMemory(), Terms(streams, threshold=9, part=40)),
    "prepare": lambda streams: BeginUpload(Prepare(HERE, URL), PLACE, most=2**30),
    "complete": lambda streams: CompleteUpload(Prepared(URL, "id", DRAFT), PLACE),
    "abort": lambda streams: AbortUpload(URL, PLACE, "id"),
    "several": lambda streams: Ask(more=3, ready=streams.ready),
    "cannot begin": lambda streams: Ask(begin=StoreError("cannot begin")),
    "no such name": lambda streams: Ask(begin=InvalidUrlError("cannot be")),
    "boto3s": lambda streams: Ask(begin=Declined()),
}


@given(
    st.lists(st.sampled_from(list(MAKES)), max_size=12),
    st.lists(st.sampled_from(list(ANSWERS)), max_size=40),
    st.integers(0, 2**32),
    st.integers(1, 6),
)
def test_every_task_gets_exactly_one_result(kinds, answers, seed, most):
    streams = Streams(2)
    left = [ANSWERS[name] for name in answers]
    handles = Handles(lambda asked: left.pop(0) if left else ANSWERS["well"], seed=seed)
    makes = [lambda kind=kind: MAKES[kind](streams) for kind in kinds]
    drive = drive_of(makes, handles, streams=streams, pace=Unhurried(most))
    with mock.patch("file_dataset.adapters.s3.curl.fetch._SMALL", 20):
        carried = driven(drive)

    assert sorted(each.index for each in carried) == list(range(len(kinds)))
    assert not len(handles)
    assert not streams.ready
    assert streams._free == 2
    assert handles.most <= most
    for each in carried:
        if isinstance(each.value, Exception):
            assert isinstance(each.value, (FileDatasetError, Declined))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("well", int),
        ("nothing", int),
        ("missing", NotFoundError),
        ("denied", PermissionDeniedError),
        ("moved", Redirected),
        ("odd", Redirected),
        ("broken", TransientError),
        ("slow", ThrottledError),
        ("too many", ThrottledError),
        ("reset", TransientError),
        ("no answer", TransientError),
        ("a fault that nobody knows", StoreError),
        ("not modified", StoreError),
    ],
)
def test_what_an_answer_means(answer, kind):
    handles = Handles(lambda asked: ANSWERS[answer])
    (carried,) = driven(drive_of([Ask], handles))

    assert type(carried.value) is kind
    assert len(handles.asked) == 1
    if isinstance(carried.value, StoreError):
        assert carried.value.url == URL
        assert str(carried.value).startswith("s3://bucket/dir/key: ")


@pytest.mark.parametrize("status", [301, 302, 303, 305, 307, 308, 400])
def test_boto3_knows_what_to_do_about_it(status):
    (carried,) = driven(drive_of([Ask], Handles(lambda asked: Answer(status))))

    assert type(carried.value) is Redirected


class Throttling:
    """A server that refuses some keys so many times."""

    def __init__(self, times: dict[str, int], **headers: str) -> None:
        self.times = times
        self.headers = headers
        self.asked: Counter[str] = Counter()

    def __call__(self, asked):
        self.asked[asked.key] += 1
        if self.asked[asked.key] <= self.times.get(asked.key, 0):
            return refusal(503, "SlowDown", **self.headers)
        return ANSWERS["well"]


def asking(count):
    return [lambda number=number: Ask(url=keyed(number)) for number in range(count)]


@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.integers(0, 2**32))
def test_who_came_too_fast_is_asked_for_again_as_long_as_others_are_served(refused, seed):
    server = Throttling({str(number): times for number, times in enumerate(refused)})
    drive = drive_of(asking(len(refused)), Handles(server, seed=seed), pace=Unhurried(3))

    assert [each.value for each in driven(drive)] == [1] * len(refused)
    assert server.asked == {str(number): 1 + times for number, times in enumerate(refused)}


def test_who_is_refused_again_and_again_while_others_are_served_is_told_so():
    server = Throttling({"0": 1_000_000})
    carried = driven(drive_of(asking(200), Handles(server), pace=Unhurried(2)))
    values = {each.index: each.value for each in carried}

    assert isinstance(values.pop(0), ThrottledError)
    assert set(values.values()) == {1}
    assert 15 < server.asked["0"] < 200


def test_who_is_refused_again_and_again_while_nobody_is_served_waits():
    server = Throttling(dict.fromkeys(map(str, range(4)), 30))
    pace = Unhurried(4)
    carried = driven(drive_of(asking(4), Handles(server), pace=pace))

    assert [each.value for each in carried] == [1] * 4
    assert len(pace.pauses) == 4 * 30


def test_who_does_not_wait_for_the_server_is_told_so():
    pace = Unhurried()
    pace.may_wait = False
    server = Throttling({"0": 1, "1": 1}, Retry_After="9")
    carried = driven(drive_of(asking(2), Handles(server), pace=pace))

    errors = [each.value for each in carried if isinstance(each.value, ThrottledError)]
    assert [error.retry_after for error in errors] == [9, 9]
    assert pace.pauses == [9, 9]


def test_who_waits_has_its_turn_in_the_order_of_coming():
    class Numbered(Ask):
        def begin(self):
            super().begin()
            for number, exchange in enumerate(self.under_way):
                exchange.query = f"n={number}"
            return self.under_way[0]

    streams = Streams(0)
    handles = Handles(lambda asked: ANSWERS["well"])
    task = Numbered(more=4, ready=streams.ready)
    driven(drive_of([given_as(task)], handles, streams=streams, pace=Unhurried(1)))

    assert [asked.url[-3:] for asked in handles.asked] == [f"n={number}" for number in range(5)]


def test_the_pace_hears_of_answers_and_not_of_faults():
    names = ["well", "missing", "denied", "reset", "no answer"]
    handles = Handles(lambda asked: ANSWERS[names[int(asked.key)]])
    pace = Unhurried(1)
    driven(drive_of(asking(len(names)), handles, pace=pace))

    assert pace.served == 3
    assert not pace.pauses


@given(st.integers(0, 2**32), st.sampled_from(["missing", "reset", "moved"]), st.integers(1, 9))
def test_when_a_task_fails_the_rest_of_it_is_broken_off(seed, failing, most):
    streams = Streams(0)
    task = Ask(url=keyed("fails"), more=5, ready=streams.ready)
    other = Ask(url=keyed("well"), more=2, ready=streams.ready)
    answers = iter([ANSWERS["well"], ANSWERS[failing]])
    handles = Handles(
        lambda asked: next(answers, ANSWERS["well"]) if "fails" in asked.url else ANSWERS["well"],
        seed=seed,
    )
    drive = drive_of([lambda: task, lambda: other], handles, streams=streams, pace=Unhurried(most))
    carried = {each.index: each.value for each in driven(drive)}

    assert isinstance(carried[0], (StoreError, Declined))
    assert carried[1] == 3
    assert task.well < 6
    assert (task.dropped, other.dropped) == (1, 0)
    assert not len(handles)
    assert not streams.ready


@given(st.lists(st.integers(0, 250), max_size=20), st.integers(0, 2**32), st.integers(1, 20))
def test_the_bytes_that_are_being_sent_are_few_and_all_arrive(sizes, seed, most):
    bodies = [bytes([number]) * size for number, size in enumerate(sizes)]
    handles = Handles(lambda asked: Answer(200), seed=seed)
    makes = [lambda body=body: Send(URL, PLACE, body) for body in bodies]
    with mock.patch.object(module, "_IN_MEMORY", 100):
        carried = driven(drive_of(makes, handles, pace=Unhurried(most)))

    assert [each.value for each in carried] == [None] * len(sizes)
    assert [asked.body for asked in handles.asked] == bodies
    assert handles.most_bytes < 100 + max(sizes, default=1)


@given(st.integers(10, 100), st.integers(1, 500), st.integers(0, 2**32))
def test_a_near_server_is_sent_less_at_once_but_a_few_bodies_in_any_case(size, most, seed):
    handles = Handles(lambda asked: Answer(200), seed=seed)
    makes = [lambda: Send(URL, PLACE, bytes(size))] * 30
    driven(drive_of(makes, handles, pace=Unhurried(30, bytes_at_once=most)))

    enough = -(-most // size)
    assert handles.most_bytes == size * min(30, max(8, enough))


def test_bytes_that_are_refused_are_sent_again():
    server = Throttling({"0": 3})
    handles = Handles(server)
    makes = [lambda number=number: Send(keyed(number), PLACE, bytes(90)) for number in range(4)]
    with mock.patch.object(module, "_IN_MEMORY", 100):
        carried = driven(drive_of(makes, handles))

    assert sorted(each.index for each in carried) == [0, 1, 2, 3]
    assert {each.value for each in carried} == {None}
    assert [asked.body for asked in handles.asked] == [bytes(90)] * 7


class TestBeginning:
    @pytest.mark.parametrize("error", [StoreError("made up"), InvalidUrlError("x"), Declined()])
    @pytest.mark.parametrize("where", ["making", "beginning"])
    def test_a_task_that_cannot_begin_gives_its_error(self, error, where):
        def cannot():
            if where == "making":
                raise error
            return Ask(begin=error)

        carried = driven(drive_of([Ask, cannot, Ask], Handles(lambda asked: ANSWERS["well"])))

        assert {each.index: each.value for each in carried} == {0: 1, 1: error, 2: 1}

    def test_a_bug_of_a_task_is_nobodys_result(self):
        def bug():
            raise ZeroDivisionError("a bug")

        with pytest.raises(ZeroDivisionError, match="a bug"):
            driven(drive_of([bug], Handles(lambda asked: ANSWERS["well"])))

    def test_tasks_begin_when_their_turn_comes(self):
        begun = []

        def make(number):
            begun.append(number)
            return Ask()

        handles = Handles(lambda asked: ANSWERS["well"])
        makes = [lambda number=number: make(number) for number in range(10)]
        drive = drive_of(makes, handles, pace=Unhurried(3))
        drive.step(may_send=True)

        assert begun == [0, 1, 2]
        assert not drive.is_over

    def test_nothing_new_leaves_while_it_may_not(self):
        handles = Handles(lambda asked: ANSWERS["well"])
        drive = drive_of([Ask] * 3, handles, pace=Unhurried(1))
        carried = drive.step(may_send=True)
        while len(handles):
            carried += drive.step(may_send=False)

        assert [each.index for each in carried] == [0]
        assert len(handles.asked) == 1
        assert drive.step(may_send=False) == []
        assert not drive.is_over

    def test_a_batch_of_nothing_is_soon_over(self):
        drive = drive_of([], Handles(lambda asked: ANSWERS["well"]))

        assert drive.step(may_send=True) == []
        assert drive.is_over


class TestWaiting:
    def test_who_has_a_result_does_not_wait_for_the_network(self):
        handles = Handles(lambda asked: ANSWERS["well"])
        drive = drive_of([Ask, lambda: Ask(begin=StoreError("made up"))], handles)
        drive.step(may_send=True)

        assert handles.waits == [0.0]

    def test_a_wait_is_no_longer_than_a_second(self):
        handles = Handles(lambda asked: ANSWERS["well"])
        driven(drive_of([Ask], handles))

        assert set(handles.waits) == {1.0}

    def test_a_wait_ends_when_more_may_be_sent(self):
        server = Throttling({"0": 1}, Retry_After="2")
        handles = Handles(server)
        started = handles.now
        driven(drive_of(asking(3), handles, pace=Unhurried(2)))

        assert handles.now - started >= 2
        assert max(handles.waits) == 1.0


class TestSigning:
    def test_requests_are_signed_with_the_keys_of_their_moment(self):
        tokens = iter(["first", "second"])
        handles = Handles(lambda asked: ANSWERS["well"])
        with mock.patch("time.time", return_value=1_600_000_000.0):
            driven(
                drive_of(
                    [lambda: Ask(place=SIGNED)] * 2,
                    handles,
                    pace=Unhurried(1),
                    keys=lambda: attrs.evolve(KEYS, token=next(tokens)),
                )
            )

        for asked, token in zip(handles.asked, ["first", "second"], strict=True):
            assert asked.lines == signed(
                "GET",
                "127.0.0.1:9000",
                "/bucket/dir/key",
                "",
                payload=EMPTY,
                keys=attrs.evolve(KEYS, token=token),
                scope=Scope("mars-1"),
                now=1_600_000_000.0,
            )

    def test_what_leaves_together_is_signed_with_the_same_keys(self):
        tokens = iter(["first", "second"])
        handles = Handles(lambda asked: ANSWERS["well"])
        drive = drive_of(
            [lambda: Ask(place=SIGNED)] * 8,
            handles,
            pace=Unhurried(4),
            keys=lambda: attrs.evolve(KEYS, token=next(tokens, "later")),
        )
        driven(drive)

        sent = [asked.headers["X-Amz-Security-Token"] for asked in handles.asked]
        assert sent[:4] == ["first"] * 4
        assert sent[4] == "second"

    def test_the_parameters_and_further_headers_are_signed_and_sent(self):
        class Odd(Ask):
            def begin(self):
                return Exchange(self, "GET", query="a=1&b=", headers=(("Range", "bytes=0-1"),))

            def end(self, exchange):
                return None

        handles = Handles(lambda asked: ANSWERS["well"])
        driven(drive_of([lambda: Odd(place=SIGNED)], handles, keys=lambda: KEYS))
        (asked,) = handles.asked

        assert asked.url == "http://127.0.0.1:9000/bucket/dir/key?a=1&b="
        assert asked.headers["Range"] == "bytes=0-1"
        assert ";range;" in asked.headers["Authorization"]

    @pytest.mark.parametrize("place", [PLACE, SIGNED], ids=["anonymous", "signed"])
    def test_only_a_body_does_without_expect(self, place):
        handles = Handles(lambda asked: ANSWERS["well"])
        makes = [lambda: Ask(place=place), lambda: Send(URL, place, b"")]
        driven(drive_of(makes, handles, keys=lambda: KEYS))

        assert ["Expect:" in asked.lines for asked in handles.asked] == [False, True]

    def test_without_keys_a_task_is_boto3s(self):
        tasks = [Ask(place=SIGNED), Ask(), Ask(place=SIGNED)]

        def keys():
            raise Declined

        handles = Handles(lambda asked: ANSWERS["well"])
        carried = driven(drive_of(map(given_as, tasks), handles, keys=keys))
        values = {each.index: each.value for each in carried}

        assert [type(values[0]), values[1], type(values[2])] == [Declined, 1, Declined]
        assert [task.dropped for task in tasks] == [1, 0, 1]
        assert len(handles.asked) == 1

    def test_keys_that_are_gone_in_the_middle_break_a_task_off(self):
        streams = Streams(0)
        task = Ask(place=SIGNED, more=3, ready=streams.ready)
        given = iter([KEYS, KEYS])

        def keys():
            with contextlib.suppress(StopIteration):
                return next(given)
            raise Declined

        handles = Handles(lambda asked: ANSWERS["well"])
        drive = drive_of([lambda: task], handles, streams=streams, pace=Unhurried(1), keys=keys)
        (carried,) = driven(drive)

        assert type(carried.value) is Declined
        assert len(handles.asked) == 2
        assert task.dropped == 1
        assert not len(handles)
        assert not streams.ready


def test_stopping_breaks_off_and_drops_what_was_begun_and_is_not_over_yet():
    tasks = [Ask(url=keyed(number)) for number in range(4)]
    handles = Handles(lambda asked: ANSWERS["well"] if asked.key == "0" else ANSWERS["long"])
    drive = drive_of(map(given_as, tasks), handles, pace=Unhurried(3))
    while not drive.step(may_send=True):
        pass
    begun = [bool(task.under_way) for task in tasks]
    drive.stop()

    assert not len(handles)
    assert [bool(task.dropped) for task in tasks] == begun
    assert any(begun)
    assert not all(begun)
