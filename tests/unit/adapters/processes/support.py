"""What the tests of worker processes share."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from contextlib import ExitStack
from pathlib import Path

from file_dataset.adapters.processes import ProcessCaller
from file_dataset.domain.calling import RowFunction
from file_dataset.domain.rows import Row
from file_dataset.domain.staging import StagedFiles


class Leash:
    """A pipe that ends when all processes which hold its other end have ended."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self._end, True)
        # As long as nobody else has the other end, so that reading waits.
        self._own = os.open(path, os.O_WRONLY)

    @property
    def is_held(self) -> bool:
        """Whether a process has said that it holds on, which nobody has read yet."""
        return bool(select.select([self._end], [], [], 0)[0])

    def wait_for_begin(self) -> None:
        """Wait until a process says that it holds on."""
        assert os.read(self._end, 1) == b"!"
        os.close(self._own)

    def wait_for_end(self, *, after: int = 0) -> None:
        """Wait until no process is left; else the test's time runs out.

        Args:
            after: How many more of them may have said that they hold on.
        """
        while said := os.read(self._end, 1):
            after -= len(said)
        assert after >= 0

    def close(self) -> None:
        os.close(self._end)


def start_child(leash: str, *, away: bool = False) -> subprocess.Popen[bytes]:
    """A process that holds on for ever, and has begun; or one that did so and went away.

    Args:
        leash: What it holds.
        away: Whether it is in a session of its own, and its parent has ended.
    """
    hold = "printf '!' >&2; echo begun; exec sleep 1000"
    with Path(leash).open("wb") as end:
        child = subprocess.Popen(
            ["sh", "-c", f"({hold}) & exit" if away else hold],
            stdout=subprocess.PIPE,
            stderr=end,
            start_new_session=away,
        )
    assert child.stdout is not None
    child.stdout.readline()
    if away:
        child.wait()
    return child


def staged(directory: Path, row_id: int | str = 1) -> StagedFiles:
    """A row in a directory of its own, with one for outputs."""
    inside, out = directory / f"in-{row_id}", directory / f"out-{row_id}"
    for each in (inside, out):
        each.mkdir(exist_ok=True)
    return StagedFiles(Row(row_id, {}), inside, out, ExitStack())


@contextlib.contextmanager
def calling(fn, directory: Path, **options):
    """A function that calls another one in worker processes, for the row of an id."""
    with ProcessCaller(RowFunction.of(fn), **options) as caller:
        yield lambda row_id=1: caller.call(staged(directory, row_id))
