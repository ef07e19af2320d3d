from __future__ import annotations

import array
import hashlib
import os
import socket
import urllib.parse
from pathlib import Path
from unittest import mock

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support import open_files
from tests.unit.adapters.s3.curl.simulated import (
    PLACE,
    URL,
    Answer,
    carried_out,
    refusal,
)

from file_dataset.adapters.s3.carried import Declined, Redirected
from file_dataset.adapters.s3.curl.bodies import AT_ONCE
from file_dataset.adapters.s3.curl.sending import Send, SendFile, SendPart
from file_dataset.adapters.s3.curl.signing import UNSIGNED
from file_dataset.adapters.s3.meanings import ConflictError
from file_dataset.adapters.s3.multipart import Part
from file_dataset.domain.errors import (
    AlreadyExistsError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    StoreError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.objects import CREATE, OVERWRITE, IfMatch, Span
from file_dataset.domain.requests import Data

HASHING = attrs.evolve(PLACE, hashes=True)
DATA = bytes(range(100))
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


class TestConditions:
    @pytest.mark.parametrize("mode", [CREATE, IfMatch("tag")], ids=str)
    def test_they_are_sent_once(self, mode):
        exchange = Send(URL, HASHING, DATA, mode=mode).begin()

        expected = ("If-None-Match", "*") if mode is CREATE else ("If-Match", '"tag"')
        assert exchange.headers == (expected,)
        assert exchange.once
        assert not Send(URL, HASHING, DATA).begin().once

    @pytest.mark.parametrize(
        ("mode", "answer", "kind"),
        [
            (CREATE, refusal(412, "PreconditionFailed"), AlreadyExistsError),
            (CREATE, refusal(412), AlreadyExistsError),
            (IfMatch("tag"), refusal(412, "PreconditionFailed"), PreconditionFailedError),
            (IfMatch("tag"), refusal(404, "NoSuchKey"), PreconditionFailedError),
            (IfMatch("tag"), refusal(404, "NoSuchBucket"), NotFoundError),
            (CREATE, refusal(409, "ConditionalRequestConflict"), Declined),
            (IfMatch("tag"), refusal(409, "ConditionalRequestConflict"), Declined),
            (CREATE, refusal(409, "InvalidBucketState"), StoreError),
            (OVERWRITE, refusal(409, "OperationAborted"), ConflictError),
            (CREATE, refusal(500), TransientError),
            (CREATE, refusal(501, "NotImplemented"), UnsupportedError),
        ],
    )
    def test_a_refusal_is_what_it_is_to_boto3(self, mode, answer, kind):
        value, asked = carried_out(lambda: Send(URL, PLACE, DATA, mode=mode), answer)

        assert type(value) is kind
        assert len(asked) == 1

    @pytest.mark.parametrize("data", [b"", DATA])
    @pytest.mark.parametrize("etag", ["a\r\nX-Made-Up: 1", "é", "\x7f", "tag"])
    def test_what_cannot_be_said_well_is_boto3s(self, data, etag):
        task = lambda: Send(URL, PLACE, data, mode=IfMatch(etag))  # noqa: E731 - called twice
        value, asked = carried_out(task, Answer(200))

        assert (value is None) == (len(asked) == 1) == (bool(data) and etag == "tag")
        assert value is None or type(value) is Declined

    def test_files_are_sent_under_conditions_too(self, path):
        value, (asked,) = carried_out(
            lambda: SendFile(URL, PLACE, path, most=1000, mode=CREATE), Answer(200)
        )

        assert value is None
        assert (asked.body, asked.headers) == (DATA, {"If-None-Match": "*"})


def times_open(path):
    """How often this process has a file open."""
    status = path.stat()
    return sum(each[1:] == (status.st_dev, status.st_ino) for each in open_files())


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
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "socket"))
        for name, kind in [
            ("directory", UnsupportedError),
            ("socket", UnsupportedError),
            ("pipe", UnsupportedError),
            ("missing", NotFoundError),
        ]:
            value, asked = carried_out(
                lambda name=name: SendFile(URL, PLACE, tmp_path / name, most=1000), Answer(200)
            )
            assert type(value) is kind
            assert name in str(value)
            assert not asked

    def test_a_file_that_comes_in_pieces_is_sent_whole(self, path):
        read = os.read
        with mock.patch("os.read", lambda file, size: read(file, min(size, 7))):
            value, (asked,) = carried_out(lambda: SendFile(URL, PLACE, path, most=101), Answer(200))

        assert value is None
        assert asked.body == DATA

    def test_a_file_whose_size_nobody_tells_is_sent_whole(self):
        told = Path("/proc/self/cmdline")
        value, (asked,) = carried_out(lambda: SendFile(URL, PLACE, told, most=10**6), Answer(200))

        assert value is None
        assert asked.body == told.read_bytes() != b""

    @pytest.mark.parametrize("then", [DATA + b"!", DATA[:-1], b""], ids=len)
    def test_a_file_that_changes_while_it_is_read_is_not_sent(self, path, then):
        read = os.read

        def read_and_write(file, size):
            data = read(file, size // 2)
            path.write_bytes(then)
            return data

        with mock.patch("os.read", read_and_write):
            value, asked = carried_out(lambda: SendFile(URL, PLACE, path, most=101), Answer(200))

        assert isinstance(value, IntegrityError)
        assert value.transient
        assert not asked


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

    @pytest.mark.parametrize("place", [PLACE, HASHING], ids=["free", "hashed"])
    @pytest.mark.parametrize("verify", [False, True], ids=["", "verified"])
    def test_a_large_one_is_read_as_it_leaves(self, path, place, verify):
        data = os.urandom(AT_ONCE + 1)
        path.write_bytes(b"before" + data + b"behind")
        part = Part(7, Span(6, len(data)))
        task = SendPart(URL, place, path, part, upload="id", verify=verify)
        begun = times_open(path)
        exchange = task.begin()
        now = times_open(path)
        value, (asked,) = carried_out(
            lambda: SendPart(URL, place, path, part, upload="id", verify=verify),
            Answer(200, {"ETag": '"part"'}),
        )

        assert (begun, now) == (0, 1)
        assert exchange.held == 0
        assert exchange.payload == (hashlib.sha256(data).hexdigest() if place.hashes else UNSIGNED)
        assert asked.body == data
        assert ("Content-MD5" in asked.headers) is verify
        assert value == '"part"'
        task.drop()
        assert times_open(path) == 0

    @pytest.mark.parametrize("cut", [1, AT_ONCE // 2], ids=["begin", "middle"])
    def test_a_large_one_that_becomes_shorter_meanwhile_is_told(self, path, cut):
        path.write_bytes(bytes(AT_ONCE + 1))

        class Cut(SendPart):
            def begin(self):
                exchange = super().begin()
                os.truncate(path, cut)
                return exchange

        part = Part(7, Span(0, AT_ONCE + 1))
        value, _ = carried_out(
            lambda: Cut(URL, PLACE, path, part, upload="id"), Answer(200, {"ETag": '"part"'})
        )

        assert type(value) is StoreError
        assert f"{path}: became shorter while it was being uploaded" in str(value)
        assert times_open(path) == 0

    @pytest.mark.parametrize("answer", [refusal(404, "NoSuchUpload"), refusal(500), Answer(200)])
    def test_the_file_is_closed_whatever_the_server_says(self, path, answer):
        path.write_bytes(bytes(AT_ONCE + 1))
        self.sent(path, span=Span(0, AT_ONCE + 1), answer=answer)

        assert times_open(path) == 0

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
