"""What workers count, for the dashboards that Ray feeds."""

from __future__ import annotations

import functools
from typing import Literal, TypeAlias

from ray.util.metrics import Counter

Operation: TypeAlias = Literal["read", "run", "write"]

_DESCRIPTIONS = {
    "rows": "Rows that came through",
    "failed_rows": "Rows that did not come through",
    "bytes": "Bytes of the files of rows: read, or for a write written",
}


def count(name: str, by: float = 1, *, operation: Operation) -> None:
    """Add to one of the counters ``file_dataset_rows``, ``_failed_rows`` and ``_bytes``.

    Args:
        name: ``rows``, ``failed_rows`` or ``bytes``.
        by: How many there are more.
        operation: What the rows were in, since they may be read and written in one job.
    """
    if by > 0:
        _counter(name).inc(by, {"operation": operation})


@functools.cache
def _counter(name: str) -> Counter:
    description = _DESCRIPTIONS[name]
    return Counter(f"file_dataset_{name}", description=description, tag_keys=("operation",))
