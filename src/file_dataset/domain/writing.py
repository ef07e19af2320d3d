"""Rows of files that are there already, to their destination."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs

from file_dataset.domain.pipeline import Publisher
from file_dataset.domain.plan import RowResult, run_rows, windows
from file_dataset.domain.records import NO_INPUTS, Input, Inputs
from file_dataset.domain.requests import Stat
from file_dataset.domain.resuming import Resuming
from file_dataset.domain.rows import Row, RowDone
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

# How many rows are published in one batch.
_AT_ONCE = 1024


@attrs.frozen
class Writing:
    """Publishes rows as they are.

    Args:
        store: Where the files are.
        publishing: Puts them where they go.
        resuming: Tells which rows are there already; None writes all.
        notes_inputs: Whether what rows are made of is noted in their records.
    """

    store: Store
    publishing: Publisher
    resuming: Resuming | None = None
    notes_inputs: bool = False

    def run(self, rows: Iterable[Row]) -> Iterator[RowResult[Url]]:
        """Each row with the URLs of its files, or what kept it from that, in order."""
        wanted = self.resuming.sorted_out(rows) if self.resuming else rows
        for window in windows(wanted, _AT_ONCE):
            new = [each for each in window if isinstance(each, Row)]
            inputs = self._inputs(new) if self.notes_inputs else NO_INPUTS
            published = self.publishing.publish(new, inputs)
            for each in window:
                yield next(published) if isinstance(each, Row) else each

    def _inputs(self, rows: Sequence[Row]) -> Inputs:
        """What the rows are made of; those of which that cannot be told are going to fail."""
        asked = run_rows(self.store, rows, lambda _, __, url: Stat(url), stage="write")
        return {
            known.row.id: {
                name: Input.of(url, info)
                for name, url in known.row.sources.items()
                if (info := known.values[name]) is not None
            }
            for known in asked
            if isinstance(known, RowDone)
        }
