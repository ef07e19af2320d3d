"""One measurement, in a process of its own: ``python -m benchmarks.measure ORDER ANSWER``.

The order is a JSON file of what Order says; the answer will be one of what Measured says.
"""

from __future__ import annotations

import contextlib
import gc
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import attrs

from benchmarks.cases import CASES, Case
from benchmarks.contenders import load, search_path
from benchmarks.content import Family
from benchmarks.servers import Site, UnavailableError
from benchmarks.usage import Usage
from benchmarks.workloads import forget_objects

_ROOT = Path(__file__).resolve().parents[1]
_PATIENCE = 300
_BRIEF, _LAST = 200, 6
# What the work takes besides the objects' bytes.
_BESIDE = 2**28


@attrs.frozen
class Order:
    """What is to be measured.

    Args:
        case: The case's name.
        quick: Whether with a tenth of the objects.
        contender: The contender's name.
        site: The server.
        cores: Where the client may run.
    """

    case: str
    quick: bool
    contender: str
    site: Site
    cores: list[int]

    @classmethod
    def load(cls, text: str) -> Order:
        fields = json.loads(text)
        return cls(**fields | {"site": Site(**fields["site"])})


@attrs.frozen
class Measured:
    """What came out.

    Args:
        seconds: From the call to its return.
        cpu: Processor seconds of the client and the processes that it started.
        peak: Bytes of memory at the highest, imports included.
        problem: Why there is no figure, or why it does not count; empty if all is well.
    """

    seconds: float = 0
    cpu: float = 0
    peak: int = 0
    problem: str = ""


def measured_apart(order: Order, scratch: Path) -> Measured:
    """Carry out an order in a fresh process, with a directory of its own for everything."""
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        asked, answered = Path(directory, "order.json"), Path(directory, "answer.json")
        asked.write_text(json.dumps(attrs.asdict(order)))
        known = {"TMPDIR": directory, "HOME": directory, "PYTHONPATH": search_path(order.contender)}
        with subprocess.Popen(
            [sys.executable, "-m", __name__, str(asked), str(answered)],
            cwd=_ROOT,
            env=order.site.environment() | known,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        ) as process:
            try:
                _, errors = process.communicate(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                return Measured(problem=f"not done within {_PATIENCE} s")
            finally:
                # With all that it started, and may have left behind.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if not answered.exists():
            return Measured(problem=f"ended with exit code {process.returncode}")
        measured = Measured(**json.loads(answered.read_text()))
        if measured.problem:
            print("".join(errors.splitlines(keepends=True)[-_LAST:]), file=sys.stderr)
        return measured


def measure(order: Order, case: Case) -> Measured:
    """Carry out a case and check its result."""
    workload = case.sized(quick=order.quick)
    scratch = Path(tempfile.mkdtemp())
    try:
        contender = load(order.contender)(order.site, scratch)
        contender.warm_up(workload.few.prepare(contender))
        work = workload.prepare(contender)
        gc.collect()
        have_memory(workload.family)
        before, begun = Usage.now(), time.perf_counter()
        result = work()
        seconds, after = time.perf_counter() - begun, Usage.now()
        workload.check(result, order.site)
        contender.close()
    finally:
        forget_objects(order.site)
        shutil.rmtree(scratch)
    return Measured(seconds, after.cpu - before.cpu, after.peak)


def have_memory(family: Family) -> None:
    """Have a virtual machine's host give back the memory that the work will take.

    What is free for two seconds it may take away, and to get it again takes several times as long
    as to fill it. Who takes long to import would pay for that, and the next one would not.
    """
    size = _BESIDE + 2 * family.count * family.size
    # Filled, since what is only set aside is had when it is first written to. Some ask for large
    # pages; these come first here, so that the small ones are not taken out of them again.
    for advice in (mmap.MADV_HUGEPAGE, mmap.MADV_NOHUGEPAGE):
        with mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            memory.madvise(advice)
            for place in range(0, size, mmap.PAGESIZE):
                memory[place] = 1
    # That was no part of the work: the peak begins anew with what there is.
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    order = Order.load(Path(sys.argv[1]).read_text())
    # Before anything is imported that starts threads, which inherit it.
    os.sched_setaffinity(0, order.cores)
    try:
        measured = measure(order, CASES[order.case])
    except UnavailableError as error:
        measured = Measured(problem=str(error))
    except Exception as error:  # noqa: BLE001 - a contender's failure is a result, and is reported
        traceback.print_exc()
        brief = str(error).partition("\n")[0][:_BRIEF]
        measured = Measured(problem=f"{type(error).__name__}: {brief}")
    Path(sys.argv[2]).write_text(json.dumps(attrs.asdict(measured)))


if __name__ == "__main__":
    main()
