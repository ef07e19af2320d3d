"""When each stage of each row began and ended, in as little memory as can be."""

from __future__ import annotations

import heapq
import math
import time
from array import array
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

import attrs

from file_dataset.domain.rows import RowId, Stage

STAGES: Final[tuple[Stage, ...]] = ("read", "call", "write")
SLOWEST: Final = 12
"""How many rows are kept as they were."""

Fate: TypeAlias = Literal["done", "failed", "skipped"]
FATES: Final[tuple[Fate, ...]] = ("done", "failed", "skipped")


class Span(NamedTuple):
    """When a row was in a stage, by ``time.monotonic``, and with how many others.

    Args:
        begin: When it was asked for.
        end: When it was done.
        rows: How many rows were done in one go with it, itself included.
    """

    begin: float
    end: float
    rows: int = 1


@attrs.frozen
class TimedRow:
    """When the stages of one row began and ended, and what it cost.

    Args:
        row_id: The row.
        spans: Where each stage began and ended, in seconds from the beginning of the run.
        costs: Seconds of each stage; of what was done for several rows at once, its share.
    """

    row_id: RowId
    spans: tuple[tuple[float, float], ...]
    costs: tuple[float, ...]

    @property
    def cost(self) -> float:
        """Seconds of all its stages."""
        return sum(self.costs)


class Timeline:
    """What a run did when: 29 bytes for each row, and a few rows as they were.

    Of rows that an engine takes through elsewhere, and tells nothing more of, it has but when they
    came back.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        # What clocks of several machines have in common.
        self._date = time.time()
        # Six of a row, as all of them came through.
        self._spans = array("f")
        self._ends = array("f")
        self._fates = bytearray()
        self._slowest: list[tuple[float, int, TimedRow]] = []
        self.size: int = 0

    def note(self, row_id: RowId, spans: tuple[Span, Span, Span], size: int) -> None:
        """Take note of a row that has been through all its stages.

        Args:
            row_id: The row.
            spans: When it was in each of them.
            size: Bytes of the files that it was made of.
        """
        begun, count = self._begun, len(self._spans)
        read, call, write = spans
        # Written out: there is one for each of millions of rows.
        self._spans.extend(
            (
                read[0] - begun,
                read[1] - begun,
                call[0] - begun,
                call[1] - begun,
                write[0] - begun,
                write[1] - begun,
            )
        )
        cost = (read[1] - read[0]) / read[2] + call[1] - call[0] + (write[1] - write[0]) / write[2]
        self.size += size
        if len(self._slowest) < SLOWEST or cost > self._slowest[0][0]:
            row = TimedRow(
                row_id,
                tuple((begin - begun, end - begun) for begin, end, _ in spans),
                tuple((end - begin) / rows for begin, end, rows in spans),
            )
            self._keep(cost, count, row)

    def take_in(self, part: Timeline) -> None:
        """Take in what another process has noted of some of the run's rows.

        They are put where the clocks of the two say, as far as that is neither before the run began
        nor still to come: clocks of machines may differ.
        """
        now = time.monotonic() - self._begun
        last = max(part._spans, default=0.0)
        shift = max(0.0, min(part._date - self._date, now - last))
        count = len(self._spans)
        self._spans.extend(moment + shift for moment in part._spans)
        self.size += part.size
        for cost, n, row in part._slowest:
            spans = tuple((begin + shift, end + shift) for begin, end in row.spans)
            self._keep(cost, count + n, attrs.evolve(row, spans=spans))

    def _keep(self, cost: float, count: int, row: TimedRow) -> None:
        """Keep a row if it is one of the slowest."""
        # By the count, so that two rows of the same cost are not compared themselves.
        push = heapq.heappush if len(self._slowest) < SLOWEST else heapq.heappushpop
        push(self._slowest, (cost, count, row))

    def end(self, fate: Fate) -> None:
        """Take note that what becomes of a row is known."""
        self._ends.append(time.monotonic() - self._begun)
        self._fates.append(FATES.index(fate))

    @property
    def seconds(self) -> float:
        """When the last row came."""
        return max(self._ends, default=0.0)

    @property
    def timed(self) -> int:
        """Of how many rows the stages are known."""
        return len(self._spans) // 6

    @property
    def slowest(self) -> list[TimedRow]:
        """The rows that cost the most time, the slowest of them first."""
        return [row for _, _, row in sorted(self._slowest, reverse=True)]

    def busy(self, stage: Stage) -> float:
        """For how many seconds at least one row was in a stage."""
        first = 2 * STAGES.index(stage)
        busy = until = 0.0
        for begin, end in sorted(
            zip(self._spans[first::6], self._spans[first + 1 :: 6], strict=True)
        ):
            if end > until:
                busy += end - max(begin, until)
                until = end
        return busy

    def rates(self, bins: int) -> dict[Fate, list[float]]:
        """Rows a second of each fate, in so many equal parts of the time."""
        width = self._width(bins)
        rates = {fate: [0.0] * bins for fate in FATES}
        # An interrupt may have come in between the two.
        for end, fate in zip(self._ends, self._fates, strict=False):
            rates[FATES[fate]][min(bins - 1, int(end / width))] += 1 / width
        return rates

    def under_way(self, bins: int) -> dict[Stage, list[float]]:
        """How many rows are in each stage, on average over each of so many parts of the time."""
        width = self._width(bins)
        return {
            stage: _covered(
                self._spans[2 * n :: 6], self._spans[2 * n + 1 :: 6], bins=bins, width=width
            )
            for n, stage in enumerate(STAGES)
        }

    def _width(self, bins: int) -> float:
        last = max(self.seconds, max(self._spans, default=0.0))
        return max(last, 1e-6) / bins


def _covered(
    begins: Sequence[float], ends: Sequence[float], *, bins: int, width: float
) -> list[float]:
    """How much of each bin intervals cover, all of them together."""
    # What changes where an interval begins and ends, summed up in the end.
    steps, parts = [0.0] * (bins + 1), [0.0] * bins
    for sign, edges in ((1.0, begins), (-1.0, ends)):
        for edge in edges:
            place = min(max(edge / width, 0.0), float(bins))
            n = min(bins - 1, math.floor(place))
            parts[n] += sign * (n + 1 - place)
            steps[n + 1] += sign
    level, covered = 0.0, []
    for part, step in zip(parts, steps, strict=False):
        level += step
        covered.append(max(0.0, level + part))
    return covered
