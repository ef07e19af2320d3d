from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3.answers import answered
from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.curl.answers import (
    described,
    headers,
    moment,
    object_info,
    refusal,
    version,
)
from file_dataset.domain.errors import NotFoundError, StoreError, ThrottledError
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url

URL = Url.parse("s3://bucket/key")

names = st.sampled_from(["Content-Length", "ETag", "Last-Modified", "x-amz-id", "Via", "etag"])
values = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12
) | st.sampled_from(["", "HTTP/1.1 proxy", 'W/"a: b"', "a b", "Sun, 06 Nov 1994 08:49:37 GMT"])
heads = st.tuples(
    st.sampled_from(["HTTP/1.1 100 Continue", "HTTP/1.1 200 OK", "HTTP/1.1 200 Fine: yes"]),
    st.lists(st.tuples(names, values)),
)
blanks = st.sampled_from(["", " ", "  ", "\t"])


def lines_of(*heads, before=" ", after=""):
    lines = []
    for status, fields in heads:
        lines += [status, *(f"{name}:{before}{value}{after}" for name, value in fields), ""]
    return [f"{line}\r\n".encode("latin-1") for line in lines]


@given(st.lists(heads, min_size=1), blanks, blanks)
def test_of_several_answers_the_last_counts_and_of_each_name_the_last_value(heads, before, after):
    lines = lines_of(*heads, before=before, after=after)
    expected = {name.lower(): value for name, value in heads[-1][1]}

    assert headers(lines) == expected
    about = {"content-length", "content-range", "etag", "last-modified"}
    assert described(lines) == {k: v for k, v in expected.items() if k in about}


@pytest.mark.parametrize("read", [headers, described])
def test_what_a_proxy_said_is_not_said_by_the_store(read):
    lines = lines_of(
        ("HTTP/1.1 200 Connection established", [("Content-Length", "0"), ("ETag", '"proxy"')]),
        ("HTTP/1.1 200 OK", [("Last-Modified", "now")]),
    )

    assert read(lines) == {"last-modified": "now"}


@pytest.mark.parametrize("read", [headers, described])
@pytest.mark.parametrize("lines", [[], [b"\r\n"], [b"HTTP/1.1 200\r\n", b"\r\n"]], ids=str)
def test_a_head_without_headers_says_nothing(read, lines):
    assert read(lines) == {}


@pytest.mark.parametrize("etag", [None, '"tag"'])
def test_when_it_was_written_is_told_where_there_is_no_etag(etag):
    when = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    said = {"last-modified": "Sun, 06 Nov 1994 08:49:37 GMT"} | ({"etag": etag} if etag else {})
    tag = etag and "tag"

    assert object_info(URL, 5, said) == ObjectInfo(URL, 5, tag, when)
    assert version(URL, 5, said) == ObjectInfo(URL, 5, tag, None if tag else when)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_of_http_comes_back(time):
    time = time.replace(microsecond=0)

    assert moment(format_datetime(time, usegmt=True)) == time


@given(st.text() | st.lists(st.text(max_size=4), max_size=8).map(" ".join))
def test_whatever_a_header_says_a_time_is_utc_or_there_is_none(text):
    found = moment(text)

    assert found is None or found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun, 06 Nov 1994 08:49:37 +0100",
        "Sun, 06 Nov 1994 08:49:37",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
        "Sun, 06 Noc 1994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
    ],
)
def test_a_time_in_another_format_is_none(text):
    assert moment(text) is None


@given(st.text(), st.text(), st.sampled_from([403, 404, 500, 503]))
def test_a_refusal_says_what_the_xml_says(code, message, status):
    code, message = code.strip() or "Code", message.strip()
    xml = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    error = refusal(status, {}, xml.encode(), "GetObject")

    assert error.operation_name == "GetObject"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert error.response["Error"] == {"Code": code, "Message": message}


@given(st.binary(), st.sampled_from([401, 403, 404, 500, 503]))
def test_whatever_the_body_is_the_status_tells_what_it_means(body, status):
    said = refusal(status, {}, body, "GetObject")
    expected = refusal(status, {}, b"", "GetObject")

    if b"<Code>" not in body:
        assert type(answered(said, Call(URL))) is type(answered(expected, Call(URL)))
        assert said.response["Error"] == {"Code": str(status)}


def test_a_refusal_is_understood_as_one_of_botocores():
    body = (
        b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>a &lt; b</Message>'
        b"<Resource>/key</Resource></Error>"
    )
    head = {"retry-after": "3", "x-amz-request-id": "7F"}
    error = answered(refusal(503, head, body, "GetObject"), Call(URL))

    assert isinstance(error, ThrottledError)
    assert error.retry_after == 3
    assert error.attempts == 1
    assert "a < b" in error.detail
    assert "request 7F" in error.detail


def test_a_refusal_tells_where_a_bucket_is():
    body = b"<Code>PermanentRedirect</Code><Region>mars-1</Region><Endpoint>e.example</Endpoint>"
    error = answered(refusal(301, {}, body, "GetObject"), Call(URL))

    assert isinstance(error, StoreError)
    assert "the region is mars-1" in str(error)
    assert "the endpoint is e.example" in str(error)


def test_a_refusal_without_a_body_goes_by_its_status():
    error = answered(refusal(404, {}, b"", "HeadObject"), Call(URL))

    assert type(error) is NotFoundError
    assert "without an id" in error.detail
