"""An ingest that is killed, has no room or races others: there is one whole set at any time."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from tests.killing import result_of, was_killed
from tests.namespaces import NotAllowedError, make_read_only, small_disk
from tests.support import not_here
from tests.unit.api.test_ingest import kept, seen

from file_dataset import FileDatasetError, NoSpaceError, ingest

CHANGES = {
    f"os.{name}" for name in ("chmod", "link", "mkdir", "remove", "rename", "rmdir", "symlink")
} | {"os.utime"}
FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

OLD = {"a": b"old", "same": b"same", "sub/gone": b"", "dir/b": b"old"}
NEW = {"a": b"new", "same": b"same", "sub/added": b"new"}
MINE = {"sub/mine": b"mine"}


def fill(directory: Path, files: dict[str, bytes], *, time: int | None = None) -> None:
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if time is not None:
            os.utime(path, (time, time))


def ingest_killed_at(event: int, source: Path, into: Path) -> None:
    """An ingest that is killed before it changes anything on a disk for the n-th time."""
    left = event

    def watch(name: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if name in CHANGES or (name == "open" and int(str(args[2])) & FOR_WRITING):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    ingest(source, into=into)


@pytest.mark.parametrize("old", [OLD, {}], ids=["the second time", "the first time"])
def test_a_kill_at_any_moment_leaves_one_whole_set(old, tmp_path):
    source, into, template = tmp_path / "source", tmp_path / "into", tmp_path / "template"
    fill(template, MINE)
    if old:
        fill(source, old)
        ingest(source, into=template)
        shutil.rmtree(source)
    fill(source, NEW)
    number = 0
    found = []
    while True:
        shutil.copytree(template, into, symlinks=True)
        killed = was_killed(partial(ingest_killed_at, number, source, into))
        found.append(seen(into))
        ingest(source, into=into)
        assert seen(into) == NEW | MINE
        assert kept(into) == [len(NEW)]
        shutil.rmtree(into)
        if not killed:
            break
        number += 1
    assert 20 < number < 200
    assert all(each in (old | MINE, NEW | MINE) for each in found)
    assert found[0] == old | MINE
    assert found[-1] == NEW | MINE


def test_what_becomes_a_directory_or_a_file_is_there_after_the_next_call(tmp_path):
    source, into, template = tmp_path / "source", tmp_path / "into", tmp_path / "template"
    fill(source, {"x": b"old", "y/z": b"old", "same": b"same"})
    ingest(source, into=template)
    shutil.rmtree(source)
    new = {"x/y/z": b"new", "y": b"new", "same": b"same"}
    fill(source, new)
    # Before the fifteenth change nothing is done where anybody looks.
    killed, number = True, 15
    while killed:
        shutil.copytree(template, into, symlinks=True)
        killed = was_killed(partial(ingest_killed_at, number, source, into))
        assert seen(into)["same"] == b"same"
        ingest(source, into=into)
        assert seen(into) == new
        shutil.rmtree(into)
        number += 1
    assert number > 25


def test_processes_that_race_leave_one_whole_set(tmp_path):
    into = tmp_path / "into"
    for version, files in (("one", OLD), ("two", NEW)):
        fill(tmp_path / version, files)
    fill(into, MINE)

    def run(first: int) -> None:
        for turn in range(6):
            source = tmp_path / ("one", "two")[(first + turn) % 2]
            ingest(source, into=into, dataset_id="set")

    spawning = multiprocessing.get_context("fork")
    children = [spawning.Process(target=run, args=(number,)) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    assert seen(into / "set") in (OLD, NEW)
    assert kept(into / "set") == [len(seen(into / "set"))]


def test_a_disk_that_is_full_keeps_the_old_set_and_one_that_is_read_only_can_be_read(tmp_path):
    source, disk = tmp_path / "source", tmp_path / "disk"
    fill(source, OLD)
    disk.mkdir()

    def work() -> None:
        small_disk(disk, "100k")
        paths = ingest(source, into=disk)
        fill(source, {"a": bytes(1_000_000), "new": b"new"})
        with pytest.raises(FileDatasetError, match="no space left") as raised:
            ingest(source, into=disk)
        assert isinstance(raised.value.__cause__, NoSpaceError)
        assert seen(disk) == OLD
        assert kept(disk) == [len(OLD)]
        fill(source, {"a": b"new"})
        ingest(source, into=disk)
        make_read_only(disk)
        assert ingest(source, into=disk) == sorted([*paths, disk / "new"])
        fill(source, {"a": b"newer"})
        with pytest.raises(PermissionError, match="read-only"):
            ingest(source, into=disk)
        assert seen(disk) == OLD | {"a": b"new", "new": b"new"}

    try:
        result_of(work)
    except NotAllowedError as error:
        not_here(error)
