"""What is prepared on S3: which requests are made, and what their answers are taken for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import pytest
from boto3.s3.transfer import TransferConfig
from tests.unit.adapters.s3.wire import Answers, RequestLog, answer, refusal

from file_dataset.adapters.s3 import S3Store
from file_dataset.domain.errors import (
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    StoreError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.requests import Abort, Complete, Draft, Prepare, Prepared
from file_dataset.domain.url import Url

MiB = 1024 * 1024
BUCKET = Url.parse("s3://bucket")
DRAFT = Draft(BUCKET.joined("row"), "attempt-1")
URL = DRAFT.root.joined("deep", "a")
SOURCE = BUCKET.joined("source")
ATTEMPT = "x-amz-meta-file-dataset-attempt"


@pytest.fixture
def client(store):
    return store.options.client


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"some bytes")
    return path


def prepare(store, source, draft=DRAFT, url=URL):
    source = Url.local(source) if isinstance(source, Path) else source
    return store.do(Prepare(source, url, draft))


def in_parts(store):
    """A store that splits from 5 MiB on, which is the least that S3 takes."""
    config = TransferConfig(multipart_threshold=5 * MiB, multipart_chunksize=5 * MiB)
    return S3Store(attrs.evolve(store.options, transfer_config=config))


def uploads(store):
    """The back door: all uploads that have begun and not ended."""
    found = store.options.client.list_multipart_uploads(Bucket="bucket")
    return [upload["UploadId"] for upload in found.get("Uploads", [])]


def listed(uploads, *, more=""):
    """A page of a list of uploads, in which there may be more after a key."""
    items = "".join(
        f"<Upload><Key>{key}</Key><UploadId>{number}</UploadId>"
        f"<Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>"
        for number, key in enumerate(uploads)
    )
    rest = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
    rest += f"<NextKeyMarker>{more}</NextKeyMarker>" if more else ""
    name = "ListMultipartUploadsResult"
    return answer(200, f"<{name}>{rest}{items}</{name}>".encode(), content_type="application/xml")


class TestPrepare:
    @pytest.mark.parametrize("data", [b"some bytes", b""])
    def test_a_small_file_takes_three_requests(self, store, client, path, data):
        path.write_bytes(data)
        log = RequestLog(client)
        prepared = prepare(store, path)
        assert log.requests == [("POST", "row/deep/a"), ("PUT", "row/deep/a")]
        assert (prepared.size, prepared.draft) == (len(data), DRAFT)
        assert not store.exists(URL)
        log = RequestLog(client)
        store.do(Complete(prepared))
        assert log.requests == [("POST", "row/deep/a")]
        assert store.read(URL) == data

    @pytest.mark.parametrize("draft", [None, DRAFT])
    def test_an_object_tells_which_draft_it_came_with(self, store, client, path, draft):
        store.do(Complete(prepare(store, path, draft)))
        metadata = client.head_object(Bucket="bucket", Key=URL.key)["Metadata"]
        assert metadata == ({"file-dataset-attempt": "attempt-1"} if draft else {})

    def test_a_large_file_goes_in_parts(self, store, path):
        data = os.urandom(12 * MiB)
        path.write_bytes(data)
        splitting = in_parts(store)
        log = RequestLog(splitting.options.client)
        prepared = prepare(splitting, path)
        assert log.methods == {"POST": 1, "PUT": 3}
        assert len(prepared.receipt.split(" ")) == 3
        assert '"' not in prepared.receipt
        store.do(Complete(attrs.evolve(prepared, size=None)))
        assert store.read(URL) == data

    def test_a_small_object_is_copied_as_a_whole(self, store, client):
        store.write(SOURCE, b"some bytes")
        etag = store.stat(SOURCE).etag
        log = RequestLog(client)
        prepared = prepare(store, SOURCE)
        assert [method for method, _ in log.requests] == ["HEAD", "POST", "PUT"]
        asked = log.headers[-1]
        assert asked["x-amz-copy-source"] == "bucket/source"
        assert asked["x-amz-copy-source-if-match"] == f'"{etag}"'
        assert "x-amz-copy-source-range" not in asked
        assert prepared.size == 10
        store.do(Complete(prepared))
        assert store.read(URL) == b"some bytes"

    def test_a_large_object_is_copied_in_ranges(self, store):
        data = os.urandom(12 * MiB)
        store.write(SOURCE, data)
        splitting = in_parts(store)
        log = RequestLog(splitting.options.client)
        prepared = prepare(splitting, SOURCE)
        asked = {headers.get("x-amz-copy-source-range") for headers in log.headers}
        size = 5 * MiB
        starts = range(0, len(data), size)
        spans = {f"bytes={start}-{min(start + size, len(data)) - 1}" for start in starts}
        assert asked == spans | {None}
        store.do(Complete(prepared))
        assert store.read(URL) == data

    def test_an_empty_object_is_not_copied(self, store, client):
        store.write(SOURCE, b"")
        log = RequestLog(client)
        store.do(Complete(prepare(store, SOURCE)))
        assert not any("x-amz-copy-source" in headers for headers in log.headers)
        assert store.read(URL) == b""

    @pytest.mark.parametrize("size", [10, 12 * MiB])
    @pytest.mark.parametrize(
        "said",
        [lambda: answer(200, etag='"1"'), lambda: refusal(501, "NotImplemented")],
        ids=["is taken for a part", "is refused"],
    )
    def test_what_the_server_does_not_copy_is_brought(self, store, size, said):
        data = os.urandom(size)
        store.write(SOURCE, data)
        splitting = in_parts(store)
        told = Answers(
            splitting.options.client, *(said() for _ in range(3)), operation="UploadPartCopy"
        )
        prepared = prepare(splitting, SOURCE)
        assert len(told.left) < 3
        assert uploads(store) == [prepared.token]
        store.do(Complete(prepared))
        assert store.read(URL) == data

    def test_what_cannot_be_copied_for_another_reason_is_not_brought(self, store, client):
        store.write(SOURCE, b"some bytes")
        Answers(client, refusal(403, "AccessDenied"), operation="UploadPartCopy")
        with pytest.raises(PermissionDeniedError, match=r"source to s3://bucket/row/deep/a"):
            prepare(store, SOURCE)
        assert uploads(store) == []

    def test_nothing_is_begun_for_what_is_missing(self, store, client, tmp_path):
        log = RequestLog(client)
        with pytest.raises(NotFoundError):
            prepare(store, tmp_path / "missing")
        assert log.requests == []
        with pytest.raises(NotFoundError, match="source"):
            prepare(store, SOURCE)
        assert log.methods == {"HEAD": 1}

    def test_of_what_fails_nothing_is_left(self, store, client, path):
        Answers(client, refusal(503, "SlowDown"), operation="UploadPart")
        with pytest.raises(TransientError):
            prepare(store, path)
        assert uploads(store) == []

    def test_a_file_that_shrinks_is_not_uploaded_in_part(self, store, client, path):
        client.meta.events.register(
            "before-send.s3.CreateMultipartUpload", lambda **_: path.write_bytes(b"some") and None
        )
        with pytest.raises(StoreError, match="changed its length"):
            prepare(store, path)
        assert uploads(store) == []


class TestComplete:
    def test_an_error_after_a_200_is_an_error(self, store, client, path):
        prepared = prepare(store, path)
        failing = b"<Error><Code>InternalError</Code><Message>so sorry</Message></Error>"
        Answers(client, answer(200, failing, content_type="application/xml"))
        with pytest.raises(TransientError, match="so sorry"):
            store.do(Complete(prepared))
        assert uploads(store) == [prepared.token]
        store.do(Complete(prepared))
        assert store.read(URL) == b"some bytes"

    def test_what_others_completed_is_complete(self, store, client, path):
        prepared = prepare(store, path)
        store.do(Complete(prepared))
        Answers(client, refusal(404, "NoSuchUpload"), operation="CompleteMultipartUpload")
        log = RequestLog(client)
        S3Store(store.options).do(Complete(prepared))
        assert [method for method, _ in log.requests] == ["POST", "HEAD"]

    @pytest.mark.parametrize("there", [None, b"by others", "attempt-2"])
    def test_what_was_aborted_or_written_over_is_not(self, store, client, path, there):
        prepared = prepare(store, path)
        if isinstance(there, bytes):
            store.write(URL, there)
        elif there:
            store.do(Complete(prepare(store, path, Draft(DRAFT.root, there))))
        Answers(client, refusal(404, "NoSuchUpload"), operation="CompleteMultipartUpload")
        with pytest.raises(PreconditionFailedError, match="attempt-1 was aborted, or others"):
            store.do(Complete(prepared))

    @pytest.mark.parametrize(
        ("said", "kind"), [((403, "Forbidden"), PermissionDeniedError), ((500, ""), TransientError)]
    )
    def test_who_cannot_look_does_not_know(self, store, client, path, said, kind):
        prepared = prepare(store, path)
        Answers(client, refusal(404, "NoSuchUpload"), answer(said[0]))
        with pytest.raises(kind):
            store.do(Complete(prepared))

    def test_another_refusal_is_not_looked_into(self, store, client, path):
        prepared = prepare(store, path)
        Answers(client, refusal(404, "NoSuchBucket"))
        log = RequestLog(client)
        with pytest.raises(NotFoundError, match="no bucket"):
            store.do(Complete(prepared))
        assert log.methods == {"POST": 1}

    def test_without_a_draft_nobody_can_tell(self, store, client, path):
        prepared = prepare(store, path, None)
        Answers(client, refusal(404, "NoSuchUpload"))
        log = RequestLog(client)
        with pytest.raises(NotFoundError):
            store.do(Complete(prepared))
        assert log.methods == {"POST": 1}

    def test_each_file_of_a_draft_takes_one_request(self, store, client, path):
        urls = [DRAFT.root.joined(f"{number}") for number in range(10)]
        prepared = [prepare(store, path, url=url) for url in urls]
        log = RequestLog(client)
        store.do(Complete(prepared))
        assert sorted(log.requests) == sorted(("POST", url.key) for url in urls)
        assert [info.size for info in store.list(DRAFT.root)] == [10] * 10

    def test_each_file_of_a_draft_is_tried_before_an_error_is_told(self, store, client, path):
        urls = [DRAFT.root.joined(f"{number}") for number in range(6)]
        prepared = [prepare(store, path, url=url) for url in urls]
        refusals = [refusal(403, "AccessDenied"), refusal(500, "InternalError")]
        Answers(client, *refusals, operation="CompleteMultipartUpload")
        # Of the two, the one that may pass: then they are all tried once more.
        with pytest.raises(TransientError):
            store.do(Complete(prepared))
        assert len(list(store.list(DRAFT.root))) == 4


class TestAbort:
    def test_what_is_gone_is_aborted(self, store, client, path):
        prepared = prepare(store, path)
        for _ in range(2):
            store.do(Abort(prepared))
        assert uploads(store) == []

    def test_each_file_of_a_draft_is_tried_before_an_error_is_told(self, store, client, path):
        urls = [DRAFT.root.joined(f"{number}") for number in range(4)]
        prepared = [prepare(store, path, url=url) for url in urls]
        Answers(client, refusal(403, "AccessDenied"), operation="AbortMultipartUpload")
        with pytest.raises(PermissionDeniedError):
            store.do(Abort(prepared))
        assert len(uploads(store)) == 1

    def test_what_is_refused_is_told(self, store, client, path):
        prepared = prepare(store, path)
        Answers(client, refusal(403, "AccessDenied"))
        with pytest.raises(PermissionDeniedError):
            store.do(Abort(prepared))
        assert uploads(store) == [prepared.token]


class TestPending:
    def test_uploads_are_named_page_by_page(self, store, client):
        Answers(client, listed(["row/a", "row/b"], more="row/b"), listed(["row/c", "row/d/"]))
        found = list(store.pending(DRAFT.root))
        assert [each.prepared for each in found] == [
            Prepared(DRAFT.root.joined("a"), "0"),
            Prepared(DRAFT.root.joined("b"), "1"),
            Prepared(DRAFT.root.joined("c"), "0"),
        ]
        begun: Any = found[0].begun
        assert begun.isoformat() == "2026-01-02T03:04:05+00:00"

    def test_a_prefix_ends_with_its_segment(self, store, path):
        first, second = prepare(store, path), prepare(store, path, None, BUCKET.joined("rows/a"))
        assert [each.prepared.token for each in store.pending(DRAFT.root)] == [first.token]
        assert len(list(store.pending(BUCKET))) == 2
        for each in (first, second):
            store.do(Abort(each))
        assert list(store.pending(BUCKET)) == []

    @pytest.mark.parametrize("said", [(501, "NotImplemented"), (405, "MethodNotAllowed")])
    def test_a_server_that_cannot_tell_is_told_of(self, store, client, said):
        Answers(client, refusal(*said))
        with pytest.raises(UnsupportedError) as caught:
            list(store.pending(DRAFT.root))
        assert caught.value.operation == "Pending"
