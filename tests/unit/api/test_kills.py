"""Kills: before every call to the system, of a process that writes rows or reads them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.killing import calls, killed_at
from tests.soak import times, tried

from file_dataset import Pipeline, reader, write_files
from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.scratch import sweep
from file_dataset.domain.requests import Abort
from file_dataset.domain.url import Url

NAMES = ("a.txt", "deep/b.txt", "deep/er/c.txt")
OLD = {f"7/{name}": f"old {name}".encode() for name in NAMES}
NEW = {f"7/{name}": f"new {name}, longer".encode() for name in NAMES}


@pytest.fixture
def sources(memory_path) -> dict[str, str]:
    for name, data in NEW.items():
        (memory_path / "sources" / name).parent.mkdir(parents=True, exist_ok=True)
        (memory_path / "sources" / name).write_bytes(data)
    return {name: str(memory_path / "sources/7" / name) for name in NAMES}


def listed(into: Path) -> dict[str, bytes]:
    """What can be seen below a directory by who uses this library."""
    found = LocalStore().list(Url.local(into))
    return {
        url.key.removeprefix(f"{into}/"): Path(url.path).read_bytes()
        for url in (info.url for info in found)
        if ".file_dataset/" not in url.key
    }


def hidden(into: Path) -> list[Path]:
    """Files below a directory that no listing shows."""
    return [
        path
        for path in into.rglob("*")
        if path.is_file()
        and str(path.relative_to(into)) not in listed(into)
        and ".file_dataset/rows" not in str(path)
    ]


def points(first: Callable[[], object], counted: Callable[[], object], *, step: int) -> range:
    """Calls of some work at which it can be killed; it is done once before, with its imports."""
    first()
    return range(0, len(calls(counted)), times(step, most=1))


@pytest.mark.parametrize("replaces", [False, True], ids=["new", "replaced"])
def test_a_kill_while_rows_are_written_leaves_whole_files_and_little_else(
    memory_path, sources, replaces, record_property
):
    def write(into: Path) -> object:
        return write_files(sources, into_path=into, id=7)

    first, counted = (functools.partial(write, memory_path / name) for name in ("first", "counted"))
    numbers = points(first, counted, step=2)
    assert numbers[-1] > 20
    kills = 0
    for number in numbers:
        into = memory_path / str(number)
        for name, data in OLD.items() if replaces else ():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(data)
        # Threads take other turns each time, so that the last points may not be reached.
        kills += killed_at(number, functools.partial(write, into))
        for name, data in listed(into).items():
            assert data in (NEW[name], OLD[name] if replaces else b""), number
        assert len(hidden(into)) <= 2 * len(NAMES)
        # All that is left can be found and taken back by who knows nothing of the attempt.
        store = LocalStore()
        for each in list(store.pending(Url.local(into))):
            store.do(Abort(each.prepared))
        assert hidden(into) == []
        write(into)
        assert listed(into) == NEW
        assert hidden(into) == []
    record_property(*tried("SIGKILLs at a local disk", kills))


def read_row(temporary: Path, sources: dict[str, str]) -> None:
    with reader(row=sources).into_temp_dir(dir=temporary) as directory:
        assert (directory / "a.txt").read_bytes() == NEW["7/a.txt"]


def read_rows(temporary: Path, sources: dict[str, str]) -> None:
    rows = [{"id": number, **sources} for number in range(3)]
    with reader(dataframe=rows).into_temp_dir(dir=temporary, prefetch=2) as staged:
        for each in staged:
            assert (each / "a.txt").read_bytes() == NEW["7/a.txt"]


def run_pipeline(temporary: Path, sources: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(temporary))
        rows = [{"id": number, **sources} for number in range(2)]
        pipeline = Pipeline(lambda d: {"a.txt": d / "a.txt"}, into_path=temporary.parent / "out")
        assert len(pipeline(rows)) == 2


@pytest.mark.parametrize("read", [read_row, read_rows, run_pipeline])
def test_a_kill_while_rows_are_read_leaves_one_directory_that_is_swept(
    memory_path, sources, read, record_property
):
    temporary = memory_path / "temporary"
    temporary.mkdir()
    before = {path: path.read_bytes() for path in (memory_path / "sources").rglob("*.txt")}
    work = functools.partial(read, temporary, sources)
    kills = 0
    for number in points(work, work, step=3):
        kills += killed_at(number, work)
        assert len(list(temporary.iterdir())) <= 1
        assert [path.stat().st_mode & 0o777 for path in temporary.iterdir()] in ([], [0o700])
        sweep(temporary, age=0)
        assert list(temporary.iterdir()) == []
    assert {path: path.read_bytes() for path in (memory_path / "sources").rglob("*.txt")} == before
    record_property(*tried("SIGKILLs at a local disk", kills))
