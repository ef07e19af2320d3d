from __future__ import annotations

import datetime as dt
import functools
import socket
import threading
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import boto3
import botocore
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from tests.unit.adapters.s3.wire import KEYS, Answers, answer, refusal

from file_dataset.adapters.s3 import S3Options
from file_dataset.adapters.s3.curl.places import OnlyBoto3Error, learn, unsuited
from file_dataset.adapters.s3.curl.signing import UNSIGNED, Keys, Scope, quoted, signed

NOW = dt.datetime(2026, 2, 28, 23, 59, 59, tzinfo=dt.UTC)
ACCESS_POINT = "arn:aws:s3:us-west-2:123456789012:accesspoint/mine"

object_keys = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.text("a/.~-_ +%#?&=:@$;'\\\n\u00fc", min_size=1, max_size=20),
)


def client_of(*, keys=KEYS, token=None, region="eu-west-1", endpoint=None, **config):
    """A client that is configured as the library does it, and further."""
    ours = {
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    return boto3.client(
        "s3",
        **keys,
        aws_session_token=token,
        region_name=region,
        endpoint_url=endpoint,
        config=Config(**{**ours, **config}),
    )


@functools.cache
def client_named(name):
    return client_of(**CONFIGURATIONS[name])


def keys_of(name):
    given = CONFIGURATIONS[name]
    access_key, secret_key = given.get("keys", KEYS).values()
    return Keys(access_key, secret_key, given.get("token"))


@functools.cache
def place_of(name, bucket):
    return learn(client_named(name), bucket)


class CaughtError(Exception):
    pass


def sent(client, operation, **arguments):
    """What botocore would send at a moment."""

    def catch(request, **_):
        raise CaughtError(request)

    client.meta.events.register_first("before-send.s3", catch)
    try:
        with (
            mock.patch("botocore.auth.get_current_datetime", return_value=NOW),
            pytest.raises(CaughtError) as caught,
        ):
            getattr(client, operation)(**arguments)
    finally:
        client.meta.events.unregister("before-send.s3", catch)
    request = caught.value.args[0]
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }
    return request.method, request.url, headers


SLASHED = {**KEYS, "aws_access_key_id": "made/up"}
LOCAL = "http://127.0.0.1:9000"
VIRTUAL = {"addressing_style": "virtual"}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "virtual": {"s3": VIRTUAL},
    "path": {"s3": {"addressing_style": "path"}},
    "auto": {"s3": {"addressing_style": "auto"}},
    "us-east-1": {"region": "us-east-1"},
    "us-east-1 global": {"region": "us-east-1", "s3": {"us_east_1_regional_endpoint": "legacy"}},
    "china": {"region": "cn-north-1"},
    "no such region": {"region": "mars-1"},
    "aws-global": {"region": "aws-global"},
    "dualstack": {"use_dualstack_endpoint": True},
    "accelerate": {"s3": {"use_accelerate_endpoint": True}},
    "fips": {"region": "us-east-2", "use_fips_endpoint": True},
    "fips dualstack": {
        "region": "us-east-2",
        "use_fips_endpoint": True,
        "use_dualstack_endpoint": True,
    },
    "token": {"token": "made-up/token+=="},
    "slash in the key": {"keys": SLASHED},
    "http": {"endpoint": LOCAL},
    "http slash": {"endpoint": "http://127.0.0.1:9000/"},
    "http virtual": {"endpoint": "http://localhost:9000", "s3": VIRTUAL},
    "http prefix": {"endpoint": "http://127.0.0.1:9000/a/b c/"},
    "http prefix virtual": {"endpoint": "http://localhost/a/b", "s3": VIRTUAL},
    "https prefix": {"endpoint": "https://store.example:8443/a"},
    "region of the ARN": {"s3": {"use_arn_region": True}},
    "ipv6": {"endpoint": "http://[::1]:9000"},
    "anonymous": {"signature_version": botocore.UNSIGNED},
    "anonymous http": {"signature_version": botocore.UNSIGNED, "endpoint": LOCAL},
    "s3v4": {"signature_version": "s3v4"},
    "v4": {"signature_version": "v4"},
    "signed payload": {"s3": {"payload_signing_enabled": True}},
    "unsigned payload": {"s3": {"payload_signing_enabled": False}},
    "http unsigned payload": {
        "endpoint": LOCAL,
        "s3": {"payload_signing_enabled": False},
    },
    "legacy retries": {"retries": {"mode": "legacy", "max_attempts": 5}},
    "adaptive retries": {"retries": {"mode": "adaptive", "max_attempts": 5}},
}
OBJECT_LAMBDA = "arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/mine"
OUTPOST = "arn:aws:s3-outposts:eu-west-1:123456789012:outpost/op-01234567890123456/accesspoint/mine"
PLACES = [
    *((name, "bucket") for name in CONFIGURATIONS),
    *((name, "bucket.with.dots") for name in ("virtual", "path", "auto", "http virtual")),
    *((name, "Legacy_Bucket") for name in ("virtual", "path", "auto", "http virtual")),
    ("region of the ARN", ACCESS_POINT),
    ("auto", OBJECT_LAMBDA),
    ("auto", OUTPOST),
]
OPERATIONS: dict[str, dict[str, Any]] = {
    "get_object": {},
    "head_object": {},
    "put_object": {"Body": b"body"},
    "upload_part": {"Body": b"body", "UploadId": "a/b+c==", "PartNumber": 7},
}


@pytest.mark.parametrize(("name", "bucket"), PLACES)
@given(key=object_keys, operation=st.sampled_from(sorted(OPERATIONS)))
def test_a_request_made_from_a_place_equals_the_one_of_botocore(name, bucket, key, operation):
    method, url, headers = sent(
        client_named(name), operation, Bucket=bucket, Key=key, **OPERATIONS[operation]
    )

    place = place_of(name, bucket)

    address, _, query = url.partition("?")
    assert address == place.base + quoted(key)
    assert address.endswith(place.host + place.path + quoted(key))
    if place.scope is None:
        assert "authorization" not in headers
        return
    lines = signed(
        method,
        place.host,
        place.path + quoted(key),
        "&".join(sorted(query.split("&"))),
        payload=headers["x-amz-content-sha256"],
        keys=keys_of(name),
        scope=place.scope,
        now=NOW.timestamp(),
    )
    assert lines[-1] == f"Authorization: {headers['authorization']}"


@pytest.mark.parametrize(
    ("name", "hashes"),
    [
        ("http", True),
        ("http unsigned payload", False),
        ("virtual", False),
        ("signed payload", True),
        ("unsigned payload", False),
        ("anonymous", False),
        ("anonymous http", False),
    ],
    ids=str,
)
def test_a_body_is_hashed_where_it_has_to_be(name, hashes):
    place = learn(client_named(name), "bucket")
    _, _, headers = sent(client_named(name), "put_object", Bucket="bucket", Key="k", Body=b"body")

    assert place.hashes == hashes
    # botocore hashes over TLS as well, which is not required; but never the other way round.
    is_hashed = headers.get("x-amz-content-sha256", UNSIGNED) != UNSIGNED
    assert is_hashed or not hashes
    assert is_hashed == hashes or place.base.startswith("https:")


@pytest.mark.parametrize(
    ("endpoint", "base"),
    [
        ("http://LOCALHOST:80/A", "http://localhost/A/bucket/"),
        ("https://store.example:443", "https://store.example/bucket/"),
        ("https://store.example:80", "https://store.example:80/bucket/"),
        ("http://user:made-up@127.0.0.1:9000", "http://127.0.0.1:9000/bucket/"),
        ("http://[::1]:80", "http://[::1]/bucket/"),
    ],
)
def test_the_base_names_the_host_as_it_is_signed(endpoint, base):
    client = client_of(endpoint=endpoint)

    place = learn(client, "bucket")

    assert place.base == base
    assert base == f"{base.partition(':')[0]}://{place.host}{place.path}"
    _, _, headers = sent(client, "get_object", Bucket="bucket", Key="key")
    lines = signed(
        "GET",
        place.host,
        f"{place.path}key",
        "",
        payload=headers["x-amz-content-sha256"],
        keys=Keys(*KEYS.values()),
        scope=Scope("eu-west-1"),
        now=NOW.timestamp(),
    )
    assert lines[-1] == f"Authorization: {headers['authorization']}"


def test_an_access_point_is_signed_for_its_own_region():
    place = place_of("region of the ARN", ACCESS_POINT)

    assert place.scope == Scope("us-west-2")
    assert place.path == "/"


def test_a_bucket_is_learned_where_botocore_was_sent_to():
    client = client_of()
    before = learn(client, "bucket")
    Answers(
        client,
        refusal(301, "PermanentRedirect", x_amz_bucket_region="eu-north-1"),
        answer(200),
        operation="GetObject",
    )

    client.get_object(Bucket="bucket", Key="key")

    assert before.scope == Scope("eu-west-1")
    after = learn(client, "bucket")
    assert after.scope == Scope("eu-north-1")
    assert after.host == "bucket.s3.eu-north-1.amazonaws.com"


class SentError(BaseException):
    """No Exception, which would be taken for a bad connection."""


@pytest.fixture
def no_sockets(monkeypatch):
    here = threading.current_thread()

    def refused(really):
        def refuse(*args, **kwargs):
            # What others have left running, as Ray's threads, may go on.
            if threading.current_thread() is not here:
                return really(*args, **kwargs)
            raise SentError

        return refuse

    monkeypatch.setattr(socket, "socket", refused(socket.socket))
    monkeypatch.setattr(socket, "getaddrinfo", refused(socket.getaddrinfo))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_nothing_is_sent(no_sockets, name):
    client = client_named(name)

    assert learn(client, "bucket").path.endswith("/")

    with pytest.raises(SentError):
        client.get_object(Bucket="bucket", Key="key")


def hooks(client):
    return [
        hook
        for operation in ("GetObject", "UploadPart", "CreateMultipartUpload")
        for hook in client.meta.events._emitter._handlers.prefix_search(
            f"before-send.s3.{operation}"
        )
    ]


def test_nothing_is_left_behind():
    client = client_of()
    before = hooks(client)

    learn(client, "bucket")
    with pytest.raises(OnlyBoto3Error):
        learn(client, "")

    assert hooks(client) == before


def test_requests_of_other_threads_pass():
    with mock_aws():
        client = client_of()
        client.create_bucket(
            Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        client.put_object(Bucket="bucket", Key="key", Body=b"body")
        bodies = []

        def meanwhile(params, **_):
            if not params["url_path"].endswith("/key"):
                answer = client.get_object(Bucket="bucket", Key="key")
                bodies.append(answer["Body"].read())

        client.meta.events.register("before-call.s3.GetObject", meanwhile)

        assert learn(client, "bucket").host == "bucket.s3.eu-west-1.amazonaws.com"
        assert bodies == [b"body"]


def test_other_hooks_see_no_request():
    client = client_of()
    seen = mock.Mock(return_value=None)
    client.meta.events.register_first("before-send", seen)
    client.meta.events.register("before-send.s3.GetObject", seen)
    client.meta.events.register("before-send.s3.UploadPart", seen)
    client.meta.events.register("before-send.s3.CreateMultipartUpload", seen)

    learn(client, "bucket")

    seen.assert_not_called()


@pytest.mark.parametrize(
    ("configuration", "bucket", "reason"),
    [
        pytest.param({"signature_version": "s3"}, "bucket", "not signed", id="version 2"),
        pytest.param(
            {"request_checksum_calculation": "when_supported"},
            "bucket",
            "x-amz-trailer",
            id="checksums of requests",
        ),
        pytest.param(
            {"response_checksum_validation": "when_supported"},
            "bucket",
            "x-amz-checksum-mode",
            id="checksums of answers",
        ),
        pytest.param({}, "a--use1-az4--x-s3", "directory bucket", id="directory"),
        pytest.param(
            {},
            "arn:aws:s3express:us-east-1:123456789012:accesspoint/a--use1-az4--xa-s3",
            "directory bucket",
            id="access point of a directory",
        ),
        pytest.param(
            {},
            "arn:aws:s3::123456789012:accesspoint:mfzwi23gnjvgw.mrap",
            "MissingDependencyException|not signed",
            id="all regions",
        ),
        pytest.param({}, "", "ParamValidationError", id="no name"),
        pytest.param({"keys": {}}, "bucket", "NoCredentialsError", id="no keys"),
    ],
)
def test_what_only_boto3_can_do_is_left_to_it(no_sockets, configuration, bucket, reason):
    with pytest.raises(OnlyBoto3Error, match=reason):
        learn(client_of(**configuration), bucket)


def add_header(request, **_):
    request.headers["X-Made-Up"] = "value"


def name_the_host(request, **_):
    request.headers["Host"] = urlsplit(request.url).netloc


def name_another_host(request, **_):
    request.headers["Host"] = "elsewhere"


def ask_for_payment(params, **_):
    params["RequestPayer"] = "requester"


def encrypt(params, **_):
    params["ServerSideEncryption"] = "aws:kms"


def change_query(request, **_):
    request.url += "&" if "?" in request.url else "?"
    request.url += "made=up"


def change_path(request, **_):
    request.url = request.url.replace("bucket/", "bucket/elsewhere/")


def sign_for_other_region(request, **_):
    request.context["signing"] = {**request.context["signing"], "region": "mars-1"}


def answer_at_once(**_):
    return mock.Mock(status_code=200), {}


def break_down(**_):
    raise RuntimeError("made-up password")


@pytest.mark.parametrize(
    ("event", "hook", "reason"),
    [
        ("before-sign.s3.GetObject", add_header, "x-made-up"),
        ("before-sign.s3.UploadPart", add_header, "x-made-up"),
        ("before-sign.s3.GetObject", name_another_host, "another host"),
        ("provide-client-params.s3.GetObject", ask_for_payment, "in different ways"),
        ("before-sign.s3.GetObject", change_query, "a way of their own"),
        ("before-sign.s3.UploadPart", change_query, "a way of their own"),
        ("before-sign.s3.UploadPart", change_path, "in different ways"),
        ("before-sign.s3.CreateMultipartUpload", change_path, "in different ways"),
        ("provide-client-params.s3.CreateMultipartUpload", encrypt, "server-side-encryption"),
        ("before-call.s3.CreateMultipartUpload", answer_at_once, "in place of the network"),
        ("before-sign.s3.UploadPart", sign_for_other_region, "in different ways"),
        ("before-call.s3.GetObject", answer_at_once, "in place of the network"),
        ("before-call.s3.UploadPart", answer_at_once, "in place of the network"),
        ("before-call.s3.GetObject", break_down, "no request, but a RuntimeError$"),
    ],
)
def test_a_hook_that_changes_requests_leaves_them_to_boto3(event, hook, reason):
    client = client_of(endpoint=LOCAL)
    client.meta.events.register(event, hook)

    with pytest.raises(OnlyBoto3Error, match=reason):
        learn(client, "bucket")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, None),
        ({"client_cert": "cert.pem"}, "a client certificate is configured"),
        ({"proxies_config": {"proxy_use_forwarding_for_https": True}}, "proxies_config is"),
        (
            {"request_checksum_calculation": "when_supported"},
            "request_checksum_calculation is when_supported",
        ),
        (
            {"response_checksum_validation": "when_supported"},
            "response_checksum_validation is when_supported",
        ),
    ],
)
def test_a_configuration_that_only_boto3_can_follow_is_told(config, reason):
    found = unsuited(client_of(**config))

    assert found is reason if reason is None else str(found).startswith(reason)


def test_the_default_configuration_of_this_library_is_suited():
    assert unsuited(S3Options(KEYS).client) is None


def test_that_the_requester_pays_is_carried_along():
    client = client_of(endpoint=LOCAL)
    assert learn(client, "bucket").headers == ()
    client.meta.events.register("provide-client-params.s3", ask_for_payment)

    assert learn(client, "bucket").headers == (("x-amz-request-payer", "requester"),)


def test_signers_may_name_the_host_as_those_of_awscrt_do():
    client = client_of(endpoint=LOCAL)
    before = learn(client, "bucket")
    client.meta.events.register("before-sign.s3", name_the_host)

    assert learn(client, "bucket") == before
