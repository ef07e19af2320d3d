from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import open_files

from file_dataset.adapters.s3.curl.sinks import AtPath, InMemory
from file_dataset.domain.errors import (
    InvalidUrlError,
    NoSpaceError,
    NotFoundError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url

KINDS = ["memory", "file"]
OBJECT = Url("s3", "bucket", "key")
SAID = {"etag": '"tag"', "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT"}


@contextlib.contextmanager
def sink_of(kind):
    """A sink, and what tells what it has made of its bytes."""
    if kind == "memory":
        yield InMemory(), lambda given: given
    else:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "file")
            yield AtPath(OBJECT, path), lambda given: described_at(path, given)


def described_at(path, given):
    """The bytes of a file that a sink has made, which is what it says that it is."""
    assert given == ObjectInfo(OBJECT, path.stat().st_size, "tag")
    return path.read_bytes()


def pieces_of(data, cuts):
    ends = sorted({cut for cut in cuts if 0 < cut < len(data)} | {len(data)})
    return [(start, data[start:stop]) for start, stop in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("kind", KINDS)
@given(st.binary(min_size=1), st.lists(st.integers(0, 100)), st.randoms(use_true_random=False))
def test_pieces_in_any_order_make_the_object(kind, data, cuts, chance):
    pieces = pieces_of(data, cuts)
    chance.shuffle(pieces)
    with sink_of(kind) as (sink, made):
        sink.begin()
        for offset, piece in pieces:
            sink.put(offset, memoryview(piece))

        given = sink.finish(len(data), SAID)
        assert made(given) == data
        sink.drop()
        assert made(given) == data


@pytest.mark.parametrize("kind", KINDS)
@given(st.binary())
def test_an_object_may_come_at_once(kind, data):
    with sink_of(kind) as (sink, made):
        assert made(sink.whole([data], SAID)) == data


@pytest.mark.parametrize("kind", KINDS)
@given(st.binary(min_size=1), st.binary(min_size=1))
def test_what_was_dropped_is_not_part_of_what_comes_then(kind, dropped, data):
    with sink_of(kind) as (sink, made):
        sink.begin()
        sink.put(0, dropped + data)
        sink.drop()
        sink.begin()
        sink.put(0, data)

        assert made(sink.finish(len(data), SAID)) == data


def test_memory_is_let_go_of():
    sink = InMemory()
    sink.begin()
    sink.put(0, b"data")
    sink.finish(4, SAID)

    assert sink._data.getvalue() == b""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def names_in(directory):
    return sorted(each.name for each in directory.iterdir())


def test_a_file_is_there_when_it_is_whole(path):
    path.write_bytes(b"old")
    sink = AtPath(OBJECT, path)
    sink.begin()
    sink.put(0, b"new")
    assert path.read_bytes() == b"old"
    assert len(names_in(path.parent)) == 2
    sink.finish(4, SAID)

    assert path.read_bytes() == b"new"
    assert names_in(path.parent) == ["file"]


@pytest.mark.parametrize("begun", [True, False])
def test_nothing_is_left_of_a_file_that_is_dropped(path, begun):
    path.write_bytes(b"old")
    sink = AtPath(OBJECT, path)
    before = open_files()
    if begun:
        sink.begin()
        sink.put(0, b"new")
    sink.drop()
    sink.drop()

    assert path.read_bytes() == b"old"
    assert names_in(path.parent) == ["file"]
    assert open_files() <= before


def test_a_write_that_the_system_cuts_short_is_continued(path):
    written = os.pwrite
    sink = AtPath(OBJECT, path)
    sink.begin()
    with mock.patch("os.pwrite", lambda file, data, at: written(file, data[:3], at)):
        sink.put(2, b"cdefghij")
        sink.put(0, b"ab")
    sink.finish(4, SAID)

    assert path.read_bytes() == b"abcdefghij"


@pytest.mark.parametrize("call", ["os.pwrite", "os.close", "os.replace"])
def test_nothing_is_left_after_an_error_of_the_system(path, call):
    before = open_files()
    real = os.close

    def fails(file, *_):
        if call == "os.close":
            real(file)
        raise OSError(errno.ENOSPC, "full")

    with mock.patch(call, fails), pytest.raises(NoSpaceError, match=r"file: no space left"):
        in_pieces(path)

    assert names_in(path.parent) == []
    assert open_files() <= before


def test_a_file_is_closed_once_whatever_becomes_of_it(path):
    # Its number may be another file's by then.
    with (
        mock.patch("os.close", wraps=os.close) as close,
        mock.patch("os.replace", side_effect=OSError(errno.EIO, "broken")),
        pytest.raises(StoreError),
    ):
        in_pieces(path)

    assert close.call_count == 1


def test_a_file_that_cannot_even_be_closed_is_dropped_all_the_same(path):
    sink = AtPath(OBJECT, path)
    sink.begin()
    real = os.close

    def fails(file):
        real(file)
        raise OSError(errno.EIO, "broken")

    with mock.patch("os.close", fails):
        sink.drop()

    assert names_in(path.parent) == []


def in_pieces(path):
    sink = AtPath(OBJECT, path)
    try:
        sink.begin()
        sink.put(0, b"data")
        sink.finish(4, SAID)
    finally:
        sink.drop()


def at_once(path):
    AtPath(OBJECT, path).whole([b"data"], SAID)


@pytest.mark.parametrize("write", [in_pieces, at_once])
class TestPlacesThatCannotBe:
    def test_a_missing_directory(self, write, tmp_path):
        with pytest.raises(NotFoundError, match=r"no/file: not found") as caught:
            write(tmp_path / "no" / "file")
        assert caught.value.url is not None

    def test_a_directory(self, write, tmp_path):
        (tmp_path / "taken").mkdir()
        with pytest.raises(UnsupportedError, match="is a directory"):
            write(tmp_path / "taken")
        assert names_in(tmp_path) == ["taken"]

    def test_a_name_that_is_too_long(self, write, tmp_path):
        with pytest.raises(InvalidUrlError, match="too long"):
            write(tmp_path / ("x" * 256))
        assert names_in(tmp_path) == []

    def test_a_directory_whose_name_is_too_long(self, write, tmp_path):
        with pytest.raises(InvalidUrlError, match="too long"):
            write(tmp_path / ("x" * 256) / "file")

    def test_below_a_file(self, write, path):
        path.write_bytes(b"old")
        with pytest.raises(StoreError, match="not a directory"):
            write(path / "below")
        assert path.read_bytes() == b"old"


@pytest.mark.parametrize("write", [in_pieces, at_once])
def test_a_relative_path_is_below_the_current_directory(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(Path("file"))

    assert names_in(tmp_path) == ["file"]
    assert Path("file").read_bytes() == b"data"
