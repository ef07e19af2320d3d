"""Rows to their destination: ``{into}/{id}/{filename}``, all of a row's files or none."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import attrs

from file_dataset.domain.errors import AlreadyExistsError
from file_dataset.domain.files import check_no_links
from file_dataset.domain.objects import CREATE, OVERWRITE, WriteMode
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.plan import RowResult, run_rows, settle_rows
from file_dataset.domain.records import NO_INPUTS, Inputs
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
from file_dataset.domain.rows import Cause, Row, RowDone, RowFailure, RowId
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

_log = logging.getLogger("file_dataset")


@attrs.frozen
class Publishing:
    """Puts the files of rows below one destination.

    Where the destination's store can prepare files out of sight, rows of several are prepared whole
    and then completed; elsewhere nothing of a row is written before all its sources are known to
    be there.

    Args:
        store: Where the files are, and where they go.
        into: The destination.
        mode: What may be there; with CREATE nothing is prepared.
        prepares: Whether to prepare files where that can be done; with some stores it takes more
            requests than to write them.
    """

    store: Store
    into: Url
    mode: WriteMode = OVERWRITE
    prepares: bool = True

    def publish(
        self,
        rows: Sequence[Row],
        inputs: Inputs = NO_INPUTS,  # noqa: ARG002 - for those who keep records
    ) -> Iterator[RowResult[Url]]:
        """Each row with the URLs of its published files, or what kept it from that, in order."""
        # A single file is seen whole or not at all in any case.
        are_single = not any(map(_has_several, rows))
        is_free = self.prepares and self.mode is OVERWRITE and not are_single
        if is_free and self.store.can(Prepare, self.into):
            return self._publish_prepared(rows)
        return self._publish_checked(rows)

    def _target(self, row: Row, name: str) -> Url:
        return self.into.joined(str(row.id), name)

    def _contained(self, row: Row, name: str) -> Url:
        """The target, unless a link on the way leads elsewhere; it may be somebody else's."""
        target = self._target(row, name)
        if target.is_local:
            check_no_links(target, self.into)
        return target

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
            return Prepare(source, self._contained(rows[position], name))

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
        several = list(filter(_has_several, rows))
        checks = run_rows(self.store, several, lambda _, __, url: Stat(url), stage="write")
        bad = {check.row_id: check for check in checks if isinstance(check, RowFailure)}
        if self.mode is CREATE:
            whole = [row for row in several if row.id not in bad]
            bad.update({failure.row_id: failure for failure in self._there(whole)})
        sound = [row for row in rows if row.id not in bad]
        targets: list[dict[str, Url | None]] = [dict.fromkeys(row.files) for row in sound]

        def write(position: int, name: str, source: Url) -> Request[None]:
            target = targets[position][name] = self._contained(sound[position], name)
            if source.is_local:
                return Upload(source.path, target, self.mode)
            return Copy(source, target, self.mode)

        written = zip(run_rows(self.store, sound, write, stage="write"), targets, strict=True)
        for row in rows:
            if row.id in bad:
                yield bad[row.id]
            else:
                result, published = next(written)
                yield RowDone(row, published) if isinstance(result, RowDone) else result

    def _there(self, rows: Sequence[Row]) -> Iterator[RowFailure]:
        """The rows of which some files are there, which are not to be written then."""

        def look(position: int, name: str, _: Url) -> Stat:
            return Stat(self._target(rows[position], name))

        for settled in settle_rows(self.store, rows, look):
            found = [info.url for info in settled.values.values() if info is not None]
            if found:
                error = AlreadyExistsError(f"{found[0].redacted} is there already")
                causes = (Cause.of(error, file="", url=found[0]),)
                yield RowFailure(settled.row.id, "write", causes)


def _has_several(row: Row) -> bool:
    return len(row.files) > 1 and len(row.sources) > 1
