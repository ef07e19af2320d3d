"""What the tests of staging and of pipelines share: watched directories, rows, a function."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.calling import RowFunction
from file_dataset.domain.errors import NoSpaceError
from file_dataset.domain.pipeline import Pipelining
from file_dataset.domain.plan import RowResult
from file_dataset.domain.publishing import Publishing
from file_dataset.domain.rows import Row, RowDone, RowId
from file_dataset.domain.staging import Staging
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

DEADLINE = 30.0  # seconds, after which what was to happen counts as never happening
INTO = Url("memory", "", "into")


class Directory(contextlib.AbstractContextManager[Path]):
    """A directory that goes when it is released, and not when the garbage is collected."""

    def __init__(self, root: Path) -> None:
        self.path = Path(tempfile.mkdtemp(dir=root))

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path)


class Directories:
    """Scratch with room for so many directories, which knows what is left of them."""

    def __init__(self, root: Path, *, room: int = 1000) -> None:
        self.root = root
        self.room = room

    def open(self) -> Directory:
        if len(self.left) >= self.room:
            raise NoSpaceError("no space left")
        return Directory(self.root)

    @property
    def left(self) -> set[Path]:
        return {self.root / name for name in os.listdir(self.root)}  # noqa: PTH208 - in one go


def files_in(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def table(*words: str) -> tuple[MemoryStore, list[Row]]:
    """A store, and rows with a file each that tells work() what to do."""
    store = MemoryStore()
    rows = []
    for number, word in enumerate(words):
        url = Url("memory", "", f"from/{number}")
        store.write(url, f"{word} {number}".encode())
        rows.append(Row(number, {"in.txt": url}))
    return store, rows


def number_in(directory: Path) -> int:
    """The number of the row whose files are in a directory."""
    return int((directory / "in.txt").read_text().split()[1])


def work(inside: Path, out: Path):
    """Does what a row's file says."""
    (out / "out.txt").write_text(str(number_in(inside)))
    match (inside / "in.txt").read_text().split()[0]:
        case "raise":
            raise ValueError
        case "interrupt":
            raise KeyboardInterrupt
        case "lose":
            return {"out.txt": "lost"}
        case _:
            return {"out.txt": out / "out.txt", "in.txt": inside / "in.txt", "none": None}


def run(store: Store, rows, scratch: Directories, *, fn=work, workers=1, prefetch=2, keep=None):
    """The results of a pipeline, to be closed at the end."""
    function = RowFunction.of(fn)
    staging = Staging(store, scratch, prefetch, with_output=function.takes_output)
    publishing = Publishing(store, INTO)
    return closing(Pipelining(staging, function, publishing, workers, keep).run(rows))


def id_of(result: RowResult) -> RowId:
    return result.row.id if isinstance(result, RowDone) else result.row_id
