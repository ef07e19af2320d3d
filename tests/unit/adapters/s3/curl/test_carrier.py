from __future__ import annotations

import functools
import logging
import resource
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from unittest import mock

import botocore
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import ClientError, CredentialRetrievalError, NoCredentialsError
from botocore.stub import Stubber
from tests.unit.adapters.s3.curl.simulated import (
    URL,
    Answer,
    Handles,
    Unhurried,
    drive_of,
    driven,
    refusal,
    whole,
)
from tests.unit.adapters.s3.wire import KEYS

from file_dataset.adapters.s3 import S3Options
from file_dataset.adapters.s3.carried import Carried, Declined, Redirected
from file_dataset.adapters.s3.client import Connected
from file_dataset.adapters.s3.curl.carrier import Carrier
from file_dataset.adapters.s3.curl.places import OnlyBoto3Error, learn
from file_dataset.adapters.s3.curl.signing import Keys
from file_dataset.adapters.s3.multipart import Part
from file_dataset.domain.errors import (
    IntegrityError,
    NotFoundError,
    StoreError,
    ThrottledError,
    TransientError,
)
from file_dataset.domain.objects import CREATE, IfMatch, ObjectInfo, Span
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Copy,
    Delete,
    Download,
    Draft,
    Prepare,
    Prepared,
    Read,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.url import Url

LEARN = "file_dataset.adapters.s3.curl.carrier.learn"
LOCAL = "http://127.0.0.1:9000"
BODY = b"0123456789"
THRESHOLD = 100
CREDENTIALS = Credentials("AKID", "secret")


class Simulated:
    """In place of the engine: no thread and no network."""

    def __init__(self, server, keys) -> None:
        self.server = server
        self.keys = keys
        self.asked: list[Any] = []
        self.at_once: list[int | None] = []
        self.streams: list[int] = []
        self.closed = 0

    def run(self, tasks, streams, *, most=None):
        self.at_once.append(most)
        self.streams.append(streams._free)
        handles = Handles(self.server, seed=len(self.at_once))
        makes = dict(tasks)
        numbers = list(makes)
        drive = drive_of(makes.values(), handles, streams=streams, pace=Unhurried(), keys=self.keys)
        try:
            for carried in driven(drive):
                yield Carried(numbers[carried.index], carried.value)
        finally:
            self.asked += handles.asked

    def close(self) -> None:
        self.closed += 1


TRIES_AGAIN = Config(retries={"total_max_attempts": 3, "mode": "standard"})
ANONYMOUS = Config(signature_version=botocore.UNSIGNED)


# A client takes longer to make than all that a test does with it.
@functools.cache
def client_of(config=None):
    arguments = {"endpoint_url": LOCAL} | ({} if config is None else {"config": config})
    return S3Options({**KEYS, "region_name": "us-east-1"}, arguments).client


def serving(asked):
    if "uploadId" in asked.url:
        return Answer(200, {"ETag": f'"{asked.url.partition("partNumber=")[2].split("&")[0]}"'})
    if asked.method == "PUT":
        return Answer(200)
    if "Range" in asked.headers:
        return Answer(206, {"Content-Range": "bytes 2-4/10"}, BODY[2:5])
    return whole(b"" if asked.method == "HEAD" else BODY, **{"Content-Length": str(len(BODY))})


DRAFT = Draft(Url.parse("s3://bucket/dir"), "attempt")


def drafts(asked):
    if asked.method == "POST":
        tag = "R" if asked.url.endswith("?uploads=") else "CompleteMultipartUploadResult"
        return Answer(200, {}, f"<{tag}><UploadId>id</UploadId></{tag}>".encode())
    return serving(asked)


@pytest.fixture
def carrier_of():
    def make(server=serving, *, credentials=CREDENTIALS, config=None):
        connected = Connected(client_of(config), cast(Any, credentials), verify=True)
        carrier = Carrier.of(connected, most=9)
        cast(Any, carrier)._engine = Simulated(server, carrier._engine._keys)
        return carrier

    return make


def transfer(**settings):
    return TransferConfig(multipart_threshold=THRESHOLD, multipart_chunksize=50, **settings)


def values_of(carrier, requests, **settings):
    carried = list(carrier.run(requests, transfer(**settings)))
    assert sorted(each.index for each in carried) == list(range(len(requests)))
    return [each.value for each in sorted(carried, key=lambda each: each.index)]


def engine_of(carrier):
    return carrier._engine


class TestWhatIsCarried:
    @pytest.fixture
    def small(self, tmp_path):
        path = tmp_path / "small"
        path.write_bytes(BODY)
        return path

    @pytest.fixture
    def large(self, tmp_path):
        path = tmp_path / "large"
        path.write_bytes(bytes(THRESHOLD))
        return path

    def test_whole_objects_spans_sizes_and_small_writes_are_carried(
        self, carrier_of, tmp_path, small
    ):
        carrier = carrier_of()
        requests = [
            Download(URL, tmp_path / "down"),
            Read(URL),
            Read(URL, Span(2, 3)),
            Stat(URL),
            Upload(small, URL),
            Write(URL, bytes(THRESHOLD - 1)),
            Write(URL, memoryview(bytes(THRESHOLD - 4)).cast("I")),
        ]
        values = values_of(carrier, requests)

        assert values[:3] == [ObjectInfo(URL, len(BODY), "one"), BODY, BODY[2:5]]
        assert isinstance(values[3], ObjectInfo)
        assert (values[3].size, values[3].etag) == (10, "one")
        assert values[4:] == [None, None, None]
        assert (tmp_path / "down").read_bytes() == BODY
        methods = [asked.method for asked in engine_of(carrier).asked]
        assert methods == ["GET", "GET", "GET", "HEAD", "PUT", "PUT", "PUT"]
        assert {asked.url for asked in engine_of(carrier).asked} == {f"{LOCAL}/bucket/dir/key"}

    @pytest.mark.parametrize("mode", [CREATE, IfMatch("tag")], ids=str)
    def test_what_is_written_under_a_condition_is_carried(self, carrier_of, small, mode):
        carrier = carrier_of()
        values = values_of(carrier, [Write(URL, BODY, mode), Upload(small, URL, mode)])

        assert values == [None, None]
        condition = ("If-None-Match", "*") if mode is CREATE else ("If-Match", '"tag"')
        for asked in engine_of(carrier).asked:
            assert (asked.method, asked.body) == ("PUT", BODY)
            assert condition in asked.headers.items()
            signed = asked.headers["Authorization"].partition("SignedHeaders=")[2]
            assert condition[0].lower() in signed.partition(",")[0].split(";")

    def test_drafts_of_small_files_are_carried(self, carrier_of, small):
        carrier = carrier_of(drafts)
        urls = [DRAFT.root.joined(f"{number}") for number in range(3)]
        prepared = values_of(carrier, [Prepare(Url.local(small), url, DRAFT) for url in urls])
        assert [each.url for each in prepared] == urls
        assert {(each.token, each.receipt, each.size) for each in prepared} == {("id", "1", 10)}

        verbs = [Complete(prepared), Abort(prepared), Complete(prepared[0]), Read(URL)]
        assert values_of(carrier, verbs) == [None, None, None, BODY]
        methods = [asked.method for asked in engine_of(carrier).asked]
        assert Counter(methods) == {"POST": 3 + 3 + 1, "PUT": 3, "DELETE": 3, "GET": 1}

    @pytest.mark.parametrize("config", [None, TRIES_AGAIN])
    def test_each_object_of_a_draft_is_tried(self, carrier_of, config):
        def server(asked):
            return refusal(500 if "/1?" in asked.url else 403)

        carrier = carrier_of(server, config=config)
        prepared = [Prepared(DRAFT.root.joined(f"{n}"), "id", DRAFT) for n in range(4)]
        (value,) = values_of(carrier, [Complete(prepared)])

        assert type(value) is (TransientError if config is None else Declined)
        assert len(engine_of(carrier).asked) == 4

    def test_large_writes_and_all_the_rest_are_boto3s(self, carrier_of, large):
        odd = Prepared(URL, "to\nken")
        requests = [
            Write(URL, bytes(THRESHOLD)),
            Write(URL, memoryview(bytes(THRESHOLD)).cast("I")),
            Write(URL, bytes(THRESHOLD), CREATE),
            Write(URL, b"", CREATE),
            Write(URL, BODY, IfMatch("t\nag")),
            Upload(large, URL),
            Upload(large, URL, CREATE),
            Copy(URL, URL),
            Delete(URL),
            Prepare(URL, URL),
            Prepare(Url.local(large), URL),
            Complete(odd),
            Abort(odd),
        ]
        carrier = carrier_of()

        assert {type(value) for value in values_of(carrier, requests)} == {Declined}
        assert not engine_of(carrier).asked

    def test_an_error_is_the_requests_own(self, carrier_of, tmp_path):
        carrier = carrier_of(lambda asked: refusal(404, "NoSuchKey"))
        values = values_of(carrier, [Read(URL), Upload(tmp_path / "missing", URL)])

        assert [type(value) for value in values] == [NotFoundError, NotFoundError]

    @pytest.mark.parametrize(("threads", "streams"), [(True, 8), (False, 0)])
    def test_parts_are_fetched_at_once_unless_the_user_wants_no_threads(
        self, carrier_of, threads, streams
    ):
        carrier = carrier_of()
        values_of(carrier, [Read(URL)], use_threads=threads)

        assert engine_of(carrier).streams == [streams]

    def test_large_objects_are_fetched_in_parts_as_the_transfer_says(self, carrier_of):
        data = bytes(range(250)) * 2

        def server(asked):
            first, last = asked.headers.get("Range", "bytes=0-499")[6:].split("-")
            piece = data[int(first) : int(last) + 1]
            told = {"Content-Range": f"bytes {first}-{last}/500"}
            return whole(piece, **told) if "Range" in asked.headers else whole(data)

        carrier = carrier_of(server)
        with mock.patch("file_dataset.adapters.s3.curl.fetch._SMALL", 20):
            (value,) = values_of(carrier, [Read(URL)])

        assert value == data
        spans = {asked.headers.get("Range") for asked in engine_of(carrier).asked}
        assert {None, "bytes=450-499", "bytes=400-449"} <= spans


OTHER = Url.parse("s3://other/key")


class TestPlaces:
    def test_a_bucket_is_looked_for_once(self, carrier_of, caplog):
        caplog.set_level(logging.DEBUG, "file_dataset")
        carrier = carrier_of()
        with mock.patch(LEARN, wraps=learn) as learning:
            for _ in range(2):
                values_of(carrier, [Read(URL), Stat(URL), Read(OTHER)])

        assert [call.args[1] for call in learning.call_args_list] == ["bucket", "other"]
        said = [each.getMessage() for each in caplog.records if each.name == "file_dataset"]
        assert said == [
            "libcurl serves s3://bucket at 127.0.0.1:9000",
            "libcurl serves s3://other at 127.0.0.1:9000",
        ]

    @pytest.mark.parametrize("status", [301, 307, 400])
    def test_a_bucket_that_turns_out_to_be_elsewhere_is_looked_for_again(self, carrier_of, status):
        answers = {"first": refusal(status)}
        carrier = carrier_of(lambda asked: answers.pop("first", whole(BODY)))
        with mock.patch(LEARN, wraps=learn) as learning:
            assert [type(value) for value in values_of(carrier, [Read(URL)])] == [Redirected]
            assert values_of(carrier, [Read(URL), Read(URL)]) == [BODY, BODY]

        assert learning.call_count == 2

    def test_a_bucket_that_only_boto3_can_serve_is_looked_for_once_in_a_batch(
        self, carrier_of, caplog
    ):
        caplog.set_level(logging.DEBUG, "file_dataset")
        carrier = carrier_of()

        def learn_others(client, bucket):
            if bucket == "bucket":
                raise OnlyBoto3Error("made up")
            return learn(client, bucket)

        with mock.patch(LEARN, side_effect=learn_others) as learning:
            for _ in range(2):
                values = values_of(carrier, [Read(URL), Read(OTHER), Stat(URL)])
                assert [type(value) for value in values] == [Declined, bytes, Declined]

        assert [call.args[1] for call in learning.call_args_list] == ["bucket", "other", "bucket"]
        assert caplog.messages.count("boto3 serves s3://bucket: made up") == 2

    def test_directory_buckets_are_boto3s(self, carrier_of):
        url = Url.parse("s3://made-up--use1-az4--x-s3/key")

        assert [type(value) for value in values_of(carrier_of(), [Read(url)])] == [Declined]


class TestRetries:
    @pytest.mark.parametrize(
        ("answer", "own", "clients"),
        [
            (refusal(503), ThrottledError, Declined),
            (refusal(500), TransientError, Declined),
            (Answer(0, {}, b"", 56), TransientError, Declined),
            (refusal(404), NotFoundError, NotFoundError),
            (refusal(301), Redirected, Redirected),
            (whole(BODY), bytes, bytes),
        ],
        ids=["throttled", "broken", "reset", "missing", "moved", "well"],
    )
    def test_what_may_pass_is_boto3s_if_the_client_tries_again_by_itself(
        self, carrier_of, answer, own, clients
    ):
        for config, kind in [(None, own), (TRIES_AGAIN, clients)]:
            carrier = carrier_of(lambda asked: answer, config=config)
            assert [type(value) for value in values_of(carrier, [Read(URL)])] == [kind]


def refreshing(error):
    def refresh():
        raise error

    past = datetime.now(UTC) - timedelta(hours=1)
    return RefreshableCredentials("AKID", "secret", "token", past, refresh, "made up")


EXPIRED = ClientError({"Error": {"Code": "ExpiredToken", "Message": "made up"}}, "AssumeRole")
UNUSABLE = {
    "none": lambda: None,
    "no halves": lambda: Credentials(cast(Any, None), cast(Any, None)),
    "one half": lambda: Credentials("AKID", cast(Any, None)),
    "not found": lambda: refreshing(NoCredentialsError()),
    "not to be had": lambda: refreshing(CredentialRetrievalError(provider="p", error_msg="e")),
    "refused": lambda: refreshing(EXPIRED),
}


class TestCredentials:
    @pytest.mark.parametrize("which", UNUSABLE)
    def test_without_credentials_that_can_be_used_requests_are_boto3s(self, carrier_of, which):
        carrier = carrier_of(credentials=UNUSABLE[which]())

        values = values_of(carrier, [Read(URL), Write(URL, BODY)])
        assert [type(value) for value in values] == [Declined, Declined]
        assert not engine_of(carrier).asked

    def test_credentials_are_asked_for_again_and_again(self, carrier_of):
        credentials = mock.Mock()
        credentials.get_frozen_credentials.side_effect = [
            Credentials("AKID1", "secret", "token").get_frozen_credentials(),
            Credentials("AKID2", "secret").get_frozen_credentials(),
        ]
        carrier = carrier_of(credentials=credentials)
        for _ in range(2):
            values_of(carrier, [Read(URL)])
        first, second = engine_of(carrier).asked

        assert "Credential=AKID1/" in first.headers["Authorization"]
        assert first.headers["X-Amz-Security-Token"] == "token"
        assert "Credential=AKID2/" in second.headers["Authorization"]
        assert "X-Amz-Security-Token" not in second.headers

    def test_the_keys_are_those_of_the_credentials(self, carrier_of):
        carrier = carrier_of(credentials=Credentials("AKID", "secret", "token"))

        assert engine_of(carrier).keys() == Keys("AKID", "secret", "token")

    def test_who_does_not_sign_needs_no_credentials(self, carrier_of):
        carrier = carrier_of(credentials=None, config=ANONYMOUS)

        assert values_of(carrier, [Read(URL)]) == [BODY]
        assert "Authorization" not in engine_of(carrier).asked[0].headers


class TestParts:
    PARTS = (Part(1, Span(0, 5)), Part(2, Span(5, 5)), Part(3, Span(10, 2)))

    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(bytes(12))
        return path

    def send(self, carrier, path):
        return carrier.send_parts(path, URL, self.PARTS, upload="id", at_once=2)

    def numbers(self, carrier):
        return [asked.url.partition("partNumber=")[2][0] for asked in engine_of(carrier).asked]

    def failing(self, answer, times):
        """A server that refuses the second part so many times."""
        left = [answer] * times

        def server(asked):
            return left.pop() if left and "partNumber=2&" in asked.url else serving(asked)

        return server

    def test_the_etags_are_in_the_order_of_the_parts(self, carrier_of, path):
        carrier = carrier_of()

        assert self.send(carrier, path) == ['"1"', '"2"', '"3"']
        assert engine_of(carrier).at_once == [2]
        assert engine_of(carrier).streams == [0]

    @pytest.mark.parametrize("times", [1, 2])
    def test_what_may_pass_is_tried_again_and_nothing_else_is(self, carrier_of, path, times):
        carrier = carrier_of(self.failing(refusal(500), times))

        assert self.send(carrier, path) == ['"1"', '"2"', '"3"']
        assert sorted(self.numbers(carrier)) == sorted([*"123", *"2" * times])

    def test_after_three_attempts_it_is_an_error(self, carrier_of, path):
        carrier = carrier_of(self.failing(refusal(500), 9))
        with pytest.raises(TransientError):
            self.send(carrier, path)

        assert self.numbers(carrier).count("2") == 3

    @pytest.mark.parametrize(
        ("status", "kind"), [(403, StoreError), (404, NotFoundError), (400, Redirected)]
    )
    def test_what_does_not_pass_is_an_error_at_once(self, carrier_of, path, status, kind):
        carrier = carrier_of(self.failing(refusal(status), 9))
        with pytest.raises(kind):
            self.send(carrier, path)

        assert self.numbers(carrier).count("2") == 1

    def test_what_was_damaged_on_the_way_is_sent_again(self, carrier_of, path):
        damaged = refusal(403, "BadDigest")

        assert self.send(carrier_of(self.failing(damaged, 1)), path) == ['"1"', '"2"', '"3"']
        with pytest.raises(IntegrityError):
            self.send(carrier_of(self.failing(damaged, 9)), path)

    def test_a_bucket_that_turns_out_to_be_elsewhere_is_looked_for_again(self, carrier_of, path):
        carrier = carrier_of(self.failing(refusal(301), 1))
        with mock.patch(LEARN, wraps=learn) as learning:
            with pytest.raises(Redirected):
                self.send(carrier, path)
            self.send(carrier, path)

        assert learning.call_count == 2

    def test_a_bucket_that_only_boto3_can_serve_is_boto3s(self, carrier_of, path):
        carrier = carrier_of()
        error = OnlyBoto3Error("made up")
        with mock.patch(LEARN, side_effect=error), pytest.raises(Declined):
            self.send(carrier, path)


PAGE = (
    b"<ListBucketResult><Contents><Key>dir/%d</Key><Size>5</Size></Contents>%s</ListBucketResult>"
)
MORE = b"<NextContinuationToken>more</NextContinuationToken>"


class TestPages:
    def test_pages_follow_each_other(self, carrier_of):
        carrier = carrier_of(
            lambda asked: Answer(
                200, {}, PAGE % ((2, b"") if "continuation-token=more" in asked.url else (1, MORE))
            )
        )
        pages = list(carrier.pages(Url.parse("s3://bucket/dir"), "", after=""))

        assert [info.url.key for page in pages for info in page.objects] == ["dir/1", "dir/2"]
        assert len(engine_of(carrier).asked) == 2

    @pytest.mark.parametrize(
        ("answer", "config", "kind"),
        [
            (refusal(404, "NoSuchBucket"), None, NotFoundError),
            (refusal(500), None, TransientError),
            (refusal(500), TRIES_AGAIN, Declined),
            (refusal(301), None, Redirected),
            (Answer(200, {}, b"no page"), None, Declined),
        ],
        ids=["missing", "broken", "boto3 tries again", "moved", "no page"],
    )
    def test_a_listing_that_cannot_be_had(self, carrier_of, answer, config, kind):
        carrier = carrier_of(lambda asked: answer, config=config)
        with pytest.raises(kind):
            list(carrier.pages(Url.parse("s3://bucket/dir"), "", after=""))

    def test_a_bucket_that_turns_out_to_be_elsewhere_is_looked_for_again(self, carrier_of):
        carrier = carrier_of(lambda asked: refusal(301))
        with mock.patch(LEARN, wraps=learn) as learning:
            for _ in range(2):
                with pytest.raises(Redirected):
                    list(carrier.pages(Url.parse("s3://bucket/dir"), "", after=""))

        assert learning.call_count == 2

    def test_a_bucket_that_only_boto3_can_serve_is_boto3s(self, carrier_of):
        pages = carrier_of().pages(Url.parse("s3://made-up--use1-az4--x-s3/dir"), "", after="")

        with pytest.raises(Declined):
            next(pages)


class TestConnections:
    @pytest.mark.parametrize(
        ("limit", "expected"),
        [(1024, 128), (100, 12), (2, 1), (resource.RLIM_INFINITY, 9999)],
    )
    def test_they_are_a_share_of_the_files_that_may_be_open(self, monkeypatch, limit, expected):
        monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
        connected = Connected(client_of(), None, verify=True)

        assert Carrier.of(connected, most=9999)._engine._most == expected

    def test_they_are_no_more_than_asked_for(self):
        connected = Connected(client_of(), None, verify=True)

        assert Carrier.of(connected, most=3)._engine._most == 3

    def test_they_are_closed_with_the_carrier(self, carrier_of):
        carrier = carrier_of()
        carrier.close()

        assert engine_of(carrier).closed == 1


def test_who_stands_in_for_the_client_is_told(carrier_of):
    carrier = carrier_of()
    assert carrier.stand_in() is None

    with Stubber(carrier._client):
        assert "Stubber" in str(carrier.stand_in())


def test_closing_the_results_stops_the_engine(carrier_of, tmp_path):
    carrier = carrier_of()
    results = carrier.run([Read(URL), Download(URL, Path(tmp_path, "file"))], transfer())
    next(results)
    results.close()

    assert len(engine_of(carrier).asked) == 2
