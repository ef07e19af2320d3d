"""What goes on in a worker process: a row's call, and that nothing of it is left after."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
import cloudpickle  # type: ignore[import-untyped]  # it has no stubs either

from file_dataset.adapters.processes.descendants import (
    MARK,
    adopt_orphans,
    end_children,
    kill_descendants,
)
from file_dataset.adapters.processes.spawning import kill_group, mark
from file_dataset.domain.calling import Outputs, RowFunction, call_failed
from file_dataset.domain.rows import Cause, Row, RowFailure, RowId


@attrs.frozen
class _Worker:
    """What a worker is for, and what it looked like before the function came."""

    function: RowFunction | Exception
    group: int
    directory: str
    environment: dict[str, str]
    umask: int

    def answer(self, row_id: RowId, directories: tuple[Path, ...]) -> Row | RowFailure:
        if isinstance(self.function, Exception):
            return call_failed(row_id, Cause.raised(self.function))
        alone = attrs.evolve(self.function, fn=partial(self._called_alone, self.function.fn))
        try:
            return alone.answer(row_id, directories)
        except BaseException as error:  # noqa: BLE001 - even sys.exit() ends this row only
            return call_failed(row_id, Cause.raised(error))
        finally:
            self._restore()

    def _called_alone(self, fn: Callable[..., Outputs], *directories: Path) -> Outputs:
        """Call the function, and kill what it left running before its outputs are looked at."""
        try:
            outputs: Outputs = fn(*directories)
            return outputs
        finally:
            # All of the group but this process, which steps aside for that moment. It cannot where
            # the function has left the session itself.
            with contextlib.suppress(PermissionError, ProcessLookupError):
                os.setpgid(0, self.group)
                kill_group(os.getpid())
                os.setpgid(0, 0)
            end_children()

    def _restore(self) -> None:
        # A worker is killed in the end, and would take along what the function printed.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        with contextlib.suppress(OSError):
            os.chdir(self.directory)
        if dict(os.environ) != self.environment:
            os.environ.clear()
            os.environ.update(self.environment)
        os.umask(self.umask)
        # It would go off in the next row, and end that.
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)


_here: list[_Worker] = []


def begin(pickled: bytes, origin: str) -> None:
    """What a worker does first; why it could not is told by each row."""
    group = os.getpgrp()
    os.setpgid(0, 0)
    adopt_orphans()
    os.environ[MARK] = mark(origin, os.getpid())
    # In a group of its own, a process that reads from the terminal is stopped.
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    function: RowFunction | Exception
    try:
        function = cloudpickle.loads(pickled)
    except Exception as error:  # noqa: BLE001 - whatever the modules of the user's function raise
        function = error
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.umask(umask := os.umask(0o077))
    _here.append(_Worker(function, group, os.getcwd(), dict(os.environ), umask))


def _end_with_parent() -> None:
    """Kill this process and its group when the one that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        kill_descendants(os.getpid())
        kill_group(os.getpid())


def answer(row_id: RowId, directories: tuple[Path, ...]) -> Row | RowFailure:
    """What a worker makes of a row."""
    return _here[0].answer(row_id, directories)
