"""What the processes of a measurement have used: this one, those it started, and theirs."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import attrs

_TICK = os.sysconf("SC_CLK_TCK")


@attrs.frozen
class Usage:
    """Processor time so far, and the highest memory.

    Args:
        cpu: Seconds, user and system.
        peak: Bytes of the largest process, and of all that are alive besides this one.
    """

    cpu: float
    peak: int

    @classmethod
    def now(cls) -> Usage:
        own, ended = (
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        # Children that are alive, such as Ray's, are in neither.
        alive = [_of(process) for process in _descendants(os.getpid())]
        cpu = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
        peak = max(own.ru_maxrss, ended.ru_maxrss) * 1024
        return cls(
            cpu + sum(usage.cpu for usage in alive), peak + sum(usage.peak for usage in alive)
        )


def _of(process: int) -> Usage:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:  # it has ended meanwhile
        return Usage(0, 0)
    _, found, rest = status.partition("VmHWM:")
    return Usage(
        (int(fields[11]) + int(fields[12])) / _TICK, int(rest.split()[0]) * 1024 if found else 0
    )


def _descendants(process: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            found += [child, *_descendants(child)]
    return found
