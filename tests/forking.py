"""Children that are forked of the tests' process: they end, or tell where they hang."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable

FAILED = 2


def forked(holds: Callable[[], object]) -> int:
    """A child that ends with 0 if something holds there, with 1 if not, with 2 if it raises."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if holds() else 1)
        finally:
            os._exit(FAILED)
    return child


def ended(*children: int, patience: float = 50.0) -> list[int]:
    """How children end; what is left of them after so many seconds is made to.

    A child ends by SIGABRT then, at which pytest has it write to stderr what its threads are at.
    """
    left = set(children)

    def abort() -> None:
        for child in list(left):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGABRT)

    watch = threading.Timer(patience, abort)
    watch.start()
    try:
        found = []
        for child in children:
            found.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            left.discard(child)
        return found
    finally:
        watch.cancel()
