"""Calling: what of a function's answer can be published, and what fails the row instead."""

from __future__ import annotations

import os
import socket
from collections import UserDict
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

import attrs
import pytest

from file_dataset.domain.calling import RowFunction
from file_dataset.domain.errors import NotFoundError
from file_dataset.domain.rows import Row, RowFailure
from file_dataset.domain.staging import StagedFiles
from file_dataset.domain.url import Url


@attrs.frozen
class Room:
    """A row's two directories, and a third one that is none of its business."""

    inside: Path
    out: Path
    elsewhere: Path

    def call(self, fn, *, one=False) -> Row | RowFailure:
        staged = StagedFiles(Row("case 7", {}), self.inside, None if one else self.out, ExitStack())
        return RowFunction.of(fn).call(staged)

    def returning(self, outputs: object) -> Row | RowFailure:
        return self.call(lambda inside, out: outputs)


@pytest.fixture
def room(tmp_path, monkeypatch) -> Room:
    room = Room(*(tmp_path / name for name in ("inside", "out", "elsewhere")))
    for directory in (room.inside, room.out, room.elsewhere):
        directory.mkdir()
        (directory / directory.name).write_text(directory.name)
    monkeypatch.chdir(room.elsewhere)
    return room


def linked(link: Path, to: Path | str) -> Path:
    link.symlink_to(to)
    return link


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def bound_socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as made, pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)  # the names of sockets have to be short
        made.bind(path.name)
    return path


# What can be published.

GOOD = {
    "a path": lambda room: (room.out / "out", room.out / "out"),
    "a text": lambda room: (str(room.out / "out"), room.out / "out"),
    "an input": lambda room: (room.inside / "inside", room.inside / "inside"),
    "a file elsewhere": lambda room: (room.elsewhere / "elsewhere", room.elsewhere / "elsewhere"),
    "relative, an output": lambda room: ("out", room.out / "out"),
    "relative, an input": lambda room: (Path("inside"), room.inside / "inside"),
    "relative, in the working directory": lambda room: ("elsewhere", room.elsewhere / "elsewhere"),
    "relative, upward": lambda room: ("../inside/inside", room.inside / "inside"),
    "a link to an input": lambda room: (
        linked(room.out / "l", room.inside / "inside"),
        room.out / "l",
    ),
    "a link to a neighbour": lambda room: (linked(room.out / "l", "out"), room.out / "l"),
    "a link elsewhere": lambda room: (
        linked(room.elsewhere / "l", room.out / "out"),
        room.elsewhere / "l",
    ),
}


@pytest.mark.parametrize("case", GOOD.values(), ids=GOOD)
def test_regular_files_can_be_published(room, case):
    returned, expected = case(room)
    row = room.returning({"deep/a.txt": returned, "b.txt": None})
    assert isinstance(row, Row)
    assert row == Row("case 7", {"deep/a.txt": Url.local(expected), "b.txt": None})


def test_a_relative_path_is_looked_for_in_the_output_first(room):
    for directory in (room.inside, room.out, room.elsewhere):
        (directory / "same").write_text("same")
    row = room.returning({"a": "same"})
    assert isinstance(row, Row)
    assert row.files["a"] == Url.local(room.out / "same")
    alone = room.call(lambda inside: {"a": "same"}, one=True)
    assert isinstance(alone, Row)
    assert alone.files["a"] == Url.local(room.inside / "same")


@pytest.mark.parametrize("outputs", [{}, MappingProxyType({"a": None})], ids=["empty", "no dict"])
def test_any_mapping_will_do(room, outputs):
    assert room.returning(outputs) == Row("case 7", dict(outputs))


# What cannot.


class BytesPath(os.PathLike[bytes]):
    def __fspath__(self) -> bytes:
        return b"out"


BAD = {
    "missing": (lambda room: room.out / "missing", "NotFoundError", "not found"),
    "relative, missing": (lambda room: "missing", "NotFoundError", "'missing'"),
    "dangling link": (lambda room: linked(room.out / "l", "gone"), "NotFoundError", "not found"),
    "below a file": (lambda room: room.out / "out" / "a", "NotFoundError", "not found"),
    "NUL": (lambda room: "a\0b", "NotFoundError", "not found"),
    "too long": (lambda room: "a" * 300, "NotFoundError", "not found"),
    "circle": (lambda room: linked(room.out / "l", "l"), "UnsupportedError", "circle"),
    "directory": (lambda room: room.out, "InvalidDatasetError", "a directory"),
    "empty text": (lambda room: "", "InvalidDatasetError", "a directory"),
    "pipe": (lambda room: pipe(room.out / "p"), "InvalidDatasetError", "a pipe"),
    "link to a pipe": (
        lambda room: linked(room.out / "l", pipe(room.inside / "p")),
        "InvalidDatasetError",
        "a pipe",
    ),
    "socket": (lambda room: bound_socket(room.out / "s"), "InvalidDatasetError", "a socket"),
    "device": (lambda room: "/dev/null", "InvalidDatasetError", "a device"),
    "link outward": (
        lambda room: linked(room.out / "l", room.elsewhere / "elsewhere"),
        "InvalidDatasetError",
        "leads out of the row's directory",
    ),
    "link outward in the input": (
        lambda room: linked(room.inside / "l", room.elsewhere / "elsewhere"),
        "InvalidDatasetError",
        "leads out of the row's directory",
    ),
    "linked directory": (
        lambda room: linked(room.out / "l", room.elsewhere) / "elsewhere",
        "InvalidDatasetError",
        "leads out of the row's directory",
    ),
    "bytes": (lambda room: os.fsencode(room.out / "out"), "InvalidDatasetError", "(bytes)"),
    "path of bytes": (lambda room: BytesPath(), "InvalidDatasetError", "(BytesPath)"),
    "int": (lambda room: 5, "InvalidDatasetError", "(int)"),
    "False": (lambda room: False, "InvalidDatasetError", "(bool)"),
    "list": (lambda room: [room.out / "out"], "InvalidDatasetError", "(list)"),
}


@pytest.mark.timeout(20)  # a pipe that is opened would wait for ever
@pytest.mark.parametrize(("made", "error", "words"), BAD.values(), ids=BAD)
def test_anything_else_fails_the_row_with_its_own_error(room, made, error, words):
    returned = made(room)
    failure = room.returning({"good": room.out / "out", "bad.txt": returned})
    assert isinstance(failure, RowFailure)
    assert (failure.row_id, failure.stage) == ("case 7", "call")
    (cause,) = failure.causes
    assert (cause.file, cause.error) == ("bad.txt", error)
    assert words in cause.message
    assert cause.url == str(returned or "")


def test_a_link_outward_is_found_by_either_name_of_a_linked_directory(room, tmp_path):
    linked(room.out / "l", room.elsewhere / "elsewhere")
    alias = linked(tmp_path / "alias", tmp_path)
    aliased = attrs.evolve(room, inside=alias / "inside", out=alias / "out")
    for out in (aliased.out, room.out):
        failure = aliased.returning({"bad": out / "l"})
        assert "leads out of the row's directory" in str(failure)
        assert isinstance(aliased.returning({"good": out / "out"}), Row)


@pytest.mark.parametrize("name", ["../x", "/x", "", ".", "a//b", "a\\b", "a\n", "a" * 256, 5, None])
def test_a_name_that_makes_no_path_fails_the_row(room, name):
    failure = room.returning({name: None, "good": room.out / "out"})
    assert isinstance(failure, RowFailure)
    (cause,) = failure.causes
    assert (cause.file, cause.error, cause.url) == (str(name), "InvalidDatasetError", "")
    assert repr(name) in cause.message


def test_every_bad_output_is_named(room):
    failure = room.returning({"a": "missing", "good": "out", "../b": "out", "c": 5})
    assert isinstance(failure, RowFailure)
    assert list(failure.file_errors) == ["a", "../b", "c"]


def test_a_file_cannot_be_a_directory_too(room):
    failure = room.returning({"a": "out", "a/b": "out"})
    assert isinstance(failure, RowFailure)
    assert "'a' would be a file and a directory" in str(failure)
    assert isinstance(room.returning({"a": None, "a/b": "out"}), Row)


@pytest.mark.parametrize("returned", [None, "out", ["out"], {"out"}, 5], ids=repr)
def test_what_is_no_mapping_fails_the_row(room, returned):
    failure = room.returning(returned)
    assert isinstance(failure, RowFailure)
    assert f"{type(returned).__name__}, not a mapping" in str(failure)


# What is raised.


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), StopIteration("no"), NotFoundError("no"), MemoryError("no")],
    ids=repr,
)
def test_an_exception_fails_the_row_and_is_recorded_whole(room, error):
    def the_function(inside, out):
        raise error

    failure = room.call(the_function)
    assert isinstance(failure, RowFailure)
    assert (failure.row_id, failure.stage) == ("case 7", "call")
    (cause,) = failure.causes
    assert (cause.error, cause.message, cause.file) == (type(error).__name__, "no", "")
    assert "in the_function" in cause.traceback


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_meant_to_stop_the_run_stops_it(room, error):
    def fn(inside, out):
        raise error

    with pytest.raises(error):
        room.call(fn)


@pytest.mark.parametrize("url", ["https://host/key?token=hush", Url("https", "host", "key?hush")])
def test_a_url_is_no_output_and_its_query_is_not_told(room, url):
    failure = room.returning({"a": url})
    assert isinstance(failure, RowFailure)
    assert "must be a local path" in str(failure)
    assert "hush" not in repr(failure)


@pytest.mark.parametrize("name", ["id", "error"])
def test_the_columns_of_the_result_itself_are_no_filenames(room, name):
    failure = room.returning({name: room.out / "out"})
    assert isinstance(failure, RowFailure)
    assert repr(name) in str(failure)


def test_a_mapping_that_raises_fails_the_row(room):
    class Broken(UserDict):
        def __iter__(self):
            raise RuntimeError("cannot tell")

    failure = room.returning(Broken(a=None))
    assert isinstance(failure, RowFailure)
    assert "cannot tell" in str(failure)
