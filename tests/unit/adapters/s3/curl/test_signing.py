from __future__ import annotations

import datetime as dt
import hashlib
from unittest import mock

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.utils import percent_encode, percent_encode_sequence
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3.curl.signing import EMPTY, UNSIGNED, Keys, Scope, quoted, signed

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
object_keys = st.one_of(texts, st.text("a/.~-_ +%#?&=:@$;'\\\n\u00fc", max_size=20))
printable = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
values = st.one_of(st.text(printable, max_size=30), st.text("a \t,", max_size=8))
extra_headers = st.dictionaries(
    st.one_of(
        st.sampled_from(
            ["Content-Type", "If-Match", "If-None-Match", "Range", "x-amz-checksum-crc32", "Date0"]
        ),
        words.map("X-Amz-Meta-{}".format),
    ),
    values,
    max_size=4,
)
queries = st.dictionaries(
    st.one_of(st.sampled_from(["partNumber", "uploadId", "x-id", "lifecycle", "a", "A"]), words),
    texts,
    max_size=3,
)


@st.composite
def hosts(draw):
    """A scheme and a host, and what is written of it: its port may be the default, said or not."""
    scheme, default = draw(st.sampled_from([("http", 80), ("https", 443)]))
    name = draw(
        st.sampled_from(["127.0.0.1", "[::1]", "localhost", "b.s3.eu-west-1.amazonaws.com"])
    )
    port = draw(st.one_of(st.none(), st.just(default), st.integers(1, 65535)))
    written = name if port is None else f"{name}:{port}"
    return scheme, written, name if port == default else written


@given(
    method=st.sampled_from(["GET", "HEAD", "PUT"]),
    place=hosts(),
    key=object_keys,
    query=queries,
    headers=extra_headers,
    payload=st.one_of(st.none(), st.binary(max_size=20)),
    token=st.one_of(st.none(), st.just(""), words),
    secret=texts,
    region=words,
    service=st.sampled_from(["s3", "s3-object-lambda", "s3-outposts"]),
    now=st.integers(0, 8 * 4102444800).map(lambda eighths: eighths / 8),
)
def test_a_request_is_signed_as_by_botocore(
    *, method, place, key, query, headers, payload, token, secret, region, service, now
):
    scheme, written, host = place
    path = f"/bucket/{quoted(key)}"
    encoded = percent_encode_sequence(query)
    pairs = encoded.split("&") if encoded else []
    canonical = "&".join(sorted(pairs, key=lambda pair: pair.split("=")))
    request = AWSRequest(
        method,
        f"{scheme}://{written}{path}?{encoded}",
        headers=headers,
        data=payload or b"",
    )
    request.context["client_config"] = Config(s3={"payload_signing_enabled": payload is not None})
    time = dt.datetime.fromtimestamp(now, dt.UTC)
    with mock.patch("botocore.auth.get_current_datetime", return_value=time):
        S3SigV4Auth(Credentials("AKIDEXAMPLE", secret, token), service, region).add_auth(request)

    lines = signed(
        method,
        host,
        path,
        canonical,
        payload=UNSIGNED if payload is None else hashlib.sha256(payload).hexdigest(),
        keys=Keys("AKIDEXAMPLE", secret, token),
        scope=Scope(region, service),
        now=now,
        headers=list(headers.items()),
    )

    assert sorted(lines) == sorted(
        f"{name}: {value}" if value else f"{name};" for name, value in request.headers.items()
    )


@given(object_keys)
def test_a_key_is_quoted_as_by_botocore(key):
    assert quoted(key) == percent_encode(key, safe="/~-._")


# Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header", section
# "Examples: Signature Calculations"; the keys are the ones of that page, and nobody's.
_EXAMPLE = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
_MAY_24_2013 = 1369353600


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "names", "signature"),
    [
        pytest.param(
            "GET",
            "/test.txt",
            "",
            [("Range", "bytes=0-9")],
            b"",
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            id="GET Object",
        ),
        pytest.param(
            "PUT",
            f"/{quoted('test$file.text')}",
            "",
            [
                ("Date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            b"Welcome to Amazon S3.",
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            id="PUT Object",
        ),
        pytest.param(
            "GET",
            "/",
            "lifecycle=",
            [],
            b"",
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            id="GET Bucket Lifecycle",
        ),
        pytest.param(
            "GET",
            "/",
            "max-keys=2&prefix=J",
            [],
            b"",
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            id="List Objects",
        ),
    ],
)
def test_the_examples_of_aws_get_their_published_signatures(
    *, method, path, query, headers, body, names, signature
):
    lines = signed(
        method,
        "examplebucket.s3.amazonaws.com",
        path,
        query,
        payload=hashlib.sha256(body).hexdigest(),
        keys=_EXAMPLE,
        scope=Scope("us-east-1"),
        now=_MAY_24_2013,
        headers=headers,
    )

    assert lines[-1] == (
        "Authorization: AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


def _signed(**changed):
    arguments = {
        "payload": EMPTY,
        "keys": Keys("AKIDEXAMPLE", "made-up-secret"),
        "scope": Scope("us-east-1"),
        "now": 0.0,
    }
    return signed("GET", "s3.example", "/bucket/key", "", **{**arguments, **changed})


def test_a_new_second_and_a_new_day_give_new_signatures():
    day = 24 * 60 * 60
    times = [0.0, 0.5, 1.0, day - 1.0, day, 2 * day]

    lines = [_signed(now=time) for time in times]

    assert lines[0] == lines[1]
    assert len({line[-1] for line in lines}) == len(times) - 1


@pytest.mark.parametrize("value", ["a\nX-Amz-Acl: public", "a\rb", "a\r\nb"], ids=repr)
def test_a_header_cannot_bring_another_one(value):
    with pytest.raises(ValueError, match="If-Match has a line break"):
        _signed(headers=[("If-Match", value)])


def test_the_secrets_are_not_shown():
    keys = Keys("AKIDEXAMPLE", "made-up-secret", "made-up-token")

    assert repr(keys) == "Keys(access_key='AKIDEXAMPLE')"
    assert not any("made-up-secret" in line for line in _signed(keys=keys))
