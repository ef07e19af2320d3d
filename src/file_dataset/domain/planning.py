"""What a run would do, found out before a byte moves: its own services, over stores that look."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from file_dataset.domain.budget import Budget
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.pipeline import Publisher, rows_at_once
from file_dataset.domain.plan import RowResult, Settled, settle_rows
from file_dataset.domain.ports import Scratch
from file_dataset.domain.rehearsing import Looking, Rehearsal
from file_dataset.domain.requests import Download, Stat
from file_dataset.domain.resuming import Resuming
from file_dataset.domain.rows import Row, RowDone, RowFailure, RowId, RowSkipped
from file_dataset.domain.sizes import refused_if_too_large
from file_dataset.domain.staging import Unfetched
from file_dataset.domain.stopping import Stop, Stopping
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

# Enough for a store to answer by a listing.
_AT_ONCE: Final = 1024
# So many until it is clear that the store answers at all.
_AT_FIRST: Final = 32


@attrs.frozen
class PlannedRequests:
    """How many requests over a network a run would send, if none has to be repeated.

    Args:
        looking: To find out which rows are done, and how large files are where it has to know.
        reading: To fetch files.
        publishing: To put outputs where they go, each of them small enough for one request; None
            if nobody says how many there are.
    """

    looking: int
    reading: int
    publishing: int | None

    @property
    def total(self) -> int | None:
        """All of them; None if that is not known."""
        return None if self.publishing is None else self.looking + self.reading + self.publishing


@attrs.frozen
class Planned:
    """What a run would do.

    Args:
        rows: How many rows would go through the function, as far as can be known.
        files: How many files would be fetched.
        size: How many bytes these have.
        requests: What would be sent.
        staged: How many bytes of fetched files may be on disk at a time, at most.
        skipped: The rows that are done already.
        failures: The rows that would be lost, with everything that is wrong with their files.
        stop: What would keep every row from coming through; what follows was not looked at then.
    """

    rows: int
    files: int
    size: int
    requests: PlannedRequests
    staged: int
    skipped: tuple[RowId, ...]
    failures: tuple[RowFailure, ...]
    stop: Stop | None


@attrs.frozen
class Planning:
    """Finds out what a run over some rows would do, and changes nothing.

    Args:
        store: Where the files are, and where outputs go.
        scratch: A place for an empty file that stands for each output.
        budget: What may be staged at a time.
        prefetch: How many rows are fetched ahead of the function.
        workers: How many rows are in the function at a time.
        outputs: The names of the files that the function makes of a row; None if nobody knows.
        publisher: Makes what puts rows where they go, given the store to do it with.
        resuming: Makes what tells which rows are done; gives None if all are run.
    """

    store: Store
    scratch: Scratch
    budget: Budget
    prefetch: int
    workers: int
    outputs: Sequence[str] | None
    publisher: Callable[[Store], Publisher]
    resuming: Callable[[Store], Resuming | None]

    def run(self, rows: Sequence[Row]) -> Planned:
        """What a run over the rows would do."""
        looking, rehearsal = Looking(self.store), Rehearsal(self.store)
        resuming, publisher = self.resuming(looking), self.publisher(rehearsal)
        wanted = rows if resuming is None else resuming.sorted_out(rows)
        tally = _Tally(Stopping(len(rows)), rows_at_once(self.prefetch, self.workers))
        with self.scratch.open() as directory:
            blank = directory / "output"
            blank.touch()
            for window in _growing(wanted):
                fetched = list(self._fetched(window, tally))
                whole = [each for each in fetched if isinstance(each, Row)]
                published = self._published(whole, publisher, blank)
                # In their order, as the run looks for reasons to stop.
                for each in fetched:
                    tally.take(next(published) if isinstance(each, Row) else each)
                rehearsal.forget()
                if tally.stop is not None:
                    break
        publishing = None if self.outputs is None else rehearsal.requests
        return Planned(
            rows=tally.rows,
            files=tally.files,
            size=tally.size,
            requests=PlannedRequests(looking.requests + tally.looking, tally.reading, publishing),
            staged=self._staged(tally),
            skipped=tuple(tally.skipped),
            failures=tuple(tally.failures),
            stop=tally.stop,
        )

    def _fetched(
        self, window: Sequence[Row | Unfetched], tally: _Tally
    ) -> Iterator[Row | Unfetched]:
        """Some rows as they would come to the function, or what would keep them from it."""
        new = [each for each in window if isinstance(each, Row)]
        known = settle_rows(self.store, new, lambda _, __, url: Stat(url))
        for each in window:
            if not isinstance(each, Row):
                yield each
                continue
            settled = next(known)
            result = settled.result("read")
            if self.budget.is_strict:
                tally.looking += sum(self._cost(Stat(url)) for url in each.sources.values())
                result = refused_if_too_large(result, self.budget)
            if isinstance(result, RowDone) or not self.budget.is_strict:
                tally.fetch(settled, self._cost_of_fetching(settled))
            yield result if isinstance(result, RowFailure) else each

    def _published(
        self, rows: Sequence[Row], publisher: Publisher, blank: Path
    ) -> Iterator[RowResult[Url]]:
        """What would become of rows that the function has done."""
        if self.outputs is None:
            return (RowDone[Url](row, {}) for row in rows)
        made = [Row(row.id, dict.fromkeys(self.outputs, Url.local(blank))) for row in rows]
        return publisher.publish(made, {})

    def _cost_of_fetching(self, settled: Settled[ObjectInfo]) -> int:
        sizes = {name: info.size for name, info in settled.values.items() if info is not None}
        return sum(
            self._cost(Download(url, Path(name)), sizes.get(name, 0))
            for name, url in settled.row.sources.items()
        )

    def _cost(self, request: Stat | Download, size: int = 0) -> int:
        return self.store.cost([request], [size])

    def _staged(self, tally: _Tally) -> int:
        most = sum(tally.largest)
        limit = self.budget.limit
        return most if limit is None or not self.budget.is_strict else min(most, limit)


@attrs.define
class _Tally:
    """What is known so far of what a run would do.

    Args:
        stopping: Looks for what would keep every row from coming through.
        at_once: How many rows may be on disk at a time.
    """

    stopping: Stopping
    at_once: int
    rows: int = 0
    files: int = 0
    size: int = 0
    looking: int = 0
    reading: int = 0
    largest: list[int] = attrs.field(factory=list)
    skipped: list[RowId] = attrs.field(factory=list)
    failures: list[RowFailure] = attrs.field(factory=list)
    stop: Stop | None = None

    def fetch(self, settled: Settled[ObjectInfo], requests: int) -> None:
        """Count a row's files, and what it takes to fetch them."""
        size = sum(info.size for info in settled.values.values() if info is not None)
        self.files += len(settled.row.sources)
        self.size += size
        self.reading += requests
        if len(self.largest) < self.at_once:
            heapq.heappush(self.largest, size)
        else:
            heapq.heappushpop(self.largest, size)

    def take(self, result: RowResult[Url]) -> None:
        """Take in what becomes of a row."""
        if isinstance(result, RowFailure):
            self.failures.append(result)
        elif isinstance(result, RowSkipped):
            self.skipped.append(result.row_id)
        else:
            self.rows += 1
        self.stop = self.stop or self.stopping.note(result)


def _growing(rows: Iterable[Row | Unfetched]) -> Iterator[list[Row | Unfetched]]:
    """The rows in lists, of which the first is short."""
    rest, size = iter(rows), _AT_FIRST
    while window := list(itertools.islice(rest, size)):
        yield window
        size = _AT_ONCE
