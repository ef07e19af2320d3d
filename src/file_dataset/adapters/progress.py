"""How far a run is, on the terminal or, where there is none, as a line every few seconds."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from tqdm.auto import tqdm

from file_dataset.domain.ports import Observer, Progress

_SECONDS_BETWEEN_LINES = 5.0


@contextlib.contextmanager
def shown_progress(unit: str) -> Iterator[Observer]:
    """An observer that shows each run on standard error, which keeps standard output for tables.

    Args:
        unit: What is counted.
    """
    if sys.stderr.isatty() or "ipykernel" in sys.modules:
        with tqdm(unit=unit, leave=True) as bar:

            def draw(progress: Progress) -> None:
                bar.total = progress.total
                if progress.failed:
                    bar.set_postfix(failed=progress.failed, refresh=False)
                bar.update(progress.done + progress.failed - bar.n)

            yield draw
    else:
        yield _Lines(unit)


class _Lines:
    """Prints where a log would otherwise fill with redrawn bars."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._begun = self._said = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if not progress.is_over and now - self._said < _SECONDS_BETWEEN_LINES:
            return
        self._said = now
        line = tqdm.format_meter(
            n=progress.done + progress.failed,
            total=progress.total,
            elapsed=now - self._begun,
            unit=self._unit,
            ncols=0,
            postfix=f"failed={progress.failed}" if progress.failed else None,
        )
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
