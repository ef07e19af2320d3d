from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.s3.curl.simulated import (
    PLACE,
    URL,
    Answer,
    carried_out,
    refusal,
)

from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.curl.tasks import Describe, ReadSpan, Streams
from file_dataset.domain.errors import (
    RangeNotSatisfiableError,
    StoreError,
)
from file_dataset.domain.objects import ObjectInfo, Span


class TestStreams:
    @given(st.integers(0, 9), st.lists(st.integers(0, 5)))
    def test_no_more_are_taken_than_there_are_and_all_come_back(self, most, wanted):
        streams = Streams(most)
        taken = [streams.take(want) for want in wanted]

        assert sum(taken) == min(most, sum(wanted))
        assert all(0 <= got <= want for got, want in zip(taken, wanted, strict=True))
        for _ in range(sum(taken)):
            streams.give_back()
        assert streams.take(100) == most

    def test_one_object_has_no_more_than_its_share(self):
        streams = Streams(5, each=2)
        assert [streams.take(9) for _ in range(4)] == [2, 2, 1, 0]


class TestDescribe:
    def described(self, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        value, (asked,) = carried_out(lambda: Describe(URL, PLACE), Answer(200, headers))
        assert asked.method == "HEAD"
        assert asked.url == "http://127.0.0.1:9000/bucket/dir/key"
        return value

    def test_an_object_is_as_the_head_of_the_answer_says(self):
        found = self.described(
            Content_Length="5", ETag='"tag"', Last_Modified="Sun, 06 Nov 1994 08:49:37 GMT"
        )

        assert found == ObjectInfo(URL, 5, "tag", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC))

    @pytest.mark.parametrize("length", [None, "", "many", "-1", "5.0", "²"])
    def test_without_a_length_it_cannot_be_told(self, length):
        found = self.described(**({} if length is None else {"Content_Length": length}))

        assert type(found) is StoreError
        assert "s3://bucket/dir/key: the store does not say how long" in str(found)

    @pytest.mark.parametrize(
        ("etag", "expected"),
        [(None, None), ("tag", "tag"), ("", ""), ('W/"tag"', 'W/"tag'), ('"a b-2"', "a b-2")],
    )
    def test_etags_are_without_quotes_if_they_have_some(self, etag, expected):
        headers = {} if etag is None else {"ETag": etag}

        assert self.described(Content_Length="5", **headers).etag == expected

    @pytest.mark.parametrize("modified", ["", "yesterday", "Sun, 32 Nov 1994 08:49:37 GMT"])
    def test_an_odd_time_is_none(self, modified):
        assert self.described(Content_Length="5", Last_Modified=modified).modified is None


DATA = bytes(range(100))


class TestReadSpan:
    def read(self, span, answer=None, *, data=DATA, seed=0):
        def served(asked):
            first, last = asked.headers["Range"].removeprefix("bytes=").split("-")
            piece = data[int(first) : int(last) + 1 if last else None]
            if not piece:
                return refusal(416, "InvalidRange")
            told = f"bytes {first}-{int(first) + len(piece) - 1}/{len(data)}"
            lengths = {"Content-Length": str(len(piece))} if seed % 3 else {}
            return Answer(206, {"Content-Range": told, **lengths}, piece)

        with mock.patch("file_dataset.adapters.s3.curl.tasks._SMALL", seed % 2 * 30):
            return carried_out(lambda: ReadSpan(URL, PLACE, span), answer or served, seed=seed)[0]

    @given(
        st.binary(max_size=50),
        st.integers(0, 60),
        st.none() | st.integers(1, 60),
        st.booleans(),
        st.integers(0, 99),
    )
    def test_a_span_is_read_from_servers_that_know_spans_and_from_others(
        self, data, start, length, ignored, seed
    ):
        span = Span(start, length)
        found = self.read(span, Answer(200, {}, data) if ignored else None, data=data, seed=seed)

        if start >= len(data):
            assert type(found) is RangeNotSatisfiableError
        else:
            assert found == data[span.start : span.stop]

    @pytest.mark.parametrize(
        ("told", "size"),
        [
            ("bytes 11-20/100", 10),
            ("bytes 0-99/100", 100),
            ("bytes 10-19/100", 9),
            ("bytes 10-24/100", 15),
            ("bytes 10-19/*", 10),
            ("bytes */100", 0),
            ("pages 10-19/100", 10),
            ("", 10),
            ("bytes 10-19/5", 10),
        ],
    )
    @pytest.mark.parametrize("seed", range(2))
    @pytest.mark.parametrize("length", [{}, {"Content-Length": "10"}], ids=len)
    def test_an_answer_of_other_bytes_is_boto3s(self, told, size, length, seed):
        answer = Answer(206, {**({"Content-Range": told} if told else {}), **length}, bytes(size))

        assert type(self.read(Span(10, 10), answer, seed=seed)) is Declined

    def test_a_span_to_the_end_has_to_reach_the_end(self):
        answer = Answer(206, {"Content-Range": "bytes 10-19/100"}, bytes(10))

        assert type(self.read(Span(10), answer)) is Declined

    @pytest.mark.parametrize(
        ("span", "header"), [(Span(0), "bytes=0-"), (Span(3, 1), "bytes=3-3")], ids=str
    )
    def test_the_last_byte_is_named(self, span, header):
        _, (asked,) = carried_out(lambda: ReadSpan(URL, PLACE, span), Answer(404))

        assert asked.headers == {"Range": header}
