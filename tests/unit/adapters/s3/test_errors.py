from __future__ import annotations

import inspect
import pickle
import re
import socket
import ssl
from typing import Any

import boto3.exceptions
import botocore.exceptions
import pytest
import s3transfer.exceptions
import urllib3.exceptions
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3 import exceptions, meanings
from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.errors import s3_errors
from file_dataset.domain.errors import (
    AlreadyExistsError,
    FileDatasetError,
    IntegrityError,
    InvalidUrlError,
    NoSpaceError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    StoreError,
    ThrottledError,
    TransientError,
    UnauthenticatedError,
    UnsupportedError,
)
from file_dataset.domain.objects import CREATE, OVERWRITE, IfMatch
from file_dataset.domain.url import Url

URL = Url.parse("s3://bucket/dir/key")
LIBRARIES = (botocore.exceptions, boto3.exceptions, s3transfer.exceptions)

# The exceptions that need no place in the table, and why.
CANNOT_REACH_US = {
    **dict.fromkeys(
        ["ImminentRemovalWarning", "PythonDeprecationWarning", "UnsupportedTLSVersionWarning"],
        "a warning",
    ),
    **dict.fromkeys(
        [
            "DynamoDBNeedsConditionError",
            "DynamoDBNeedsKeyConditionError",
            "DynamoDBOperationNotSupportedError",
            "NoVersionFound",
            "ResourceLoadException",
            "ResourceNotExistsError",
            "UnknownAPIVersionError",
        ],
        "boto3's resources are not used",
    ),
    **dict.fromkeys(["StubAssertionError", "StubResponseError", "UnStubbedResponseError"], "tests"),
    **dict.fromkeys(["WaiterConfigError", "WaiterError"], "waiters are not used"),
    **dict.fromkeys(
        [
            "AliasConflictParameterError",
            "InvalidExpressionError",
            "MissingParametersError",
            "OperationNotPageableError",
            "RangeError",
            "UnknownClientMethodError",
            "UnknownKeyError",
            "UnknownParameterError",
            "ValidationError",
        ],
        "a call that the store does not make; as a ParamValidationError it would be mapped",
    ),
    **dict.fromkeys(
        ["UnknownCredentialError", "UnknownTokenProviderError"],
        "only for who rearranges botocore's providers",
    ),
    **dict.fromkeys(
        [
            "MissingServiceIdError",
            "UndefinedModelAttributeError",
            "UnknownEndpointResolutionBuiltInName",
            "UnknownRegionError",
            "UnknownServiceStyle",
            "UnsupportedServiceProtocolsError",
        ],
        "botocore's description of S3 would have to be broken",
    ),
    **dict.fromkeys(
        ["UnsupportedS3ControlArnError", "UnsupportedS3ControlConfigurationError"],
        "the S3 control service is not used",
    ),
    "EventStreamError": "SelectObjectContent is not used",
    "ClientError": "not by its class, but by the server's code, in `meanings`",
    "AwsChunkedWrapperError": "the bodies given to botocore are files and BytesIO",
    "UnseekableStreamError": "the bodies given to botocore are files and BytesIO",
    "CancelledError": "transfers are never cancelled by others",
    "FatalError": "transfers are never cancelled by others",
    "InvalidSubscriberMethodError": "no subscribers are given",
    "TransferNotDoneError": "results are waited for",
}


def answered(code: str = "", status: int = 400, said: Any = None, retried: int = 0, **headers: str):
    """What botocore raises at an answer."""
    response = {
        "Error": {"Code": code or str(status), "Message": "the server's words", **(said or {})},
        "ResponseMetadata": {
            "HTTPStatusCode": status,
            "HTTPHeaders": {name.replace("_", "-"): value for name, value in headers.items()},
            "RequestId": "REQ1",
            "RetryAttempts": retried,
        },
    }
    return ClientError(response, "GetObject")  # type: ignore[arg-type]


def translated(error: BaseException, call: Call | None = None) -> Any:
    with pytest.raises(FileDatasetError) as caught, s3_errors(call or Call(URL)):
        raise error
    return caught.value


def wrapped(outer: Exception, *inner: Exception) -> Exception:
    """The outer exception, raised while the next was handled, and so on."""
    try:
        if inner:
            raise wrapped(*inner)
        raise outer
    except Exception as below:  # noqa: BLE001 - whatever it is
        if below is outer:
            return outer
        try:
            raise outer
        except Exception as above:  # noqa: BLE001
            return above


class TestAnswers:
    @pytest.mark.parametrize(
        ("code", "status", "kind", "words"),
        [
            ("NoSuchKey", 404, NotFoundError, "not found: there is no such key"),
            ("NoSuchBucket", 404, NotFoundError, "not found: there is no bucket 'bucket'"),
            ("404", 404, NotFoundError, "not found: there is no such key, or no bucket 'bucket'"),
            ("AccessDenied", 403, PermissionDeniedError, "403 may also mean that the object is m"),
            ("403", 403, PermissionDeniedError, "not allowed to list the bucket"),
            ("InvalidAccessKeyId", 403, UnauthenticatedError, "does not know the access key"),
            ("SignatureDoesNotMatch", 403, UnauthenticatedError, "secret key"),
            ("ExpiredToken", 400, UnauthenticatedError, "get new credentials"),
            ("InvalidToken", 400, UnauthenticatedError, "get new credentials"),
            ("401", 401, UnauthenticatedError, "does not accept the credentials"),
            ("RequestTimeTooSkewed", 403, UnauthenticatedError, "set the clock"),
            ("InvalidRange", 416, RangeNotSatisfiableError, "past the end"),
            ("416", 416, RangeNotSatisfiableError, "past the end"),
            ("PreconditionFailed", 412, IntegrityError, "changed while it was being read"),
            ("ConditionalRequestConflict", 409, TransientError, "nothing was written"),
            ("OperationAborted", 409, TransientError, "nothing was written"),
            ("BucketNotEmpty", 409, StoreError, "the server's words"),
            ("SlowDown", 503, ThrottledError, "slow down (SlowDown); run it again later, or ask"),
            ("503", 503, ThrottledError, "slow down"),
            ("429", 429, ThrottledError, "slow down"),
            ("ThrottlingException", 400, ThrottledError, "slow down"),
            ("RequestLimitExceeded", 503, ThrottledError, "slow down"),
            ("InternalError", 500, TransientError, "inside the store"),
            ("InternalError", 200, TransientError, "inside the store"),
            ("500", 500, TransientError, "inside the store"),
            ("502", 502, TransientError, "inside the store"),
            ("504", 504, TransientError, "inside the store"),
            ("520", 520, TransientError, "inside the store"),
            ("RequestTimeout", 400, TransientError, "inside the store"),
            ("InvalidObjectState", 403, StoreError, "restore-object"),
            ("PermanentRedirect", 301, StoreError, "another region"),
            ("301", 301, StoreError, "another region"),
            ("AuthorizationHeaderMalformed", 400, StoreError, "another region"),
            ("KeyTooLongError", 400, InvalidUrlError, "cannot hold such a name"),
            ("InvalidBucketName", 400, InvalidUrlError, "cannot hold such a name"),
            ("EntityTooLarge", 400, StoreError, "multipart"),
            ("413", 413, StoreError, "multipart"),
            ("QuotaExceeded", 403, NoSpaceError, "quota"),
            ("507", 507, NoSpaceError, "full"),
            ("BadDigest", 400, IntegrityError, "other bytes than were sent"),
            ("KMS.DisabledException", 400, PermissionDeniedError, "kms:Decrypt"),
            ("KMS.NotFoundException", 400, PermissionDeniedError, "kms:Decrypt"),
            ("MethodNotAllowed", 405, UnsupportedError, "does not allow"),
            ("NotImplemented", 501, UnsupportedError, "not implemented"),
            ("InvalidArgument", 400, StoreError, "the server's words"),
            ("400", 400, StoreError, "expired session token"),
            ("SomethingNew", 418, StoreError, "HTTP 418 (SomethingNew): the server's words"),
        ],
    )
    def test_they_mean_one_of_our_errors(self, code, status, kind, words):
        error = translated(answered(code, status))
        assert type(error) is kind or (kind is TransientError and isinstance(error, kind))
        assert words in str(error)
        assert str(error).startswith("s3://bucket/dir/key: ")
        if kind is not InvalidUrlError:
            assert error.url == URL
            assert error.attempts == 1
            assert "the server's words" in error.detail
            assert "REQ1" in error.detail

    def test_the_mode_says_what_a_failed_precondition_means(self):
        failed = answered("PreconditionFailed", 412)
        assert type(translated(failed, Call(URL, mode=CREATE))) is AlreadyExistsError
        assert type(translated(failed, Call(URL, mode=IfMatch("1")))) is PreconditionFailedError

    def test_there_is_no_version_of_what_is_missing(self):
        missing = answered("NoSuchKey", 404)
        assert type(translated(missing, Call(URL, mode=IfMatch("1")))) is PreconditionFailedError
        assert type(translated(missing, Call(URL, mode=CREATE))) is NotFoundError
        copying = Call(URL, mode=IfMatch("1"), source=URL)
        assert type(translated(missing, copying)) is NotFoundError
        no_bucket = answered("NoSuchBucket", 404)
        assert type(translated(no_bucket, Call(URL, mode=IfMatch("1")))) is NotFoundError

    def test_a_bucket_that_is_not_there_is_likely_not_there_for_others_either(self):
        assert translated(answered("NoSuchBucket", 404)).common_cause == "no such bucket"
        assert translated(answered("NoSuchKey", 404)).common_cause == ""

    @pytest.mark.parametrize("status", [404, 405])
    def test_delete_markers_are_told(self, status):
        error = translated(answered("", status, x_amz_delete_marker="true"))
        assert type(error) is NotFoundError
        assert "delete marker" in str(error)

    @pytest.mark.parametrize("key", ["a//b", "/a", "a/./b", "..", "a/../b"])
    def test_odd_keys_are_what_an_invalid_argument_is_about(self, key):
        odd = Url("s3", "bucket", key)
        refused = answered("InvalidArgument", 400)
        assert type(translated(refused, Call(odd))) is InvalidUrlError
        assert type(translated(refused, Call(URL, source=odd))) is InvalidUrlError
        assert type(translated(answered("", 400), Call(odd))) is InvalidUrlError
        assert type(translated(answered("InvalidRequest", 400), Call(odd))) is StoreError
        assert type(translated(refused, Call(Url("s3", "bucket", "")))) is StoreError

    def test_the_home_of_a_bucket_is_told(self):
        by_body = answered("AuthorizationHeaderMalformed", 400, {"Region": "eu-central-1"})
        by_header = answered("301", 301, x_amz_bucket_region="eu-central-1")
        by_endpoint = answered("PermanentRedirect", 301, {"Endpoint": "b.s3.eu.example"})
        assert "the region is eu-central-1" in str(translated(by_body))
        assert "the region is eu-central-1" in str(translated(by_header))
        assert "the endpoint is b.s3.eu.example" in str(translated(by_endpoint))

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [("7", 7.0), ("", None), ("-1", None), ("soon", None), ("Wed, 21 Oct 2026", None)],
    )
    def test_the_wait_is_the_server_s(self, header, seconds):
        assert translated(answered("SlowDown", 503, retry_after=header)).retry_after == seconds

    def test_a_copy_names_both_ends(self):
        error = translated(answered("NoSuchKey", 404), Call(URL, source=Url.parse("s3://from/key")))
        assert str(error).startswith("s3://from/key to s3://bucket/dir/key: not found")

    def test_a_client_that_retries_has_done_so(self):
        error = translated(answered("SlowDown", 503, retried=4), Call(URL, retried=True))
        assert type(error) is ThrottledError
        assert (error.transient, error.attempts) == (False, 5)
        error = translated(answered("SlowDown", 503))
        assert (error.transient, error.attempts) == (True, 1)

    @pytest.mark.parametrize(
        "error",
        [
            botocore.exceptions.IncompleteReadError(actual_bytes=5, expected_bytes=9),
            botocore.exceptions.ReadTimeoutError(endpoint_url="", error="of a body"),
            botocore.exceptions.ResponseStreamingError(error="cut off"),
            botocore.exceptions.FlexibleChecksumError(error_msg="mismatch"),
            s3transfer.exceptions.S3DownloadFailedError("did not match expected ETag"),
        ],
        ids=repr,
    )
    def test_a_client_that_retries_does_not_retry_bodies(self, error):
        assert translated(error, Call(URL, retried=True)).transient

    def test_a_client_that_retries_retries_the_way_there(self):
        late = botocore.exceptions.ReadTimeoutError(endpoint_url="http://h", error="of a head")
        assert not translated(late, Call(URL, retried=True)).transient
        refused = botocore.exceptions.EndpointConnectionError(endpoint_url="http://h", error="e")
        assert not translated(refused, Call(URL, retried=True)).transient

    def test_damage_on_the_way_may_be_gone_the_next_time(self):
        assert translated(answered("BadDigest", 400)).transient
        assert not translated(answered("BadDigest", 400), Call(URL, retried=True)).transient

    @given(st.text(), st.integers(100, 599), st.text(), st.sampled_from([OVERWRITE, CREATE]))
    def test_whatever_a_server_says_is_an_error_of_ours(self, code, status, message, mode):
        error = translated(answered(code, status, {"Message": message}), Call(URL, mode=mode))
        assert isinstance(error, FileDatasetError)
        assert str(error).startswith(str(URL))

    def test_an_answer_that_says_nothing_is_an_error_of_ours(self):
        assert type(translated(ClientError({}, "GetObject"))) is StoreError

    def test_errors_travel(self):
        error = translated(answered("SlowDown", 503, retry_after="7"), Call(URL, "List"))
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.url, again.operation) == (str(error), URL, "List")
        assert (again.detail, again.retry_after, again.transient) == (error.detail, 7.0, True)


class TestExceptions:
    @pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
    def test_the_table_is_complete(self, library):
        known = exceptions.EXCEPTIONS.keys() | CANNOT_REACH_US.keys()
        there = {
            name
            for name, each in inspect.getmembers(library, inspect.isclass)
            if issubclass(each, BaseException)
        }
        # The other name of a class, kept for who knew it by a typing error.
        there.discard("DynanmoDBOperationNotSupportedError")
        assert there - known == set()

    def test_the_table_has_nothing_that_is_not_there(self):
        elsewhere = {"HTTPError", "TimeoutError", "SSLCertVerificationError", "ResponseParserError"}
        names = exceptions.EXCEPTIONS.keys() | CANNOT_REACH_US.keys()
        missing = {
            name for name in names if not any(hasattr(library, name) for library in LIBRARIES)
        }
        assert missing == elsewhere
        assert exceptions.EXCEPTIONS.keys() >= exceptions.WRAPPERS
        assert not exceptions.EXCEPTIONS.keys() & CANNOT_REACH_US.keys()

    @pytest.mark.parametrize(
        "cls",
        [
            vars(library)[name]
            for library in LIBRARIES
            for name in sorted(exceptions.EXCEPTIONS)
            if name in vars(library)
        ],
        ids=lambda cls: f"{cls.__module__}.{cls.__name__}",
    )
    def test_each_is_caught_and_translated(self, cls):
        error = translated(made(cls))
        meaning = exceptions.EXCEPTIONS[cls.__name__]
        assert type(error) is meaning.kind
        assert "?" not in str(error)
        if isinstance(error, StoreError):
            assert error.transient == (
                issubclass(meaning.kind, TransientError) if meaning.again is None else meaning.again
            )

    @pytest.mark.parametrize(
        ("error", "kind", "words"),
        [
            (ConnectionResetError(104, "reset"), TransientError, "broke off"),
            (TimeoutError("timed out"), TransientError, "in time"),
            (ssl.SSLEOFError("eof"), TransientError, "TLS"),
            (ssl.SSLCertVerificationError("self-signed"), StoreError, "AWS_CA_BUNDLE"),
            (urllib3.exceptions.ProtocolError("cut"), TransientError, "broke off"),
            (ResponseParserError("no XML"), TransientError, "not one of S3"),
        ],
        ids=repr,
    )
    def test_those_of_other_libraries_are_translated(self, error, kind, words):
        assert type(translated(error)) is kind
        assert words in str(translated(error))

    def test_a_new_one_of_botocore_is_at_least_an_error_of_ours(self):
        class BrandNewError(botocore.exceptions.BotoCoreError):
            fmt = "brand new"

        assert type(translated(BrandNewError())) is StoreError

    @pytest.mark.parametrize("bug", [ValueError, KeyError, TypeError, AttributeError])
    def test_bugs_are_not_translated(self, bug):
        with pytest.raises(bug), s3_errors(Call(URL)):
            raise bug("a bug")

    def test_errors_of_ours_pass(self):
        ours = NotFoundError("mine")
        assert translated(ours) is ours

    def test_a_truncated_read_says_how_much_is_missing(self):
        error = botocore.exceptions.IncompleteReadError(actual_bytes=5, expected_bytes=9)
        assert "truncated read: want 9, got 5 bytes" in str(translated(error))


class TestChains:
    """What went wrong is below what was made of it."""

    def test_an_upload_failed_because_of_an_answer(self):
        outer = boto3.exceptions.S3UploadFailedError("Failed to upload")
        error = translated(wrapped(outer, answered("NoSuchBucket", 404)))
        assert type(error) is NotFoundError

    def test_retries_are_exceeded_by_something(self):
        last: Any = botocore.exceptions.IncompleteReadError(actual_bytes=5, expected_bytes=9)
        inner = s3transfer.exceptions.RetriesExceededError(last)
        for error in (inner, wrapped(boto3.exceptions.RetriesExceededError(last), inner)):
            assert type(translated(error)) is TransientError
            assert "truncated read" in str(translated(error))

    def test_an_error_of_ours_is_what_it_was(self):
        ours = NotFoundError("mine")
        assert translated(wrapped(botocore.exceptions.HTTPClientError(error=ours), ours)) is ours

    def test_certificates_are_told_from_broken_connections(self):
        outer = botocore.exceptions.SSLError(endpoint_url="https://h", error=OSError())
        untrusted = ssl.SSLCertVerificationError("self-signed")
        middle = urllib3.exceptions.SSLError("e")
        assert not translated(wrapped(outer, middle, untrusted)).transient
        assert translated(wrapped(outer, middle, ssl.SSLEOFError("eof"))).transient

    def test_a_local_file_is_told_from_the_network(self):
        closed = botocore.exceptions.ConnectionClosedError(endpoint_url="https://h", error="e")
        middle = urllib3.exceptions.ProtocolError("Connection aborted.")
        gone = translated(wrapped(closed, middle, FileNotFoundError(2, "gone", "/data/file")))
        assert type(gone) is NotFoundError
        assert "/data/file: not found" in str(gone)
        broken = translated(wrapped(closed, middle, OSError(5, "Input/output error")))
        assert type(broken) is StoreError
        many = botocore.exceptions.EndpointConnectionError(endpoint_url="https://h", error="e")
        files = translated(wrapped(many, OSError(24, "Too many open files")))
        assert "ulimit" in str(files)

    @pytest.mark.parametrize(
        "below",
        [ConnectionResetError(104, "r"), OSError(113, "no route"), socket.gaierror(-2, "no name")],
        ids=repr,
    )
    def test_the_network_is_not_a_local_file(self, below):
        closed = botocore.exceptions.ConnectionClosedError(endpoint_url="https://h", error="e")
        assert type(translated(wrapped(closed, below))) is TransientError

    def test_the_file_of_a_login_is_not_the_local_file(self):
        outer = botocore.exceptions.SSOTokenLoadError(error_msg="e")
        below = FileNotFoundError(2, "gone", "/home/u/.aws/sso/cache/1.json")
        assert type(translated(wrapped(outer, below))) is UnauthenticatedError


class TestSecrets:
    def test_a_password_in_an_endpoint_is_not_told(self):
        error = botocore.exceptions.EndpointConnectionError(
            endpoint_url="http://user:canary@host/bucket", error="e"
        )
        told = translated(error)
        assert "canary" not in str(told) + told.detail
        assert "http://***@host/bucket" in str(told)


class TestWords:
    def test_they_have_only_blanks_that_are_filled(self):
        told = {*meanings.CODES.values(), *meanings.STATUSES.values()}
        told |= {meanings.UNKNOWN, meanings.KMS, meanings.ODD_NAME, meanings.DELETED}
        blanks = {blank for meaning in told for blank in re.findall(r"{(\w+)", meaning.words)}
        assert blanks == {"code", "status", "message", "bucket", "home"}


def made(cls: type[BaseException]) -> BaseException:
    """An exception of a class, with something for each thing it wants to know."""
    fmt = getattr(cls, "fmt", "")
    known = {name: f"<{name}>" for name in re.findall(r"{(\w+)", fmt)}
    if known:
        return cls(**known)
    for arguments in ((), (Exception("<message>"),)):
        try:
            return cls(*arguments)
        except TypeError:
            continue
    raise AssertionError(f"no idea how to make a {cls}")
