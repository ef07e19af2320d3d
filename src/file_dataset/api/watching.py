"""Results that go by, with somebody told how far they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from file_dataset.api import _wiring
from file_dataset.domain.ports import Observer, Progress
from file_dataset.domain.rows import RowFailure

T = TypeVar("T")


def watched(
    results: Iterable[T | RowFailure],
    total: int,
    progress: Observer | bool | None,  # noqa: FBT001 - it is one value
) -> Iterator[T | RowFailure]:
    """The results, of so many rows.

    Args:
        results: One of each row.
        total: How many there are going to be.
        progress: True for a bar on the terminal, or who is told how far it is.
    """
    if progress is None or progress is False:
        yield from results
        return
    done = failed = 0
    with _wiring.observing(progress) as observe:
        observe(Progress(total))
        for result in results:
            failed += isinstance(result, RowFailure)
            done += not isinstance(result, RowFailure)
            observe(Progress(total, done, failed))
            yield result
