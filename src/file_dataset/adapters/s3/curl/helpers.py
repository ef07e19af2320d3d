"""Threads that begin what takes long to begin, while the one that drives libcurl goes on."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final

from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.tasks import Task

# To hash fewer bytes takes no longer than to let another thread do it.
_MANY: Final = 2**17
# Two keep up with the thread that they help, unless the processor has no instructions for hashes.
_MOST: Final = 4
# Tasks for each thread that may wait for it or for the network, so that neither of these waits for
# the other; and how many bytes they may have.
_WAITING: Final = 16
_BYTES: Final = 2**24


class Helpers:
    """Threads that begin what takes long to begin, while the one that drives libcurl goes on.

    There are none before they are needed, and none at all where a process has only one core: to
    take turns with another thread is no help.

    Args:
        ring: Called in a helper's thread when it has begun a task.
    """

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._threads: ThreadPoolExecutor | None = None
        self._most = 0
        self._sizes: dict[Task, int] = {}
        self._begun: deque[tuple[Task, Future[Exchange]]] = deque()

    def __len__(self) -> int:
        """How many tasks they have that were not taken back."""
        return len(self._sizes)

    @property
    def have_enough(self) -> bool:
        """Whether they have all that may be in memory for them, begun or not."""
        sizes = self._sizes
        return bool(sizes) and (len(sizes) >= self._most or sum(sizes.values()) >= _BYTES)

    @property
    def have_begun(self) -> bool:
        """Whether there is a task to be taken back."""
        return bool(self._begun)

    def take(self, task: Task, size: int) -> bool:
        """Begin a task that is open, if that is worth its while.

        Args:
            task: The task.
            size: How many bytes have to be gone through.
        """
        if size < _MANY or (cores := _cores()) == 1:
            return False
        if self._threads is None:
            threads = min(cores, _MOST)
            self._threads = ThreadPoolExecutor(threads, "file_dataset.curl.helper")
            self._most = threads * _WAITING
        self._sizes[task] = size
        self._threads.submit(task.begin).add_done_callback(partial(self._note, task))
        return True

    def give(self) -> tuple[Task, Future[Exchange]]:
        """A task that was begun, and its exchange, or what was raised instead."""
        task, begun = self._begun.popleft()
        del self._sizes[task]
        return task, begun

    def stop(self) -> None:
        """Wait for what is being begun, and begin nothing more."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def _note(self, task: Task, future: Future[Exchange]) -> None:
        self._begun.append((task, future))
        self._ring()


def _cores() -> int:
    """How many cores the process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS does not pin processes
        return os.cpu_count() or 1
