import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.objects import CREATE, OVERWRITE, IfMatch, ObjectInfo, Prefix, Span
from file_dataset.domain.url import Url

URL = Url.parse("s3://bucket/key")


@given(st.binary(), st.integers(0, 50), st.none() | st.integers(1, 50))
def test_a_span_is_a_slice(data, start, length):
    span = Span(start, length)
    cut = data[span.start : span.stop]
    assert cut == data[start:][:length]
    assert len(range(span.start, span.stop or start)) == (length or 0)


@pytest.mark.parametrize(
    "arguments", [(-1,), (0, 0), (0, -1), (1.0,), (0, 1.0), ("0",), (None,)], ids=str
)
def test_what_is_no_span_cannot_be_made(arguments):
    with pytest.raises((ValueError, TypeError)):
        Span(*arguments)


@pytest.mark.parametrize("size", [-1, 1.0, None, "1"])
def test_what_is_no_size_cannot_be_made(size):
    with pytest.raises((ValueError, TypeError)):
        ObjectInfo(URL, size)


@pytest.mark.parametrize("etag", [None, b"tag"])
def test_an_etag_is_a_text(etag):
    with pytest.raises(TypeError):
        IfMatch(etag)


@pytest.mark.parametrize(
    "value",
    [CREATE, OVERWRITE, IfMatch("tag"), Span(1, 2), ObjectInfo(URL, 3, "tag"), Prefix(URL)],
    ids=str,
)
def test_values_travel_and_are_themselves_afterwards(value):
    assert pickle.loads(pickle.dumps(value)) == value
    assert hash(pickle.loads(pickle.dumps(value))) == hash(value)
    # Write modes are told apart by identity.
    if value in (CREATE, OVERWRITE):
        assert pickle.loads(pickle.dumps(value)) is value
