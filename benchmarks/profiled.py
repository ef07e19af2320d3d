"""Where the time of a case goes: ``python -m benchmarks.profiled CASE [CONTENDER]``.

Of all threads, waiting included. A profiler makes calls dearer than they are: read the shares, not
the sums.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from benchmarks.cases import CASES, OURS, Case
from benchmarks.contenders import load
from benchmarks.contenders.base import Contender
from benchmarks.servers import serving

_LINES = 45


def main() -> None:
    """Print the functions that took the most time themselves."""
    case = CASES[sys.argv[1]]
    contender = sys.argv[2] if len(sys.argv) > 2 else OURS
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory() as scratch,
        serving(case.server, Path(scratch), core=cores[-1], families=[]) as site,
    ):
        os.environ |= site.environment()
        os.sched_setaffinity(0, cores[:1])
        stats = profiled(case, lambda: load(contender)(site, Path(scratch)))
    stats.sort_stats("tottime").print_stats(_LINES)


def profiled(case: Case, connect: Callable[[], Contender]) -> pstats.Stats:
    """The profile of a case, and of whatever the client's own threads do."""
    profiles = [cProfile.Profile()]
    threading.setprofile(_profiling_each_thread(profiles))
    try:
        client = connect()
        case.workload.few.prepare(client)()
        profiles[0].runcall(case.workload.prepare(client))
        client.close()
    finally:
        threading.setprofile(None)
    stats = pstats.Stats(profiles[0])
    for profile in profiles[1:]:
        stats.add(profile)
    return stats


def _profiling_each_thread(profiles: list[cProfile.Profile]) -> Callable[..., None]:
    def begin(*_: object) -> None:
        profile = cProfile.Profile()
        profiles.append(profile)
        try:
            profile.enable()
        except ValueError:  # from Python 3.12 on one profiler sees all threads
            profiles.remove(profile)

    return begin


if __name__ == "__main__":
    main()
