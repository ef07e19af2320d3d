"""What a run would do, as the user is told it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from file_dataset.api.report import failure_lines
from file_dataset.api.table_faults import TableFault
from file_dataset.domain.amounts import human
from file_dataset.domain.planning import Planned, PlannedRequests
from file_dataset.domain.rows import RowId

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 10
_COLUMNS = ("id", "file", "url", "stage", "error", "message")


@attrs.frozen(eq=False)
class Plan:
    """What ``Pipeline.run`` would do with a table, as ``Pipeline.plan`` has found out.

    Args:
        total: How many rows the table has.
        rows: How many would go through the function, as far as can be known.
        skipped: The ids of those that are done already.
        files: How many files would be fetched.
        bytes: How many bytes these have.
        requests: How many requests would go over a network: for ``looking`` at what is there, for
            ``reading``, and for ``publishing`` outputs that fit into one request each (None if it
            is not known how many there are); ``total`` of them.
        staging_bytes: How many bytes of fetched files are on disk at a time, at most.
        problems: A table with a line for each thing that is wrong: ``id``, ``file``, ``url``,
            ``stage`` (table, read or write), ``error`` and ``message``.
        is_refused: Whether the table is one that the run would refuse as a whole.
        stopped: What would keep every row from coming through; None if there is nothing known.
    """

    total: int
    rows: int
    skipped: Sequence[RowId] = attrs.field(repr=False)
    files: int
    bytes: int
    requests: PlannedRequests
    staging_bytes: int
    problems: pd.DataFrame = attrs.field(repr=False)
    is_refused: bool
    stopped: str | None

    @classmethod
    def of(cls, planned: Planned, faults: Sequence[TableFault], *, total: int) -> Plan:
        """What was found out about a table of so many rows."""
        import pandas as pd

        ids, columns, _ = failure_lines(planned.failures)
        lines = [
            (each.id, each.file, each.url, "table", each.error, each.message) for each in faults
        ]
        lines += zip(ids, *(columns[name] for name in _COLUMNS[1:]), strict=True)
        return cls(
            total,
            planned.rows,
            planned.skipped,
            planned.files,
            planned.size,
            planned.requests,
            planned.staged,
            pd.DataFrame(lines, columns=[*_COLUMNS], dtype="object"),
            is_refused=bool(faults),
            stopped=None if planned.stop is None else planned.stop.reason,
        )

    def to_dict(self) -> dict[str, Any]:
        """The same as mappings, lists, numbers and texts, for JSON."""
        told = attrs.asdict(self, filter=attrs.filters.exclude(*_APART))
        return {
            **told,
            "requests": {**attrs.asdict(self.requests), "total": self.requests.total},
            "skipped": [*self.skipped],
            "problems": self.problems.to_dict("records"),
        }

    def __str__(self) -> str:
        lines = [f"{name:<9} {text}" for name, text in self._told()]
        if len(self.problems):
            count = len(self.problems)
            lines += ["", f"{count} problem{'s' * (count > 1)}, for which a row is lost:"]
            for each in self.problems.head(_SHOWN).to_dict("records"):
                where = " ".join(f"{part}:" for part in (_row(each["id"]), each["file"]) if part)
                lines.append(f"  {where} {each['message']}")
            if len(self.problems) > _SHOWN:
                lines.append(f"  and {len(self.problems) - _SHOWN} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The figures, and the first problems, for a notebook."""
        from html import escape

        cells = "".join(
            f"<tr><th style='text-align:left'>{name}</th>"
            f"<td style='text-align:left'>{escape(text)}</td></tr>"
            for name, text in self._told()
        )
        problems = self.problems.head(_SHOWN).to_html(index=False) if len(self.problems) else ""
        return f"<table>{cells}</table>{problems}"

    def _told(self) -> Iterator[tuple[str, str]]:
        failing = self.total - self.rows - len(self.skipped)
        rows = [f"{self.rows} of {self.total} to run"]
        if self.skipped:
            rows.append(f"{len(self.skipped)} done already")
        if failing:
            rows.append(f"{failing} that cannot come through")
        yield "Rows", ", ".join(rows)
        yield "Files", f"{self.files} to read, {human(self.bytes)}"
        asked = self.requests
        told = [f"{asked.reading} to read"]
        if asked.looking:
            told.insert(0, f"{asked.looking} to look what is there")
        if asked.publishing is None:
            told.append("and those to publish, unless it is said what the function makes")
        else:
            told.append(f"{asked.publishing} to publish")
        yield "Requests", ", ".join(told)
        yield (
            "Disk",
            f"{human(self.staging_bytes)} of inputs at a time, at most; outputs come on top",
        )
        if self.is_refused:
            yield "Refused", "the run would not begin before the table is put right"
        if self.stopped is not None:
            yield "Stopped", self.stopped


_APART = (
    attrs.fields(Plan).skipped,
    attrs.fields(Plan).problems,
    attrs.fields(Plan).requests,
)


def _row(row_id: object) -> str:
    return "" if row_id is None else f"row {row_id}"
