"""Worker processes as the pool sees them: started apart, and ended with all they started."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from multiprocessing import spawn
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, ClassVar, Final

from file_dataset.adapters.processes.descendants import kill_descendants, kill_marked

# What a worker that ended by itself, with exit code 0, is said to have ended with: the pool takes
# a 0 for an end that was asked for, and would wait for that worker's row for ever.
LEFT = 256

ORIGIN: Final = uuid.uuid4().hex
"""What the marks of all workers begin with that this process starts."""


def mark(origin: str, worker: int | None) -> str:
    """What tells the descendants of a worker from all other processes."""
    return f"{origin}-{worker}"


class _Worker(SpawnProcess):
    """A process that ends with all that the function started."""

    _was_alive = True
    _is_ended = False

    def start(self) -> None:
        with _without_main(self.name):
            super().start()

    def terminate(self) -> None:
        # Not by SIGTERM: neither a function nor its children are to have a say.
        self._is_ended = True
        if self.pid is not None and super().is_alive():
            # While it is there, and starts no others, it is known what descends from it.
            os.kill(self.pid, signal.SIGSTOP)
            kill_descendants(self.pid)
        kill_group(self.pid)
        self.kill()  # it is the leader of its group no sooner than it has begun

    def is_alive(self) -> bool:
        was_alive, self._was_alive = self._was_alive, super().is_alive()
        if self._was_alive or self._is_ended:
            return self._was_alive
        kill_group(self.pid)
        kill_marked(mark(ORIGIN, self.pid))
        # It is told one look later, so that the pool reads the last words of a worker first.
        return was_alive

    @property
    def exitcode(self) -> int | None:
        code = super().exitcode
        return LEFT if code == 0 else code


class Workers(SpawnContext):
    """Starts workers as the standard library's ``spawn`` does."""

    Process: ClassVar[type[SpawnProcess]] = _Worker


def kill_group(leader: int | None) -> None:
    """Kill the processes of a group, if there are any."""
    # Gone already, not yet one, or (on macOS) only the dead are left in it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if leader is not None:
            os.killpg(leader, signal.SIGKILL)


_preparing = threading.Lock()


@contextlib.contextmanager
def _without_main(worker: str) -> Iterator[None]:
    """Let the process of this name come up without the main script.

    The standard library runs that again in each new process, which takes as long as its imports
    do, and starts everything over where it has no ``if __name__ == "__main__"``.
    """
    with _preparing:
        prepared = spawn.get_preparation_data

        def without_main(name: str) -> dict[str, Any]:
            data = dict(prepared(name))
            if name == worker:
                data.pop("init_main_from_name", None)
                data.pop("init_main_from_path", None)
            return data

        spawn.get_preparation_data = without_main
        try:
            yield
        finally:
            spawn.get_preparation_data = prepared
