"""What the files of a row are said to be: whether there is room for them, and whether they came."""

from __future__ import annotations

from collections.abc import Mapping

from file_dataset.domain.budget import Budget
from file_dataset.domain.errors import IntegrityError, NoSpaceError
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.plan import RowResult
from file_dataset.domain.rows import Cause, RowDone, RowFailure


def refused_if_too_large(asked: RowResult[ObjectInfo], budget: Budget) -> RowResult[ObjectInfo]:
    """A row of known sizes; a failure if it never fits into the budget."""
    if isinstance(asked, RowFailure) or budget.allows(needed := bytes_of(asked)):
        return asked
    error = NoSpaceError(
        f"the row needs {needed} bytes of temporary space, allowed are {budget.limit} "
        "(max_staging_bytes)"
    )
    error.common_cause = ""  # it is this row that is large, and not the disk that is full
    return RowFailure(asked.row.id, "read", (Cause.of(error, file="", url=""),))


def other_sizes(
    said: Mapping[str, ObjectInfo | None], fetched: RowDone[ObjectInfo]
) -> RowFailure | None:
    """The failure of a row of which a file came with another size than its store had said.

    Args:
        said: What the files were before they were fetched, as far as that was asked for; one that
            has another etag by now was written anew meanwhile, and is whole.
        fetched: The row with its files.
    """
    causes = []
    for name, before in said.items():
        now = fetched.values[name]
        if before is None or now is None or before.size == now.size or before.etag != now.etag:
            continue
        error = IntegrityError(
            f"{before.url.redacted}: size mismatch: the store said that it has {before.size} "
            f"bytes, and gave {now.size}",
            url=before.url,
        )
        causes.append(Cause.of(error, file=name, url=before.url))
    return RowFailure(fetched.row.id, "read", tuple(causes)) if causes else None


def bytes_of(known: RowDone[ObjectInfo]) -> int:
    """How many bytes a row's files have."""
    return sum(info.size for info in known.values.values() if info is not None)
