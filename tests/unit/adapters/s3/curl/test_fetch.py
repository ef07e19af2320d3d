from __future__ import annotations

import base64
import tempfile
import zlib
from collections import Counter
from functools import partial
from hashlib import md5
from pathlib import Path
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
    Asked,
    Handles,
    Unhurried,
    drive_of,
    driven,
    refusal,
    whole,
)

from file_dataset.adapters.s3.carried import Declined, Redirected
from file_dataset.adapters.s3.checksums import ASKING
from file_dataset.adapters.s3.curl import fetch
from file_dataset.adapters.s3.curl.fetch import Fetch
from file_dataset.adapters.s3.curl.parts import Terms
from file_dataset.adapters.s3.curl.sinks import AtPath, InMemory
from file_dataset.adapters.s3.curl.tasks import Streams
from file_dataset.domain.errors import (
    IntegrityError,
    InvalidUrlError,
    NotFoundError,
    PermissionDeniedError,
    StoreError,
    ThrottledError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.objects import ObjectInfo

SMALL = 64


@pytest.fixture(scope="module", autouse=True)
def small():
    """What is large is so already at a few bytes: the tests need no megabytes."""
    with mock.patch.object(fetch, "_SMALL", SMALL):
        yield


def content(size: int, *, version: int = 0) -> bytes:
    """Bytes that tell their place and their version."""
    return bytes((i * 7 + i // 251 + 101 * version) % 256 for i in range(size))


def span_of(asked: Asked) -> tuple[int, int] | None:
    if "Range" not in asked.headers:
        return None
    first, last = asked.headers["Range"].removeprefix("bytes=").split("-")
    return int(first), int(last) + 1


class Server:
    """Serves one object, and misbehaves as it is told: one word for each request."""

    def __init__(
        self, size: int, plan: list[str] | None = None, *, tells_checksum: bool = True
    ) -> None:
        self.size = size
        self.tells_checksum = tells_checksum
        self.version = 0
        self.plan = list(plan or [])
        self.versions = [content(size)]

    @property
    def etag(self) -> str:
        return f'"v{self.version}"'

    def __call__(self, asked: Asked) -> Answer:
        word = self.plan.pop(0) if self.plan else "well"
        if word == "changed":
            self.version += 1
            # Longer, shorter, or as long.
            size = max(1, self.size + (self.version % 3 - 1) * 40)
            self.versions.append(content(size, version=self.version))
        data = self.versions[self.version]
        span = span_of(asked)
        heeds = word not in ("other version", "other version without a tag")
        if word in ("other version", "other version without a tag") and span:
            data = content(len(data), version=77)
        if heeds and asked.headers.get("If-Match", self.etag) != self.etag:
            return refusal(412, "PreconditionFailed")
        return self._answer(word, data, span, asked)

    def _answer(self, word: str, data: bytes, span: tuple[int, int] | None, asked: Asked) -> Answer:
        if word.isdecimal():
            return refusal(int(word), "Odd")
        described = {"ETag": '"v77"' if word == "other version" and span else self.etag}
        if "without a tag" in word:
            del described["ETag"]
        body = data
        if span is not None and word != "range ignored":
            first, stop = span[0], min(span[1], len(data))
            if word == "other range":
                first += 1
            if word == "shorter":
                stop -= (stop - first) // 2
            if word == "longer":
                stop = len(data)
            body = data[first:stop]
            if word != "range untold":
                described["Content-Range"] = f"bytes {first}-{stop - 1}/{len(data)}"
        if self.tells_checksum and span is None:
            assert ASKING in asked.headers.items()
            crc = zlib.crc32(data).to_bytes(4, "big")
            described["X-Amz-Checksum-CRC32"] = base64.b64encode(crc).decode()
        if word == "flipped":
            body = body[: len(body) // 2] + bytes(255 - b for b in body[len(body) // 2 :])
        if word != "chunked":
            described["Content-Length"] = str(len(body))
        status = 206 if span is not None and word != "range ignored" else 200
        fault = {"reset": pycurl.E_RECV_ERROR, "truncated": pycurl.E_PARTIAL_FILE}.get(
            word.rpartition(" ")[2], 0
        )
        if fault:
            body = body[: len(body) * 2 // 3]
        return Answer(status, described, body, fault)


def fetched(
    server,
    *,
    seed=0,
    streams=None,
    threshold=200,
    part=50,
    sink=None,
    pace=None,
    verify="checksum",
):
    """What becomes of one object, and the network that it came over."""
    streams = streams or Streams(3)
    sink = sink or InMemory()
    handles = Handles(server, seed=seed)

    def make():
        return Fetch(
            URL, PLACE, sink, Terms(streams, threshold=threshold, part=part, verify=verify)
        )

    free = streams._free
    (carried,) = driven(drive_of([make], handles, streams=streams, pace=pace))
    assert not len(handles), "something is still under way"
    assert streams._free == free, "connections were not given back"
    assert not streams.ready
    return carried.value, handles


MILD = ["well", "reset", "truncated", "shorter", "500", "503"]
WILD = [
    *MILD,
    "changed",
    "chunked",
    "range ignored",
    "range untold",
    "other range",
    "longer",
    "other version",
    "other version without a tag",
    "without a tag",
    "flipped",
    "403",
    "404",
    "416",
    "301",
    "400",
]

sizes = st.integers(0, 1500)
seeds = st.integers(0, 2**32)
parts = st.integers(1, 400)
thresholds = st.integers(0, 1600)
many = st.integers(0, 6)
faults = st.sampled_from(["reset", "truncated", "500", "503", "shorter"])


@given(sizes, seeds, many, thresholds, parts)
def test_every_object_comes_whole_whatever_the_order_and_the_pieces(
    size, seed, most, threshold, part
):
    server = Server(size)
    value, handles = fetched(
        server, seed=seed, streams=Streams(most), threshold=threshold, part=part
    )

    assert value == content(size)
    spans = [span for span in map(span_of, handles.asked) if span is not None]
    asked = Counter(at for span in spans for at in range(*span))
    assert all(times == 1 for times in asked.values()), "more than twice, with the first request"
    assert handles.most <= 1 + most
    if size < threshold or size <= SMALL or not most:
        assert len(handles.asked) == 1
    elif size > max(part, SMALL) and size > 2 * (SMALL + 1000):
        assert len(handles.asked) > 1


@given(sizes, seeds, many, parts, st.lists(st.sampled_from(WILD), max_size=12))
def test_whatever_goes_wrong_no_wrong_byte_is_given(size, seed, most, part, plan):
    server = Server(size, plan)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "file")
        value, _ = fetched(
            server, seed=seed, streams=Streams(most), part=part, sink=AtPath(URL, path)
        )
        if isinstance(value, ObjectInfo):
            data = path.read_bytes()
            assert data in server.versions
            assert (value.url, value.size) == (URL, len(data))
            assert list(Path(directory).iterdir()) == [path]
        else:
            assert isinstance(value, (StoreError, Declined))
            assert not list(Path(directory).iterdir())


@pytest.mark.parametrize("word", ["well", "chunked"])
@pytest.mark.parametrize("size", [0, 1, 1500])
def test_a_file_is_told_with_its_size_whether_or_not_the_server_tells_it(word, size, tmp_path):
    value, _ = fetched(Server(size, [word]), sink=AtPath(URL, tmp_path / "file"))

    assert value == ObjectInfo(URL, size, "v0")
    assert (tmp_path / "file").read_bytes() == content(size)


@given(sizes, seeds, many, parts, st.lists(st.sampled_from(MILD), max_size=12))
def test_what_may_pass_gives_the_object_or_an_error_that_is_worth_another_attempt(
    size, seed, most, part, plan
):
    value, _ = fetched(Server(size, plan), seed=seed, streams=Streams(most), part=part)

    assert value == content(size) or isinstance(value, TransientError)


@given(
    st.integers(300, 1500),
    seeds,
    many,
    st.integers(50, 400),
    # Of what the first request brings before it breaks off the beginning is more than is small.
    st.sampled_from([("well", 2), ("reset", 1)]).flatmap(
        lambda first: st.tuples(st.just(first[0]), st.lists(faults, max_size=first[1]))
    ),
)
def test_what_other_parts_brought_is_not_lost_for_two_faults(size, seed, most, part, plans):
    word, plan = plans
    server = Server(size, [word, *plan])
    value, handles = fetched(server, seed=seed, streams=Streams(most), part=part)

    assert value == content(size)
    again = [span for span in map(span_of, handles.asked) if span is not None]
    once = set().union(*(range(*span) for span in again))
    longest = max((stop - start for start, stop in again), default=0)
    assert sum(stop - start for start, stop in again) <= len(once) + (1 + len(plan)) * longest


@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.lists(st.sampled_from(WILD), max_size=4)), max_size=6
    ),
    seeds,
    many,
    st.integers(20, 200),
)
def test_objects_of_a_batch_share_the_connections_for_parts(objects, seed, most, part):
    servers = {f"key{i}": Server(size, plan) for i, (size, plan) in enumerate(objects)}
    streams = Streams(most)
    handles = Handles(lambda asked: servers[asked.key](asked), seed=seed)

    def make(key):
        url = URL.parse(f"s3://bucket/{key}")
        return lambda: Fetch(url, PLACE, InMemory(), Terms(streams, threshold=100, part=part))

    carried = driven(drive_of(map(make, servers), handles, streams=streams, pace=Unhurried(100)))

    assert sorted(each.index for each in carried) == list(range(len(servers)))
    assert streams._free == most
    assert handles.most <= len(servers) + most
    for each in carried:
        server = servers[f"key{each.index}"]
        assert isinstance(each.value, (StoreError, Declined)) or each.value in server.versions


@pytest.mark.parametrize(
    ("plan", "kind"),
    [
        (["404"], NotFoundError),
        (["403"], PermissionDeniedError),
        (["301"], Redirected),
        (["400"], Redirected),
        (["503"], ThrottledError),
        (["well", "404"], NotFoundError),
        (["well", "416"], IntegrityError),
        (["well", "changed"], IntegrityError),
        (["flipped"], IntegrityError),
        (["well", "flipped"], IntegrityError),
        (["well", "other version without a tag"], IntegrityError),
        (["well", "301"], Redirected),
        (["well", "range ignored"], Declined),
        (["well", "range untold"], Declined),
        (["well", "other range"], Declined),
        (["well", "other version"], Declined),
        (["chunked", "well"], bytes),
        (["without a tag"], bytes),
        (["without a tag, reset"], TransientError),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
@pytest.mark.parametrize("seed", range(3))
def test_what_becomes_of_an_object(plan, kind, seed):
    value, _ = fetched(Server(1500, plan), seed=seed)

    assert type(value) is kind
    if kind is bytes:
        assert value == content(1500)
    if kind is IntegrityError:
        assert value.transient


@pytest.mark.parametrize(
    "headers",
    [{"ETag": 'W/"weak"'}, {"ETag": ""}, {"Content-Length": "much"}],
    ids=["weak etag", "empty etag", "odd length"],
)
def test_what_cannot_be_pinned_is_neither_split_nor_continued(headers):
    data = content(1500)
    described = {"ETag": '"v0"', "Content-Length": "1500"} | headers
    asked = []

    def server(request, fault=0):
        asked.append(request)
        return Answer(200, described, data[:900] if fault else data, fault)

    assert fetched(server)[0] == data
    value, _ = fetched(lambda request: server(request, pycurl.E_RECV_ERROR))

    assert type(value) is TransientError
    assert [span_of(request) for request in asked] == [None, None]


@pytest.mark.parametrize("size", [10, SMALL, SMALL + 1, 1000])
@pytest.mark.parametrize("status", [203, 204, 206])
def test_an_answer_that_is_not_the_whole_object_is_boto3s(size, status):
    value, _ = fetched(lambda asked: Answer(status, {"ETag": '"one"'}, content(size)))

    assert type(value) is Declined


def test_a_part_is_asked_for_three_times():
    server = Server(1500, ["well"])
    broken: Counter[int] = Counter()

    def breaking(asked):
        span = span_of(asked)
        if span is None or span[1] != 1500:
            return server(asked)
        broken[span[1]] += 1
        return Answer(206, {}, b"", pycurl.E_RECV_ERROR)

    # The first request goes so far that only the last part is left to others.
    value, _ = fetched(breaking, streams=Streams(1), part=1400)

    assert type(value) is TransientError
    assert broken == {1500: 3}


@pytest.mark.parametrize(("size", "requests"), [(SMALL + 200, 1), (SMALL + 201, 2)])
def test_an_object_is_large_from_the_threshold_on(size, requests):
    handles = fetched(Server(size), streams=Streams(1), threshold=SMALL + 201, part=200)[1]

    assert len(handles.asked) == requests


@pytest.mark.parametrize(("size", "pieces"), [(SMALL, False), (SMALL + 1, True)])
def test_a_small_object_waits_in_memory_for_its_end(size, pieces):
    sink = Failing("", ValueError())
    with mock.patch.object(sink, "begin", wraps=sink.begin) as begin:
        assert fetched(Server(size), sink=sink)[0] == content(size)

    assert begin.called is pieces


def test_a_part_that_broke_off_is_looked_at_again():
    value, _ = fetched(Server(1500, ["reset", "other range"]), streams=Streams(0))

    assert type(value) is Declined


def test_an_answer_may_follow_an_interim_one():
    served = Server(1500)
    before = (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
    value, _ = fetched(lambda asked: attrs.evolve(served(asked), before=before))

    assert value == content(1500)


def test_a_part_goes_on_where_it_broke_off():
    server = Server(1500, ["reset", "reset", "well"])
    value, handles = fetched(server, streams=Streams(0))

    assert value == content(1500)
    assert [span_of(asked) for asked in handles.asked] == [None, (1000, 1500), (1333, 1500)]
    assert [asked.headers.get("If-Match") for asked in handles.asked] == [None, '"v0"', '"v0"']


def test_a_truncated_part_says_so():
    value, _ = fetched(Server(1500, ["reset"] + ["shorter"] * 9), streams=Streams(0))

    assert isinstance(value, TransientError)
    assert "s3://bucket/dir/key: truncated read: " in str(value)


def test_a_part_that_is_refused_for_coming_too_fast_waits_for_its_turn():
    server = Server(1500, ["well", "well", "503", "503"])
    pace = Unhurried()
    handles = Handles(server)
    streams = Streams(2)

    def make():
        return Fetch(URL, PLACE, InMemory(), Terms(streams, threshold=200, part=50))

    carried = driven(drive_of([make, make], handles, streams=streams, pace=pace))

    assert [each.value == content(1500) for each in carried] == [True, True]
    assert len(pace.pauses) == 2


@pytest.mark.parametrize("taken", [0, 1, 2, 3])
def test_helpers_are_as_many_as_there_are_connections(taken):
    streams = Streams(3)
    streams.take(taken)
    _, handles = fetched(Server(1500), streams=streams)

    assert handles.most == 1 + 3 - taken


class Failing(InMemory):
    """A sink that cannot do one thing."""

    def __init__(self, failing: str, error: Exception) -> None:
        super().__init__()
        self.failing = failing
        self.error = error
        self.dropped = 0

    def _fail(self, name):
        if name == self.failing:
            raise self.error

    def whole(self, data, said):
        self._fail("whole")
        return super().whole(data, said)

    def begin(self):
        self._fail("begin")
        super().begin()

    def put(self, offset, data):
        if offset >= SMALL:
            self._fail("put")
        super().put(offset, data)

    def finish(self, size, said):
        self._fail("finish")
        return super().finish(size, said)

    def drop(self):
        self.dropped += 1
        super().drop()


@pytest.mark.parametrize("failing", ["whole", "begin", "put", "finish"])
@pytest.mark.parametrize("kind", [UnsupportedError, InvalidUrlError])
@pytest.mark.parametrize("seed", range(3))
def test_an_error_of_the_sink_is_the_requests(failing, kind, seed):
    sink = Failing(failing, kind("made up"))
    value, _ = fetched(Server(10 if failing == "whole" else 1500), sink=sink, seed=seed)

    assert value is sink.error
    assert sink.dropped


@pytest.mark.parametrize("failing", ["whole", "begin", "put", "finish"])
def test_a_bug_of_the_sink_is_not_swallowed_by_libcurl(failing):
    sink = Failing(failing, ZeroDivisionError("a bug"))

    with pytest.raises(ZeroDivisionError, match="a bug"):
        fetched(Server(10 if failing == "whole" else 1500), sink=sink)


def test_a_small_body_is_let_go_of():
    exchanges = []

    class Noting(Handles):
        def start(self, exchange, url, lines):
            exchanges.append(exchange)
            super().start(exchange, url, lines)

    streams = Streams(0)
    make = lambda: Fetch(URL, PLACE, InMemory(), Terms(streams, threshold=200, part=50))  # noqa: E731
    (carried,) = driven(drive_of([make], Noting(lambda asked: whole(b"body"))))

    assert carried.value == b"body"
    assert [exchange.said for exchange in exchanges] == [[]]


def test_a_batch_that_is_stopped_leaves_no_temporary_file(tmp_path):
    streams = Streams(3)
    path = tmp_path / "file"
    handles = Handles(Server(1500))
    drive = drive_of(
        [lambda: Fetch(URL, PLACE, AtPath(URL, path), Terms(streams, threshold=200, part=50))],
        handles,
        streams=streams,
    )
    while not list(tmp_path.iterdir()):
        assert not drive.step(may_send=True)
    drive.stop()

    assert not len(handles)
    assert not list(tmp_path.iterdir())
    assert streams._free == 3


@pytest.mark.parametrize("size", [10, 1500])
class TestChecksums:
    @pytest.mark.parametrize("how", ["checksum", "etag"])
    def test_a_flipped_byte_leaves_no_file(self, size, how, tmp_path):
        server = Server(size, ["flipped"])
        value, _ = fetched(server, sink=AtPath(URL, tmp_path / "file"), verify=how)

        assert type(value) is IntegrityError
        assert value.transient
        assert "checksum mismatch" in str(value)
        assert not list(tmp_path.iterdir())

    def test_who_does_not_ask_is_told_nothing_and_looks_at_nothing(self, size):
        server = Server(size, ["flipped"], tells_checksum=False)
        value, handles = fetched(server, verify="size")

        assert len(value) == size
        assert not any(ASKING[0] in asked.headers for asked in handles.asked)

    @pytest.mark.parametrize(
        "said",
        [
            {},
            {"x-amz-checksum-crc32": "AAAAAA==-3"},
            {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-type": "COMPOSITE"},
            {"x-amz-checksum-crc32": "no base 64"},
            {"x-amz-checksum-sha256": "AAAA"},
        ],
        ids=["none", "of parts", "of parts by its type", "odd", "another"],
    )
    def test_what_says_nothing_of_the_bytes_is_passed_over(self, size, said):
        data = content(size)
        described = {"Content-Length": str(size), "ETag": '"of-parts-3"'} | said

        value, _ = fetched(lambda asked: Answer(200, described, data), streams=Streams(0))
        assert value == data

    @pytest.mark.parametrize("is_right", [True, False])
    def test_an_etag_is_the_md5_if_that_is_asked_for(self, size, is_right):
        data = content(size)
        etag = md5(data if is_right else b"other bytes").hexdigest()

        def server(asked, **more):
            assert span_of(asked) is None, "parts that come side by side have no MD5 together"
            described = {"Content-Length": str(size), "ETag": f'"{etag}"', **more}
            return Answer(200, described, data)

        assert fetched(server, verify="checksum", streams=Streams(0))[0] == data
        value, _ = fetched(server, verify="etag")
        assert value == data if is_right else type(value) is IntegrityError
        for more in (
            {"x-amz-server-side-encryption": "aws:kms"},
            {"x-amz-server-side-encryption": "aws:kms:dsse"},
            {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
        ):
            described = partial(server, **more)
            assert fetched(described, verify="etag", streams=Streams(0))[0] == data
        value, _ = fetched(
            partial(server, **{"x-amz-server-side-encryption": "AES256"}), verify="etag"
        )
        assert value == data if is_right else type(value) is IntegrityError
