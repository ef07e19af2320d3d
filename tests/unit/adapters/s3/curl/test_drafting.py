"""What libcurl makes of drafts: each request on its way, and whatever may be answered to it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import pycurl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.adapters.s3.curl.simulated import PLACE, URL, Answer, carried_out, refusal
from tests.unit.adapters.s3.wire import KEYS

from file_dataset.adapters.s3 import S3Options
from file_dataset.adapters.s3.carried import Declined, Redirected
from file_dataset.adapters.s3.curl.drafting import (
    AbortUpload,
    BeginUpload,
    CompleteUpload,
    can_be_settled,
)
from file_dataset.domain.errors import (
    FileDatasetError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    StoreError,
    TransientError,
)
from file_dataset.domain.requests import Draft, Prepare, Prepared
from file_dataset.domain.url import Url

DRAFT = Draft(Url.parse("s3://bucket/dir"), "attempt-1")
PREPARED = Prepared(URL, "a/b", DRAFT, "one two", 10)
ALONE = attrs.evolve(PREPARED, draft=None)
DATA = b"some bytes"
BEGUN = Answer(200, {}, b"<R><UploadId>a/b&amp;c</UploadId></R>")
PART = Answer(200, {"ETag": '"part"'})
COMPLETED = Answer(200, {}, b'<?xml version="1.0"?>\n<CompleteMultipartUploadResult xmlns="x"/>')
DONE = Answer(204)
RESET = Answer(0, {}, b"", pycurl.E_RECV_ERROR)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def by_method(**answers):
    """A server that answers to each method in its way."""

    def server(asked):
        answer = answers[asked.method]
        return answer(asked) if callable(answer) else answer

    return server


def prepared(path, *, draft=DRAFT, most=100, begin=BEGUN, part=PART, abort=DONE):
    server = by_method(POST=begin, PUT=part, DELETE=abort)
    request = Prepare(Url.local(path), URL, draft)
    return carried_out(lambda: BeginUpload(request, PLACE, most=most), server)


def methods(asked):
    return [each.method for each in asked]


class TestBeginUpload:
    @pytest.mark.parametrize("data", [DATA, b""])
    @pytest.mark.parametrize("draft", [DRAFT, None])
    def test_an_upload_is_begun_and_its_part_is_sent(self, path, data, draft):
        path.write_bytes(data)
        value, (begun, part) = prepared(path, draft=draft)

        assert value == Prepared(URL, "a/b&c", draft, "part", len(data))
        assert (begun.method, begun.url) == ("POST", f"{PLACE.base}dir/key?uploads=")
        assert begun.body == b""
        told = {"x-amz-meta-file-dataset-attempt": "attempt-1"} if draft else {}
        assert begun.headers == told
        query = "partNumber=1&uploadId=a%2Fb%26c"
        assert (part.method, part.url) == ("PUT", f"{PLACE.base}dir/key?{query}")
        assert part.body == data
        assert part.headers == {}

    @pytest.mark.parametrize("most", [0, 1, len(DATA)])
    def test_a_large_file_is_boto3s(self, path, most):
        value, asked = prepared(path, most=most)

        assert type(value) is Declined
        assert not asked

    def test_nothing_is_begun_for_what_is_missing(self, path):
        path.unlink()
        value, asked = prepared(path)

        assert type(value) is NotFoundError
        assert not asked

    @pytest.mark.parametrize(
        "body", [b"", b"<UploadId></UploadId>", "<UploadId>é</UploadId>".encode()]
    )
    def test_an_upload_without_a_name_is_boto3s(self, path, body):
        value, asked = prepared(path, begin=Answer(200, {}, body))

        assert type(value) is Declined
        assert methods(asked) == ["POST"]

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (refusal(403), PermissionDeniedError),
            (refusal(400), Redirected),
            (RESET, TransientError),
        ],
    )
    def test_what_is_not_begun_is_not_aborted(self, path, answer, kind):
        value, asked = prepared(path, begin=answer)

        assert type(value) is kind
        assert methods(asked) == ["POST"]

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (refusal(500), TransientError),
            (refusal(403, "AccessDenied"), PermissionDeniedError),
            (refusal(400, "BadDigest"), Redirected),
            (refusal(404, "NoSuchUpload"), NotFoundError),
            (Answer(200), StoreError),
            (RESET, TransientError),
        ],
        ids=["500", "denied", "boto3s", "gone", "no etag", "reset"],
    )
    @pytest.mark.parametrize(
        "abort",
        [
            (DONE, False),
            (refusal(404, "NoSuchUpload"), False),
            (refusal(403), True),
            (RESET, True),
        ],
        ids=["aborted", "gone", "denied", "reset"],
    )
    def test_of_what_does_not_get_there_nothing_is_left(self, path, answer, kind, abort, caplog):
        aborted, is_told = abort
        value, asked = prepared(path, part=answer, abort=aborted)

        assert type(value) is kind
        assert methods(asked) == ["POST", "PUT", "DELETE"]
        assert asked[2].url == f"{PLACE.base}dir/key?uploadId=a%2Fb%26c"
        assert ("Could not abort the upload a/b&c of s3://bucket/dir/key" in caplog.text) == is_told

    @pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(DATA[:3])])
    def test_a_file_that_is_not_as_it_was_is_not_sent(self, path, change):
        def begun(asked):
            change(path)
            return BEGUN

        value, asked = prepared(path, begin=begun)

        assert isinstance(value, FileDatasetError)
        assert str(path) in str(value)
        assert methods(asked) == ["POST", "DELETE"]

    def test_a_part_that_comes_too_fast_has_its_turn_later(self, path):
        answers = [refusal(503), PART]
        value, asked = prepared(path, part=lambda _: answers.pop(0))

        assert isinstance(value, Prepared)
        assert methods(asked) == ["POST", "PUT", "PUT"]
        assert asked[1] == asked[2]


def completed(given=PREPARED, *, post=COMPLETED, head=None):
    server = by_method(POST=post, HEAD=head)
    return carried_out(lambda: CompleteUpload(given, PLACE), server)


GONE = refusal(404, "NoSuchUpload")


def came_with(attempt):
    return Answer(200, {"X-Amz-Meta-File-Dataset-Attempt": attempt, "Content-Length": "10"})


class TestCompleteUpload:
    @pytest.mark.parametrize("given", [PREPARED, ALONE])
    def test_the_parts_are_named_in_their_order(self, given):
        value, (asked,) = completed(given)

        assert value is None
        assert (asked.method, asked.url) == ("POST", f"{PLACE.base}dir/key?uploadId=a%2Fb")
        one, two = asked.body.index(b'"one"'), asked.body.index(b'"two"')
        assert one < two

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"<Error><Code>InternalError</Code><Message>sorry</Message></Error>", TransientError),
            (b"  \n<Error><Code>AccessDenied</Code></Error>", PermissionDeniedError),
            (b"<?xml version='1.0'?><CompleteMultipartUpl", TransientError),
            (b"<!-- nothing came -->", TransientError),
            (b"", TransientError),
        ],
    )
    def test_an_error_after_a_200_is_an_error(self, body, kind):
        value, asked = completed(post=Answer(200, {}, body))

        assert type(value) is kind
        assert len(asked) == 1

    @pytest.mark.parametrize(
        ("there", "kind"),
        [
            (came_with("attempt-1"), type(None)),
            (came_with("attempt-2"), PreconditionFailedError),
            (Answer(200, {"Content-Length": "10"}), PreconditionFailedError),
            (refusal(404), PreconditionFailedError),
            (refusal(403), PermissionDeniedError),
            (refusal(500), TransientError),
            (RESET, TransientError),
            (refusal(400), Redirected),
        ],
        ids=["the same", "another", "none", "gone", "denied", "broken", "reset", "boto3s"],
    )
    def test_where_it_is_gone_the_object_tells(self, there, kind):
        value, asked = completed(post=GONE, head=there)

        assert type(value) is kind
        assert [(each.method, each.url.partition("?")[0]) for each in asked] == [
            ("POST", f"{PLACE.base}dir/key"),
            ("HEAD", f"{PLACE.base}dir/key"),
        ]
        if kind is PreconditionFailedError:
            assert "the draft attempt-1 was aborted, or others wrote there since" in str(value)

    @pytest.mark.parametrize(
        ("given", "answer", "kind"),
        [
            (ALONE, GONE, NotFoundError),
            (PREPARED, refusal(404, "NoSuchBucket"), NotFoundError),
            (PREPARED, refusal(404), NotFoundError),
            (PREPARED, refusal(400, "InvalidPart"), Redirected),
            (PREPARED, RESET, TransientError),
        ],
        ids=["alone", "bucket", "404", "part", "reset"],
    )
    def test_another_refusal_is_not_looked_into(self, given, answer, kind):
        value, asked = completed(given, post=answer)

        assert type(value) is kind
        assert methods(asked) == ["POST"]

    def test_only_what_can_be_told_afterwards_may_be_sent_twice(self):
        assert CompleteUpload(ALONE, PLACE).begin().once
        assert not CompleteUpload(PREPARED, PLACE).begin().once


class TestAbortUpload:
    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (Answer(204), type(None)),
            (GONE, type(None)),
            (refusal(404, "NoSuchBucket"), NotFoundError),
            (refusal(403), PermissionDeniedError),
            (RESET, TransientError),
        ],
        ids=["done", "gone", "bucket", "denied", "reset"],
    )
    def test_what_is_gone_is_aborted(self, answer, kind):
        value, (asked,) = carried_out(lambda: AbortUpload(URL, PLACE, "a/b"), answer)

        assert type(value) is kind
        assert (asked.method, asked.url) == ("DELETE", f"{PLACE.base}dir/key?uploadId=a%2Fb")
        assert asked.body is None


@functools.cache
def client():
    local = {"endpoint_url": "http://127.0.0.1:9000"}
    return S3Options({**KEYS, "region_name": "us-east-1"}, local).client


class CaughtError(Exception):
    pass


def as_boto3_would(operation, **arguments):
    """What botocore sends for it: the method, the path, the parameters, the body."""

    def catch(request, **_):
        raise CaughtError(request)

    client().meta.events.register_first("before-send.s3", catch)
    try:
        with pytest.raises(CaughtError) as caught:
            getattr(client(), operation)(Bucket="bucket", Key="dir/key", **arguments)
    finally:
        client().meta.events.unregister("before-send.s3", catch)
    request = caught.value.args[0]
    return request.method, *urlsplit(request.url)[2:4], request.body, request.headers


texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@example("a/b+c=~._-", ['"', "<&>'"])
@given(texts, st.lists(texts, min_size=1, max_size=3))
def test_what_is_sent_is_what_boto3_sends(upload, etags):
    given = attrs.evolve(PREPARED, token=upload, receipt=" ".join(etags))
    parts = [{"PartNumber": n, "ETag": f'"{etag}"'} for n, etag in enumerate(etags, 1)]
    exchange = CompleteUpload(given, PLACE).begin()
    method, _, query, body, headers = as_boto3_would(
        "complete_multipart_upload", UploadId=upload, MultipartUpload={"Parts": parts}
    )

    assert (exchange.method, exchange.query) == (method, query)
    assert exchange.body == body
    assert headers["X-Amz-Content-SHA256"].decode() == exchange.payload

    exchange = AbortUpload(URL, PLACE, upload).begin()
    method, _, query, _, headers = as_boto3_would("abort_multipart_upload", UploadId=upload)
    assert (exchange.method, exchange.query) == (method, query)
    assert headers["X-Amz-Content-SHA256"].decode() == exchange.payload


def test_an_upload_is_begun_as_boto3_begins_it(path):
    exchange = BeginUpload(Prepare(Url.local(path), URL, DRAFT), PLACE, most=100).begin()
    metadata: Any = {"file-dataset-attempt": "attempt-1"}
    method, _, query, _, headers = as_boto3_would("create_multipart_upload", Metadata=metadata)

    # In what is signed a parameter without a value has an empty one.
    assert (exchange.method, exchange.query) == (method, f"{query}=")
    ((name, value),) = exchange.headers
    assert headers[name].decode() == value
    assert headers["X-Amz-Content-SHA256"].decode() == exchange.payload


@pytest.mark.parametrize(
    ("token", "receipt", "can"),
    [
        ("a/b+c==", "one two", True),
        ("a", "", True),
        ("", "one", False),
        ("a\nb", "one", False),
        ("a\ud800", "one", False),
        ("a", "é", False),
    ],
)
def test_what_is_odd_is_boto3s(token, receipt, can):
    assert can_be_settled(Prepared(URL, token, DRAFT, receipt)) is can
