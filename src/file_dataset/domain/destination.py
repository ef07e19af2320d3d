"""Where rows are committed, and what is known of the store there."""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

import attrs

from file_dataset.domain.errors import (
    FileDatasetError,
    NotFoundError,
    PermissionDeniedError,
    UnsupportedError,
)
from file_dataset.domain.ledger import Ledger, format_url, keeps_to_conditions
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.requests import Stat
from file_dataset.domain.steps import in_step
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

_log = logging.getLogger("file_dataset")

Exclusive: TypeAlias = Literal["warn", "require"]


@attrs.define
class Destination:
    """Where rows are committed; whether conditions on writes hold there is found out once.

    Args:
        store: Serves it.
        into: The prefix that the rows lie below.
        exclusive: What is done where the store ignores conditions: go on with a warning, or fail.
    """

    store: Store
    into: Url
    exclusive: Exclusive = "warn"
    _ledger: Ledger | None = attrs.field(default=None, init=False, repr=False)

    def over(self, store: Store) -> Destination:
        """The same by way of another store, with what is known of it."""
        destination = attrs.evolve(self, store=store)
        destination._ledger = self._ledger  # noqa: SLF001 - it is one of its own
        return destination

    def ledger(self) -> Ledger:
        """The records there, which it is made ready for.

        Raises:
            UnsupportedError: If conditions do not hold, and they are required.
            StoreError: If that cannot be found out.
        """
        if self._ledger is None:
            (holds,) = in_step(self.store, [keeps_to_conditions(self.into)])
            if isinstance(holds, FileDatasetError):
                raise holds
            if not holds:
                self._object()
            self._ledger = Ledger(self.into, is_exclusive=holds)
        return self._ledger

    def _object(self) -> None:
        text = (
            f"{self.into.redacted}: the store there ignores If-None-Match, so that two attempts "
            f"at one row at the very same time may both win"
        )
        if self.exclusive == "require":
            raise UnsupportedError(f'{text}; exclusive="require" does not allow that')
        _log.warning("%s", text)

    def has_records(self) -> bool:
        """Whether rows were committed there with records; who may not look is told no.

        Raises:
            StoreError: If that cannot be found out.
        """
        if self._ledger is not None:
            return True
        (outcome,) = self.store.run([Stat(format_url(self.into))])
        if not isinstance(outcome, Failed):
            return True
        if isinstance(outcome.error, NotFoundError | PermissionDeniedError):
            return False
        raise outcome.error
