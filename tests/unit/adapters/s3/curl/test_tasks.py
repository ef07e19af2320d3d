from __future__ import annotations

import array
import hashlib
import os
import urllib.parse
from datetime import UTC, datetime
from unittest import mock

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.adapters.s3.curl.simulated import (
    PLACE,
    URL,
    Answer,
    Handles,
    drive_of,
    driven,
    refusal,
)

from file_dataset.adapters.s3.carried import Declined, Redirected
from file_dataset.adapters.s3.curl.signing import UNSIGNED
from file_dataset.adapters.s3.curl.tasks import (
    Describe,
    ReadSpan,
    Send,
    SendFile,
    SendPart,
    Streams,
)
from file_dataset.adapters.s3.multipart import Part
from file_dataset.domain.errors import (
    NotFoundError,
    PermissionDeniedError,
    RangeNotSatisfiableError,
    StoreError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.objects import ObjectInfo, Span
from file_dataset.domain.requests import Data

HASHING = attrs.evolve(PLACE, hashes=True)


def carried_out(make, answer, *, seed=0):
    """What becomes of one task, and what was asked for it."""
    handles = Handles(answer if callable(answer) else lambda asked: answer, seed=seed)
    (carried,) = driven(drive_of([make], handles))
    return carried.value, handles.asked


class TestStreams:
    @given(st.integers(0, 9), st.lists(st.integers(0, 5)))
    def test_no_more_are_taken_than_there_are_and_all_come_back(self, most, wanted):
        streams = Streams(most)
        taken = [streams.take(want) for want in wanted]

        assert sum(taken) == min(most, sum(wanted))
        assert all(0 <= got <= want for got, want in zip(taken, wanted, strict=True))
        for _ in range(sum(taken)):
            streams.give_back()
        assert streams.take(100) == most


class TestDescribe:
    def described(self, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        value, (asked,) = carried_out(lambda: Describe(URL, PLACE), Answer(200, headers))
        assert asked.method == "HEAD"
        assert asked.url == "http://127.0.0.1:9000/bucket/dir/key"
        return value

    def test_an_object_is_as_the_head_of_the_answer_says(self):
        found = self.described(
            Content_Length="5", ETag='"tag"', Last_Modified="Sun, 06 Nov 1994 08:49:37 GMT"
        )

        assert found == ObjectInfo(URL, 5, "tag", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC))

    @pytest.mark.parametrize("length", [None, "", "many", "-1", "5.0", "²"])
    def test_without_a_length_it_cannot_be_told(self, length):
        found = self.described(**({} if length is None else {"Content_Length": length}))

        assert type(found) is StoreError
        assert "s3://bucket/dir/key: the store does not say how long" in str(found)

    @pytest.mark.parametrize(
        ("etag", "expected"),
        [(None, None), ("tag", "tag"), ("", ""), ('W/"tag"', 'W/"tag'), ('"a b-2"', "a b-2")],
    )
    def test_etags_are_without_quotes_if_they_have_some(self, etag, expected):
        headers = {} if etag is None else {"ETag": etag}

        assert self.described(Content_Length="5", **headers).etag == expected

    @pytest.mark.parametrize("modified", ["", "yesterday", "Sun, 32 Nov 1994 08:49:37 GMT"])
    def test_an_odd_time_is_none(self, modified):
        assert self.described(Content_Length="5", Last_Modified=modified).modified is None


DATA = bytes(range(100))


class TestReadSpan:
    def read(self, span, answer=None, *, data=DATA, seed=0):
        def served(asked):
            first, last = asked.headers["Range"].removeprefix("bytes=").split("-")
            piece = data[int(first) : int(last) + 1 if last else None]
            if not piece:
                return refusal(416, "InvalidRange")
            told = f"bytes {first}-{int(first) + len(piece) - 1}/{len(data)}"
            return Answer(206, {"Content-Range": told}, piece)

        return carried_out(lambda: ReadSpan(URL, PLACE, span), answer or served, seed=seed)[0]

    @given(
        st.binary(max_size=50),
        st.integers(0, 60),
        st.none() | st.integers(1, 60),
        st.booleans(),
        st.integers(0, 99),
    )
    def test_a_span_is_read_from_servers_that_know_spans_and_from_others(
        self, data, start, length, ignored, seed
    ):
        span = Span(start, length)
        found = self.read(span, Answer(200, {}, data) if ignored else None, data=data, seed=seed)

        if start >= len(data):
            assert type(found) is RangeNotSatisfiableError
        else:
            assert found == data[span.start : span.stop]

    @pytest.mark.parametrize(
        ("told", "size"),
        [
            ("bytes 11-20/100", 10),
            ("bytes 0-99/100", 100),
            ("bytes 10-19/100", 9),
            ("bytes 10-24/100", 15),
            ("bytes 10-19/*", 10),
            ("bytes */100", 0),
            ("pages 10-19/100", 10),
            ("", 10),
            ("bytes 10-19/5", 10),
        ],
    )
    def test_an_answer_of_other_bytes_is_boto3s(self, told, size):
        answer = Answer(206, {"Content-Range": told} if told else {}, bytes(size))

        assert type(self.read(Span(10, 10), answer)) is Declined

    def test_a_span_to_the_end_has_to_reach_the_end(self):
        answer = Answer(206, {"Content-Range": "bytes 10-19/100"}, bytes(10))

        assert type(self.read(Span(10), answer)) is Declined

    @pytest.mark.parametrize(
        ("span", "header"), [(Span(0), "bytes=0-"), (Span(3, 1), "bytes=3-3")], ids=str
    )
    def test_the_last_byte_is_named(self, span, header):
        _, (asked,) = carried_out(lambda: ReadSpan(URL, PLACE, span), Answer(404))

        assert asked.headers == {"Range": header}


VIEWS: dict[str, tuple[Data, bytes]] = {
    "bytes": (b"data", b"data"),
    "bytearray": (bytearray(b"data"), b"data"),
    "words": (memoryview(array.array("H", [258, 772])), array.array("H", [258, 772]).tobytes()),
    "steps": (memoryview(b"d-a-t-a-")[::2], b"data"),
    "rows": (memoryview(b"abcdef").cast("B", (2, 3)), b"abcdef"),
    "nothing": (b"", b""),
    "no words": (memoryview(array.array("H")), b""),
}


class TestSend:
    @pytest.mark.parametrize("kind", VIEWS)
    @pytest.mark.parametrize("place", [PLACE, HASHING], ids=["unsigned", "hashed"])
    def test_the_bytes_are_sent_whatever_holds_them(self, kind, place):
        given, expected = VIEWS[kind]
        task = Send(URL, place, given)
        exchange = task.begin()

        assert exchange.body is not None
        # libcurl is told its length by len().
        assert len(exchange.body) == len(expected)
        hashed = hashlib.sha256(expected).hexdigest()
        assert exchange.payload == (hashed if place.hashes else UNSIGNED)
        value, (asked,) = carried_out(lambda: Send(URL, place, given), Answer(200))
        assert value is None
        assert (asked.method, asked.body) == ("PUT", expected)
        # libcurl would otherwise ask first whether it may send.
        assert asked.headers == {}

    def test_the_bytes_are_let_go_of(self):
        task = Send(URL, PLACE, b"data")
        task.end(task.begin())

        assert task._data == b""

    def test_a_refusal_is_an_error(self):
        value, _ = carried_out(lambda: Send(URL, PLACE, b"data"), refusal(403, "AccessDenied"))

        assert type(value) is PermissionDeniedError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


class TestSendFile:
    def test_a_file_is_sent(self, path):
        value, (asked,) = carried_out(
            lambda: SendFile(URL, PLACE, path, most=len(DATA) + 1), Answer(200)
        )

        assert value is None
        assert (asked.method, asked.body) == ("PUT", DATA)

    @pytest.mark.parametrize("most", [0, 1, len(DATA)])
    def test_a_large_file_is_boto3s(self, path, most):
        value, asked = carried_out(lambda: SendFile(URL, PLACE, path, most=most), Answer(200))

        assert type(value) is Declined
        assert not asked

    def test_what_is_no_file_is_not_sent(self, tmp_path):
        (tmp_path / "directory").mkdir()
        os.mkfifo(tmp_path / "pipe")
        for name, kind in [
            ("directory", UnsupportedError),
            ("pipe", UnsupportedError),
            ("missing", NotFoundError),
        ]:
            value, asked = carried_out(
                lambda name=name: SendFile(URL, PLACE, tmp_path / name, most=1000), Answer(200)
            )
            assert type(value) is kind
            assert name in str(value)
            assert not asked

    def test_a_file_that_changes_its_length_is_sent_as_it_is_read(self, path):
        with mock.patch("file_dataset.adapters.s3.curl.tasks.size_of_file", return_value=50):
            value, (asked,) = carried_out(lambda: SendFile(URL, PLACE, path, most=60), Answer(200))

        assert value is None
        assert asked.body == DATA


class TestSendPart:
    def sent(self, path, *, span=None, upload="id", answer=None):
        part = Part(7, span or Span(20, 30))
        return carried_out(
            lambda: SendPart(URL, HASHING, path, part, upload=upload),
            answer or Answer(200, {"ETag": '"part"'}),
        )

    @given(st.integers(0, 99), st.integers(1, 100))
    def test_a_part_is_sent_and_gives_its_etag_as_it_is(self, tmp_path_factory, start, length):
        path = tmp_path_factory.getbasetemp() / "sent in parts"
        path.write_bytes(DATA)
        span = Span(start, min(length, 100 - start))
        value, (asked,) = self.sent(path, span=span)

        assert value == '"part"'
        assert asked.body == DATA[span.start : span.stop]

    @example("a/b+c==~ d")
    @given(st.text(st.characters(codec="utf-8"), min_size=1))
    def test_the_parameters_are_quoted_and_sorted(self, tmp_path_factory, upload):
        path = tmp_path_factory.getbasetemp() / "sent in parts"
        path.write_bytes(DATA)
        _, (asked,) = self.sent(path, upload=upload)
        query = asked.url.partition("?")[2]

        assert urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=True) == [
            ("partNumber", "7"),
            ("uploadId", upload),
        ]
        assert not set(query) & set("/+: ")

    def test_a_file_that_became_shorter_is_not_sent(self, path):
        path.write_bytes(DATA[:40])
        value, asked = self.sent(path)

        assert type(value) is StoreError
        assert "became shorter while it was being uploaded" in str(value)
        assert not asked

    def test_a_missing_file_is_not_found(self, path):
        path.unlink()

        assert type(self.sent(path)[0]) is NotFoundError

    @pytest.mark.parametrize("headers", [{}, {"ETag": ""}], ids=["none", "empty"])
    def test_a_part_without_an_etag_is_an_error(self, path, headers):
        value, _ = self.sent(path, answer=Answer(200, headers))

        assert type(value) is StoreError
        assert "gave a part of it no etag" in str(value)

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (refusal(404, "NoSuchUpload"), NotFoundError),
            (refusal(500), TransientError),
            (refusal(400), Redirected),
        ],
    )
    def test_a_refusal_is_an_error(self, path, answer, kind):
        assert type(self.sent(path, answer=answer)[0]) is kind
