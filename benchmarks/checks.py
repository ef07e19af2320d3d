"""What is measured of file_dataset alone, each in a process of its own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cases import CASES, OURS
from benchmarks.measure import Order, measured_apart
from benchmarks.report import Against
from benchmarks.servers import serving
from benchmarks.usage import Usage

if TYPE_CHECKING:
    import pandas as pd

    from file_dataset import Pipeline

_ROOT = Path(__file__).resolve().parents[1]
_SLEEP = 0.01


def checked(name: str, *, quick: bool) -> list[Against]:
    """Carry out a check."""
    return CHECKS[name](quick)


def hot_functions() -> list[str]:
    """The table of benchmarks.micro."""
    return _python("-m", "benchmarks.micro").stdout.splitlines()


def _apart(part: str, number: int) -> dict[str, float]:
    """What a function of this module gives for a number, in a fresh process."""
    found: dict[str, float] = json.loads(_python("-m", __name__, part, str(number)).stdout)
    return found


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-1000:]}")
    return done


# --- overlap ------------------------------------------------------------------------------------


def overlap(quick: bool) -> list[Against]:
    """Download, function and upload take 10 ms each: together hardly more than one of them."""
    rows = 50 if quick else 300
    ratio = _apart("overlapping", rows)["seconds"] / (rows * _SLEEP)
    return [
        Against(
            f"Overlap: {rows} rows, {_SLEEP * 1e3:.0f} ms for each of three stages",
            f"{ratio:.2f} of one stage",
            "≤ 1.2",
            ratio <= 1.2,
        )
    ]


def overlapping(rows: int) -> dict[str, float]:
    def work(inputs: Path, outputs: Path) -> Mapping[str, Path]:
        time.sleep(_SLEEP)
        return {"out.bin": inputs / "a.bin"}

    pipeline, table = _simulated(work, rows, _SLEEP)
    begun = time.perf_counter()
    result = pipeline.run(table)
    seconds = time.perf_counter() - begun
    if len(result.rows) != rows:
        raise ValueError(f"{len(result.rows)} rows instead of {rows}")
    return {"seconds": seconds}


# --- memory -------------------------------------------------------------------------------------


def memory(quick: bool) -> list[Against]:
    """What a run of many rows takes beyond one of few, apart from the table that it is given."""
    few, many = (1_000, 10_000) if quick else (1_000, 100_000)
    small, large = _apart("remembering", few), _apart("remembering", many)
    per_row = (large["bytes"] - small["bytes"]) / (many - few)
    files = large["files"] - small["files"]
    title = f"from {few:,} to {many:,} rows"
    return [
        Against(f"Memory {title}", f"{per_row:.0f} bytes a row", "< 400 bytes", per_row < 400),
        Against(f"Open files {title}", f"{files:+.0f}", "flat", files <= 2),
    ]


def remembering(rows: int) -> dict[str, float]:
    calls = itertools.count()
    files = [0]

    def work(inputs: Path, outputs: Path) -> Mapping[str, Path]:
        if next(calls) % 100 == 0:
            files.append(sum(1 for _ in Path("/proc/self/fd").iterdir()))
        return {"out.bin": inputs / "a.bin"}

    pipeline, table = _simulated(work, rows, 0)
    pipeline.run(table[:100])
    before = Usage.now().peak
    result = pipeline.run(table)
    if len(result.rows) != rows:
        raise ValueError(f"{len(result.rows)} rows instead of {rows}")
    return {"bytes": Usage.now().peak - before, "files": max(files)}


def _simulated(
    work: Callable[[Path, Path], Mapping[str, Path]], rows: int, seconds: float
) -> tuple[Pipeline, pd.DataFrame]:
    import pandas as pd

    import file_dataset
    from benchmarks.simulated import Simulated

    stores = {"s3://from/": Simulated(seconds), "s3://to/": Simulated(seconds)}
    options = file_dataset.Options(stores=stores)
    table = pd.DataFrame(
        {"id": range(rows), "a.bin": [f"s3://from/{number:09}/a.bin" for number in range(rows)]}
    )
    return file_dataset.Pipeline(work, into_path="s3://to/out", options=options), table


# --- refusals -----------------------------------------------------------------------------------


def refusals(quick: bool) -> list[Against]:
    """What a server that refuses some requests, whatever their rate, leaves of the throughput."""
    return [
        Against(
            f"{CASES[case].work}, {server}",
            f"{share:.0%} of the throughput without",
            f"≥ {bar:.0%}",
            share >= bar,
        )
        for case in ("download-small", "rows")
        for server, bar in (("2% of 503s", 0.75), ("10% of 503s", 0.4))
        for share in [_left_of_throughput(case, server, rounds=1 if quick else 5)]
    ]


def _left_of_throughput(case: str, refusing: str, *, rounds: int) -> float:
    cores = sorted(os.sched_getaffinity(0))
    took: dict[str, list[float]] = {"plain": [], refusing: []}
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sites = {}
        for server in took:
            (directory := scratch / server).mkdir()
            sites[server] = stack.enter_context(serving(server, directory, cores[-1], []))
        for _ in range(rounds):
            for server, site in sites.items():
                order = Order(case, quick=False, contender=OURS, site=site, cores=cores[:1])
                measured = measured_apart(order, scratch)
                if measured.problem:
                    raise RuntimeError(f"{case}, {server}: {measured.problem}")
                took[server].append(measured.seconds)
    return statistics.median(took["plain"]) / statistics.median(took[refusing])


# --- import -------------------------------------------------------------------------------------


def import_time(quick: bool) -> list[Against]:
    """What ``python -X importtime`` says, in the median."""
    return [
        Against(code, f"{milliseconds:.0f} ms", "< 60 ms", milliseconds < 60)
        for code in ("import file_dataset", "from file_dataset import *")
        for milliseconds in [
            statistics.median(_import_once(code) for _ in range(3 if quick else 9))
        ]
    ]


def _import_once(code: str) -> float:
    """The milliseconds of what is imported for the code, the standard library's part included."""
    done = _python("-X", "importtime", "-c", code)
    # What the interpreter itself needs comes before `site`, which it imports last.
    imported = done.stderr.rpartition("| site\n")[2].splitlines()
    return sum(int(line.removeprefix("import time:").split("|")[0]) for line in imported) / 1e3


CHECKS: dict[str, Callable[[bool], list[Against]]] = {
    "overlap": overlap,
    "memory": memory,
    "refusals": refusals,
    "import": import_time,
}

if __name__ == "__main__":
    part = {"overlapping": overlapping, "remembering": remembering}[sys.argv[1]]
    print(json.dumps(part(int(sys.argv[2]))))
