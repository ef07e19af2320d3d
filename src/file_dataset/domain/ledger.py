"""The records below one destination: read, written over each other, and their files completed."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

import attrs

from file_dataset.domain.errors import (
    AlreadyExistsError,
    FileDatasetError,
    IntegrityError,
    NotFoundError,
    PreconditionFailedError,
    UnsupportedError,
)
from file_dataset.domain.names import RECORDS
from file_dataset.domain.objects import CREATE, OVERWRITE, IfMatch
from file_dataset.domain.outcomes import Done, Failed
from file_dataset.domain.records import FORMAT, Record, record_url
from file_dataset.domain.requests import Abort, Complete, Draft, Prepared, Read, Stat, Write
from file_dataset.domain.rows import RowId
from file_dataset.domain.steps import Steps
from file_dataset.domain.url import Url

_log = logging.getLogger("file_dataset")


class OtherRowError(IntegrityError):
    """A record was read in the place of a row's, and is another row's."""


@attrs.frozen
class Held:
    """A record as it was found.

    Args:
        record: What it says.
        etag: Its version; None where the store has none.
    """

    record: Record
    etag: str | None


@attrs.frozen
class Ledger:
    """The records below one destination.

    Args:
        into: The destination.
        is_exclusive: Whether the store keeps to conditions on writes.
    """

    into: Url
    is_exclusive: bool = True

    def find(self, row_id: RowId) -> Steps[Held | FileDatasetError | None]:
        """A row's record, None if there is none, or what keeps it from being read.

        A damaged one says nothing, and may be written over.
        """
        url = record_url(self.into, row_id)
        # One after the other: what is read is never older than the version that is named.
        (info,) = yield [Stat(url)]
        if isinstance(info, Failed):
            return None if isinstance(info.error, NotFoundError) else info.error
        record = yield from self.read(row_id)
        return Held(record, info.value.etag) if isinstance(record, Record) else record

    def read(self, row_id: RowId) -> Steps[Record | FileDatasetError | None]:
        """A row's record as find() gives it, without its version."""
        url = record_url(self.into, row_id)
        (data,) = yield [Read(url)]
        if isinstance(data, Failed):
            return None if isinstance(data.error, NotFoundError) else data.error
        return _parsed(row_id, data.value, url)

    def put(self, record: Record, *, over: Held | None) -> Steps[FileDatasetError | None]:
        """Write a record where none is, or over the one that was found; gives what kept it."""
        mode = OVERWRITE
        if self.is_exclusive and over is None:
            mode = CREATE
        elif self.is_exclusive and over is not None and over.etag is not None:
            mode = IfMatch(over.etag)
        url = record_url(self.into, record.row_id)
        (outcome,) = yield [Write(url, record.to_json(), mode, repeatable=True)]
        return outcome.error if isinstance(outcome, Failed) else None

    def complete(self, record: Record) -> Steps[FileDatasetError | None]:
        """Let a committed row's files be seen; gives what keeps them from it.

        A row that another one has replaced meanwhile is complete as well.
        """
        prepared = record.draft(self.into)
        if not prepared:
            return None
        (outcome,) = yield [Complete(prepared)]
        if isinstance(outcome, Done):
            return None
        if isinstance(outcome.error, NotFoundError | PreconditionFailedError):
            held = yield from self.find(record.row_id)
            if isinstance(held, Held) and held.record.attempt not in {"", record.attempt}:
                return None
        return outcome.error


def format_url(into: Url) -> Url:
    """Where it is said of what format the records beside it are."""
    return into.joined(RECORDS, "format.json")


def keeps_to_conditions(into: Url) -> Steps[bool | FileDatasetError]:
    """Whether a store refuses to write where something is, when it is told to; or what went wrong.

    The object that it is tried with stays: it says what the records beside it are, and that the
    next one needs a single request to find out.
    """
    url = format_url(into)
    data = json.dumps({"format": FORMAT}).encode()
    for _ in range(2):
        (outcome,) = yield [Write(url, data, CREATE)]
        if isinstance(outcome, Failed):
            if isinstance(outcome.error, UnsupportedError):
                return False
            return isinstance(outcome.error, AlreadyExistsError) or outcome.error
    return False


def take_back(prepared: Sequence[Prepared]) -> Steps[FileDatasetError | None]:
    """Abort what was prepared; gives what kept some of it from that, which recover() can do."""
    by_draft: dict[Draft | Prepared, list[Prepared]] = {}
    for each in prepared:
        by_draft.setdefault(each.draft or each, []).append(each)
    error = None
    if prepared:
        for outcome in (yield [Abort(each) for each in by_draft.values()]):
            if isinstance(outcome, Failed):
                error = outcome.error
                _log.warning("Could not take back a half-written file: %s", error)
    return error


def _parsed(row_id: RowId, data: bytes, url: Url) -> Record | FileDatasetError:
    try:
        record = Record.parse(data, url)
    except IntegrityError as error:
        _log.warning("%s", error)
        return Record(row_id)
    except FileDatasetError as error:
        return error
    if str(record.row_id) != str(row_id):
        return OtherRowError(
            f"{url.redacted}: is the record of row {record.row_id!r}, and not of {row_id!r}; take "
            f"it away if it does not belong there. Where a disk does not tell upper case from "
            f"lower, ids have to differ in more than that",
            url=url,
        )
    return record
