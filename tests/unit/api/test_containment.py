"""Links that somebody has put below a destination: nothing is written where they lead."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from file_dataset import FileDatasetError, Pipeline, UnsupportedError, Url, recover, write_files
from file_dataset.adapters.local import LocalStore

Commit: TypeAlias = Literal["plain", "atomic"]

PLACES = ["7", "7/deep", ".file_dataset", ".file_dataset/rows", ".file_dataset/stage"]


@pytest.fixture
def into(tmp_path) -> Path:
    (tmp_path / "outside/deep").mkdir(parents=True)
    (tmp_path / "outside/deep/precious").write_bytes(b"data")
    (tmp_path / "outside/a.txt").write_bytes(b"data")
    (tmp_path / "source").write_bytes(b"new")
    return tmp_path / "into"


def seen(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else b""
        for path in directory.rglob("*")
    }


def write(into: Path, commit: Commit) -> None:
    files = dict.fromkeys(("a.txt", "deep/b.txt"), into.parent / "source")
    write_files(files, into_path=into, id=7, commit=commit)


def write_one(into: Path, commit: Commit) -> None:
    write_files({"a.txt": into.parent / "source"}, into_path=into, id=7, commit=commit)


def run(into: Path, commit: Commit) -> None:
    rows = [{"id": 7, "deep/b.txt": str(into.parent / "source")}]
    pipeline = Pipeline(lambda d: {"a.txt": d / "deep/b.txt"}, into_path=into, commit=commit)
    pipeline(rows)


@pytest.mark.parametrize("commit", ["plain", "atomic"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("act", [write, write_one, run])
def test_nothing_is_written_where_a_link_leads(act, place, commit, into):
    outside = into.parent / "outside"
    (into / place).parent.mkdir(parents=True)
    (into / place).symlink_to(outside)
    before = seen(outside)
    with contextlib.suppress(FileDatasetError):
        act(into, commit)
    with contextlib.suppress(FileDatasetError):
        recover(into)
    assert seen(outside) == before
    assert (into / place).is_symlink()


@pytest.mark.parametrize("commit", ["plain", "atomic"])
def test_a_destination_that_is_a_link_is_the_users_own(commit, into):
    (into.parent / "disk").mkdir()
    into.symlink_to(into.parent / "disk")
    write(into, commit)
    assert (into.parent / "disk/7/deep/b.txt").read_bytes() == b"new"


def test_a_record_that_a_link_leads_to_is_not_deleted(into):
    (into / ".file_dataset").mkdir(parents=True)
    (into / ".file_dataset/rows").symlink_to(into.parent / "outside")
    with pytest.raises(UnsupportedError, match="take it away"):
        LocalStore().delete(Url.local(into / ".file_dataset/rows/a.txt"))
    assert (into.parent / "outside/a.txt").exists()


def test_a_link_is_named_with_what_to_do_about_it(into):
    into.mkdir()
    (into / "7").symlink_to(into.parent / "outside")
    with pytest.raises(FileDatasetError, match=f"{into}/7: is a symbolic link, .*; take it away"):
        write_one(into, "plain")
