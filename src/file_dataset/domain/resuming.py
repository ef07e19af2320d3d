"""Rows that are done already: told by their records, their inputs and their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from file_dataset.domain.errors import AlreadyExistsError
from file_dataset.domain.ledger import Ledger
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.plan import windows
from file_dataset.domain.records import Input, Record, record_url
from file_dataset.domain.requests import Request, Stat
from file_dataset.domain.rows import Cause, Row, RowFailure, RowSkipped
from file_dataset.domain.staging import Unfetched
from file_dataset.domain.steps import Steps, in_step
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

_AT_ONCE: Final = 256


@attrs.frozen
class Resuming:
    """Tells which rows have to be run, and which are done.

    A row is done if a record says that it was committed, made of the same inputs as there are now
    (the same URLs, and each with the same etag, or size and time) by the same version, and its
    files are where they were put. One that was committed and not completed is completed.

    Args:
        store: Where inputs, records and files are.
        ledger: The records.
        version: What the user calls the version of the function.
        is_error: Whether a row that is there fails, whatever it was made of.
        run: What the attempts of this run have in common: none of them is in the way of another.
    """

    store: Store
    ledger: Ledger
    version: str | None = None
    is_error: bool = False
    run: str | None = None

    def sorted_out(self, rows: Iterable[Row]) -> Iterator[Row | Unfetched]:
        """The rows in their order; those that are not to be run with what is to be said of them."""
        for window in windows(rows, _AT_ONCE):
            yield from in_step(self.store, [self._row(row) for row in window])

    def _row(self, row: Row) -> Steps[Row | Unfetched]:
        held = yield from self.ledger.read(row.id)
        # What cannot be told is run: whoever commits looks again.
        if not isinstance(held, Record) or not held.attempt:
            return row
        if self.is_error:
            return row if held.run == self.run else self._there(row)
        if held.version != self.version or not _are_named_so(row.sources, held.inputs):
            return row
        if (yield from self._is_changed(row, held)):
            return row
        files = held.urls(self.ledger.into)
        if (yield from self._is_gone(files, held)):
            return row
        return RowSkipped(row, files)

    def _there(self, row: Row) -> RowFailure:
        url = record_url(self.ledger.into, row.id)
        error = AlreadyExistsError(f"row {row.id!r} is there already")
        return RowFailure(row.id, "read", (Cause.of(error, file="", url=url),))

    def _is_changed(self, row: Row, held: Record) -> Steps[bool]:
        asked, inputs = row.sources, held.inputs or {}
        infos = yield [Stat(url) for url in asked.values()]
        return any(
            isinstance(info, Failed) or not inputs[name].is_still(Input.of(url, info.value))
            for (name, url), info in zip(asked.items(), infos, strict=True)
        )

    def _is_gone(self, files: Mapping[str, Url | None], held: Record) -> Steps[bool]:
        asked: list[Request[ObjectInfo]] = [Stat(url) for url in files.values() if url]
        sizes = [output.size for output in held.outputs.values() if output]
        if _are_there((yield asked), sizes):
            return False
        if (yield from self.ledger.complete(held)):
            return True
        return not _are_there((yield asked), sizes)


def _are_named_so(sources: Mapping[str, Url], inputs: Mapping[str, Input] | None) -> bool:
    """Whether the inputs were had where they are to be had now."""
    if inputs is None or sources.keys() != inputs.keys():
        return False
    return all(inputs[name].url == url.redacted for name, url in sources.items())


def _are_there(infos: Iterable[Outcome[ObjectInfo]], sizes: Iterable[int | None]) -> bool:
    return all(
        not isinstance(info, Failed) and size in {None, info.value.size}
        for info, size in zip(infos, sizes, strict=True)
    )
