"""What a worker started, wherever it went since, as far as the system tells.

The processes of a worker's group are ended as a group. One that leaves the group, as by ``setsid``,
is found where there is ``/proc``, on Linux: a worker adopts what its children leave behind, so that
as long as it lives all of that is below it. Of a worker that has died, what it started is known by
an environment variable, unless it was started with another environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterable
from typing import Final

MARK: Final = "FILE_DATASET_WORKER"
"""The environment variable that tells whose descendant a process is."""

# From <sys/prctl.h>.
_SET_CHILD_SUBREAPER: Final = 36


def adopt_orphans() -> None:
    """Become the parent of all that descends from this process when its own parent is gone."""
    # Nothing but Linux has it, and there everything else works too.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_children() -> None:
    """Kill all that descends from this process, which adopts orphans, and wait for their ends."""
    while children := _children(os.getpid()):
        _signal(children, signal.SIGKILL)
        for child in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def kill_descendants(ancestor: int) -> None:
    """Kill all that descends from a process that adopts orphans, but not the process itself."""
    # What is stopped starts no others, and nobody's children are lost with him.
    stopped: set[int] = set()
    while fresh := _below(ancestor, stopped) - stopped:
        _signal(fresh, signal.SIGSTOP)
        stopped |= fresh
    _signal(stopped, signal.SIGKILL)


def kill_marked(mark: str) -> None:
    """Kill all processes of this user that have a mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    killed: set[int] = set()
    while fresh := {process for process in _processes() if _has(process, wanted)} - killed:
        _signal(fresh, signal.SIGKILL)
        killed |= fresh


def _below(ancestor: int, known: Iterable[int]) -> set[int]:
    return {child for parent in (ancestor, *known) for child in _children(parent)}


def _children(process: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        tasks = f"/proc/{process}/task"
        for thread in os.listdir(tasks):
            with contextlib.suppress(OSError), open(f"{tasks}/{thread}/children") as file:
                found += map(int, file.read().split())
    return found


def _processes() -> list[int]:
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return []


def _has(process: int, wanted: bytes) -> bool:
    with contextlib.suppress(OSError), open(f"/proc/{process}/environ", "rb") as file:
        return wanted in file.read().split(b"\0")
    return False


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)
