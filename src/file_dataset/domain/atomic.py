"""Rows to their destination, each of them whole and of one attempt, with records of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from file_dataset.domain.commit import Commit, IfExists, fresh_name
from file_dataset.domain.destination import Destination
from file_dataset.domain.errors import FileDatasetError
from file_dataset.domain.objects import CREATE, OVERWRITE
from file_dataset.domain.plan import RowResult
from file_dataset.domain.publishing import Publishing
from file_dataset.domain.records import NO_INPUTS, Inputs
from file_dataset.domain.requests import Prepare
from file_dataset.domain.rows import Cause, Row, RowDone, RowFailure, RowId
from file_dataset.domain.steps import in_step
from file_dataset.domain.url import Url


@attrs.define
class AtomicPublishing:
    """Puts the files of rows below one destination, so that each row is there whole or not at all.

    A single file is atomic by itself: it takes one request and leaves no record, unless records
    are asked for, or other rows there have some, which would be wrong then. A store that cannot
    prepare files out of sight has its rows published as Publishing does it, with a record after
    the files.

    Args:
        destination: Where they go.
        run: What the attempts of one run have in common.
        if_exists: What becomes of a row that another run has committed.
        version: What the user calls the version of the function.
        keeps_records: Whether every row gets a record, so that later runs can tell what is done.
    """

    destination: Destination
    run: str = attrs.field(factory=fresh_name)
    if_exists: IfExists = "replace"
    version: str | None = None
    keeps_records: bool = False
    _records_all: bool | None = attrs.field(default=None, init=False)

    def publish(self, rows: Sequence[Row], inputs: Inputs = NO_INPUTS) -> Iterator[RowResult[Url]]:
        """Each row with the URLs of its published files, or what kept it from that, in order."""
        try:
            recorded = [row for row in rows if self._is_recorded(row)]
            commit = self._commit() if recorded else None
        except FileDatasetError as error:
            cause = Cause.of(error, file="", url=self.destination.into)
            return (RowFailure(row.id, "write", (cause,)) for row in rows)
        results = {}
        if commit is not None:
            results = {row.row_id: row for row in self._committed(commit, recorded, inputs)}
        alone = self._plain.publish([row for row in rows if row.id not in results])
        return (results.get(row.id) or next(alone) for row in rows)

    @property
    def _plain(self) -> Publishing:
        mode = CREATE if self.if_exists == "error" else OVERWRITE
        return Publishing(self.destination.store, self.destination.into, mode, prepares=False)

    def _is_recorded(self, row: Row) -> bool:
        if self.keeps_records or len(row.sources) > 1:
            return True
        if self._records_all is None:
            self._records_all = self.destination.has_records()
        return self._records_all

    def _commit(self) -> Commit:
        commit = Commit(self.destination.ledger(), self.run, self.if_exists, self.version)
        self._records_all = True
        return commit

    def _committed(
        self, commit: Commit, rows: Sequence[Row], inputs: Inputs
    ) -> Sequence[RowResult[Url]]:
        store = self.destination.store
        if store.can(Prepare, self.destination.into):
            return in_step(store, [commit.row(row, inputs.get(row.id)) for row in rows])
        return self._noted(commit, rows, inputs)

    def _noted(
        self, commit: Commit, rows: Sequence[Row], inputs: Inputs
    ) -> Sequence[RowResult[Url]]:
        """The files first, and then their record, for a store that has nothing better."""
        published = list(self._plain.publish(rows))
        done = [result.row for result in published if isinstance(result, RowDone)]
        records = [commit.note(row, inputs.get(row.id)) for row in done]
        noted: dict[RowId, RowResult[Url]] = {
            result.row_id: result for result in in_step(self.destination.store, records)
        }
        return [noted.get(result.row_id, result) for result in published]
