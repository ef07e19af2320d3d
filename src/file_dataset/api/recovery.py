"""What earlier runs left below a destination: brought to an end, or looked at."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from file_dataset.api import _wiring
from file_dataset.api.options import Options
from file_dataset.api.writer import destination
from file_dataset.domain.destination import Destination
from file_dataset.domain.recovery import Recovery, Settled
from file_dataset.domain.rows import RowId
from file_dataset.domain.threads import closing
from file_dataset.domain.verifying import Verifying

if TYPE_CHECKING:
    import pandas as pd


@attrs.frozen
class Recovered:
    """What ``recover`` did.

    Args:
        completed: The ids of the rows that had been committed, and can be seen whole now.
        swept: How many files are gone that nobody had committed.
        kept: How many were younger than ``older_than``, and were left alone.
        errors: What could not be brought to an end, by the id of the row; the key None is for
            what is no row's.
        directories: How many temporary directories are gone that killed processes had left.
    """

    completed: list[RowId]
    swept: int
    kept: int
    errors: dict[RowId | None, str]
    directories: int = 0


def recover(
    into_path: str | os.PathLike[str],
    *,
    older_than: float = 0,
    options: Options | None = None,
) -> Recovered:
    """Bring to an end what runs that were killed left below a destination.

    Rows that were committed are completed, and what nobody had committed is taken away: staged
    directories and files, and uploads in parts; and from this machine the temporary directories of
    this user's processes that are no more. Runs that are at it at this moment lose no row that
    they have reported, and report no row that they have lost: what is taken from them fails as
    retryable. Use ``older_than`` to let them be, and other programs' uploads in parts below the
    destination, since S3 does not tell whose they are.

    Args:
        into_path: The destination, a URL or a local path.
        older_than: Seconds; what was begun later is left alone.
        options: How storage is reached.

    Raises:
        ValueError: For a destination of an unknown scheme, and a negative number of seconds.
        UnsupportedError: If the store cannot tell what was left.
        StoreError: If it cannot be asked.

    >>> recover("memory://recovered/out/")
    Recovered(completed=[], swept=0, kept=0, errors={}, directories=...)
    """
    is_dead = _older_than(older_than)
    store = _wiring.store_for(options)
    into = destination(into_path, store)
    settled: list[Settled] = []
    with closing(store.pending(into)) as pending:
        # What was never a destination does not become one.
        is_left = next(pending, None) is not None
    if is_left:
        settled = list(Recovery(store, Destination(store, into).ledger(), is_dead).run())
    return Recovered(
        completed=[each.row_id for each in settled if each.is_completed and each.row_id],
        swept=sum(each.swept for each in settled),
        kept=sum(each.kept for each in settled),
        errors={each.row_id: str(each.error) for each in settled if each.error is not None},
        directories=_wiring.sweep_temp(),
    )


def _older_than(seconds: float) -> Callable[[datetime | None], bool]:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds < math.inf:
        raise ValueError(f"older_than must be a number of seconds from 0 on, not {seconds!r}")
    if not seconds:
        return lambda _: True
    limit = datetime.now(UTC) - timedelta(seconds=seconds)
    return lambda begun: begun is not None and begun < limit


@attrs.frozen
class Verification:
    """What ``verify`` found.

    Args:
        rows: How many committed rows there are.
        files: How many files they should have.
        problems: A table with a line for each thing that is wrong: ``id``, ``file``, ``url`` and
            ``message``; empty if all is as it was committed.
    """

    rows: int
    files: int
    problems: pd.DataFrame = attrs.field(repr=lambda problems: f"<{len(problems)} lines>")


def verify(into_path: str | os.PathLike[str], *, options: Options | None = None) -> Verification:
    """Check that the files of every committed row are there, with the sizes they should have.

    It looks at the rows that have a record: those of several files, and all rows of runs with
    ``if_exists="skip"`` or a ``version``. Nothing is changed, and no file is read.

    Args:
        into_path: The destination, a URL or a local path.
        options: How storage is reached.

    Raises:
        ValueError: For a destination of an unknown scheme.
        StoreError: If the records cannot be listed.

    >>> verify("memory://verified/out/").problems.empty
    True
    """
    import pandas as pd

    store = _wiring.store_for(options)
    rows = files = 0
    problems: list[tuple[RowId | None, str, str, str]] = []
    for verified in Verifying(store, destination(into_path, store)).run():
        rows += 1
        files += verified.files
        problems += [
            (verified.row_id, each.file, each.url.redacted, each.message)
            for each in verified.problems
        ]
    columns = ["id", "file", "url", "message"]
    return Verification(rows, files, pd.DataFrame(problems, columns=columns, dtype="object"))
