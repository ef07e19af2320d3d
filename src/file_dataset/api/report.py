"""What has become of each row of a run so far, kept in as little memory as can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from file_dataset.api.frames import RowTable
from file_dataset.api.kinds import CellTypes, Columns, PandasTable
from file_dataset.domain.plan import RowResult
from file_dataset.domain.reporting import PICTURES, VOLUMES, Sample
from file_dataset.domain.rows import Cause, RowDone, RowFailure, RowId, RowSkipped
from file_dataset.domain.stopping import Stop
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    import pandas as pd

# What a row's byte says. The rows of a table that this run is not about have no business here.
_ELSEWHERE, _OPEN, _DONE, _FAILED, _SKIPPED = range(5)

_SAMPLES = 12


def failure_lines(failures: Sequence[RowFailure]) -> tuple[list[RowId], Columns, CellTypes]:
    """Everything that went wrong, a line each: the ids, the other columns, and their types."""
    lines = [(failure, cause) for failure in failures for cause in failure.causes]
    columns: Columns = {
        "file": [cause.file for _, cause in lines],
        "url": [cause.url for _, cause in lines],
        "stage": [failure.stage for failure, _ in lines],
        "error": [cause.error for _, cause in lines],
        "message": [cause.message for _, cause in lines],
        "attempts": [cause.attempts for _, cause in lines],
        "retryable": [cause.retryable for _, cause in lines],
        "traceback": [cause.traceback for _, cause in lines],
    }
    return [failure.row_id for failure, _ in lines], columns, {"attempts": int, "retryable": bool}


def failures_frame(failures: Sequence[RowFailure]) -> pd.DataFrame:
    """Everything that went wrong, a line each, as a DataFrame."""
    import pandas as pd

    ids, columns, types = failure_lines(failures)
    frame = PandasTable(pd.DataFrame({"id": pd.Series(ids, dtype="object")}))
    return frame.like(range(len(ids)), columns, types)


class Report:
    """The results of a run's rows, each taken in as it comes.

    Of a row that came through, a byte and the texts of its URLs are kept, and none of the objects
    that it was on its way: a run may have millions of them.

    Args:
        table: The input.
        columns: File columns that are there even if no row has one; others follow as they come.
    """

    def __init__(self, table: RowTable, columns: Sequence[str] = ()) -> None:
        self._table = table
        self._states = bytearray(len(table.positions))
        for row_id in table.rows.ids:
            self._states[table.positions[row_id]] = _OPEN
        # Of each file column: the first row that has it, and the how-manieth file of that it is.
        self._ranks = {name: (-1, rank) for rank, name in enumerate(columns)}
        self._urls = {name: self._blank() for name in columns}
        self._failures: dict[int, RowFailure] = {}
        self._tracebacks: dict[str, str] = {}

    def take(self, result: RowResult[Url]) -> None:
        """Take in a row's result; an interrupt in here leaves the row without one."""
        place = self._table.positions[result.row_id]
        if isinstance(result, RowFailure):
            causes = tuple(self._shared(cause) for cause in result.causes)
            self._failures[place] = attrs.evolve(result, causes=causes)
            self._states[place] = _FAILED
        else:
            self._take_urls(place, result)
            self._states[place] = _SKIPPED if isinstance(result, RowSkipped) else _DONE

    def close(self, stop: Stop) -> None:
        """Take in that the rows without a result are not going to have one."""
        for row_id in self._table.rows.ids:
            if self._states[self._table.positions[row_id]] == _OPEN:
                self.take(stop.not_run(row_id))

    @property
    def done(self) -> int:
        """How many rows came through."""
        return self._states.count(_DONE)

    @property
    def failed(self) -> int:
        """How many rows did not."""
        return self._states.count(_FAILED)

    @property
    def skipped(self) -> int:
        """How many rows had nothing to do."""
        return self._states.count(_SKIPPED)

    @property
    def failures(self) -> list[RowFailure]:
        """What kept rows from coming through, in the order of the input."""
        return [self._failures[place] for place in sorted(self._failures)]

    def done_table(self) -> Any:
        """The rows that came through, as a table of the user's kind, in the order of the input."""
        return self._table_of(_DONE)

    def skipped_table(self) -> Any:
        """The rows that had nothing to do, with the URLs at which they are."""
        return self._table_of(_SKIPPED)

    def published_table(self) -> Any:
        """The rows that came through and those that had nothing to do."""
        return self._table_of(_DONE, _SKIPPED)

    def whole_table(self) -> Any:
        """Every row; those that failed have null files, and a text in the column ``error``."""
        errors = {place: str(failure) for place, failure in self._failures.items()}
        return self._table_of(_DONE, _SKIPPED, _FAILED, error=errors)

    def failures_table(self) -> Any:
        """Everything that went wrong, a line each, as a table of the user's kind."""
        return self._table.like(*failure_lines(self.failures))

    def failed_rows(self) -> RowTable:
        """The input, with those of its rows only that did not come through."""
        return self._table.only({failure.row_id for failure in self._failures.values()})

    def images(self) -> list[Sample]:
        """Some of the pictures that were published, from all over the table."""
        names = [
            name
            for endings in (PICTURES, VOLUMES)
            for name in self._urls
            if name.lower().endswith(endings)
        ]
        if not names:
            return []
        places = [place for place, state in enumerate(self._states) if state == _DONE]
        chosen = {*places[:: -(-len(places) // _SAMPLES) or 1]}
        return [
            Sample(row_id, name, Url.parse(url))
            for row_id, place in self._table.positions.items()
            if place in chosen
            for name in names[:1]
            if (url := self._urls[name][place]) is not None
        ]

    def _table_of(self, *states: int, **texts: Mapping[int, str]) -> Any:
        """The rows in these states: their URLs, and columns of texts that some of them have."""
        places = [place for place, state in enumerate(self._states) if state in states]
        names = sorted(self._ranks, key=self._ranks.__getitem__)
        columns: dict[str, list[str | None]] = {
            **{name: [self._urls[name][place] for place in places] for name in names},
            **{name: [cells.get(place) for place in places] for name, cells in texts.items()},
        }
        types: CellTypes = dict.fromkeys(names, Url)
        return self._table.table.like(places, columns, types)

    def _take_urls(self, place: int, row: RowDone[Url]) -> None:
        for number, (name, url) in enumerate(row.values.items()):
            rank = (place, number)
            if name not in self._ranks:
                self._ranks[name] = rank
                self._urls[name] = self._blank()
            elif rank < self._ranks[name]:
                self._ranks[name] = rank
            if url is not None:
                self._urls[name][place] = str(url)

    def _blank(self) -> list[str | None]:
        return [None] * len(self._states)

    def _shared(self, cause: Cause) -> Cause:
        """The cause, with a traceback that other rows have too kept only once."""
        if not cause.traceback:
            return cause
        return attrs.evolve(
            cause, traceback=self._tracebacks.setdefault(cause.traceback, cause.traceback)
        )
