"""An ingest that is killed, or that races others: there is one whole set at any time."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.unit.api.test_ingest import kept, seen

from file_dataset import ingest

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


def forked(function: Callable[[], object]) -> int:
    """A child of this process that does one thing, and ends with 0 if that went well."""
    child = os.fork()
    if child == 0:
        try:
            function()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
            traceback.print_exc()
            os._exit(1)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed(source: Path, into: Path, event: int) -> bool:
    """Whether an ingest was killed at an event, the first of which is number 0."""

    def run() -> None:
        kill_at(event)
        ingest(source, into=into)

    code = ended(forked(run))
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def kill_at(event: int) -> None:
    """Have this process killed before it changes anything on a disk for the n-th time."""
    left = event

    def watch(name: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if name in CHANGES or (name == "open" and int(str(args[2])) & FOR_WRITING):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


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
        was_killed = killed(source, into, number)
        found.append(seen(into))
        ingest(source, into=into)
        assert seen(into) == NEW | MINE
        assert kept(into) == [len(NEW)]
        shutil.rmtree(into)
        if not was_killed:
            break
        number += 1
    assert 20 < number < 200
    assert all(each in (old | MINE, NEW | MINE) for each in found)
    assert found[0] == old | MINE
    assert found[-1] == NEW | MINE


def test_processes_that_race_leave_one_whole_set(tmp_path):
    into = tmp_path / "into"
    for version, files in (("one", OLD), ("two", NEW)):
        fill(tmp_path / version, files)
    fill(into, MINE)

    def run(first: int) -> None:
        for turn in range(6):
            source = tmp_path / ("one", "two")[(first + turn) % 2]
            ingest(source, into=into, dataset_id="set")

    children = [forked(partial(run, number)) for number in range(4)]
    assert [ended(child) for child in children] == [0] * 4
    assert seen(into / "set") in (OLD, NEW)
    assert kept(into / "set") == [len(seen(into / "set"))]
