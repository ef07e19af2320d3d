"""Figures as tables: medians, spread, ratios, and whether the bar is met."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata

import attrs

from benchmarks.cases import FLOOR, OURS, Case
from benchmarks.contenders import search_path
from benchmarks.measure import Measured

Rounds = Sequence[Measured | None]
"""What a contender did in each round; None where it did not take part."""

_MIB = 2**20
_BUSY = 0.7
_PACKAGES = (
    *("boto3", "metaflow", "obstore", "pandas", "pyarrow", "pycurl", "ray"),
    *("s3fs", "s3torchconnectorclient", "s5cmd"),
)


@attrs.frozen
class Standing:
    """How a contender did in a case.

    Args:
        seconds: The median.
        low: The fastest round.
        high: The slowest.
        ratio: The median of its ratios to the unit, each within one round; None without any.
        cpu: The median of the client's processor seconds.
        peak: The highest memory in bytes.
        rounds: How many there were.
    """

    seconds: float
    low: float
    high: float
    ratio: float | None
    cpu: float
    peak: int
    rounds: int


def standing(rounds: Rounds, unit: Rounds) -> Standing | None:
    """Sum up the rounds that went well; None if none did."""
    good = [each for each in rounds if each is not None and not each.problem]
    if not good:
        return None
    seconds = [each.seconds for each in good]
    ratios = [
        each.seconds / one.seconds
        for each, one in zip(rounds, unit, strict=True)
        if each is not None and one is not None and not each.problem and not one.problem
    ]
    return Standing(
        seconds=statistics.median(seconds),
        low=min(seconds),
        high=max(seconds),
        ratio=statistics.median(ratios) if ratios else None,
        cpu=statistics.median(each.cpu for each in good),
        peak=max(each.peak for each in good),
        rounds=len(good),
    )


@attrs.frozen
class CaseReport:
    """A case with what everyone did in it.

    Args:
        case: The case.
        names: The contenders' names for people, in their order.
        rounds: What each contender that can do this work did.
    """

    case: Case
    names: Mapping[str, str]
    rounds: Mapping[str, Rounds]

    @property
    def unit(self) -> str | None:
        """Whose time is 1: whom the case says, or the fastest that one would use but us."""
        if self.case.unit is not None:
            return self.case.unit if self.case.unit in self.rounds else None
        times = {
            name: summed.seconds
            for name, rounds in self.rounds.items()
            if not name.startswith((OURS, FLOOR))
            and (summed := standing(rounds, rounds)) is not None
        }
        return min(times, key=times.__getitem__, default=None)

    def standings(self) -> dict[str, Standing | None]:
        unit = self.rounds[self.unit] if self.unit else None
        return {
            name: standing(rounds, [None] * len(rounds) if unit is None else unit)
            for name, rounds in self.rounds.items()
        }

    def problems(self) -> list[str]:
        """Everything that went wrong, once each."""
        found = {
            f"{self.names[name]}: {each.problem}": None
            for name, rounds in self.rounds.items()
            for each in rounds
            if each is not None and each.problem
        }
        return list(found)

    def lines(self) -> list[str]:
        rows = [self._row(name, found) for name, found in self.standings().items()]
        rows += [[self.names[name], *["—"] * 7] for name in self.names if name not in self.rounds]
        heading = ["", "seconds", "fastest", "slowest", "ratio", "CPU s", "peak MiB", "rounds"]
        return [
            f"### {self.case.title}",
            "",
            *table(heading, rows),
            "",
            *[f"- {problem}" for problem in self.problems()],
            *[""] * bool(self.problems()),
        ]

    def _row(self, name: str, found: Standing | None) -> list[str]:
        if found is None:
            return [self.names[name], "failed, see below", *[""] * 6]
        ratio = "" if found.ratio is None else f"{found.ratio:.2f}"
        return [
            f"**{self.names[name]}**" if name == self.case.judged else self.names[name],
            f"{found.seconds:.3f}",
            f"{found.low:.3f}",
            f"{found.high:.3f}",
            "**1**" if name == self.unit else ratio,
            f"{found.cpu:.2f}",
            f"{found.peak / _MIB:.0f}",
            str(found.rounds),
        ]


@attrs.frozen
class Against:
    """A figure and its bar.

    Args:
        subject: What was measured.
        figure: What came out, with its unit.
        bar: What was asked.
        met: Whether it was.
    """

    subject: str
    figure: str
    bar: str
    met: bool


@attrs.define
class Report:
    """Everything that was measured.

    Args:
        quick: Whether with a tenth of the work.
        cases: What came out beside the peers.
        checks: What came out alone.
        load: The machine's load before the start.
        hot: The table of the hot functions.
    """

    quick: bool
    cases: list[CaseReport] = attrs.field(factory=list)
    checks: list[Against] = attrs.field(factory=list)
    load: float = attrs.field(factory=lambda: os.getloadavg()[0])
    hot: list[str] = attrs.field(factory=list)

    def bars(self) -> list[Against]:
        """How we did in each case that has a bar, and in each check; a failure is a bar missed."""
        return [bar for case in self.cases if (bar := against_bar(case))] + self.checks

    def bars_lines(self) -> list[str]:
        rows = [
            [each.subject, each.figure, each.bar, "yes" if each.met else "**no**"]
            for each in self.bars()
        ]
        return table(["", "file_dataset", "bar", "met"], rows)

    def lines(self) -> list[str]:
        """The document."""
        return [
            "# How fast it is",
            "",
            "Written by `make bench`; [README.md](README.md) says how it is measured. The ratio is",
            "to the contender marked **1**, in the same rounds: it holds from run to run, seconds",
            "do not. A dash: it cannot do this. Every output was checked byte by byte.",
            "",
            f"{_machine()}. {self._conditions()}",
            "",
            f"With {_versions()}.",
            "",
            "## The bar",
            "",
            *self.bars_lines(),
            "",
            "## Beside the peers",
            "",
            *[line for case in self.cases for line in case.lines()],
            "## Hot functions, alone",
            "",
            *self.hot,
        ]

    def _conditions(self) -> str:
        size = "A tenth of the work" if self.quick else "The whole work"
        noisy = "" if self.load < _BUSY else " **The machine was busy: these figures are no good.**"
        return f"{size}; load {self.load:.1f} before the start.{noisy}"


def against_bar(report: CaseReport) -> Against | None:
    """How we did in a case; None if it has no bar, or we or the unit took no part."""
    judged = report.case.judged
    if report.case.bar is None or judged not in report.rounds or report.unit is None:
        return None
    ours = report.standings()[judged]
    ratio = None if ours is None else ours.ratio
    return Against(
        report.case.title,
        "failed" if ratio is None else f"{ratio:.2f} of {report.names[report.unit]}",
        f"≤ {report.case.bar:g}",
        ratio is not None and ratio <= report.case.bar,
    )


def _machine() -> str:
    system, machine = platform.system(), platform.machine()
    cores = len(os.sched_getaffinity(0))
    return f"{system} on {machine}, {cores} cores, Python {platform.python_version()}"


def _versions() -> str:
    """The packages that took part."""
    found = [
        f"{package} {each.version}"
        for package in _PACKAGES
        for each in metadata.distributions(name=package, path=[*sys.path, search_path(package)])
    ]
    return ", ".join(dict.fromkeys(found))


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table; all columns but the first to the right."""
    return [
        f"| {' | '.join(heading)} |",
        f"|---|{'---:|' * (len(heading) - 1)}",
        *[f"| {' | '.join(row)} |" for row in rows],
    ]
