"""What a disk can do to a run: each fault of it for real, while rows are read and while written."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import pytest
from tests.killing import result_of
from tests.namespaces import NotAllowedError, make_read_only, small_disk
from tests.support import NOBODY, not_here

from file_dataset import FileDatasetError, Pipeline, reader, write_files
from file_dataset.adapters import clock
from file_dataset.adapters.scratch import sweep

SMALL, LARGE = 1_000, 200_000
NAMES = ("a.bin", "b.bin")


@attrs.frozen
class Places:
    """Directories that everybody may use: sources, temporary ones, and where the fault is."""

    sources: Path
    temporary: Path
    place: Path

    def rows(self, count: int = 4) -> list[dict[str, Any]]:
        """Rows of two files, of which one file of the row 1 is large."""
        return [
            {
                "id": number,
                "a.bin": str(self.sources / ("large" if number == 1 else "small")),
                "b.bin": str(self.sources / "small"),
            }
            for number in range(count)
        ]


@pytest.fixture(scope="module")
def warm() -> None:
    """Everything is imported before a child is forked that may not open files."""
    with places() as made:
        for work in WORKS.values():
            work(made, made.rows())


@contextlib.contextmanager
def places() -> Iterator[Places]:
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    made = Places(*(directory / name for name in ("sources", "temporary", "place")))
    for each in (made.sources, made.temporary, made.place):
        each.mkdir()
        each.chmod(0o777)
    (made.sources / "small").write_bytes(bytes(SMALL))
    (made.sources / "large").write_bytes(os.urandom(LARGE))
    try:
        yield made
    finally:
        shutil.rmtree(directory)


class Result(NamedTuple):
    """What became of a run, and what it left in the place."""

    failures: list[dict[str, Any]]
    done: list[int]
    stopped: str | None
    is_systemic: bool
    left: list[str]


# What is done.


def staged(made: Places, rows: list[dict[str, Any]]) -> Result:
    return run(made, rows, temporary=made.place, into=made.temporary / "out")


def published(made: Places, rows: list[dict[str, Any]]) -> Result:
    return run(made, rows, temporary=made.temporary, into=made.place / "out")


def run(made: Places, rows: list[dict[str, Any]], *, temporary: Path, into: Path) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        patch.setattr(clock.SystemClock, "sleep", lambda *_: None)
        result = Pipeline(lambda d: {name: d / name for name in NAMES}, into_path=into).run(rows)
    for row in result.rows:
        for name in NAMES:
            source = next(each[name] for each in rows if each["id"] == row["id"])
            assert Path(row[name]).read_bytes() == Path(source).read_bytes()
    done = [row["id"] for row in result.rows]
    return Result(result.failures, done, result.stopped, result.is_systemic, left(made.place))


WORKS: dict[str, Callable[[Places, list[dict[str, Any]]], Result]] = {
    "read": staged,
    "write": published,
}


def left(place: Path) -> list[str]:
    """The files in a place, and the directories without any."""
    return sorted(
        str(path.relative_to(place))
        for path in place.rglob("*")
        if not path.is_dir() or not any(path.iterdir())
    )


# What goes wrong, in a process that was forked for it.


def full(made: Places) -> None:
    try:
        small_disk(made.place, "100k")
    except NotAllowedError:
        # Where the system allows no file systems of one's own.
        copies_fail(errno.ENOSPC)


def quota(_: Places) -> None:
    copies_fail(errno.EDQUOT)


def copies_fail(number: int) -> None:
    """Let the system fail in the middle of a large file."""
    copy = os.copy_file_range

    def copied(source: int, target: int, count: int) -> int:
        if os.fstat(source).st_size == LARGE:
            copy(source, target, SMALL)
            raise OSError(number, os.strerror(number))
        return copy(source, target, count)

    setattr(os, copy.__name__, copied)


def too_large(_: Places) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGE // 2, resource.RLIM_INFINITY))


def read_only(made: Places) -> None:
    try:
        small_disk(made.place, "1m")
        make_read_only(made.place)
    except NotAllowedError:
        make = os.mkdir

        def refused(path: str | Path, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
            if str(made.place) in str(path):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            make(path, mode, dir_fd=dir_fd)

        setattr(os, make.__name__, refused)


def forbidden(made: Places) -> None:
    made.place.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)


def unreadable(made: Places) -> None:
    (made.sources / "large").chmod(0)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)


def few_files(_: Places) -> None:
    """Let one file be opened at a time, where a copy needs two."""
    opened = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with contextlib.suppress(OSError):
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    for file in opened[:1]:
        os.close(file)


ROOM = "; make room, or choose another directory (for temporary files with TMPDIR)"
FULL = f"no space left on the device{ROOM}"
QUOTA = f"the disk quota is used up{ROOM}"
TOO_LARGE = "the file is larger than the file system, or `ulimit -f`, allows"
DENIED = "permission denied; see the modes of it and of the directories above it"
READ_ONLY = "permission denied: the file system is read-only; choose another directory"
MANY = "too many open files; raise `ulimit -n`"

# Of one row that the fault hits, while the others come through.
DROPPED = {
    "ENOSPC": (full, FULL),
    "EDQUOT": (quota, QUOTA),
    "EFBIG": (too_large, TOO_LARGE),
}


def one_by_one(made: Places, stage: str) -> Iterator[str]:
    """What is said of each row."""
    for row in made.rows():
        files = {"a.bin": row["a.bin"]}  # alone, so that no neighbour has the space that is missing
        try:
            if stage == "write":
                write_files(files, into_path=made.place / "out", id=row["id"])
            else:
                with reader(row=files).into_temp_dir(dir=made.place) as directory:
                    assert (directory / "a.bin").stat().st_size == SMALL
        except FileDatasetError as error:
            yield str(error)
        else:
            yield ""


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="only Linux copies by itself")
@pytest.mark.parametrize("stage", WORKS)
@pytest.mark.parametrize("fault", DROPPED)
def test_a_fault_of_one_row_drops_it_and_nothing_of_it_is_left(warm, fault, stage):
    disturb, words = DROPPED[fault]
    with places() as made:

        def work() -> tuple[list[str], list[str]]:
            disturb(made)
            return list(one_by_one(made, stage)), left(made.place)

        (first, said, *others), files = result_of(work)
    assert [first, *others] == ["", "", ""]
    about = r"file_dataset-\w+\.tmp/\d+/a\.bin" if stage == "read" else r"out/1/a\.bin"
    begin = "Failed to read the row" if stage == "read" else "Failed to write row 1"
    place = re.escape(str(made.place))
    assert re.fullmatch(f"{begin}: a.bin: NoSpaceError: {place}/{about}: {re.escape(words)}", said)
    written = [f"out/{number}/a.bin" for number in (0, 2, 3)]
    assert files == (written if stage == "write" else [])


# Of all rows, so that the run has nothing else to do than to say so.
STOPPED = {
    "EACCES": (forbidden, DENIED),
    "EROFS": (read_only, READ_ONLY),
}


@pytest.mark.parametrize("fault", STOPPED)
def test_a_run_without_a_place_for_temporary_files_stops_at_once(warm, fault):
    disturb, words = STOPPED[fault]
    with places() as made:

        def work() -> Result:
            disturb(made)
            return staged(made, made.rows())

        result = result_of(work)
    reason = rf"no row can come through; {made.place}/file_dataset-\w+\.tmp: {re.escape(words)}"
    assert re.fullmatch(reason, result.stopped)
    assert result.is_systemic
    assert [(each["error"], each["attempts"]) for each in result.failures] == [
        ("RunStoppedError", 0)
    ] * 4
    assert result.left == []


@pytest.mark.parametrize("fault", STOPPED)
def test_a_destination_that_takes_no_row_stops_the_run_after_some(warm, fault):
    disturb, words = STOPPED[fault]
    with places() as made:

        def work() -> Result:
            disturb(made)
            return published(made, made.rows(100))

        result = result_of(work)
    said = f"{made.place}/out: {words}"
    assert result.stopped == (
        f"the first 20 rows all failed with the same cause, permission denied; "
        f"row 19: PermissionDeniedError: {said}"
    )
    assert result.is_systemic
    assert {(each["error"], each["message"]) for each in result.failures[:20]} == {
        ("PermissionDeniedError", said)
    }
    assert len({each["id"] for each in result.failures}) == 100
    assert result.left == []


def test_a_source_that_may_not_be_read_drops_its_row(warm):
    with places() as made:

        def work() -> Result:
            unreadable(made)
            return staged(made, made.rows())

        result = result_of(work)
    (failure,) = result.failures
    assert (failure["id"], failure["error"]) == (1, "PermissionDeniedError")
    assert failure["message"] == f"{made.sources}/large: {DENIED}"
    assert (result.done, result.left) == ([0, 2, 3], [])


@pytest.mark.parametrize("stage", WORKS)
def test_too_many_open_files_are_waited_for_and_then_told(warm, stage):
    with places() as made:

        def work() -> Result | str:
            few_files(made)
            names = {name: str(made.sources / "small") for name in NAMES}
            patch = pytest.MonkeyPatch()
            patch.setattr(clock.SystemClock, "sleep", lambda *_: None)
            try:
                if stage == "write":
                    write_files(names, into_path=made.place / "out", id=1)
                else:
                    reader(row=names).into_temp_dir(dir=made.place).__enter__()
            except FileDatasetError as error:
                return str(error)
            return "nothing was wrong"

        message = result_of(work)
        assert MANY in message
        # To remove a directory takes open files too; but what is left is known for what it is.
        sweep(made.place, age=0)
        assert [name for name in left(made.place) if not (made.place / name).is_dir()] == []


@pytest.mark.parametrize("stage", WORKS)
def test_other_file_systems_are_as_good(warm, stage):
    with places() as made:

        def work() -> Result:
            small_disk(made.place, "2m")
            return WORKS[stage](made, made.rows())

        try:
            result = result_of(work)
        except NotAllowedError as error:
            not_here(error)
    assert result.done == [0, 1, 2, 3]


@pytest.mark.parametrize("stage", WORKS)
def test_a_path_that_is_too_long_drops_its_row_and_leaves_nothing(warm, stage):
    name = "/".join(["d" * 240] * 17) + "/a.bin"
    with places() as made:
        rows = made.rows(2)
        rows[1][name] = rows[1].pop("a.bin")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(made.place))
            if stage == "write":
                with pytest.raises(FileDatasetError, match="too long for the file system"):
                    write_files({name: made.sources / "small"}, into_path=made.place / "out", id=1)
            else:
                with pytest.raises(FileDatasetError, match="too long for the file system"):
                    reader(row={name: made.sources / "small"}).into_temp_dir().__enter__()
        assert left(made.place) == []
