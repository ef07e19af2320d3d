"""When a run ends before its time: too many rows failed, or no other row would fare better."""

from __future__ import annotations

import attrs

from file_dataset.domain.errors import RunStoppedError
from file_dataset.domain.plan import RowResult
from file_dataset.domain.rows import Cause, RowFailure, RowId, RowSkipped
from file_dataset.domain.url import Url

# Were every second row of a table bad by chance, the first twenty would all be in one run of a
# million; and a store that does not answer is found out in the first two batches of downloads.
FIRST = 20


@attrs.frozen
class Stop:
    """That a run ended before its time.

    Args:
        reason: Why, as a sentence may go on with it.
        systemic: Whether no row would have come through, so that the setting has to be repaired.
    """

    reason: str
    systemic: bool = False

    def not_run(self, row_id: RowId) -> RowFailure:
        """What became of a row that had no turn."""
        return RowFailure(row_id, "read", (self.cause,))

    @property
    def cause(self) -> Cause:
        """What kept rows from having their turn."""
        message = f"not run: the run was stopped before this row was done: {self.reason}"
        return Cause(RunStoppedError.__name__, message, attempts=0, retryable=True)


@attrs.define
class Stopping:
    """Looks at the result of one row after the other for a reason to stop.

    Args:
        rows: How many rows the run has.
        max_failures: How many may fail, as a number or as a share of all rows (a float from 0
            to 1); None for any number.
    """

    rows: int
    max_failures: int | float | None = None
    _failed: int = attrs.field(default=0, init=False)
    # What all rows so far failed of; None once there was a row of which that cannot be said.
    _common: str | None = attrs.field(default="", init=False)

    def note(self, result: RowResult[Url]) -> Stop | None:
        """Take note of a row's result, and tell whether it is a reason to stop."""
        if isinstance(result, RowSkipped):
            return None
        if not isinstance(result, RowFailure):
            self._common = None
            return None
        self._failed += 1
        return self._systemic(result) or self._same_for_all(result) or self._too_many(result)

    def _systemic(self, failure: RowFailure) -> Stop | None:
        # What the user's function raises may look like a fault of a store, and says nothing of it.
        if failure.stage == "call" or not any(cause.systemic for cause in failure.causes):
            return None
        return Stop(f"no row can come through; {_example(failure)}", systemic=True)

    def _same_for_all(self, failure: RowFailure) -> Stop | None:
        if self._common is None:
            return None
        kinds = {cause.common for cause in failure.causes}
        common = kinds.pop() if len(kinds) == 1 and failure.stage != "call" else ""
        self._common = common if common and self._common in ("", common) else None
        if self._common is None or self._failed < FIRST:
            return None
        return Stop(
            f"the first {self._failed} rows all failed with the same cause, {common}; "
            f"{_example(failure)}",
            systemic=True,
        )

    def _too_many(self, failure: RowFailure) -> Stop | None:
        if self.max_failures is None:
            return None
        if isinstance(self.max_failures, int):
            if self._failed <= self.max_failures:
                return None
            allowed = f"{self.max_failures}"
        else:
            # In this order: 29 of 100 rows are not more than 0.29 of them, but than 0.29 * 100.
            if self._failed / self.rows <= self.max_failures:
                return None
            allowed = f"{self.max_failures:.12g} of all {self.rows}"
        return Stop(
            f"{self._failed} rows failed, allowed are {allowed} (max_failures); {_example(failure)}"
        )


def _example(failure: RowFailure) -> str:
    return f"row {failure.row_id!r}: {failure}"
