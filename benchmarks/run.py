"""The command: which cases, contenders and rounds, and where the figures go."""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import CASES, UNIT, Case
from benchmarks.checks import CHECKS, checked, hot_functions
from benchmarks.contenders import CONTENDERS, load
from benchmarks.measure import Measured, Order, measured_apart
from benchmarks.report import CaseReport, Report, Rounds
from benchmarks.servers import UnavailableError, serving

_RESULTS = Path(__file__).with_name("RESULTS.md")
# A new file on a disk may cost ten times what moving its bytes does, and never twice the same.
_MEMORY = Path("/dev/shm")
_QUICK_CASES = (
    *("download-small", "upload-small", "sizes", "blobs", "download-middle", "rows"),
    *("download-large", "download-small-tls", "download-small-20ms"),
)
_QUICK_CONTENDERS = ("file_dataset", "obstore", "obstore-128", "s5cmd-list", "boto3")
# Whoever takes more units than this gets no further round: nobody is in doubt about them.
_FAR_BEHIND = {1: 8, 2: 2}


def main() -> None:
    """Measure what the command line asks for, print it, and write it down."""
    asked = _parser().parse_args()
    everything = not (asked.quick or asked.case or asked.contender or asked.check)
    os.environ["TMPDIR"] = tempfile.tempdir = str(asked.scratch)
    report = Report(quick=asked.quick)
    if asked.quick:
        print("A tenth of the work:\n")
    for name in asked.case or (() if asked.check else _QUICK_CASES if asked.quick else CASES):
        case = CASES[name]
        contenders = asked.contender or _taking_part(case, quick=asked.quick)
        rounds = asked.rounds or (2 if asked.quick else case.rounds)
        report.cases.append(_measured(name, case, contenders, rounds=rounds, quick=asked.quick))
        print("\n".join(report.cases[-1].lines()), flush=True)
    for name in asked.check or (() if asked.case or asked.contender else CHECKS):
        report.checks += checked(name, quick=asked.quick)
    print("\n".join(report.bars_lines()))
    if everything:
        report.hot = hot_functions()
        print("\n".join(report.hot))
    output = asked.output or (_RESULTS if everything else None)
    if output is not None:
        output.write_text("\n".join(report.lines()) + "\n")
        print(f"\nwritten: {output}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure file_dataset beside its peers; benchmarks/README.md says how.",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="a tenth of the work, the main cases, fewer peers")
    for what, choices, which in (
        ("case", CASES, "only this case, and more of them"),
        ("contender", CONTENDERS, "only this contender, in every case"),
        ("check", CHECKS, "only this check of file_dataset alone"),
    ):
        known = f"{which}: {', '.join(choices)}"
        add(f"--{what}", action="append", choices=choices, metavar="NAME", help=known)
    add(
        "--scratch",
        type=Path,
        default=_MEMORY if _MEMORY.is_dir() else Path(tempfile.gettempdir()),
        help="where files are read and written: %(default)s",
    )
    add("--rounds", type=int, help="how often each is measured: 5 or 3, with --quick 2")
    add(
        "--output",
        type=Path,
        help="where the report goes; a run of everything writes benchmarks/RESULTS.md, others none",
    )
    return parser


def _taking_part(case: Case, *, quick: bool) -> Sequence[str]:
    return [
        name
        for name in case.contenders
        if not quick or name in _QUICK_CONTENDERS or name.endswith("-torch")
    ]


def _measured(
    name: str, case: Case, contenders: Sequence[str], *, rounds: int, quick: bool
) -> CaseReport:
    """A case's rounds, each with every contender, each time beginning with another one."""
    names = {each: load(each).name for each in contenders}
    able = [each for each in contenders if load(each).can(case.workload.verb)]
    found: dict[str, list[Measured | None]] = {each: [] for each in able}
    cores = sorted(os.sched_getaffinity(0))
    workload = case.sized(quick=quick)
    families = [workload.family, workload.few.family]
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        try:
            with serving(case.server, scratch, core=cores[-1], families=families) as site:
                for number in range(rounds):
                    first = number % max(len(able), 1)
                    for each in able[first:] + able[:first]:
                        order = Order(name, quick, each, site, cores[:1] if case.pinned else cores)
                        unit = found.get(case.unit or UNIT, [])
                        decided = each != case.judged and is_far_behind(found[each], unit)
                        found[each].append(None if decided else measured_apart(order, scratch))
        except UnavailableError as error:
            found = {each: [Measured(problem=str(error))] for each in able}
    return CaseReport(case, names, found)


def is_far_behind(found: Rounds, unit: Rounds) -> bool:
    """Whether it is known by now how a contender does, far worse than the unit or not at all."""
    if not found or found[-1] is None or found[-1].problem:
        return bool(found)
    times = [
        one.seconds / two.seconds
        for one, two in zip(found, unit, strict=False)
        if one is not None and two is not None and not two.problem
    ]
    return bool(times) and min(times) > _FAR_BEHIND.get(len(found), math.inf)
