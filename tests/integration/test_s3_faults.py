"""What goes wrong on the wire, and what each engine of S3Store makes of it.

The store alone tries nothing again: whether that may help is in the error.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import socket
import sys
from collections.abc import Callable

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from tests.integration.fault_server import Said, Uploads, fault_server, object_of, said
from tests.integration.servers import S3Server

from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.domain.errors import (
    AlreadyExistsError,
    IntegrityError,
    PreconditionFailedError,
    StoreError,
    ThrottledError,
    TransientError,
)
from file_dataset.domain.objects import CREATE, IfMatch, ObjectInfo, Span
from file_dataset.domain.outcomes import Done
from file_dataset.domain.requests import Complete, Download, Draft, Prepare, Read, Upload
from file_dataset.domain.url import Url

MiB = 2**20
URL = Url("s3", "bucket", "key")
BODY = bytes(range(256)) * 4
LARGE = os.urandom(3 * MiB + 17)
PARTS = TransferConfig(multipart_threshold=MiB, multipart_chunksize=MiB // 2, max_concurrency=4)


@pytest.fixture(params=["curl", "boto3"])
def engine(request):
    return request.param


def store_on(server, engine, *, patience=30, **more):
    """A store, which waits for so many seconds; one is enough for what is silent alone."""
    config = Config(
        connect_timeout=patience, read_timeout=patience, s3={"addressing_style": "path"}
    )
    return server.store(engine=engine, client_kwargs={"config": config}, **more)


def every_way_to_read(store, path):
    return {
        "read": lambda: store.read(URL),
        "span": lambda: store.read(URL, span=Span(0, 500)),
        "download": lambda: store.download(URL, path),
        "stat": lambda: store.stat(URL),
    }


def broken_off(body, *, told, then, status="200 OK", **headers):
    return lambda asked: said(status, body, then=then, Content_Length=told, ETag='"1"', **headers)


class TestTransientFaults:
    """R in the table of faults: the error says that another attempt may help."""

    @pytest.mark.parametrize(
        ("body", "then"),
        [(b"", "close"), (BODY[:100], "close"), (BODY[:100], "reset"), (b"", "hang")],
        ids=["no byte", "100 bytes", "100 bytes, reset", "silence"],
    )
    @pytest.mark.parametrize("how", ["read", "download"])
    def test_a_body_that_is_cut_off(self, engine, how, body, then, tmp_path):
        with fault_server(broken_off(body, told=1_024, then=then)) as (server, _):
            store = store_on(server, engine, patience=1)
            with pytest.raises(TransientError) as caught:
                every_way_to_read(store, tmp_path / "file")[how]()
        assert caught.value.transient
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("then", ["close", "reset"])
    def test_a_span_that_is_cut_off(self, engine, then):
        answer = broken_off(
            BODY[:100],
            told=500,
            then=then,
            status="206 Partial Content",
            Content_Range="bytes 0-499/1024",
        )
        with fault_server(answer) as (server, _), pytest.raises(TransientError) as caught:
            store_on(server, engine).read(URL, span=Span(0, 500))
        assert caught.value.transient

    @pytest.mark.parametrize(
        ("answer", "then"),
        [
            (b"", "close"),
            (b"", "reset"),
            (b"", "hang"),
            (b"HTTP/1.1", "close"),
            (b"What?\r\n\r\n", "close"),
            (b"\x00" * 500, "hang"),
        ],
        ids=["nothing", "reset", "silence", "half a line", "text", "zeros"],
    )
    @pytest.mark.parametrize("how", ["read", "span", "download", "stat"])
    def test_no_answer_or_none_of_http(self, engine, how, answer, then, tmp_path):
        with fault_server(lambda asked: Said(answer, then)) as (server, _):
            store = store_on(server, engine, patience=1)
            with pytest.raises(TransientError) as caught:
                every_way_to_read(store, tmp_path / "file")[how]()
        assert caught.value.transient
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("how", ["read", "span", "download", "stat", "write"])
    @pytest.mark.parametrize("more", [b"", b"Content-Le", b"Content-Length: 5\r\n"])
    def test_a_head_that_is_cut_off_is_no_empty_object(self, how, more, tmp_path):
        head = b"HTTP/1.1 200 OK\r\n" + more
        with fault_server(lambda asked: Said(head, "close")) as (server, _):
            store = store_on(server, "curl")
            ways = every_way_to_read(store, tmp_path / "file")
            ways["write"] = lambda: store.write(URL, BODY)
            with pytest.raises(TransientError, match="head is cut off"):
                ways[how]()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("status", ["500 Oops", "502 Oops", "503 Oops", "504 Oops", "429 Oops"])
    @pytest.mark.parametrize("how", ["read", "span", "download", "stat", "upload"])
    def test_a_server_that_has_a_bad_moment(self, engine, how, status, tmp_path):
        def answer(asked):
            return said(status) if asked.number == 0 else object_of(BODY)(asked)

        (tmp_path / "up").write_bytes(BODY)
        with fault_server(answer) as (server, asked):
            store = store_on(server, engine)
            ways = every_way_to_read(store, tmp_path / "file")
            ways["upload"] = lambda: store.upload(tmp_path / "up", URL)
            with pytest.raises(TransientError) as caught:
                ways[how]()
            assert caught.value.transient
            assert isinstance(caught.value, ThrottledError) == (status[:3] in ("503", "429"))
            ways[how]()
            assert len(asked) == 2

    def test_a_pause_that_the_server_asks_for(self, engine):
        with (
            fault_server(lambda asked: said("503 Slow", Retry_After=7)) as (server, _),
            pytest.raises(ThrottledError) as caught,
        ):
            store_on(server, engine).read(URL)
        assert caught.value.retry_after == 7

    def test_nobody_takes_the_connection(self, engine):
        with fault_server(object_of(BODY)) as (server, _):
            store = store_on(server, engine)
        with pytest.raises(TransientError, match="cannot be reached") as caught:
            store.read(URL)
        assert caught.value.transient

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what is too much is refused")
    def test_a_connection_that_never_comes_about(self, engine):
        with contextlib.ExitStack() as held:
            full = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(4):
                # Nobody takes them, so that there is room for no other.
                waiting = held.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
            server = S3Server(f"http://127.0.0.1:{full.getsockname()[1]}", "key", "secret")
            with pytest.raises(TransientError, match="no answer in time") as caught:
                store_on(server, engine, patience=1).read(URL)
        assert caught.value.transient

    def test_what_retrying_makes_of_every_other_request(self, engine, tmp_path):
        faults = itertools.cycle(
            [
                said("500 Oops"),
                Said(b"", "reset"),
                said("200 OK", BODY[:9], then="close", Content_Length=1_024),
            ]
        )

        def answer(asked):
            return next(faults) if asked.number % 2 else object_of(BODY)(asked)

        with fault_server(answer) as (server, _):
            paths = [tmp_path / f"{number}" for number in range(40)]
            # Between two faults of one request another one comes well, and is not asked again.
            enough = len(paths) + 1
            store = Retrying(store_on(server, engine), attempts=enough, base=0.001, cap=0.05)
            outcomes = list(store.run([Download(URL, path) for path in paths]))
        assert all(isinstance(outcome, Done) for outcome in outcomes)
        assert [path.read_bytes() for path in paths] == [BODY] * 40
        assert len(list(tmp_path.iterdir())) == 40


class TestLargeObjects:
    """Parts that are not what was asked for never make a file."""

    def test_they_arrive_whole(self, engine, tmp_path):
        with fault_server(object_of(LARGE)) as (server, asked):
            store = store_on(server, engine, transfer_config=PARTS)
            info = store.download(URL, tmp_path / "file")
            assert len(asked) > 1
        assert info == ObjectInfo(URL, len(LARGE), "1")
        assert (tmp_path / "file").read_bytes() == LARGE

    @pytest.mark.parametrize("then", ["close", "reset"])
    def test_a_part_that_is_cut_off_is_asked_for_again_or_fails(self, engine, then, tmp_path):
        def answer(asked):
            whole = object_of(LARGE)(asked)
            if asked.number != 2:
                return whole
            return Said(whole.data[:-1_000], then)

        with fault_server(answer) as (server, _):
            store = Retrying(store_on(server, engine, transfer_config=PARTS), base=0.001)
            store.download(URL, tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == LARGE
        assert len(list(tmp_path.iterdir())) == 1

    def test_ranges_that_are_ignored(self, engine, tmp_path):
        with fault_server(lambda asked: said("200 OK", LARGE, ETag='"1"')) as (server, _):
            store = store_on(server, engine, transfer_config=PARTS)
            store.download(URL, tmp_path / "file")
            assert store.read(URL, span=Span(1_000, 2_000)) == LARGE[1_000:3_000]
        assert (tmp_path / "file").read_bytes() == LARGE

    @pytest.mark.parametrize("shift", [1, 1_000, -1_000])
    def test_parts_that_are_others_than_were_asked_for(self, engine, shift, tmp_path):
        """Bytes from elsewhere, of which the server tells that they are."""

        def answer(asked):
            span = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("range", ""))
            if span is None or span[1] == "0":
                return object_of(LARGE)(asked)
            start, stop = int(span[1]) + shift, min(len(LARGE), int(span[2]) + 1) + shift
            told = f"bytes {start}-{stop - 1}/{len(LARGE)}"
            return said("206 Partial", LARGE[start:stop], ETag='"1"', Content_Range=told)

        with fault_server(answer) as (server, _):
            store = store_on(server, engine, transfer_config=PARTS)
            with contextlib.suppress(StoreError):
                store.download(URL, tmp_path / "file")
                assert (tmp_path / "file").read_bytes() == LARGE

    def test_an_object_that_changes_between_its_parts(self, engine, tmp_path):
        other = os.urandom(len(LARGE))

        def answer(asked):
            first = asked.number == 0
            return object_of(LARGE if first else other, etag='"1"' if first else '"2"')(asked)

        with fault_server(answer) as (server, _):
            store = store_on(server, engine, transfer_config=PARTS)
            with pytest.raises(IntegrityError, match="changed while it was being read") as caught:
                store.download(URL, tmp_path / "file")
            assert caught.value.transient
            assert list(tmp_path.iterdir()) == []
            store.download(URL, tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == other

    def test_parts_that_fail_for_good(self, engine, tmp_path):
        def answer(asked):
            denied = said("403 No", b"<Error><Code>AccessDenied</Code></Error>")
            return denied if asked.number > 1 else object_of(LARGE)(asked)

        with fault_server(answer) as (server, _):
            store = store_on(server, engine, transfer_config=PARTS)
            with pytest.raises(StoreError, match="permission denied"):
                store.download(URL, tmp_path / "file")
        assert list(tmp_path.iterdir()) == []


class TestForBoto3:
    """What libcurl hands on, and boto3 has a remedy for, or the right words."""

    @pytest.mark.parametrize("status", ["301 Moved", "307 Moved", "400 No"])
    @pytest.mark.parametrize("how", ["read", "download", "stat"])
    def test_it_answers_in_boto3s_words(self, how, status, tmp_path):
        texts = []
        # Without the region botocore asks for it, is redirected, and asks again without end.
        elsewhere = said(status, x_amz_bucket_region="eu-west-1")
        with fault_server(lambda asked: elsewhere) as (server, _):
            for engine in ("curl", "boto3"):
                with pytest.raises(StoreError) as caught:
                    every_way_to_read(store_on(server, engine), tmp_path / "file")[how]()
                texts.append((type(caught.value), str(caught.value), caught.value.transient))
        assert texts[0] == texts[1]
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
    def test_answers_without_a_body_are_no_empty_objects(self, status, engine, tmp_path):
        def answer(asked):
            return Said(f'HTTP/1.1 {status}\r\nETag: "1"\r\n\r\n'.encode())

        with fault_server(answer) as (server, _):
            store = store_on(server, engine)
            for how in ("read", "download"):
                with pytest.raises(StoreError):
                    every_way_to_read(store, tmp_path / "file")[how]()
        assert list(tmp_path.iterdir()) == []


DRAFT = Draft(Url("s3", "bucket", "row"), "attempt-1")
ANSWERS_LOST: dict[str, Callable[[Said], Said]] = {
    "reset": lambda answer: Said(b"", "reset"),
    "cut off": lambda answer: Said(answer.data[:-5], "close"),
    "a bad moment": lambda answer: said("500 Oops"),
}
NOT_DONE = (said("503 Slow"), Said(b"", "reset"), said("500 Oops"))


BEGIN, PART, COMPLETE = ("POST", "?uploads"), ("PUT", "partNumber"), ("POST", "?uploadId")


class TestDrafts:
    """A row of two files, of whose requests the first of a kind goes wrong."""

    def commit(self, engine, path, fault, kind):
        """What the server has in the end, and what it was asked."""
        path.write_bytes(BODY)
        uploads = Uploads()
        faults = iter([fault])

        def answer(asked):
            is_it = asked.method == kind[0] and kind[1] in asked.path
            return (next(faults, Uploads.__call__) if is_it else Uploads.__call__)(uploads, asked)

        with fault_server(answer) as (server, asked):
            store = Retrying(store_on(server, engine), base=0.001)
            asks = [Prepare(Url.local(path), DRAFT.root.joined(name), DRAFT) for name in "ab"]
            prepared = [outcome.value for outcome in store.run(asks) if isinstance(outcome, Done)]
            assert len(prepared) == 2
            store.do(Complete(prepared))
        assert next(faults, None) is None
        assert uploads.there == dict.fromkeys(["/bucket/row/a", "/bucket/row/b"], DRAFT.attempt)
        return uploads, asked

    @pytest.mark.parametrize(
        ("kind", "answer"),
        [
            *itertools.product([BEGIN, PART, COMPLETE], NOT_DONE),
            # Only this one may be answered before the work is done.
            (COMPLETE, said("200 OK", b"<Error><Code>InternalError</Code></Error>")),
        ],
    )
    def test_what_is_not_done_is_done_again(self, engine, kind, answer, tmp_path):
        uploads, _ = self.commit(engine, tmp_path / "file", lambda uploads, asked: answer, kind)
        assert uploads.begun == {}

    @pytest.mark.parametrize("lost", ANSWERS_LOST)
    @pytest.mark.parametrize("kind", [BEGIN, PART, COMPLETE], ids=" ".join)
    def test_what_is_done_and_not_told_is_found_out(self, engine, kind, lost, tmp_path):
        def fault(uploads, asked):
            return ANSWERS_LOST[lost](uploads(asked))

        uploads, asked = self.commit(engine, tmp_path / "file", fault, kind)
        # Nobody knows of an upload whose beginning was not told, but for the store: recover() asks.
        assert len(uploads.begun) == (kind == BEGIN)
        assert any(each.method == "HEAD" for each in asked) == (kind == COMPLETE)

    def test_what_was_aborted_meanwhile_is_told(self, engine, tmp_path):
        def fault(uploads, asked):
            uploads.begun.clear()
            return uploads(asked)

        with pytest.raises(PreconditionFailedError, match="was aborted"):
            self.commit(engine, tmp_path / "file", fault, COMPLETE)


class TestConditions:
    @pytest.mark.parametrize("mode", [CREATE, IfMatch("tag")], ids=str)
    def test_they_are_sent_and_a_refusal_is_told(self, engine, mode):
        with fault_server(lambda asked: said("412 No")) as (server, asked):
            store = store_on(server, engine)
            with pytest.raises(AlreadyExistsError if mode is CREATE else PreconditionFailedError):
                store.write(URL, BODY, mode=mode)
        (request,) = asked
        expected = ("if-none-match", "*") if mode is CREATE else ("if-match", '"tag"')
        assert expected in request.headers.items()

    def test_a_version_that_is_gone_is_told(self, engine):
        gone = said("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>")
        with fault_server(lambda asked: gone) as (server, _):
            store = store_on(server, engine)
            with pytest.raises(PreconditionFailedError, match="is gone"):
                store.write(URL, BODY, mode=IfMatch("tag"))

    def test_who_got_in_each_others_way_tries_again(self, engine):
        conflict = b"<Error><Code>ConditionalRequestConflict</Code></Error>"

        def answer(asked):
            return said("200 OK") if asked.number == 2 else said("409 Conflict", conflict)

        with fault_server(answer) as (server, asked):
            store_on(server, engine).write(URL, BODY, mode=CREATE)
        assert len(asked) == 3

    @pytest.mark.parametrize("then", ["reset", "close"])
    def test_what_may_have_been_done_is_not_done_twice(self, engine, then):
        def answer(asked):
            return Said(b"", then) if asked.number else said("200 OK")

        with fault_server(answer) as (server, asked):
            store = Retrying(store_on(server, engine), base=0.001)
            store.write(URL, BODY, mode=CREATE)
            # On a connection that is open already, over which libcurl would send it once more.
            with pytest.raises(TransientError):
                store.write(URL, BODY, mode=CREATE)
            assert len(asked) == 2


class TestUploads:
    @pytest.mark.parametrize("answer", [Said(b"", "reset"), Said(b"", "hang"), said("500 Oops")])
    def test_an_upload_without_an_answer_may_be_tried_again(self, engine, answer, tmp_path):
        (tmp_path / "up").write_bytes(BODY)

        def first(asked):
            return answer if asked.number == 0 else object_of(BODY)(asked)

        with fault_server(first) as (server, _):
            store = store_on(server, engine, patience=1)
            with pytest.raises(TransientError) as caught:
                store.upload(tmp_path / "up", URL)
            assert caught.value.transient
            assert list(Retrying(store).run([Upload(tmp_path / "up", URL)])) == [Done(0, None)]

    def test_a_connection_that_was_closed_meanwhile_is_no_fault_of_libcurls(self):
        with fault_server(lambda asked: said("200 OK", BODY, then="close")) as (server, _):
            store = store_on(server, "curl")
            for _ in range(3):
                assert all(isinstance(each, Done) for each in store.run([Read(URL)] * 20))
