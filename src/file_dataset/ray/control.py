"""What the tasks of a run, and who began it, tell each other by way of Ray's key-value store."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

import attrs
from ray.experimental.internal_kv import (
    _internal_kv_del,
    _internal_kv_exists,
    _internal_kv_get,
    _internal_kv_list,
    _internal_kv_put,
)

# Seconds between two looks: of a task whether its run is over, and of who waits for tasks.
_TASK_LOOKS: Final = 0.5
_LOOK: Final = 0.05


@attrs.frozen
class RunControl:
    """How often tasks of a run were begun, which are under way, and whether the run is over.

    Ray itself would kill the tasks of a run that is stopped.

    Args:
        run: A name that no other run on the cluster has.
    """

    run: str

    def attempts(self, task: str) -> int:
        """How often a task of this name was begun on the cluster, this time included."""
        key = self._key("begun", task)
        begun = int(_internal_kv_get(key) or 0) + 1
        _internal_kv_put(key, str(begun).encode(), overwrite=True)
        return begun

    @contextlib.contextmanager
    def under_way(self, task: str) -> Iterator[Callable[[], bool]]:
        """Let the cluster know of a task as long as the context lasts; it tells if the run is over.

        Args:
            task: Its name, which no other task of the run has.
        """
        looked, is_over = time.monotonic(), self._is_over()

        def is_stopped() -> bool:
            nonlocal looked, is_over
            now = time.monotonic()
            if not is_over and now - looked >= _TASK_LOOKS:
                looked, is_over = now, self._is_over()
            return is_over

        if is_over:
            # Nobody waits for it: it ends at once.
            yield is_stopped
            return
        _internal_kv_put(self._key("under way", task), b"")
        try:
            yield is_stopped
        finally:
            _internal_kv_del(self._key("under way", task))

    def end(self, *, patience: float) -> int:
        """Tell the tasks that the run is over, and wait until none is under way.

        Args:
            patience: Seconds to wait at most.

        Returns:
            How many are under way still.
        """
        _internal_kv_put(self._key("over"), b"")
        until = time.monotonic() + patience
        while (left := len(_internal_kv_list(self._key("under way")))) and time.monotonic() < until:
            time.sleep(_LOOK)
        return left

    def forget(self) -> None:
        """Let the cluster forget the run, of which no task is begun any more."""
        _internal_kv_del(self._key(), del_by_prefix=True)

    def _is_over(self) -> bool:
        return bool(_internal_kv_exists(self._key("over")))

    def _key(self, *names: str) -> bytes:
        return " ".join(["file_dataset", self.run, *names]).encode()
