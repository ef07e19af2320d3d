"""One value per process, for what survives neither fork nor pickling."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that each process makes for itself when it first asks for it.

    Args:
        make: Called at the first use in a process. Threads that come first at the same time may
            call it twice; all get the same value. It is what is pickled.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return PerProcess, (self._make,)

    def __call__(self) -> T:
        """This process's value."""
        # No lock: one that another thread holds at a fork would stay locked in the child for ever.
        process = os.getpid()
        if process not in self._made:
            self._made.setdefault(process, self._make())
        return self._made[process]
