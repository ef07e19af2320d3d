"""S3Store over real HTTP, with a look at what is on the server's disk."""

from __future__ import annotations

import hashlib
import os
import pickle
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import botocore
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from tests.forking import ended, forked
from tests.integration.fault_server import fault_server, said
from tests.integration.servers import saying_server, unused_endpoint
from tests.unit.adapters.s3.wire import RequestLog

from file_dataset.domain.errors import (
    InvalidUrlError,
    NotFoundError,
    PermissionDeniedError,
    RangeNotSatisfiableError,
    StoreError,
    TransientError,
    UnauthenticatedError,
)
from file_dataset.domain.objects import Prefix, Span
from file_dataset.domain.outcomes import Done, Failed
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Download,
    Draft,
    Prepare,
    Read,
    Upload,
    Write,
)
from file_dataset.domain.url import Url

MiB = 1024 * 1024
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: "1"\r\n\r\n'


@pytest.fixture
def bucket(rclone_s3):
    return rclone_s3.make_bucket()


@pytest.fixture
def store(rclone_s3):
    with rclone_s3.store() as store:
        yield store


class TestVerbs:
    def test_what_is_written_is_on_the_disk(self, rclone_s3, store, bucket, tmp_path):
        url = bucket.joined("dir", "a b#c%20d+e?f.bin")
        store.write(url, b"some bytes")
        assert rclone_s3.path_of(url).read_bytes() == b"some bytes"
        assert store.read(url) == b"some bytes"
        assert store.read(url, span=Span(5, 100)) == b"bytes"
        store.download(url, tmp_path / "down")
        assert (tmp_path / "down").read_bytes() == b"some bytes"
        info = store.stat(url)
        (listed,) = store.list(bucket.joined("dir"))
        md5 = hashlib.md5(b"some bytes").hexdigest()
        assert (info.url, info.size, info.etag) == (url, 10, md5)
        assert (listed.url, listed.size, listed.etag) == (url, 10, md5)
        # What HEAD says has no fractions of seconds.
        assert info.modified == listed.modified.replace(microsecond=0)
        store.delete(url)
        store.delete(url)
        assert not rclone_s3.path_of(url).exists()

    def test_empty_objects_work(self, rclone_s3, store, bucket, tmp_path):
        (tmp_path / "empty").touch()
        store.upload(tmp_path / "empty", bucket.joined("empty"))
        store.download(bucket.joined("empty"), tmp_path / "down")
        assert (tmp_path / "down").read_bytes() == b""
        assert store.read(bucket.joined("empty")) == b""
        with pytest.raises(RangeNotSatisfiableError):
            store.read(bucket.joined("empty"), span=Span(0, 1))

    def test_copies_are_made_by_the_server(self, rclone_s3, store, bucket):
        store.write(bucket.joined("from"), b"some bytes")
        target = rclone_s3.make_bucket().joined("to")
        log = RequestLog(store.options.client)
        store.copy(bucket.joined("from"), target)
        assert [method for method, _ in log.requests] == ["HEAD", "PUT"]
        assert rclone_s3.path_of(target).read_bytes() == b"some bytes"

    def test_names_that_are_no_paths_are_refused(self, store, bucket, tmp_path):
        url = Url("s3", bucket.authority, "double//slash")
        for do in (store.read, store.stat, lambda url: store.download(url, tmp_path / "down")):
            with pytest.raises(InvalidUrlError):
                do(url)

    def test_large_files_go_in_parts(self, rclone_s3, bucket, tmp_path):
        config = TransferConfig(multipart_threshold=5 * MiB, multipart_chunksize=5 * MiB)
        store = rclone_s3.store(transfer_config=config)
        data = os.urandom(12 * MiB)
        (tmp_path / "up").write_bytes(data)
        log = RequestLog(store.options.client)
        store.upload(tmp_path / "up", bucket.joined("large"))
        assert log.methods == {"POST": 2, "PUT": 3}
        assert rclone_s3.path_of(bucket.joined("large")).read_bytes() == data
        store.download(bucket.joined("large"), tmp_path / "down")
        assert log.methods == {"POST": 2, "PUT": 3, "GET": 3}
        assert (tmp_path / "down").read_bytes() == data

    def test_large_files_are_never_in_memory(self, rclone_s3, bucket, tmp_path):
        part = TransferConfig().multipart_chunksize
        data = os.urandom(6 * part)
        (tmp_path / "up").write_bytes(data)
        url = bucket.joined("large")
        with rclone_s3.store(engine="curl") as store:
            store.upload(tmp_path / "up", url)
            for carry in (
                lambda: store.upload(tmp_path / "up", url),
                lambda: store.download(url, tmp_path / "down"),
            ):
                tracemalloc.start()
                carry()
                _, peak = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                assert peak < part
        assert (tmp_path / "down").read_bytes() == data

    @pytest.mark.parametrize("engine", ["curl", "boto3"])
    def test_what_is_prepared_is_seen_once_it_is_complete(self, rclone_s3, tmp_path, engine):
        # The row's files are completed together, and nothing here tries again.
        bucket = rclone_s3.make_bucket("row")
        store = rclone_s3.store(engine=engine)
        store.write(bucket.joined("source"), b"of an object")
        (tmp_path / "file").write_bytes(b"of a file")
        (tmp_path / "empty").touch()
        sources = {
            "object": bucket.joined("source"),
            "file": Url.local(tmp_path / "file"),
            "empty": Url.local(tmp_path / "empty"),
        }
        root = bucket.joined("row")
        drafts = [Draft(root, attempt) for attempt in ("first", "second")]
        first, second = (
            [store.do(Prepare(each, root.joined(name), draft)) for name, each in sources.items()]
            for draft in drafts
        )
        assert [info.url for info in store.list(bucket)] == [bucket.joined("source")]
        pending = {each.prepared.token for each in store.pending(root)}
        assert pending == {each.token for each in [*first, *second]}
        store.do(Abort(second))
        store.do(Complete(first))
        found = {path.name: path.read_bytes() for path in rclone_s3.path_of(root).iterdir()}
        assert found == {"object": b"of an object", "file": b"of a file", "empty": b""}
        assert list(store.pending(bucket)) == []

    def test_lists_have_pages_and_segments(self, rclone_s3, store, bucket):
        directory = rclone_s3.path_of(bucket.joined("many"))
        for name in ("a", "ab"):
            (directory / name).mkdir(parents=True)
        for number in range(1_200):
            (directory / "a" / f"{number:04}").touch()
        (directory / "ab" / "other").touch()
        found = [item.url.name for item in store.list(bucket.joined("many", "a"))]
        assert found == [f"{number:04}" for number in range(1_200)]
        assert set(store.list(bucket.joined("many"), recursive=False)) == {
            Prefix(bucket.joined("many", "a")),
            Prefix(bucket.joined("many", "ab")),
        }
        assert list(store.list(bucket.joined("missing"))) == []


class TestRequestCounts:
    def test_n_small_files_are_n_requests(self, store, bucket, tmp_path):
        # The first makes the directory: rclone's PUTs into a new one get in each other's way.
        store.write(bucket.joined("dir", "first"), b"")
        urls = [bucket.joined("dir", f"{number}") for number in range(50)]
        (tmp_path / "up").write_bytes(b"some bytes")
        log = RequestLog(store.options.client)
        assert done(store.run([Upload(tmp_path / "up", url) for url in urls]))
        assert log.methods == {"PUT": 50}
        assert done(store.run([Download(url, tmp_path / url.name) for url in urls]))
        assert log.methods == {"PUT": 50, "GET": 50}
        assert all((tmp_path / url.name).read_bytes() == b"some bytes" for url in urls)


class TestRefusals:
    def test_an_unknown_key_is_told(self, rclone_s3, bucket):
        store = rclone_s3.store(session_kwargs={"aws_access_key_id": "unknown-key"})
        url = bucket.joined("key")
        with pytest.raises(UnauthenticatedError, match="does not know the access key"):
            store.read(url)
        with pytest.raises(UnauthenticatedError):
            store.write(url, b"")
        with pytest.raises(UnauthenticatedError):
            list(store.list(bucket))
        with pytest.raises(PermissionDeniedError, match="HEAD"):
            store.stat(url)

    def test_a_wrong_secret_is_told(self, rclone_s3, bucket):
        store = rclone_s3.store(session_kwargs={"aws_secret_access_key": "not-the-secret"})
        with pytest.raises(UnauthenticatedError, match="the secret key is not the one") as caught:
            store.read(bucket.joined("key"))
        assert "not-the-secret" not in str(caught.value) + caught.value.detail

    def test_anonymous_requests_are_not_signed(self, rclone_s3, bucket):
        config = Config(signature_version=botocore.UNSIGNED)
        store = rclone_s3.store(client_kwargs={"config": config})
        store = pickle.loads(pickle.dumps(store))
        log = RequestLog(store.options.client)
        with pytest.raises(StoreError):
            store.read(bucket.joined("key"))
        assert "Authorization" not in log.headers[0]

    def test_a_missing_bucket_is_told(self, store, tmp_path):
        url = Url.parse("s3://missing-bucket/key")
        (tmp_path / "up").touch()
        for do in (
            lambda: store.read(url),
            lambda: store.write(url, b""),
            lambda: store.upload(tmp_path / "up", url),
            lambda: store.delete(url),
            lambda: list(store.list(url)),
        ):
            with pytest.raises(NotFoundError, match="there is no bucket 'missing-bucket'"):
                do()
        with pytest.raises(NotFoundError):
            store.stat(url)

    def test_a_missing_object_is_told(self, store, bucket, tmp_path):
        with pytest.raises(NotFoundError, match="not found: there is no such key"):
            store.download(bucket.joined("missing"), tmp_path / "file")
        with pytest.raises(NotFoundError, match="missing to s3://"):
            store.copy(bucket.joined("missing"), bucket.joined("copy"))
        assert not list(tmp_path.iterdir())


class TestNetworks:
    def test_nobody_listens(self, rclone_s3, bucket):
        endpoint = unused_endpoint()
        store = rclone_s3.store(client_kwargs={"endpoint_url": endpoint})
        began = time.monotonic()
        with pytest.raises(TransientError, match="cannot be reached") as caught:
            store.read(bucket.joined("key"))
        assert endpoint.removeprefix("http://") in str(caught.value)
        with pytest.raises(TransientError):
            list(store.list(bucket))
        assert time.monotonic() - began < 20

    @pytest.mark.parametrize("retries", [None, {"total_max_attempts": 2}], ids=str)
    @pytest.mark.parametrize("said", [ANSWER + b"five5", ANSWER])
    @pytest.mark.parametrize("then_hang", [True, False])
    def test_a_body_breaks_off(self, said, then_hang, retries, tmp_path):
        config = Config(read_timeout=0.3, retries=retries)
        with saying_server(said, then_hang=then_hang) as server:
            # test_s3_faults has the same for both engines; libcurl takes seconds to be sure.
            store = server.store(client_kwargs={"config": config}, engine="boto3")
            for do in (
                lambda url: store.download(url, tmp_path / "file"),
                store.read,
                lambda url: store.read(url, span=Span(0, 9)),
            ):
                with pytest.raises(TransientError) as caught:
                    do(Url.parse("s3://bucket/key"))
                assert caught.value.transient
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("then_hang", [True, False])
    def test_no_answer_comes(self, then_hang, tmp_path):
        (tmp_path / "up").write_bytes(b"some bytes")
        config = Config(read_timeout=0.3)
        url = Url.parse("s3://bucket/key")
        with saying_server(b"", then_hang=then_hang) as server:
            store = server.store(client_kwargs={"config": config}, engine="boto3")
            for do in (
                lambda: store.read(url),
                lambda: store.stat(url),
                lambda: store.upload(tmp_path / "up", url),
                lambda: list(store.list(url)),
            ):
                with pytest.raises(TransientError) as caught:
                    do()
                assert caught.value.transient

    def test_a_client_that_retries_has_done_so(self):
        config = Config(retries={"total_max_attempts": 3, "mode": "standard"})
        # Not by a server that breaks off, since then what it said may not be heard.
        with fault_server(lambda _: said("503 Slow Down")) as (server, _):
            store = server.store(client_kwargs={"config": config})
            with pytest.raises(TransientError) as caught:
                store.stat(Url.parse("s3://bucket/key"))
        assert (caught.value.transient, caught.value.attempts) == (False, 3)


class TestProcessesAndThreads:
    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_a_forked_child_reads_the_right_bytes(self, store, bucket):
        urls = [bucket.joined(f"{number}") for number in range(8)]
        for number, url in enumerate(urls):
            store.write(url, bytes([number]) * 50_000)
        stop = threading.Event()
        wrong: list[object] = []

        def read_on() -> None:
            while not stop.is_set():
                wrong.extend(not_right(store, urls))

        reading = threading.Thread(target=read_on)
        reading.start()
        try:
            children = [forked(lambda: not not_right(store, urls)) for _ in range(3)]
            assert ended(*children) == [0, 0, 0]
        finally:
            stop.set()
            reading.join()
        assert wrong == []

    def test_twenty_threads_share_a_store(self, store, bucket, tmp_path):
        store.write(bucket.joined("dir", "first"), b"")
        everyone = threading.Barrier(20)

        def work(number: int) -> list[object]:
            everyone.wait()
            urls = [bucket.joined("dir", f"{number}-{each}") for each in range(5)]
            data = bytes([number]) * 10_000
            failed = [o for o in store.run([Write(url, data) for url in urls]) if not is_done(o)]
            outcomes = [*store.run([Read(url) for url in urls])]
            return failed + [o for o in outcomes if not is_done(o) or o.value != data]

        with ThreadPoolExecutor(20) as threads:
            assert [wrong for found in threads.map(work, range(20)) for wrong in found] == []


def is_done(outcome) -> bool:
    return isinstance(outcome, Done)


def done(outcomes) -> bool:
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert failed == []
    return True


def not_right(store, urls) -> list[object]:
    """The outcomes of reading objects that are not full of their own number."""
    outcomes = list(store.run([Read(url) for url in urls]))
    return [
        outcome
        for outcome in outcomes
        if not is_done(outcome) or outcome.value != bytes([outcome.index]) * 50_000
    ]
