"""Rows to worker processes, and their answers back, or what became of the worker."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import cloudpickle  # type: ignore[import-untyped]  # it has no stubs either
from pebble import ProcessExpired, ProcessPool

from file_dataset.adapters.processes.inside import answer, begin
from file_dataset.adapters.processes.spawning import LEFT, ORIGIN, Workers
from file_dataset.domain.calling import RowFunction, call_failed
from file_dataset.domain.rows import Cause, Row, RowFailure, RowId
from file_dataset.domain.staging import StagedFiles

_Answer: TypeAlias = Row | RowFailure

_LOOK = 0.2  # seconds between two looks whether the pool is there still


class ProcessCaller:
    """Calls the user's function in worker processes, each of which takes one row after the other.

    The workers are started at the first call, and are new Python processes, not forks: a fork
    would inherit the locks of threads that it does not have. Nor do they run the main script
    again: the function travels with what it needs of it. Each leads a process group, which ends
    as a whole.

    Args:
        function: The user's; sent to each worker once.
        workers: How many processes.
        timeout: Seconds that a row may take in the function; None for as long as it takes.

    Raises:
        TypeError: If the function holds what no other process can have, such as a lock.
    """

    def __init__(
        self, function: RowFunction, *, workers: int = 1, timeout: float | None = None
    ) -> None:
        self._workers = workers
        self._timeout = timeout
        self._function = _pickled(function)
        self._pool: ProcessPool | None = None
        self._is_stopped = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def call(self, staged: StagedFiles, /) -> _Answer:
        """The row of output files that the function makes of a staged row, in a worker."""
        row_id = staged.row.id
        try:
            pool, future = self._schedule(row_id, staged.directories)
            while not wait([future], timeout=_LOOK).done:
                if not pool.active:
                    raise BrokenProcessPool
            return future.result()
        except TimeoutError:
            return call_failed(row_id, _timed_out(self._timeout))
        except ProcessExpired as error:
            return call_failed(row_id, _died(error.exitcode))
        except (RuntimeError, CancelledError) as error:
            return call_failed(row_id, _not_begun(error))

    def stop(self) -> None:
        """End the workers and all that they started, at once; calls under way fail."""
        with self._lock:
            self._is_stopped = True
            self._end_pool()

    def _schedule(
        self, row_id: RowId, directories: tuple[Path, ...]
    ) -> tuple[ProcessPool, Future[_Answer]]:
        with self._lock:
            if self._is_stopped:
                raise CancelledError
            if self._pool is None or not self._pool.active:
                # A worker that dies between two rows takes the library's pool with it.
                self._end_pool()
                self._pool = self._new_pool()
            future: Future[_Answer] = self._pool.schedule(
                answer, (row_id, directories), timeout=self._timeout
            )
            return self._pool, future

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            self._workers, initializer=begin, initargs=(self._function, ORIGIN), context=Workers()
        )

    def _end_pool(self) -> None:
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = None


def _pickled(function: RowFunction) -> bytes:
    try:
        pickled: bytes = cloudpickle.dumps(function)
    except Exception as error:
        raise TypeError(f"fn cannot be sent to another process: {error}") from error
    return pickled


# What became of a row whose worker did not answer.


def _timed_out(timeout: float | None) -> Cause:
    message = f"fn took longer than {timeout} s; it was killed, with all that it had started"
    return Cause("TimeoutError", message, retryable=True)


def _died(exitcode: int) -> Cause:
    """The cause that the death of a worker is, as its exit code tells; negative for a signal."""
    if exitcode < 0:
        name = _name_of_signal(-exitcode)
        hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        message = f"the process that ran fn was killed by {name}{hint}"
        return Cause("ProcessDiedError", message, retryable=name == "SIGKILL")
    code = 0 if exitcode == LEFT else exitcode
    return Cause("ProcessDiedError", f"the process that ran fn exited with code {code}")


def _name_of_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _not_begun(error: Exception) -> Cause:
    told = f": {error}" if str(error) else ""
    message = f"the process that was to run fn ended before that, or did not start{told}"
    return Cause("ProcessDiedError", message, retryable=True)
