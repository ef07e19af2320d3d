from __future__ import annotations

import hashlib
import os
import pickle
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path
from typing import Any

import attrs
import pytest
from boto3.s3.transfer import TransferConfig
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.adapters.s3.wire import Answers, RequestLog, answer, refusal

from file_dataset.adapters.s3 import S3Options, S3Store
from file_dataset.domain.errors import (
    AlreadyExistsError,
    IntegrityError,
    InvalidUrlError,
    NoSpaceError,
    NotFoundError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    StoreError,
    TransientError,
    UnauthenticatedError,
    UnsupportedError,
)
from file_dataset.domain.files import local_errors
from file_dataset.domain.objects import CREATE, IfMatch, ObjectInfo, Prefix, Span
from file_dataset.domain.outcomes import Done, Failed
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Copy,
    Delete,
    Download,
    Prepare,
    Read,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.url import Url

MiB = 1024 * 1024


def named(key: str, bucket: str = "bucket") -> Url:
    return Url("s3", bucket, key)


def elsewhere(function, *arguments):
    """Call a function in another thread: in the main one, transfers always have their own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()


def splitting(options: S3Options, **more: Any) -> S3Store:
    """A store that splits from 5 MiB on, which is the least that S3 takes."""
    config = TransferConfig(multipart_threshold=5 * MiB, multipart_chunksize=5 * MiB, **more)
    return S3Store(attrs.evolve(options, transfer_config=config))


class TestVerbs:
    def test_what_is_written_is_read_described_and_deleted(self, store, url):
        store.write(url, b"some bytes")
        info = store.stat(url)
        assert store.read(url) == b"some bytes"
        assert (info.url, info.size) == (url, 10)
        assert info.etag == hashlib.md5(b"some bytes").hexdigest()
        assert info.modified.tzinfo is not None
        store.delete(url)
        assert not store.exists(url)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_any_kind_of_bytes_is_written(self, store, url, kind):
        store.write(url, kind(b"some bytes"))
        assert store.read(url) == b"some bytes"

    def test_a_memoryview_of_wide_items_is_written_whole(self, store, url):
        view = memoryview(bytes(range(16))).cast("I")
        store.write(url, view)
        store.write(named("created"), view, mode=CREATE)
        assert store.read(url) == store.read(named("created")) == bytes(range(16))

    def test_files_go_up_and_down(self, store, url, tmp_path):
        (tmp_path / "up").write_bytes(b"some bytes")
        store.upload(tmp_path / "up", url)
        assert store.download(url, tmp_path / "down") == store.stat(url)
        assert (tmp_path / "down").read_bytes() == b"some bytes"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["down", "up"]

    def test_a_download_takes_the_place_of_a_file(self, store, url, tmp_path):
        store.write(url, b"new")
        (tmp_path / "file").write_bytes(b"old and longer")
        store.download(url, tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == b"new"

    def test_a_copy_is_made(self, store, url):
        store.write(url, b"some bytes")
        store.copy(url, named("copy #1"))
        assert store.read(named("copy #1")) == b"some bytes"

    def test_a_copy_goes_to_another_bucket(self, store, url):
        store.options.client.create_bucket(Bucket="other")
        store.write(url, b"some bytes")
        store.copy(url, named("key", "other"))
        assert store.read(named("key", "other")) == b"some bytes"

    def test_a_copy_onto_itself_changes_nothing(self, store, url):
        store.write(url, b"some bytes")
        etag = store.stat(url).etag
        store.copy(url, url)
        store.copy(url, url, mode=IfMatch(etag))
        with pytest.raises(AlreadyExistsError):
            store.copy(url, url, mode=CREATE)
        with pytest.raises(PreconditionFailedError):
            store.copy(url, url, mode=IfMatch("another"))
        with pytest.raises(NotFoundError):
            store.copy(named("missing"), named("missing"))
        assert store.read(url) == b"some bytes"

    def test_deleting_twice_is_deleting(self, store, url):
        store.write(url, b"")
        store.delete(url)
        store.delete(url)

    def test_a_server_that_says_that_there_is_nothing_to_delete_is_fine(self, store, url):
        Answers(store.options.client, refusal(404, "NoSuchKey"))
        store.delete(url)

    def test_deleting_from_a_missing_bucket_is_not(self, store):
        with pytest.raises(NotFoundError, match="there is no bucket 'missing'"):
            store.delete(named("key", "missing"))

    def test_every_verb_is_offered(self, store):
        reading, making = {Stat, Read, Download}, {Write, Upload, Copy, Delete}
        assert store.verbs == reading | making | {Prepare, Complete, Abort}

    def test_one_failure_of_many_is_one_outcome(self, store, url, tmp_path):
        store.write(url, b"some bytes")
        requests = [Read(url), Read(named("missing")), Stat(url), Read(named("key", "missing"))]
        outcomes = sorted(store.run(requests), key=lambda outcome: outcome.index)
        assert [type(outcome) for outcome in outcomes] == [Done, Failed, Done, Failed]
        assert outcomes[1].error.operation == "Read"
        assert outcomes[1].error.url == named("missing")

    def test_what_has_no_length_is_not_described(self, store, url):
        silent = answer(200)
        del silent.headers["content-length"]
        Answers(store.options.client, silent)
        with pytest.raises(StoreError, match="does not say how long"):
            store.stat(url)

    def test_times_are_in_utc(self, store, url):
        store.write(url, b"some bytes")
        (listed,) = store.list(named("dir"))
        assert listed == store.stat(url)
        assert listed.modified.tzinfo is UTC


class TestEmptyObjects:
    def test_they_are_written_and_read(self, store, url, tmp_path):
        (tmp_path / "empty").touch()
        store.upload(tmp_path / "empty", url)
        store.download(url, tmp_path / "down")
        assert store.read(url) == b""
        assert store.stat(url).size == 0
        assert (tmp_path / "down").read_bytes() == b""
        store.copy(url, named("copy"))
        assert store.read(named("copy")) == b""

    def test_no_span_fits_them(self, store, url):
        store.write(url, b"")
        with pytest.raises(RangeNotSatisfiableError):
            store.read(url, span=Span(0, 1))


class TestSpans:
    @given(
        data=st.binary(max_size=20),
        start=st.integers(0, 25),
        length=st.none() | st.integers(1, 25),
    )
    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_they_are_slices(self, store, url, data, start, length):
        store.write(url, data)
        if start >= len(data):
            with pytest.raises(RangeNotSatisfiableError):
                store.read(url, span=Span(start, length))
        else:
            expected = data[start:] if length is None else data[start : start + length]
            assert store.read(url, span=Span(start, length)) == expected

    def test_only_the_span_is_fetched(self, store, url):
        store.write(url, bytes(100))
        log = RequestLog(store.options.client)
        store.read(url, span=Span(10, 5))
        assert log.headers[0]["Range"] == "bytes=10-14"
        assert log.methods == {"GET": 1}


class TestServersThatIgnoreRanges:
    """What a proxy does that drops the header: the whole object, with status 200."""

    @staticmethod
    def drop_ranges(store: S3Store) -> None:
        def drop(*, request, **_):
            if "Range" in request.headers:
                del request.headers["Range"]

        store.options.client.meta.events.register_first("before-send.s3.GetObject", drop)

    def test_a_span_is_cut_from_the_whole(self, store, url):
        store.write(url, bytes(range(100)))
        self.drop_ranges(store)
        assert store.read(url, span=Span(10, 5)) == bytes(range(10, 15))
        assert store.read(url, span=Span(0, 5)) == bytes(range(5))
        assert store.read(url, span=Span(90)) == bytes(range(90, 100))
        with pytest.raises(RangeNotSatisfiableError):
            store.read(url, span=Span(100))

    @pytest.mark.parametrize("use_threads", [True, False])
    def test_a_large_object_is_not_put_together_from_wholes(
        self, store, options, url, tmp_path, use_threads
    ):
        data = os.urandom(300_000)
        store.write(url, data)
        config = TransferConfig(multipart_chunksize=100_000, use_threads=use_threads)
        splitting = S3Store(attrs.evolve(options, transfer_config=config))
        self.drop_ranges(splitting)
        elsewhere(splitting.download, url, tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == data
        assert elsewhere(splitting.read, url) == data

    @pytest.mark.parametrize("said", ["bytes 5-9/100", "bytes 0-4/*", "nonsense"])
    def test_another_range_than_was_asked_for_is_an_error(self, store, url, tmp_path, said):
        sent = answer(206, b"12345", content_range=said)
        Answers(store.options.client, *[sent] * 4)
        with pytest.raises(StoreError, match="other bytes than were asked for"):
            store.download(url, tmp_path / "file")
        assert not list(tmp_path.iterdir())

    def test_an_answer_without_a_length_is_an_error_and_no_hang(self, store, url, tmp_path):
        sent = [answer(200, b"12345") for _ in range(2)]
        for each in sent:
            del each.headers["content-length"]
        Answers(store.options.client, *sent)
        with pytest.raises(StoreError, match="how long"):
            store.download(url, tmp_path / "file")


class TestRequestCounts:
    """Cost is behaviour."""

    @pytest.mark.parametrize("use_threads", [None, True, False])
    def test_small_downloads_are_one_get_each(self, store, options, tmp_path, use_threads):
        urls = [named(f"key-{number}") for number in range(10)]
        for url in urls:
            store.write(url, b"some bytes")
        config = None if use_threads is None else TransferConfig(use_threads=use_threads)
        store = S3Store(attrs.evolve(options, transfer_config=config))
        log = RequestLog(store.options.client)
        requests = [Download(url, tmp_path / url.name) for url in urls]
        assert all(isinstance(outcome, Done) for outcome in store.run(requests))
        assert sorted(log.requests) == [("GET", f"key-{number}") for number in range(10)]

    @pytest.mark.parametrize(
        ("do", "requests"),
        [
            (lambda store, url, path: store.stat(url), ["HEAD"]),
            (lambda store, url, path: store.read(url), ["GET"]),
            (lambda store, url, path: store.read(url, span=Span(2, 3)), ["GET"]),
            (lambda store, url, path: store.download(url, path / "down"), ["GET"]),
            (lambda store, url, path: store.write(url, b"x"), ["PUT"]),
            (lambda store, url, path: store.write(named("new"), b"x", mode=CREATE), ["PUT"]),
            (lambda store, url, path: store.upload(path / "up", url), ["PUT"]),
            (lambda store, url, path: store.upload(path / "up", named("n"), mode=CREATE), ["PUT"]),
            (lambda store, url, path: store.copy(url, named("copy")), ["HEAD", "PUT"]),
            (lambda store, url, path: store.copy(url, named("copy"), mode=CREATE), ["PUT"]),
            (lambda store, url, path: store.copy(url, url), ["HEAD"]),
            (lambda store, url, path: store.delete(url), ["DELETE"]),
            (lambda store, url, path: list(store.list(named(""))), ["GET"]),
        ],
        ids=[
            *["stat", "read", "span", "download", "write", "create", "upload", "upload-create"],
            *["copy", "copy-create", "copy-onto-itself", "delete", "list"],
        ],
    )
    def test_each_verb_costs_what_it_must(self, store, url, tmp_path, do, requests):
        (tmp_path / "up").write_bytes(b"some bytes")
        store.write(url, b"some bytes")
        log = RequestLog(store.options.client)
        do(store, url, tmp_path)
        assert [method for method, _ in log.requests] == requests

    def test_empty_objects_cost_no_more(self, store, url, tmp_path):
        store.write(url, b"")
        log = RequestLog(store.options.client)
        store.download(url, tmp_path / "file")
        store.read(url)
        assert log.methods == {"GET": 2}

    def test_a_copy_moves_no_bytes(self, store, url):
        store.write(url, bytes(MiB))
        log = RequestLog(store.options.client)
        store.copy(url, named("copy"))
        assert [headers.get("Content-Length") for headers in log.headers] == [None, "0"]

    def test_a_failure_costs_one_request(self, store, url, tmp_path):
        log = RequestLog(store.options.client)
        with pytest.raises(NotFoundError):
            store.download(url, tmp_path / "file")
        Answers(store.options.client, refusal(500, "InternalError"), refusal(500, "InternalError"))
        with pytest.raises(TransientError):
            store.read(url)
        with pytest.raises(TransientError):
            store.read(url, span=Span(1))
        assert log.methods == {"GET": 3}


class TestMultipart:
    @pytest.mark.parametrize("use_threads", [None, False])
    def test_large_files_go_in_parts_both_ways(self, store, options, url, tmp_path, use_threads):
        more = {} if use_threads is None else {"use_threads": use_threads}
        store = splitting(options, **more)
        data = os.urandom(11 * MiB)
        (tmp_path / "up").write_bytes(data)
        log = RequestLog(store.options.client)
        elsewhere(store.upload, tmp_path / "up", url)
        assert log.methods == {"POST": 2, "PUT": 3}
        elsewhere(store.download, url, tmp_path / "down")
        assert log.methods == {"POST": 2, "PUT": 3, "GET": 3}
        assert (tmp_path / "down").read_bytes() == data
        assert store.read(url) == data
        assert store.stat(url).etag.endswith("-3")

    def test_bytes_in_memory_go_in_parts_too(self, store, options, url):
        store = splitting(options)
        data = os.urandom(6 * MiB)
        log = RequestLog(store.options.client)
        store.write(url, data)
        assert log.methods == {"POST": 2, "PUT": 2}
        assert store.read(url) == data

    def test_copies_go_in_parts_too(self, store, options, url):
        store = splitting(options)
        data = os.urandom(6 * MiB)
        store.write(url, data)
        log = RequestLog(store.options.client)
        store.copy(url, named("copy"))
        assert log.methods == {"HEAD": 1, "POST": 2, "PUT": 2}
        assert store.read(named("copy")) == data

    def test_a_part_that_fails_leaves_nothing(self, store, options, url, tmp_path):
        store = splitting(options)
        (tmp_path / "up").write_bytes(bytes(11 * MiB))
        Answers(store.options.client, refusal(500, "InternalError"), operation="UploadPart")
        with pytest.raises(TransientError):
            store.upload(tmp_path / "up", url)
        assert not store.exists(url)
        assert "Uploads" not in store.options.client.list_multipart_uploads(Bucket="bucket")

    def test_an_object_that_changes_between_parts_is_read_again(self, store, options, url):
        store = splitting(options, use_threads=False)
        store.write(url, bytes(11 * MiB))
        Answers(
            store.options.client, None, refusal(412, "PreconditionFailed"), operation="GetObject"
        )
        with pytest.raises(IntegrityError, match="was changed while it was being read"):
            store.read(url)

    @pytest.mark.parametrize("use_threads", [True, False])
    def test_attempts_at_different_versions_are_not_mixed(
        self, aws, options, url, tmp_path, use_threads
    ):
        config = TransferConfig(num_download_attempts=3, use_threads=use_threads)
        store = S3Store(attrs.evolve(options, transfer_config=config))

        def answers() -> list:
            longer = answer(200, b"a" * 10, content_length="20", etag='"first"')
            return [longer, answer(200, b"bbbb", etag='"second"')]

        Answers(store.options.client, *answers())
        assert elsewhere(store.download, url, tmp_path / "file") == ObjectInfo(url, 4, "second")
        assert (tmp_path / "file").read_bytes() == b"bbbb"
        Answers(store.options.client, *answers())
        assert elsewhere(store.read, url) == b"bbbb"


class TestConditions:
    def test_create_is_refused_where_something_is(self, store, url, tmp_path):
        (tmp_path / "up").write_bytes(b"other")
        store.write(url, b"first", mode=CREATE)
        with pytest.raises(AlreadyExistsError, match="exists already") as caught:
            store.write(url, b"second", mode=CREATE)
        assert caught.value.url == url
        with pytest.raises(AlreadyExistsError):
            store.upload(tmp_path / "up", url, mode=CREATE)
        assert store.read(url) == b"first"
        store.upload(tmp_path / "up", named("free"), mode=CREATE)
        assert store.read(named("free")) == b"other"

    def test_one_creator_wins(self, store, url):
        outcomes = list(store.run([Write(url, bytes([n]), CREATE) for n in range(8)]))
        won = [outcome for outcome in outcomes if isinstance(outcome, Done)]
        assert len(won) == 1
        assert store.read(url) == bytes([won[0].index])

    def test_only_the_version_of_the_etag_is_replaced(self, store, url, tmp_path):
        (tmp_path / "up").write_bytes(b"third")
        store.write(url, b"first")
        etag = store.stat(url).etag
        store.write(url, b"second", mode=IfMatch(etag))
        with pytest.raises(PreconditionFailedError):
            store.write(url, b"other", mode=IfMatch(etag))
        store.upload(tmp_path / "up", url, mode=IfMatch(store.stat(url).etag))
        assert store.read(url) == b"third"

    def test_what_is_gone_has_no_version(self, store, url):
        with pytest.raises(PreconditionFailedError, match="is gone"):
            store.write(url, b"other", mode=IfMatch("0123"))
        with pytest.raises(NotFoundError, match="there is no bucket 'missing'"):
            store.write(named("key", "missing"), b"other", mode=IfMatch("0123"))

    def test_copies_send_their_conditions(self, store, url):
        store.write(url, b"some bytes")
        log = RequestLog(store.options.client)
        store.copy(url, named("copy"), mode=CREATE)
        store.copy(url, named("copy"), mode=IfMatch("0123"))
        assert log.headers[0]["If-None-Match"] == "*"
        assert log.headers[1]["If-Match"] == '"0123"'

    @pytest.mark.parametrize(
        ("mode", "kind"), [(CREATE, AlreadyExistsError), (IfMatch("0123"), PreconditionFailedError)]
    )
    def test_copies_are_refused_by_their_conditions(self, store, url, mode, kind):
        Answers(store.options.client, refusal(412, "PreconditionFailed"))
        with pytest.raises(kind):
            store.copy(url, named("copy"), mode=mode)

    def test_a_copy_tells_its_source_from_its_target(self, store, url):
        with pytest.raises(NotFoundError):
            store.copy(url, named("copy"), mode=IfMatch("0123"))
        store.write(url, b"some bytes")
        Answers(store.options.client, refusal(404, "NoSuchKey"), operation="CopyObject")
        with pytest.raises(PreconditionFailedError, match="copy: is gone"):
            store.copy(url, named("copy"), mode=IfMatch("0123"))

    def test_a_conflict_is_no_answer_yet(self, store, url):
        def conflicts() -> list:
            return [refusal(409, "ConditionalRequestConflict") for _ in range(4)]

        Answers(store.options.client, *conflicts(), operation="PutObject")
        store.write(url, b"first", mode=CREATE)
        Answers(store.options.client, *conflicts(), operation="PutObject")
        with pytest.raises(AlreadyExistsError):
            store.write(url, b"second", mode=CREATE)
        assert store.read(url) == b"first"

    def test_conflicts_without_end_are_transient(self, store, url):
        answers = Answers(
            store.options.client, *[refusal(409, "ConditionalRequestConflict") for _ in range(9)]
        )
        with pytest.raises(TransientError, match="another write"):
            store.write(url, b"first", mode=CREATE)
        assert len(answers.left) == 4

    def test_what_one_request_cannot_hold_is_refused_in_words(self, store, url, tmp_path):
        with (tmp_path / "up").open("wb") as file:
            file.truncate(5 * 1024**3 + 1)
        log = RequestLog(store.options.client)
        with pytest.raises(UnsupportedError, match="5 GiB"):
            store.upload(tmp_path / "up", url, mode=CREATE)
        assert log.requests == []


class TestLocalFiles:
    """What is wrong with a local file is not taken for a fault of the network."""

    def test_a_missing_source_is_named(self, store, url, tmp_path):
        for mode in (CREATE, IfMatch("0123")):
            with pytest.raises(NotFoundError, match=r"missing: not found"):
                store.upload(tmp_path / "missing", url, mode=mode)
        with pytest.raises(NotFoundError) as caught:
            store.upload(tmp_path / "missing", url)
        assert caught.value.url == Url.local(tmp_path / "missing")
        assert not store.exists(url)

    @pytest.mark.parametrize("kind", ["directory", "pipe", "device"])
    def test_what_is_no_file_is_not_uploaded(self, store, url, tmp_path, kind):
        path = Path("/dev/null") if kind == "device" else tmp_path / kind
        if kind == "directory":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        with pytest.raises(UnsupportedError, match=str(path)):
            store.upload(path, url)

    def test_a_missing_directory_costs_no_request(self, store, url, tmp_path):
        store.write(url, b"some bytes")
        log = RequestLog(store.options.client)
        with pytest.raises(NotFoundError) as caught:
            store.download(url, tmp_path / "missing" / "file")
        assert caught.value.url == Url.local(tmp_path / "missing" / "file")
        assert log.requests == []

    def test_a_full_disk_is_said_to_be_full(self, store, url, tmp_path):
        if not Path("/dev/full").exists():
            pytest.skip("there is no /dev/full here")
        store.write(url, bytes(MiB))
        with (
            Path("/dev/full").open("wb", buffering=0) as full,
            pytest.raises(NoSpaceError, match="no space left"),
            local_errors(url),
        ):
            store._fetch(url, full)

    def test_a_directory_is_not_replaced(self, store, url, tmp_path):
        store.write(url, b"some bytes")
        (tmp_path / "directory").mkdir()
        with pytest.raises(UnsupportedError, match="is a directory"):
            store.download(url, tmp_path / "directory")
        assert [path.name for path in tmp_path.iterdir()] == ["directory"]

    @pytest.mark.parametrize("use_threads", [True, False])
    def test_a_download_that_fails_leaves_nothing(self, store, options, url, tmp_path, use_threads):
        config = TransferConfig(
            multipart_chunksize=100_000, use_threads=use_threads, num_download_attempts=1
        )
        store = S3Store(attrs.evolve(options, transfer_config=config))
        store.write(url, os.urandom(300_000))
        Answers(store.options.client, None, refusal(500, "InternalError"), operation="GetObject")
        with pytest.raises(TransientError):
            elsewhere(store.download, url, tmp_path / "file")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "config", [None, TransferConfig(use_threads=False)], ids=["threads", "no threads"]
    )
    def test_an_interrupted_download_leaves_nothing(self, store, options, url, tmp_path, config):
        store.write(url, b"some bytes")
        store = S3Store(attrs.evolve(options, max_concurrency=1, transfer_config=config))
        main = threading.main_thread().ident
        assert main is not None

        def interrupt(**_: object) -> None:
            signal.pthread_kill(main, signal.SIGINT)

        store.options.client.meta.events.register_first("before-send.s3", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.download(url, tmp_path / "file")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("use_threads", [True, False])
    def test_a_body_that_is_cut_off_is_transient(self, aws, options, url, tmp_path, use_threads):
        config = TransferConfig(use_threads=use_threads)
        store = S3Store(attrs.evolve(options, transfer_config=config))
        Answers(store.options.client, answer(200, b"12345", content_length="9"))
        with pytest.raises(TransientError, match="truncated read: want 9, got 5"):
            elsewhere(store.download, url, tmp_path / "file")
        Answers(store.options.client, answer(200, b"12345", content_length="9"))
        with pytest.raises(TransientError, match="truncated read: want 9, got 5"):
            elsewhere(store.read, url)
        Answers(store.options.client, answer(206, b"1", content_length="9"))
        with pytest.raises(TransientError, match="truncated read"):
            store.read(url, span=Span(0, 9))
        assert not list(tmp_path.iterdir())


class TestLists:
    def test_more_than_a_page_is_listed(self, store):
        for number in range(1_200):
            store.options.client.put_object(Bucket="bucket", Key=f"many/{number:04}", Body=b"")
        log = RequestLog(store.options.client)
        found = [item.url.name for item in store.list(named("many"))]
        assert found == [f"{number:04}" for number in range(1_200)]
        assert log.methods == {"GET": 2}
        # Who takes one item pays for one page.
        next(iter(store.list(named("many"))))
        assert log.methods == {"GET": 3}

    def test_lists_are_by_segments(self, store):
        for key in ("a", "a/b", "a/c/d", "ab", "ab/c", "b"):
            store.write(named(key), key.encode())
        deep = {item.url.key: item for item in store.list(named("a"))}
        assert sorted(deep) == ["a/b", "a/c/d"]
        assert deep["a/b"] == store.stat(named("a/b"))
        assert isinstance(deep["a/b"], ObjectInfo)
        shallow = list(store.list(named("a"), recursive=False))
        assert {type(item): item.url for item in shallow} == {
            Prefix: named("a/c"),
            ObjectInfo: named("a/b"),
        }
        assert len(list(store.list(Url("s3", "bucket", "")))) == 6

    def test_the_server_is_told_what_keys_go_on_with(self, store):
        for key in ("d/a1", "d/a2/b", "d/b", "a3"):
            store.write(named(key), b"")
        asked = []
        store.options.client.meta.events.register_first(
            "before-send.s3.ListObjectsV2", lambda request, **_: asked.append(request.url)
        )
        deep = [item.url.key for item in store.list_starting(named("d"), "a")]
        shallow = [item.url.key for item in store.list_starting(named("d"), "a", recursive=False)]
        assert (deep, sorted(shallow)) == (["d/a1", "d/a2/b"], ["d/a1", "d/a2"])
        assert ["prefix=d%2Fa&" in f"{url}&" for url in asked] == [True, True]

    def test_directory_markers_are_no_files(self, store):
        for key in ("a/", "a/b/", "a/b/c"):
            store.options.client.put_object(Bucket="bucket", Key=key, Body=b"")
        assert [item.url.key for item in store.list(named("a"))] == ["a/b/c"]
        assert list(store.list(named("a"), recursive=False)) == [Prefix(named("a/b"))]

    def test_double_slashes_are_segments_without_a_name(self, store):
        store.write(named("a//b"), b"")
        store.write(named("/c"), b"")
        assert list(store.list(named("a"), recursive=False)) == [Prefix(named("a//"))]
        assert [item.url.key for item in store.list(named("a//"))] == ["a//b"]
        assert list(store.list(Url("s3", "bucket", ""), recursive=False)) == [
            Prefix(named("/")),
            Prefix(named("a")),
        ]

    def test_a_missing_prefix_is_empty_and_a_missing_bucket_is_not(self, store):
        assert list(store.list(named("missing"))) == []
        with pytest.raises(NotFoundError, match="there is no bucket 'missing'") as caught:
            list(store.list(named("a", "missing")))
        assert caught.value.operation == "List"
        assert caught.value.url == named("a", "missing")


# What XML 1.0 and UTF-8 can hold; S3 itself asks for no more.
_characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


class TestKeys:
    @given(key=st.text(_characters, min_size=1, max_size=40).filter(lambda key: key[-1] != "/"))
    @example(key="a b+c%20d#e?f&g=h")
    @example(key="/leading//double/../dots/./dot")
    @example(key="tab\there\x01")
    @example(key="\u6f22\u5b57")
    @settings(
        max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_they_are_opaque(self, store, key):
        url = named("below/" + key)
        store.write(url, key.encode())
        try:
            assert store.read(url) == key.encode()
            assert store.stat(url).size == len(key.encode())
            assert [item.url for item in store.list(named("below"))] == [url]
            store.copy(url, named("copy"))
            assert store.read(named("copy")) == key.encode()
        finally:
            store.delete(url)
        assert list(store.list(named("below"))) == []


class TestStores:
    def test_the_repr_names_engine_and_endpoint(self):
        options = S3Options(client_kwargs={"endpoint_url": "http://user:hush@localhost:9000"})
        assert repr(S3Store(options)) == (
            "S3Store(engine='auto', endpoint='http://localhost:9000')"
        )
        assert repr(S3Store()) == "S3Store(engine='auto', endpoint='default')"

    def test_the_repr_names_what_boto3_found(self, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://user:hush@127.0.0.1:9")
        store = S3Store()
        assert "default" in repr(store)
        assert store.options.client is not None
        assert repr(store) == "S3Store(engine='auto', endpoint='http://127.0.0.1:9')"

    def test_it_pickles_without_a_client(self, store, url):
        store.write(url, b"some bytes")
        again = pickle.loads(pickle.dumps(store))
        assert again.options == store.options
        assert again.read(url) == b"some bytes"

    def test_deviations_are_what_was_declared(self):
        assert S3Store().deviations == {}
        store = S3Store(deviations={7: "ignores If-None-Match"})
        assert pickle.loads(pickle.dumps(store)).deviations == {7: "ignores If-None-Match"}

    def test_a_closed_store_opens_again(self, store, url):
        store.write(url, b"some bytes")
        store.close()
        assert store.read(url) == b"some bytes"

    def test_closing_an_unused_store_makes_no_client(self, options):
        S3Store(options).close()
        assert options._client.made is None

    def test_a_batch_shares_the_threads(self, store, url, monkeypatch):
        seen = []
        transfer = S3Options.transfer

        def noting(self, *, threads):
            seen.append(threads)
            return transfer(self, threads=threads)

        monkeypatch.setattr(S3Options, "transfer", noting)
        store.write(url, b"some bytes")
        for size in (2, 3, 9):
            list(store.run([Read(url)] * size))
        assert seen == [4, 2, 2, *[1] * 12]

    def test_without_credentials_the_first_call_says_so(self):
        store = S3Store(S3Options(client_kwargs={"endpoint_url": "http://127.0.0.1:9"}))
        with pytest.raises(UnauthenticatedError, match=r"AWS_ACCESS_KEY_ID.*anonymous") as caught:
            store.read(named("key"))
        assert caught.value.operation == "Read"
        with pytest.raises(UnauthenticatedError):
            list(store.list(named("key")))

    def test_a_bad_bucket_name_is_a_bad_url(self, store):
        with pytest.raises(InvalidUrlError, match="bad bucket"):
            store.read(named("key", "bad bucket"))
        store.write(named("key"), b"some bytes")
        with pytest.raises(InvalidUrlError):
            store.copy(named("key"), named("key", "bad bucket"))

    def test_a_client_that_cannot_be_made_fails_the_item(self, options, url):
        store = S3Store(S3Options({"profile_name": "missing"}))
        with pytest.raises(UnauthenticatedError, match="no such profile"):
            store.read(url)
