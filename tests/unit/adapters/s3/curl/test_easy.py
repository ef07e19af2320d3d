"""What libcurl reads of a body: all of its bytes, in any pieces, from the beginning again."""

from __future__ import annotations

import pycurl
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3.curl.easy import Body

PIECE = 2**16

sizes = st.lists(st.integers(1, 5 * PIECE), min_size=1, max_size=5)


def read(body, sizes):
    """All of it, asked for in turn in so many bytes."""
    pieces: list[bytes] = []
    while not pieces or pieces[-1]:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(body.read(size))
        assert len(pieces[-1]) <= size
    return b"".join(pieces)


@given(st.integers(0, 6 * PIECE), st.integers(0, 2 * PIECE), sizes, sizes)
def test_all_is_read_in_any_pieces_and_again(size, start, first, then):
    whole = bytes(range(251)) * (size // 251 + 1)
    for data in (whole, memoryview(whole)[start:], memoryview(bytearray(whole[start:]))):
        body = Body()
        body.begin(data)
        assert read(body, first) == data
        assert body.is_sent
        assert body.seek(0, 0) == pycurl.SEEKFUNC_OK
        assert not body.is_sent or not len(data)
        assert read(body, then) == data


def test_what_fits_is_given_as_it_is_and_of_the_rest_little_at_a_time():
    data = bytes(4 * PIECE)
    body = Body()
    body.begin(memoryview(data))
    assert body.read(len(data)) is data
    body.begin(data)
    assert len(body.read(len(data) - 1)) == PIECE


def test_what_is_sent_once_is_not_read_again_once_it_is_sent():
    body = Body()
    body.begin(b"body", once=True)
    body.read(2)
    assert body.seek(0, 0) == pycurl.SEEKFUNC_OK
    body.read(4)
    assert body.seek(0, 0) == pycurl.SEEKFUNC_FAIL
