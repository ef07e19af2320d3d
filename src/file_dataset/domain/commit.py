"""The commit of a row: its files become visible, all of one attempt, or none does.

1. Every file is prepared. Nothing is visible yet.
2. The record is written where none is. **This is the commit**: of several attempts one gets there.
3. The files are completed, by whoever comes by: all that it takes is in the record.
4. Who comes too late reads the record first, since it may be its own whose answer was lost; then
   it takes back what it prepared itself, and nothing else, and completes the winner's files.

Attempts of one run are at the same thing, so that the first one wins. The row of another run is
replaced: its files are completed first, after which nothing of it can move any more, and then its
record is, under the condition that it is still the same.

Recovery may take back what an attempt prepared which is not dead. So it first writes into the
record what it is going to take back: an attempt that finds its own there has failed, and one that
never saw that version of the record cannot write over it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

import attrs

from file_dataset.domain.errors import (
    AlreadyExistsError,
    FileDatasetError,
    InvalidUrlError,
    NotFoundError,
    PreconditionFailedError,
    StoreError,
    TransientError,
)
from file_dataset.domain.ledger import Held, Ledger, OtherRowError, take_back
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.plan import RowResult
from file_dataset.domain.records import Input, Output, Record, record_url
from file_dataset.domain.requests import Draft, Prepare, Prepared, Stat
from file_dataset.domain.rows import Cause, Row, RowDone, RowFailure
from file_dataset.domain.steps import Steps
from file_dataset.domain.url import Url

IfExists: TypeAlias = Literal["replace", "skip", "error"]

# Each turn but the first means that another attempt was quicker, or that an answer was lost.
TURNS: Final = 8


@attrs.frozen
class _Verdict:
    """Whose the row is.

    Args:
        holder: The record that holds it; None if that is not to be had.
        error: What went wrong instead.
        is_open: Whether it may still turn out that the attempt has committed the row.
    """

    holder: Record | None = None
    error: FileDatasetError = attrs.field(factory=lambda: StoreError("others hold the row"))
    is_open: bool = False


def fresh_name() -> str:
    """A name that no other attempt has, and no other run."""
    return os.urandom(16).hex()


@attrs.frozen
class Commit:
    """Commits rows below one destination.

    Args:
        ledger: The records there. Where its store does not keep to conditions, the last of several
            attempts that are at a row at the very same time may win after another one was told
            that it had.
        run: What the attempts of one run have in common.
        if_exists: What becomes of a row that another run has committed: ``replace`` it, take it as
            it is if it was made of the same inputs by the same version (``skip``), or fail
            (``error``).
        version: What the user calls the version of the function.
        new_attempt: Makes a name that no other attempt has.
    """

    ledger: Ledger
    run: str = attrs.field(factory=fresh_name)
    if_exists: IfExists = "replace"
    version: str | None = None
    new_attempt: Callable[[], str] = fresh_name

    def row(self, row: Row, inputs: Mapping[str, Input] | None = None) -> Steps[RowResult[Url]]:
        """Publish a row: done with the URLs of its files, or failed with nothing of it left.

        Args:
            row: Its files are where they are taken from.
            inputs: What they were made of; None keeps no note of it.
        """
        root = self.ledger.into.joined(str(row.id))
        if self.if_exists == "error" and (there := (yield from self._unrecorded(row))) is not None:
            return _failure(row, AlreadyExistsError(f"{there.redacted} is there already"), there)
        draft = Draft(root, self.new_attempt())
        prepared = yield from _prepare(row, draft)
        if isinstance(prepared, RowFailure):
            return prepared
        outputs = {name: _output(prepared.get(name)) for name in row.files}
        mine = Record(row.id, draft.attempt, self.run, self.version, inputs, outputs)
        verdict = yield from self._decide(mine)
        if verdict.holder is not mine and not verdict.is_open:
            yield from take_back(list(prepared.values()))
        if verdict.holder is None:
            return _failure(row, verdict.error, record_url(self.ledger.into, row.id))
        if error := (yield from self.ledger.complete(verdict.holder)):
            return _failure(row, _incomplete(error), root)
        return RowDone(row, verdict.holder.urls(self.ledger.into))

    def note(self, row: Row, inputs: Mapping[str, Input] | None) -> Steps[RowResult[Url]]:
        """Write the record of a row whose files are there already, over whatever record is."""
        written = Output("", "", None)
        outputs = {name: None if url is None else written for name, url in row.files.items()}
        record = Record(row.id, self.new_attempt(), self.run, self.version, inputs, outputs)
        open_ledger = attrs.evolve(self.ledger, is_exclusive=False)
        error = yield from open_ledger.put(record, over=None)
        if error is not None:
            return _failure(row, error, record_url(self.ledger.into, row.id))
        return RowDone(row, record.urls(self.ledger.into))

    def _unrecorded(self, row: Row) -> Steps[Url | None]:
        """A file of a row that is there, if no record tells of the row."""
        if (yield from self.ledger.find(row.id)) is not None:
            return None
        root = self.ledger.into.joined(str(row.id))
        urls = [root.joined(name) for name in row.sources]
        infos = yield [Stat(url) for url in urls]
        found = zip(urls, infos, strict=True)
        there = [url for url, info in found if not isinstance(info, Failed)]
        # An attempt of the same run may have committed it meanwhile.
        if not there or (yield from self.ledger.find(row.id)) is not None:
            return None
        return there[0]

    def _decide(self, mine: Record) -> Steps[_Verdict]:
        """Try to make a row this attempt's, until it is clear whose it is."""
        held: Held | None = None
        unknown = False
        if not self.ledger.is_exclusive:
            # What is there has to be seen before it is written over.
            found = yield from self._judged(mine)
            if isinstance(found, _Verdict):
                return attrs.evolve(found, is_open=False)
            held = found
        for _ in range(TURNS):
            record = mine.over(held.record if held else None)
            error = yield from self.ledger.put(record, over=held)
            if error is None and self.ledger.is_exclusive:
                return _Verdict(mine)
            if error is not None and not may_have_worked(error) and not is_too_late(error):
                return _Verdict(error=error, is_open=unknown)
            unknown = unknown or error is None or may_have_worked(error)
            found = yield from self._judged(mine)
            if isinstance(found, _Verdict):
                return found
            held = found
        return _Verdict(error=TransientError("others kept writing the row"), is_open=unknown)

    def _judged(self, mine: Record) -> Steps[_Verdict | Held | None]:
        """Whose the row is by the record that is there, or the record that may be written over."""
        held = yield from self.ledger.find(mine.row_id)
        if isinstance(held, FileDatasetError):
            # The record that was in the way may be this attempt's own, whose answer was lost;
            # unless it has been read, and is another row's.
            return _Verdict(error=held, is_open=not isinstance(held, OtherRowError))
        if held is None:
            return None
        verdict = self._judge(mine, held.record)
        if verdict is not None or not held.record.attempt:
            return verdict or held
        error = yield from self.ledger.complete(held.record)
        if error is None and self.if_exists == "skip" and is_same(mine, held.record):
            return _Verdict(held.record)
        # What is gone cannot move any more either.
        if error is None or isinstance(error, NotFoundError | PreconditionFailedError):
            return held
        return _Verdict(error=error)

    def _judge(self, mine: Record, theirs: Record) -> _Verdict | None:
        """Whose the row is by a record; None if that may be written over."""
        if mine.attempt in (theirs.attempt, *theirs.past):
            return _Verdict(mine)
        if mine.tokens & theirs.swept:
            return _Verdict(
                error=TransientError("recover() took this attempt for dead, and its files back")
            )
        if not theirs.attempt:
            return None
        if theirs.run == self.run:
            return _Verdict(theirs)
        if self.if_exists == "error":
            return _Verdict(error=AlreadyExistsError(f"row {mine.row_id!r} is there already"))
        return None


def is_same(one: Record, other: Record) -> bool:
    """Whether both are known to be made of the same inputs, by the same version."""
    if one.inputs is None or other.inputs is None or one.version != other.version:
        return False
    return one.inputs.keys() == other.inputs.keys() and all(
        other.inputs[name].is_still(one.inputs[name]) for name in one.inputs
    )


def may_have_worked(error: FileDatasetError) -> bool:
    """Whether it is not known if the request was carried out."""
    return isinstance(error, TransientError)


def is_too_late(error: FileDatasetError) -> bool:
    """Whether a write was refused for what was there."""
    return isinstance(error, AlreadyExistsError | PreconditionFailedError)


def _prepare(row: Row, draft: Draft) -> Steps[dict[str, Prepared] | RowFailure]:
    """All files of a row, out of sight; or what kept some from it, with nothing left."""
    sources = row.sources
    try:
        outcomes = yield [
            Prepare(source, draft.root.joined(name), draft) for name, source in sources.items()
        ]
    except InvalidUrlError as error:
        return _failure(row, error, draft.root)
    prepared: dict[str, Prepared] = {}
    causes: list[Cause] = []
    for (name, source), outcome in zip(sources.items(), outcomes, strict=True):
        if isinstance(outcome, Failed):
            causes.append(Cause.of(outcome.error, file=name, url=source))
        else:
            prepared[name] = outcome.value
    if causes:
        yield from take_back(list(prepared.values()))
        return RowFailure(row.id, "write", tuple(causes))
    return prepared


def _output(prepared: Prepared | None) -> Output | None:
    if prepared is None:
        return None
    return Output(prepared.token, prepared.receipt, prepared.size)


def _incomplete(error: FileDatasetError) -> FileDatasetError:
    return TransientError(
        f"the row is committed, but not all of its files can be seen yet ({error}); "
        f"recover(), or running the row again, completes it"
    )


def _failure(row: Row, error: FileDatasetError, url: Url) -> RowFailure:
    return RowFailure(row.id, "write", (Cause.of(error, file="", url=url),))
