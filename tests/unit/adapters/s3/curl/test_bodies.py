"""What libcurl reads of a body: all of its bytes, in any pieces, from the beginning again."""

from __future__ import annotations

import errno
from contextlib import closing
from unittest import mock

import pycurl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3.curl.bodies import Body, FileSpan
from file_dataset.domain.errors import StoreError

PIECE = 2**16

sizes = st.lists(st.integers(1, 5 * PIECE), min_size=1, max_size=5)


def read(body, sizes):
    """All of it, asked for in turn in so many bytes."""
    pieces: list[bytes] = []
    while not pieces or pieces[-1]:
        size = sizes[len(pieces) % len(sizes)]
        piece = body.read(size)
        assert isinstance(piece, bytes)
        pieces.append(piece)
        assert len(piece) <= size
    return b"".join(pieces)


@given(st.integers(0, 6 * PIECE), st.integers(0, 2 * PIECE), sizes, sizes)
def test_all_is_read_in_any_pieces_and_again(tmp_path_factory, size, start, first, then):
    whole = bytes(range(251)) * (size // 251 + 1)
    path = tmp_path_factory.getbasetemp() / "read in pieces"
    path.write_bytes(whole + b"what is behind it")
    length = max(0, len(whole) - start)
    with closing(FileSpan(path, start, length)) as span:
        assert b"".join(span.pieces()) == whole[start:]
        every_kind = [
            (whole, whole),
            (memoryview(whole)[start:], whole[start:]),
            (memoryview(bytearray(whole[start:])), whole[start:]),
            (span, whole[start:]),
        ]
        for sent, data in every_kind:
            all_is_read_and_again(sent, data, first, then)


def all_is_read_and_again(sent, data, first, then):
    body = Body()
    body.begin(sent)
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
    assert body.read(len(data) - 1) == data[:PIECE]


def test_what_is_sent_once_is_not_read_again_once_it_is_sent():
    body = Body()
    body.begin(b"body", once=True)
    body.read(2)
    assert body.seek(0, 0) == pycurl.SEEKFUNC_OK
    body.read(4)
    assert body.seek(0, 0) == pycurl.SEEKFUNC_FAIL


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (mock.Mock(side_effect=OSError(errno.EIO, "the disk is broken")), "the disk is broken"),
        (lambda _, size, offset: bytes(0 if offset else 40), "became shorter while it was being"),
    ],
    ids=["disk", "cut"],
)
def test_what_cannot_be_read_is_broken_off_and_told(tmp_path, broken, words):
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    body = Body()
    with closing(FileSpan(path, 0, 100)) as span, mock.patch("os.pread", broken):
        body.begin(span)
        while isinstance(said := body.read(50), bytes):
            pass
        assert said == pycurl.READFUNC_ABORT
        assert not body.is_sent
        assert str(path) in str(span.raised)
        assert words in str(span.raised)
        with pytest.raises(StoreError):
            b"".join(span.pieces())
