"""What workers count, for the dashboards that Ray feeds."""

from __future__ import annotations

import functools

from ray.util.metrics import Counter

_DESCRIPTIONS = {
    "rows": "Rows that came through",
    "failed_rows": "Rows that did not come through",
    "bytes": "Bytes of files that were read or written",
}


def count(name: str, by: float = 1) -> None:
    """Add to one of the counters ``file_dataset_rows``, ``_failed_rows`` and ``_bytes``.

    Args:
        name: ``rows``, ``failed_rows`` or ``bytes``.
        by: How many there are more.
    """
    if by > 0:
        _counter(name).inc(by)


@functools.cache
def _counter(name: str) -> Counter:
    return Counter(f"file_dataset_{name}", description=_DESCRIPTIONS[name])
