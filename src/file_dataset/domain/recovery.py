"""What dead attempts left: committed rows are completed, and everything else is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import attrs

from file_dataset.domain.commit import TURNS, is_too_late, may_have_worked
from file_dataset.domain.errors import FileDatasetError, TransientError
from file_dataset.domain.files import is_temporary
from file_dataset.domain.ledger import Ledger, take_back
from file_dataset.domain.plan import windows
from file_dataset.domain.records import Record
from file_dataset.domain.requests import Pending, Prepared
from file_dataset.domain.rows import RowId
from file_dataset.domain.steps import Steps, in_step
from file_dataset.domain.store import Store

_AT_ONCE = 256


@attrs.frozen
class Settled:
    """What became of what was left of attempts at one row.

    Args:
        row_id: The row; None for what is no row's.
        is_completed: Whether the row was committed, and is complete now.
        swept: How many files that were not committed are gone.
        kept: How many were too young to be taken for dead.
        error: What kept the rest from either.
    """

    row_id: RowId | None
    is_completed: bool = False
    swept: int = 0
    kept: int = 0
    error: FileDatasetError | None = None


@attrs.frozen
class Recovery:
    """Brings to an end what was left below one destination.

    Args:
        store: Where it is.
        ledger: The records there.
        is_dead: Told when something was begun, or None if nobody knows; whether nobody is at it
            any more. Who is, by mistake, loses what it has not committed, and nothing else.
    """

    store: Store
    ledger: Ledger
    is_dead: Callable[[datetime | None], bool]

    def run(self) -> Iterator[Settled]:
        """What became of each row of which something was left.

        Raises:
            StoreError: If the store cannot tell what was left.
        """
        by_row: dict[RowId | None, list[Pending]] = {}
        for pending in self.store.pending(self.ledger.into):
            by_row.setdefault(self._row_of(pending.prepared), []).append(pending)
        for window in windows(by_row.items(), _AT_ONCE):
            yield from in_step(self.store, [self.settle(*each) for each in window])

    def _row_of(self, prepared: Prepared) -> RowId | None:
        """The row that something was prepared for, unless it can be in no record."""
        if is_temporary(prepared.url.name):
            return None
        return prepared.url.key.removeprefix(self.ledger.into.stem).partition("/")[0]

    def settle(self, row_id: RowId | None, pending: Sequence[Pending]) -> Steps[Settled]:
        """Complete a row, if what was prepared is in its record, and take back the rest."""
        dead = [each.prepared for each in pending if self.is_dead(each.begun)]
        kept = len(pending) - len(dead)
        if row_id is None:
            error = yield from take_back(dead)
            return Settled(None, swept=len(dead), kept=kept, error=error)
        record = yield from self._fence(row_id, frozenset(each.token for each in dead))
        if isinstance(record, FileDatasetError):
            return Settled(row_id, kept=kept, error=record)
        mine = [each.prepared.token for each in pending if each.prepared.token in record.tokens]
        error = (yield from self.ledger.complete(record)) if mine else None
        swept = [each for each in dead if each.token in record.swept]
        unswept = yield from take_back(swept)
        return Settled(
            row_id,
            is_completed=bool(mine) and error is None,
            swept=len(swept),
            kept=len(pending) - len(mine) - len(swept),
            error=error or unswept,
        )

    def _fence(self, row_id: RowId, dead: frozenset[str]) -> Steps[Record | FileDatasetError]:
        """A row's record, in which what is not committed of the dead can never be any more."""
        for _ in range(TURNS):
            held = yield from self.ledger.find(row_id)
            if isinstance(held, FileDatasetError):
                return held
            record = held.record if held else Record(row_id)
            fenced = attrs.evolve(record, swept=record.swept | (dead - record.tokens))
            if fenced == record:
                return record
            error = yield from self.ledger.put(fenced, over=held)
            if error is None:
                return fenced
            if not may_have_worked(error) and not is_too_late(error):
                return error
        return TransientError(f"others kept writing the row {row_id!r}")
