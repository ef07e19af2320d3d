"""How the tasks of a run are told that it is over, and waited for: Ray itself would kill them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from ray.experimental.internal_kv import (
    _internal_kv_del,
    _internal_kv_exists,
    _internal_kv_list,
    _internal_kv_put,
)

# Seconds between two looks: of a task whether its run is over, and of who waits for tasks.
_TASK_LOOKS: Final = 0.5
_LOOK: Final = 0.05


@contextlib.contextmanager
def under_way(run: str, task: str) -> Iterator[Callable[[], bool]]:
    """Let the cluster know of a task as long as the context lasts.

    Args:
        run: What it is a part of.
        task: Its name, which no other task of the run has.

    Returns:
        Tells whether the run is over.
    """
    key = f"{_tasks_of(run)} {task}".encode()
    looked, is_over = time.monotonic(), _is_over(run)

    def is_stopped() -> bool:
        nonlocal looked, is_over
        now = time.monotonic()
        if not is_over and now - looked >= _TASK_LOOKS:
            looked, is_over = now, _is_over(run)
        return is_over

    if is_over:
        yield is_stopped
        return
    _internal_kv_put(key, b"")
    try:
        yield is_stopped
    finally:
        _internal_kv_del(key)


def end(run: str, *, patience: float) -> int:
    """Tell the tasks of a run that it is over, and wait until none is under way.

    Args:
        run: The run.
        patience: Seconds to wait at most.

    Returns:
        How many are under way still.
    """
    tasks = _tasks_of(run).encode()
    _internal_kv_put(_over(run), b"")
    until = time.monotonic() + patience
    while (left := len(_internal_kv_list(tasks))) and time.monotonic() < until:
        time.sleep(_LOOK)
    return left


def forget(run: str) -> None:
    """Let the cluster forget what it knew of a run, of which no task is begun any more."""
    _internal_kv_del(_over(run))
    _internal_kv_del(_tasks_of(run).encode(), del_by_prefix=True)


def _is_over(run: str) -> bool:
    return bool(_internal_kv_exists(_over(run)))


def _tasks_of(run: str) -> str:
    return f"file_dataset under way {run}"


def _over(run: str) -> bytes:
    return f"file_dataset over {run}".encode()
