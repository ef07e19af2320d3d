"""Rows to their destination: ``{into}/{id}/{filename}``, all of a row's files or none."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from file_dataset.domain.outcomes import Failed
from file_dataset.domain.plan import RowResult, run_rows, settle_rows
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Copy,
    Prepare,
    Prepared,
    Request,
    Stat,
    Upload,
)
from file_dataset.domain.rows import Row, RowDone, RowFailure, RowId
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

_log = logging.getLogger("file_dataset")


@attrs.frozen
class Publishing:
    """Puts the files of rows below one destination.

    Where the destination's store can prepare files out of sight, a row is prepared whole and then
    completed; elsewhere nothing of a row is written before all its sources are known to be there.

    Args:
        store: Where the files are, and where they go.
        into: The destination.
    """

    store: Store
    into: Url

    def publish(self, rows: Sequence[Row]) -> Iterator[RowResult[Url]]:
        """Each row with the URLs of its published files, or what kept it from that, in order."""
        if self.store.can(Prepare, self.into):
            return self._publish_prepared(rows)
        return self._publish_checked(rows)

    def _target(self, row: Row, name: str) -> Url:
        return self.into.joined(str(row.id), name)

    def _done(self, row: Row) -> RowDone[Url]:
        targets = {
            name: None if source is None else self._target(row, name)
            for name, source in row.files.items()
        }
        return RowDone(row, targets)

    def _publish_prepared(self, rows: Sequence[Row]) -> Iterator[RowResult[Url]]:
        hidden: dict[Url, Prepared] = {}
        results: dict[RowId, RowResult[Url]] = {}
        whole: list[Row] = []

        def prepare(position: int, name: str, source: Url) -> Prepare:
            return Prepare(source, self._target(rows[position], name))

        def complete(position: int, name: str, _: Url) -> Complete:
            return Complete(hidden[self._target(whole[position], name)])

        try:
            for settled in settle_rows(self.store, rows, prepare):
                hidden.update({each.url: each for each in settled.values.values() if each})
                prepared = settled.result("write")
                if isinstance(prepared, RowDone):
                    whole.append(settled.row)
                else:
                    results[prepared.row_id] = prepared
            for result in run_rows(self.store, whole, complete, stage="write"):
                if isinstance(result, RowDone):
                    done = self._done(result.row)
                    results[done.row.id] = done
                    for url in filter(None, done.values.values()):
                        del hidden[url]
                else:
                    results[result.row_id] = result
        finally:
            self._abort(list(hidden.values()))
        return (results[row.id] for row in rows)

    def _abort(self, prepared: Sequence[Prepared]) -> None:
        for outcome in self.store.run([Abort(each) for each in prepared]):
            if isinstance(outcome, Failed):
                _log.warning("Could not take back a half-written file: %s", outcome.error)

    def _publish_checked(self, rows: Sequence[Row]) -> Iterator[RowResult[Url]]:
        # A single file is its own check.
        several = [row for row in rows if len(row.sources) > 1]
        checks = run_rows(self.store, several, lambda _, __, url: Stat(url), stage="write")
        missing = {check.row_id: check for check in checks if isinstance(check, RowFailure)}
        sound = [row for row in rows if row.id not in missing]

        def write(position: int, name: str, source: Url) -> Request[None]:
            target = self._target(sound[position], name)
            if source.is_local:
                return Upload(Path(source.path), target)
            return Copy(source, target)

        written = run_rows(self.store, sound, write, stage="write")
        for row in rows:
            if row.id in missing:
                yield missing[row.id]
            else:
                result = next(written)
                yield self._done(row) if isinstance(result, RowDone) else result
