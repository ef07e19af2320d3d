"""The table of faults, line by line, as it concerns S3: with each engine, behind the retries.

A line tells what the servers do, which error comes of it in which words, how many requests are
made, and what is left behind.
"""

from __future__ import annotations

import base64
import importlib
import os
import sys
from hashlib import md5
from random import Random
from types import ModuleType
from typing import Any

import attrs
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.compat import HAS_CRT
from botocore.config import Config
from tests.integration.fault_server import Asked, Said, crc32, fault_server, object_of, said
from tests.unit.adapters.s3.crc_reference import crc32c, crc64nvme

from file_dataset import Options, Pipeline
from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.adapters.layers.verifying import Verifying
from file_dataset.adapters.s3 import S3Options, S3Store, crcs
from file_dataset.domain.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    StoreError,
    TransientError,
    UnauthenticatedError,
)
from file_dataset.domain.objects import CREATE, OVERWRITE, ObjectInfo, Span
from file_dataset.domain.outcomes import Done, Failed
from file_dataset.domain.requests import Copy, Download, Prepare, Read, Upload, Write
from file_dataset.domain.url import Url

MiB = 2**20
URL = Url("s3", "bucket", "key")
BODY = bytes(range(256)) * 4
LARGE = os.urandom(3 * MiB + 17)
PARTS = TransferConfig(multipart_threshold=MiB, multipart_chunksize=MiB // 2, max_concurrency=4)
# The least that S3 takes.
LARGE_PARTS = TransferConfig(multipart_threshold=5 * MiB, multipart_chunksize=5 * MiB)


def flipped(body: bytes) -> bytes:
    """A body with one wrong bit, in its last quarter."""
    at = len(body) * 7 // 8
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@pytest.fixture(params=["curl", "boto3"])
def engine(request):
    return request.param


CONFIG = Config(connect_timeout=30, read_timeout=30, s3={"addressing_style": "path"})
HASTY = CONFIG.merge(Config(connect_timeout=1, read_timeout=1))


@pytest.fixture
def at(engine):
    """Makes a store, with its retries, in front of a server."""

    def make(server, **more):
        config = {"config": CONFIG}
        store = server.store(engine=engine, client_kwargs=config, transfer_config=PARTS, **more)
        return Retrying(store, base=0.001)

    return make


def once(first, then):
    """A server that answers the first request in another way than the others."""
    return lambda asked: (first if asked.number == 0 else then)(asked)


@pytest.fixture
def awscrt(monkeypatch):
    """AWS's own library, or where it is not installed what gives the same."""
    try:
        importlib.import_module("awscrt.checksums")
    except ImportError:
        module = ModuleType("awscrt.checksums")
        vars(module).update({"crc32c": crc32c, "crc64nvme": crc64nvme})
        monkeypatch.setitem(sys.modules, "awscrt", ModuleType("awscrt"))
        monkeypatch.setitem(sys.modules, module.__name__, module)
    crcs._of_awscrt.cache_clear()
    yield
    crcs._of_awscrt.cache_clear()


@pytest.fixture
def no_awscrt(monkeypatch):
    """As if it were not installed."""
    monkeypatch.setitem(sys.modules, "awscrt.checksums", None)
    crcs._of_awscrt.cache_clear()
    yield
    crcs._of_awscrt.cache_clear()


class TestFlippedBytes:
    @pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])
    @pytest.mark.parametrize("how", ["CRC-32", "MD5"])
    def test_they_are_noticed_twice_and_then_reported(self, at, body, how, tmp_path):
        etag, told = '"1"', {"x_amz_checksum_crc32": crc32(body)}
        if how == "MD5":
            etag, told = f'"{md5(body).hexdigest()}"', {}
        damaged = object_of(body, etag=etag, sent=flipped(body), told=told)
        with fault_server(damaged) as (server, asked):
            store = at(server, verify_reads="checksum" if how == "CRC-32" else "etag")
            for read in (store.read, lambda url: store.download(url, tmp_path / "file")):
                asked.clear()
                with pytest.raises(IntegrityError, match="checksum mismatch") as caught:
                    read(URL)
                assert (caught.value.attempts, caught.value.transient) == (2, False)
                wholes = [each for each in asked if "range" not in each.headers]
                assert len(wholes) == 2
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])
    def test_what_comes_right_the_second_time_is_given(self, at, body, tmp_path):
        told = {"x_amz_checksum_crc32": crc32(body), "x_amz_checksum_type": "FULL_OBJECT"}
        sound = object_of(body, told=told)
        with fault_server(once(object_of(body, sent=flipped(body), told=told), sound)) as (
            server,
            _,
        ):
            assert at(server).download(URL, tmp_path / "file") == ObjectInfo(URL, len(body), "1")
        assert (tmp_path / "file").read_bytes() == body
        assert len(list(tmp_path.iterdir())) == 1

    def test_a_checksum_of_parts_says_nothing_of_the_whole(self, at):
        told = {"x_amz_checksum_crc32": "AAAAAA==-3", "x_amz_checksum_type": "COMPOSITE"}
        with fault_server(object_of(BODY, told=told)) as (server, _):
            assert at(server).read(URL) == BODY

    @pytest.mark.parametrize("kind", ["CRC-32C", "CRC-64/NVME"])
    @pytest.mark.usefixtures("awscrt")
    def test_they_are_noticed_by_what_awscrt_makes_where_it_is(self, at, engine, kind):
        make, length = {"CRC-32C": (crc32c, 4), "CRC-64/NVME": (crc64nvme, 8)}[kind]
        header = f"x_amz_checksum_{make.__name__}"
        told = {header: base64.b64encode(make(BODY).to_bytes(length, "big")).decode()}
        with fault_server(object_of(BODY, told=told)) as (server, _):
            assert at(server).read(URL) == BODY
        with fault_server(object_of(BODY, sent=flipped(BODY), told=told)) as (server, _):
            with pytest.raises(IntegrityError, match="checksum mismatch") as caught:
                at(server).read(URL)
            assert caught.value.attempts == 2
            # botocore has it as well, and looks first.
            assert f" the {kind} " in str(caught.value) or (engine == "boto3" and HAS_CRT)

    @pytest.mark.parametrize("kind", ["crc32c", "crc64nvme"])
    @pytest.mark.usefixtures("no_awscrt")
    def test_checksums_that_nothing_here_can_make_are_left_to_the_md5(self, at, engine, kind):
        if engine == "boto3" and HAS_CRT:
            return  # botocore can make them
        etag = f'"{md5(BODY).hexdigest()}"'
        told = {f"x_amz_checksum_{kind}": "AAAAAA==", "x_amz_checksum_type": "FULL_OBJECT"}
        with fault_server(object_of(BODY, etag=etag, sent=flipped(BODY), told=told)) as (server, _):
            assert at(server).read(URL) == flipped(BODY)
            with pytest.raises(IntegrityError, match=r"checksum mismatch.* MD5"):
                at(server, verify_reads="etag").read(URL)

    def test_nobody_looks_who_is_not_asked_to(self, at):
        told = {"x_amz_checksum_crc32": "AAAAAA=="}
        with fault_server(object_of(BODY, told=told)) as (server, asked):
            assert at(server, verify_reads="size").read(URL) == BODY
            assert "x-amz-checksum-mode" not in asked[0].headers


class TestTooFewBytes:
    def test_a_body_that_ends_early_says_how_much_came(self, at, tmp_path):
        def answer(asked: Asked) -> Said:
            return said("200 OK", BODY[:100], then="close", Content_Length=1_024, ETag='"1"')

        with fault_server(answer) as (server, asked):
            with pytest.raises(
                TransientError, match=r"truncated read: want 1024, got 100"
            ) as caught:
                at(server).download(URL, tmp_path / "file")
            assert len(asked) == caught.value.attempts == 4
        assert list(tmp_path.iterdir()) == []

    def test_a_span_that_is_shorter_than_it_was_asked_for(self, at):
        def answer(asked: Asked) -> Said:
            return said("206 Partial Content", BODY[:100], Content_Range="bytes 0-99/1024")

        with fault_server(answer) as (server, _), pytest.raises(StoreError) as caught:
            at(server).read(URL, span=Span(0, 500))
        assert "truncated read: want 500, got 100 bytes" in str(caught.value)
        assert type(caught.value) is IntegrityError

    @pytest.mark.parametrize("etag", ['"1"', '"2"'])
    def test_fewer_bytes_than_were_said_before_that_are_whole_in_themselves(
        self, at, etag, tmp_path
    ):
        def answer(asked: Asked) -> Said:
            if asked.method == "HEAD":
                return said("200 OK", Content_Length=1_024, ETag='"1"')
            return said("200 OK", BODY[:1_000], ETag=etag)

        with fault_server(answer) as (server, asked):
            result = Pipeline(
                lambda inside: {"b.txt": inside / "a.txt"},
                into_path=tmp_path / "out",
                options=Options(stores={"s3://": at(server)}),
                max_staging_bytes=10_000,
            ).run([{"id": 1, "a.txt": str(URL)}])
        if etag == '"2"':
            # It was written anew meanwhile.
            assert (tmp_path / "out/1/b.txt").read_bytes() == BODY[:1_000]
            return
        (failure,) = result.failures
        assert (failure["error"], failure["stage"]) == ("IntegrityError", "read")
        assert failure["message"] == (
            "s3://bucket/key: size mismatch: the store said that it has 1024 bytes, and gave 1000"
        )
        assert [each.method for each in asked] == ["HEAD", "GET"]
        assert list(tmp_path.rglob("*.txt")) == []


class Expiring:
    """A server that serves one session token, and says of others that they have expired."""

    def __init__(self, status: str) -> None:
        self.good = "token-1"
        self.status = status
        self._object = object_of(LARGE)

    def __call__(self, asked: Asked) -> Said:
        if asked.headers.get("x-amz-security-token") != self.good:
            body = b"<Error><Code>ExpiredToken</Code><Message>It has expired</Message></Error>"
            return said(self.status, b"" if asked.method == "HEAD" else body)
        if asked.method == "POST":
            begun = b"<R><UploadId>upload</UploadId></R>"
            return said("200 OK", begun if "uploads" in asked.path else b"<R><ETag>1</ETag></R>")
        return self._object(asked)


class TestExpiredCredentials:
    """Credentials of a file, which a log-in writes anew while the job runs."""

    @pytest.fixture
    def log_in(self, tmp_path, monkeypatch):
        path = tmp_path / "credentials"
        for name in list(os.environ):
            if name.startswith("AWS_"):
                monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

        def write(token):
            lines = ["[default]", "aws_access_key_id = key", "aws_secret_access_key = secret"]
            path.write_text("\n".join([*lines, f"aws_session_token = {token}"]))

        write("token-1")
        return write

    @pytest.fixture
    def store(self, engine):
        def make(server):
            options = S3Options(
                {"region_name": "us-east-1"},
                {"endpoint_url": server.endpoint, "config": CONFIG},
                transfer_config=LARGE_PARTS,
                engine=engine,
            )
            return S3Store(options)

        return make

    @pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden"])
    def test_they_are_had_anew_and_nobody_notices(self, store, log_in, status, tmp_path):
        expiring = Expiring(status)
        (tmp_path / "large").write_bytes(bytes(5 * MiB + 9))
        (tmp_path / "small").write_bytes(b"small")
        verbs = [
            lambda made: list(made.run([Read(URL)] * 20)),
            lambda made: made.download(URL, tmp_path / "file"),
            lambda made: made.read(URL, span=Span(0, 10)),
            lambda made: made.write(URL, b"bytes", mode=CREATE),
            lambda made: made.upload(tmp_path / "small", URL),
            lambda made: made.upload(tmp_path / "large", URL),
        ]
        if status.startswith("400"):
            # To a HEAD no server says more than the status, and S3 says this one.
            verbs.append(lambda made: made.stat(URL))
        with fault_server(expiring) as (server, _):
            made = store(server)
            made.read(URL)
            for number, verb in enumerate(verbs, 2):
                expiring.good = f"token-{number}"
                log_in(expiring.good)
                outcomes = verb(made)
                assert not isinstance(outcomes, list) or all(
                    isinstance(outcome, Done) for outcome in outcomes
                )

    def test_where_there_are_no_others_the_job_is_over(self, store, log_in):
        expiring = Expiring("400 Bad Request")
        with fault_server(expiring) as (server, asked):
            made = store(server)
            made.read(URL)
            asked.clear()
            expiring.good = "another"
            for _ in range(2):
                with pytest.raises(UnauthenticatedError, match="expired") as caught:
                    made.read(URL)
                assert caught.value.systemic
                assert not caught.value.transient
                assert "name the profile or role" in str(caught.value)
            assert len(asked) <= 4

    def test_they_are_had_anew_once_for_a_request(self, store, log_in):
        def answer(asked: Asked) -> Said:
            log_in(f"token-{asked.number + 2}")
            return said("400 Bad Request", b"<Error><Code>ExpiredToken</Code></Error>")

        with fault_server(answer) as (server, asked):
            with pytest.raises(UnauthenticatedError):
                store(server).read(URL)
            assert asked[-1].headers["x-amz-security-token"] == f"token-{len(asked)}"
            assert len(asked) <= 3

    def test_what_was_given_is_not_looked_for_elsewhere(self, engine, log_in):
        expiring = Expiring("403 Forbidden")
        with fault_server(expiring) as (server, _):
            given = {"aws_session_token": "of my own"}
            made = server.store(
                engine=engine, session_kwargs=given, client_kwargs={"config": CONFIG}
            )
            with pytest.raises(UnauthenticatedError):
                made.read(URL)


@attrs.frozen
class Refusal:
    """What a server says, and what is to be made of it."""

    status: str
    code: str
    kind: type[StoreError]
    words: str
    message: str = "No"
    headers: dict[str, Any] = attrs.field(factory=dict)
    systemic: bool = False
    common: str = ""

    def __str__(self) -> str:
        return self.code

    def __call__(self, asked: Asked) -> Said:
        body = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
        return said(self.status, body.encode(), **self.headers)


PERMISSION = "permission denied"
REFUSED = [
    Refusal("404 Not Found", "NoSuchKey", NotFoundError, "there is no such key"),
    Refusal(
        "404 Not Found",
        "NoSuchBucket",
        NotFoundError,
        "no bucket 'bucket'",
        common="no such bucket",
    ),
    Refusal(
        "403 Forbidden",
        "AccessDenied",
        PermissionDeniedError,
        "403 may also mean that the object is missing",
        common=PERMISSION,
    ),
    Refusal(
        "403 Forbidden",
        "AccessDenied",
        PermissionDeniedError,
        r"Options\(requester_pays=True\) agrees to",
        common=PERMISSION,
    ),
    Refusal(
        "403 Forbidden",
        "RequestTimeTooSkewed",
        UnauthenticatedError,
        "set the clock, best by NTP",
        systemic=True,
        common=PERMISSION,
    ),
    Refusal(
        "403 Forbidden",
        "InvalidAccessKeyId",
        UnauthenticatedError,
        "check the credentials, and that they belong to this endpoint",
        systemic=True,
        common=PERMISSION,
    ),
    Refusal(
        "403 Forbidden",
        "SignatureDoesNotMatch",
        UnauthenticatedError,
        "the secret key is not the one of the access key",
        systemic=True,
        common=PERMISSION,
    ),
    Refusal(
        "400 Bad Request",
        "AuthorizationHeaderMalformed",
        StoreError,
        "set region_name",
        systemic=True,
    ),
    Refusal(
        "403 Forbidden", "InvalidObjectState", StoreError, "restore it first, for example with `aws"
    ),
    Refusal(
        "404 Not Found",
        "NoSuchKey",
        NotFoundError,
        "taking the marker away",
        headers={"x_amz_delete_marker": "true"},
    ),
    Refusal(
        "403 Forbidden",
        "AccessDenied",
        PermissionDeniedError,
        "allow these credentials kms:Decrypt",
        message="User: u is not authorized to perform: kms:Decrypt on the resource",
        common=PERMISSION,
    ),
    Refusal(
        "400 Bad Request",
        "KMS.DisabledException",
        PermissionDeniedError,
        "allow these credentials kms:Decrypt",
        common=PERMISSION,
    ),
    Refusal(
        "400 Bad Request",
        "InvalidRequest",
        StoreError,
        r"\(SSE-C\).*by a hook on Options",
        message="The object was stored using a form of Server Side Encryption. The correct "
        "parameters must be provided to retrieve the object.",
    ),
]


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda refusal: f"{refusal}: {refusal.words}")
def test_what_does_not_pass_is_told_at_once_with_its_remedy(at, engine, refusal, tmp_path):
    with fault_server(refusal) as (server, asked):
        with pytest.raises(refusal.kind, match=refusal.words) as caught:
            at(server).download(URL, tmp_path / "file")
        error = caught.value
        assert type(error) is refusal.kind
        assert (error.systemic, error.common_cause) == (refusal.systemic, refusal.common)
        assert (error.attempts, error.transient) == (1, False)
        # What boto3 knows a remedy for, it is asked for once more.
        gets = [each for each in asked if each.path.startswith("/bucket/key")]
        assert len(gets) == 1 + (
            engine == "curl" and (refusal.systemic or refusal.status.startswith("400"))
        )
    assert list(tmp_path.iterdir()) == []


EVERY_ROW = {
    "the store cannot be reached or does not serve": Said(b"", "reset"),
    PERMISSION: said("403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>"),
    "no such bucket": said("404 Not Found", b"<Error><Code>NoSuchBucket</Code></Error>"),
}


@pytest.mark.parametrize("cause", EVERY_ROW)
def test_what_every_row_fails_of_stops_the_job_and_is_its_reason(at, cause, tmp_path):
    rows = [{"id": number, "a.txt": f"s3://bucket/{number}"} for number in range(60)]
    with fault_server(lambda asked: EVERY_ROW[cause]) as (server, _):
        options = Options(stores={"s3://": at(server)})
        pipeline = Pipeline(lambda _: {}, into_path=tmp_path / "out", options=options, prefetch=1)
        result = pipeline.run(rows)
    assert result.is_systemic
    assert f"rows all failed with the same cause, {cause}" in str(result.stopped)
    assert {line["id"] for line in result.failures} == set(range(60))
    assert 20 <= result.stats.failed - result.stats.not_run < 60


def test_a_host_that_is_not_found_is_named_and_stops_the_job(engine, tmp_path):
    # A name of which libcurl knows that no server of names has it (RFC 7686), and so asks none. It
    # says that, where of other names it says which it is.
    named = ".onion" if engine == "curl" else "s3.nowhere.onion"
    endpoint = "http://s3.nowhere.onion:9000"
    store = S3Store(
        S3Options(
            {"aws_access_key_id": "key", "aws_secret_access_key": "secret"},
            {"endpoint_url": endpoint, "region_name": "us-east-1", "config": CONFIG},
            engine=engine,
        )
    )
    with pytest.raises(TransientError) as caught:
        Retrying(store, base=0.0).download(URL, tmp_path / "file")
    assert (caught.value.attempts, caught.value.systemic) == (4, False)
    assert "the endpoint cannot be reached: " in str(caught.value)
    assert named in str(caught.value)
    assert "Check endpoint_url, region_name and network" in str(caught.value)
    assert list(tmp_path.iterdir()) == []

    options = Options(stores={"s3://": Retrying(store, attempts=1)})
    (tmp_path / "here").write_bytes(BODY)
    rows = [{"id": number, "a.txt": f"s3://bucket/{number}"} for number in range(40)]
    pipeline = Pipeline(lambda _: {}, into_path=tmp_path / "out", options=options, prefetch=1)
    result = pipeline.run(rows)
    assert result.is_systemic
    assert named in str(result.stopped)
    assert {line["error"] for line in result.failures} == {"TransientError", "RunStoppedError"}
    assert all(line["retryable"] for line in result.failures)
    # Where other rows are to be had it is but those rows' fault.
    mixed = pipeline.run([{"id": "here", "a.txt": tmp_path / "here"}, *rows])
    assert (mixed.stopped, mixed.stats.rows, mixed.stats.failed) == (None, 1, 40)


def test_a_requester_who_agrees_to_pay_is_served(at, tmp_path):
    def answer(asked: Asked) -> Said:
        if asked.headers.get("x-amz-request-payer") == "requester":
            return object_of(LARGE)(asked)
        return said("403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>")

    with fault_server(answer) as (server, _):
        with pytest.raises(PermissionDeniedError, match="requester_pays=True"):
            at(server).read(URL)
        store = at(server, requester_pays=True)
        assert store.read(URL) == LARGE
        assert store.stat(URL).size == len(LARGE)
        assert store.read(URL, span=Span(0, 9)) == LARGE[:9]
        store.write(URL, b"bytes")


def test_a_certificate_that_is_not_trusted_stops_the_job(rclone_s3_tls, engine):
    bucket = rclone_s3_tls.make_bucket()
    store = rclone_s3_tls.store(engine=engine, client_kwargs={"verify": None})
    with pytest.raises(StoreError, match="verify` or AWS_CA_BUNDLE") as caught:
        Retrying(store).read(bucket.joined("key"))
    assert (caught.value.systemic, caught.value.attempts) == (True, 1)


def test_no_credentials_stop_the_job_before_anything_is_sent(engine, monkeypatch):
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with fault_server(object_of(BODY)) as (server, asked):
        options = S3Options({}, {"endpoint_url": server.endpoint}, engine=engine)
        with pytest.raises(UnauthenticatedError, match=r"Options\.anonymous\(\)") as caught:
            Retrying(S3Store(options)).read(URL)
        assert (caught.value.systemic, caught.value.attempts) == (True, 1)
        assert asked == []


@pytest.fixture
def large(engine):
    """Makes a store that uploads in parts, in front of a server."""

    def make(server, **more):
        config = {"config": CONFIG}
        more = {"transfer_config": LARGE_PARTS, "engine": engine, **more}
        return Retrying(server.store(client_kwargs=config, **more), base=0.001)

    return make


class TestFilesThatChange:
    """Output that somebody still writes to while it is being uploaded."""

    @staticmethod
    def uploading(path, *, always):
        """A server in whose sight a file changes when its bytes come, once or always."""
        changed: list[Asked] = []

        def answer(asked: Asked) -> Said:
            if asked.method == "POST":
                begun = b"<R><UploadId>upload</UploadId></R>"
                done = b"<R><ETag>1</ETag></R>"
                return said("200 OK", begun if "uploads" in asked.path else done)
            if asked.method == "PUT" and (always or not changed):
                changed.append(asked)
                os.utime(path, ns=(len(changed), len(changed)))
            if asked.method == "DELETE":
                return said("204 No Content")
            return said("200 OK", ETag='"1"')

        return answer

    @pytest.mark.parametrize("always", [False, True])
    def test_an_upload_in_parts_is_no_success(self, large, engine, always, tmp_path):
        path = tmp_path / "up"
        path.write_bytes(bytes(5 * MiB + 9))
        answer = self.uploading(path, always=always)
        with fault_server(answer) as (server, asked):
            (outcome,) = large(server).run([Upload(path, URL)])
        completed = [each for each in asked if each.method == "POST" and "uploadId" in each.path]
        aborted = [each for each in asked if each.method == "DELETE"]
        if always:
            assert isinstance(outcome, Failed)
            assert isinstance(outcome.error, IntegrityError)
            assert "was changed while it was being read" in str(outcome.error)
            assert outcome.error.attempts == 2
            if engine == "curl":
                # s3transfer completes an upload before anybody can look.
                assert (len(completed), len(aborted)) == (0, 2)
        else:
            assert outcome == Done(0, None)

    def test_a_draft_is_aborted(self, large, tmp_path):
        path = tmp_path / "up"
        path.write_bytes(b"bytes")
        answer = self.uploading(path, always=True)
        with fault_server(answer) as (server, asked):
            (outcome,) = large(server).run([Prepare(Url.local(path), URL)])
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, IntegrityError)
        begun = [each for each in asked if each.method == "POST"]
        aborted = [each for each in asked if each.method == "DELETE"]
        assert len(begun) == len(aborted) == outcome.error.attempts == 2


class TestWrites:
    """What a store keeps is what was sent, if that is looked at."""

    @staticmethod
    def keeping(keeps):
        """A server that makes its etags of what it keeps of the bytes that it gets."""

        def answer(asked: Asked) -> Said:
            if asked.method == "POST":
                begun = b"<R><UploadId>upload</UploadId></R>"
                done = b'<R><ETag>"of-parts-3"</ETag></R>'
                return said("200 OK", begun if "uploads" in asked.path else done)
            if asked.method == "DELETE":
                return said("204 No Content")
            assert base64.b64decode(asked.headers["content-md5"]) == md5(asked.body).digest()
            return said("200 OK", ETag=f'"{md5(keeps(asked.body)).hexdigest()}"')

        return answer

    @staticmethod
    def writing(how, tmp_path):
        (tmp_path / "small").write_bytes(BODY)
        if how == "large":
            (tmp_path / "large").write_bytes(os.urandom(5 * MiB + 9))
        ways = {
            "write": Write(URL, BODY),
            "upload": Upload(tmp_path / "small", URL),
            "large": Upload(tmp_path / "large", URL),
            "condition": Write(URL, BODY, CREATE, repeatable=True),
            "draft": Prepare(Url.local(tmp_path / "small"), URL),
        }
        return ways[how]

    @pytest.mark.parametrize("how", ["write", "upload", "large", "condition", "draft"])
    @pytest.mark.parametrize("keeps", [bytes, flipped], ids=["right", "wrong"])
    def test_the_store_is_told_the_md5_and_its_own_is_compared(self, large, keeps, how, tmp_path):
        with fault_server(self.keeping(keeps)) as (server, asked):
            store = large(server, verify_writes=True)
            (outcome,) = store.run([self.writing(how, tmp_path)])
        if keeps is bytes:
            assert isinstance(outcome, Done)
        else:
            assert isinstance(outcome, Failed)
            assert isinstance(outcome.error, IntegrityError)
            assert "s3://bucket/key: checksum mismatch" in str(outcome.error)
            assert not outcome.error.transient
            begun = [each for each in asked if "uploads" in each.path]
            aborted = [each for each in asked if each.method == "DELETE"]
            assert len(begun) == len(aborted)

    @pytest.mark.parametrize("how", ["write", "upload", "large", "condition", "draft"])
    def test_bytes_that_the_store_refuses_are_sent_once_more(self, large, how, tmp_path):
        sound = self.keeping(bytes)
        refused: list[Asked] = []

        def answer(asked: Asked) -> Said:
            if asked.method == "PUT" and not refused:
                refused.append(asked)
                body = b"<Error><Code>BadDigest</Code><Message>No</Message></Error>"
                return said("400 Bad Request", body)
            return sound(asked)

        with fault_server(answer) as (server, _):
            store = large(server, verify_writes=True)
            (outcome,) = store.run([self.writing(how, tmp_path)])
        assert isinstance(outcome, Done)
        assert refused

    @pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
    def test_a_size_that_is_another_is_noticed_where_that_is_asked_for(
        self, engine, status, tmp_path
    ):
        def answer(asked: Asked) -> Said:
            if asked.method == "HEAD":
                return said(status, Content_Length=len(BODY) - 1, ETag='"1"')
            return said("200 OK", ETag='"1"')

        (tmp_path / "up").write_bytes(BODY)
        with fault_server(answer) as (server, asked):
            bare = server.store(engine=engine, client_kwargs={"config": CONFIG})
            store = Retrying(Verifying(bare), base=0.001)
            (outcome,) = store.run([Upload(tmp_path / "up", URL)])
        assert isinstance(outcome, Failed)
        if status == "200 OK":
            words = f"size mismatch: {len(BODY)} bytes were written, and the store has"
            assert words in str(outcome.error)
            assert isinstance(outcome.error, IntegrityError)
            assert [each.method for each in asked] == ["PUT", "HEAD"] * 2
        else:
            assert isinstance(outcome.error, NotFoundError)


class TestErrorsWithin200:
    """S3 begins some answers before it knows how they end."""

    FAILED = b"<Error><Code>InternalError</Code><Message>We are sorry</Message></Error>"

    def test_an_upload_that_is_not_completed_is_aborted(self, large, tmp_path):
        (tmp_path / "up").write_bytes(bytes(5 * MiB + 9))

        def answer(asked: Asked) -> Said:
            if asked.method == "POST":
                begun = b"<R><UploadId>upload</UploadId></R>"
                return said("200 OK", begun if "uploads" in asked.path else self.FAILED)
            return said("204 No Content" if asked.method == "DELETE" else "200 OK", ETag='"1"')

        with fault_server(answer) as (server, asked):
            (outcome,) = large(server).run([Upload(tmp_path / "up", URL)])
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, TransientError)
        assert "We are sorry" in str(outcome.error)
        begun = [each for each in asked if "uploads" in each.path]
        aborted = [each for each in asked if each.method == "DELETE"]
        assert len(begun) == len(aborted) == outcome.error.attempts == 4

    @pytest.mark.parametrize("mode", [OVERWRITE, CREATE], ids=["overwrite", "create"])
    def test_a_copy_that_is_none_fails(self, at, mode):
        def answer(asked: Asked) -> Said:
            if asked.method == "PUT":
                return said("200 OK", self.FAILED)
            return object_of(BODY)(asked)

        with fault_server(answer) as (server, asked):
            (outcome,) = at(server).run([Copy(URL, Url("s3", "bucket", "other"), mode)])
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, TransientError)
        copies = [each for each in asked if each.method == "PUT"]
        assert len(copies) == outcome.error.attempts == (4 if mode is OVERWRITE else 1)


@pytest.mark.parametrize("percent", [0, 10, 50, 90])
def test_survivors_are_right_and_of_the_others_nothing_is_left(at, percent, tmp_path):
    """Whatever share of the requests fails, in whatever way."""
    random = Random(percent)

    def answer(asked: Asked) -> Said:
        body = f"the object {asked.path} ".encode() * 50
        whole = object_of(body, told={"x_amz_checksum_crc32": crc32(body)})(asked)
        if random.random() * 100 >= percent:
            return whole
        return random.choice(
            [
                said("500 Oops"),
                said("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>"),
                Said(b"", "reset"),
                Said(whole.data[:-100], "close"),
                Said(flipped(whole.data)),
            ]
        )

    keys = [f"{number}" for number in range(40)]
    with fault_server(answer) as (server, _):
        requests = [Download(Url("s3", "bucket", key), tmp_path / key) for key in keys]
        outcomes = sorted(at(server).run(requests), key=lambda outcome: outcome.index)
    assert [outcome.index for outcome in outcomes] == list(range(40))
    there = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    survived = [
        key for key, outcome in zip(keys, outcomes, strict=True) if isinstance(outcome, Done)
    ]
    assert there == {key: f"the object /bucket/{key} ".encode() * 50 for key in survived}
    failed = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
    assert all(isinstance(error, (TransientError, IntegrityError)) for error in failed)
    assert not failed if percent == 0 else survived or percent == 90
