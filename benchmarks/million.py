"""A table of a million rows through Ray: ``python -m benchmarks.million [ROWS]``.

What storage takes is left out: every object is there at once, and what is written is gone. So it is
the library's and Ray's own time, and the memory of the process that the job is started from.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmarks.contenders.with_ray import started
from benchmarks.simulated import Simulated
from benchmarks.usage import Usage

if TYPE_CHECKING:
    from file_dataset import Pipeline

_MEMORY = Path("/dev/shm")
_MIB = 2**20


def main() -> None:
    """Measure both ways, and print what they took."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as scratch:
        os.environ["TMPDIR"] = tempfile.tempdir = scratch
        with started(workers=2):
            by_read_rows(1000)
            for way in (by_read_rows, by_run):
                _report(way, rows)


def _report(way: Callable[[int], int], rows: int) -> None:
    before, used, begun = _resident(), Usage.now().cpu, time.perf_counter()
    found = way(rows)
    seconds, used = time.perf_counter() - begun, Usage.now().cpu - used
    if found != rows:
        raise ValueError(f"{found} rows instead of {rows}")
    grown = _resident("VmHWM") - before
    print(
        f"{way.__name__}: {rows:,} rows in {seconds:.0f} s, {rows / seconds:,.0f} a second, "
        f"{used / rows * 1e6:.0f} µs of processor a row; the driver's memory grew by "
        f"{grown / _MIB:,.0f} MiB, {grown / rows:.0f} bytes a row",
        flush=True,
    )


def by_read_rows(rows: int) -> int:
    """``read_rows`` and ``map_batches``: the results stay in the object store."""
    import ray

    from file_dataset.ray import read_rows

    dataset = ray.data.read_datasource(read_rows(_table(rows)))
    results = dataset.map_batches(_pipeline(), batch_format="pandas", batch_size=1000)
    return int(results.materialize().count())


def by_run(rows: int) -> int:
    """``run``: each row is accounted for in the driver, and is in its result."""
    import file_dataset.ray

    return file_dataset.ray.run(_table(rows), _pipeline()).stats.rows


def _table(rows: int) -> pd.DataFrame:
    urls = [f"s3://from/{number:09}/a.bin" for number in range(rows)]
    return pd.DataFrame({"id": range(rows), "a.bin": urls})


def _pipeline() -> Pipeline:
    import file_dataset

    stores = {"s3://from/": Simulated(), "s3://to/": Simulated()}
    options = file_dataset.Options(stores=stores)
    return file_dataset.Pipeline(as_it_is, into_path="s3://to/out", options=options)


def as_it_is(inputs: Path, outputs: Path) -> Mapping[str, Path]:
    return {"out.bin": inputs / "a.bin"}


def _resident(which: str = "VmRSS") -> int:
    """What this process has in memory now, or has had at most, in bytes."""
    _, _, rest = Path("/proc/self/status").read_text().partition(f"{which}:")
    return int(rest.split()[0]) * 1024


if __name__ == "__main__":
    main()
