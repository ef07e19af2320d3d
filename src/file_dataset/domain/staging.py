"""Rows to directories: each row's files are fetched into a directory of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias, overload

import attrs

from file_dataset.domain.budget import Budget, Share
from file_dataset.domain.files import local_errors
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.plan import RowResult, run_rows, windows
from file_dataset.domain.ports import Scratch
from file_dataset.domain.requests import Download, Stat
from file_dataset.domain.rows import Row, RowDone, RowFailure, RowSkipped
from file_dataset.domain.sizes import bytes_of, other_sizes, refused_if_too_large
from file_dataset.domain.store import Store
from file_dataset.domain.threads import ahead, closing
from file_dataset.domain.timeline import Span
from file_dataset.domain.url import Url


@attrs.frozen(eq=False)
class StagedFiles:
    """A row whose files are in a directory, for as long as nobody releases it.

    Args:
        row: The row.
        path: The directory that holds them.
        output: An empty directory for what is made of them, where that was asked for.
        infos: What each of them was when it was fetched; filled in as they come.
        spans: When it was in each stage that it has been through.
    """

    row: Row
    path: Path
    output: Path | None
    infos: dict[str, ObjectInfo | None] = attrs.field(factory=dict, init=False, repr=False)
    spans: list[Span] = attrs.field(factory=list, init=False, repr=False)
    _held: ExitStack = attrs.field(repr=False, alias="held")

    @property
    def directories(self) -> tuple[Path, ...]:
        """The row's directories: for its files, and for outputs where that was asked for."""
        return (self.path,) if self.output is None else (self.path, self.output)

    @property
    def size(self) -> int:
        """Bytes of its files, as they were when they were fetched."""
        return sum(info.size for info in self.infos.values() if info is not None)

    def release(self) -> None:
        """Take the directories away."""
        self._held.close()


@attrs.frozen
class _Sized:
    """A row, what its files are as far as that was asked for, and what it needs of the budget."""

    row: Row
    infos: Mapping[str, ObjectInfo | None] = attrs.field(factory=dict)
    size: int = 0


@attrs.frozen
class _Admitted:
    """A row that has its share of the budget, and what its files were said to be."""

    row: Row
    infos: Mapping[str, ObjectInfo | None]
    share: Share


Unfetched: TypeAlias = RowFailure | RowSkipped[Url]
"""A row that is not to be fetched, and passes through in its place."""

_Window: TypeAlias = list[_Admitted | Unfetched]


@attrs.define
class _Pace:
    """How many rows are fetched as one batch.

    Small files want many requests in flight; of large ones the first row would be long in coming.
    """

    most: int
    rows: int = attrs.field(init=False)
    _bytes: int = attrs.field(init=False, default=0)

    @rows.default
    def _at_first(self) -> int:
        return min(self.most, 8)

    def note(self, row_bytes: int) -> None:
        """Take note of a row of the batch."""
        self._bytes += row_bytes

    def step(self) -> None:
        """Fetch more rows the next time if these were small, and fewer if they were large."""
        if self._bytes < 32 << 20:
            self.rows = min(self.most, 2 * self.rows)
        elif self._bytes > 128 << 20:
            self.rows = max(1, self.rows // 2)
        self._bytes = 0


@attrs.frozen
class Staging:
    """Fetches rows into directories, some of them ahead of who takes them.

    Args:
        store: Where the files are.
        scratch: Where the directories are made.
        prefetch: How many rows may be ready and not yet taken; 0 fetches each when it is asked
            for. What is on disk is never more than these and the rows that were taken.
        with_output: Whether each row gets an empty directory for outputs as well.
        budget: How many bytes may be in directories that are not released. Where it is used up,
            the next row waits for a release, which then has to come from another thread.
    """

    store: Store
    scratch: Scratch
    prefetch: int = attrs.field(
        validator=[attrs.validators.instance_of(int), attrs.validators.ge(0)]
    )
    with_output: bool = False
    budget: Budget = attrs.field(factory=Budget)

    @overload
    def stage(self, rows: Iterable[Row]) -> Iterator[StagedFiles | RowFailure]: ...
    @overload
    def stage(self, rows: Iterable[Row | Unfetched]) -> Iterator[StagedFiles | Unfetched]: ...
    def stage(self, rows: Iterable[Row | Unfetched]) -> Iterator[StagedFiles | Unfetched]:
        """Each row with its files in a directory, or what kept it from that, in order.

        What is not to be fetched passes through. A row that was taken is its taker's to release;
        closing takes away all others.
        """
        # Half of the places for a batch that is on its way, half for those that are ready.
        size = max(1, (self.prefetch + 1) // 2)
        untaken: set[StagedFiles] = set()
        fetched = self._fetch(rows, untaken, _Pace(size))
        if self.prefetch:
            fetched = ahead(fetched, depth=self.prefetch - size + 1)
        try:
            with closing(fetched):
                try:
                    for each in fetched:
                        if isinstance(each, StagedFiles):
                            untaken.remove(each)
                        yield each
                finally:
                    # Who waits for room would wait for rows that nobody will take.
                    self.budget.close()
        finally:
            for each in untaken:
                each.release()

    def _fetch(
        self, rows: Iterable[Row | Unfetched], untaken: set[StagedFiles], pace: _Pace
    ) -> Iterator[StagedFiles | Unfetched]:
        for window in self._windows(rows, pace):
            yield from self._fetch_window(window, untaken, pace)
            pace.step()

    def _windows(self, rows: Iterable[Row | Unfetched], pace: _Pace) -> Iterator[_Window]:
        """The rows that are fetched together: as many as the pace is, and as there is room for."""
        window: _Window = []
        with closing(self._sized(rows, pace.most)) as sized:
            for each in sized:
                if not isinstance(each, _Sized):
                    window.append(each)
                else:
                    if window and not self.budget.has_room(each.size):
                        yield window
                        window = []
                    if not self.budget.wait_for_room(each.size):
                        return
                    share = self.budget.share(each.size)
                    window.append(_Admitted(each.row, each.infos, share))
                if len(window) >= pace.rows:
                    yield window
                    window = []
        if window:
            yield window

    def _sized(self, rows: Iterable[Row | Unfetched], size: int) -> Iterator[_Sized | Unfetched]:
        if not self.budget.is_strict:
            return (_Sized(row) if isinstance(row, Row) else row for row in rows)
        # While one batch is fetched, the sizes of the next are asked for.
        asked = self._ask_sizes(rows, size)
        return ahead(asked, depth=size) if self.prefetch else asked

    def _ask_sizes(
        self, rows: Iterable[Row | Unfetched], size: int
    ) -> Iterator[_Sized | Unfetched]:
        for window in windows(rows, size):
            unsized = [row for row in window if isinstance(row, Row)]
            asked = run_rows(self.store, unsized, lambda _, __, url: Stat(url), stage="read")
            with closing(asked):
                for each in window:
                    yield self._sized_row(next(asked)) if isinstance(each, Row) else each

    def _sized_row(self, asked: RowResult[ObjectInfo]) -> _Sized | RowFailure:
        allowed = refused_if_too_large(asked, self.budget)
        if isinstance(allowed, RowFailure):
            return allowed
        return _Sized(allowed.row, allowed.values, bytes_of(allowed))

    def _fetch_window(
        self, window: _Window, untaken: set[StagedFiles], pace: _Pace
    ) -> Iterator[StagedFiles | Unfetched]:
        admitted = [each for each in window if isinstance(each, _Admitted)]
        staged = []
        for each in admitted:
            staged.append(self._open(each))
            untaken.add(staged[-1])

        def download(position: int, name: str, url: Url) -> Download:
            path = f"{staged[position].path}/{name}"
            if "/" in name:
                with local_errors(Url.local(path)):
                    os.makedirs(os.path.dirname(path), exist_ok=True)
            return Download(url, path)

        rows = [each.row for each in admitted]
        following = iter(zip(admitted, staged, strict=True))
        begun = time.monotonic()
        with closing(run_rows(self.store, rows, download, stage="read")) as results:
            for item in window:
                if not isinstance(item, _Admitted):
                    yield item
                    continue
                result = next(results)
                each, files = next(following)
                if isinstance(result, RowDone):
                    result = other_sizes(each.infos, result) or result
                if isinstance(result, RowDone):
                    files.infos.update(result.values)
                    each.share.resize(bytes_of(result))
                    pace.note(each.share.size)
                    files.spans.append(Span(begun, time.monotonic(), len(rows)))
                    yield files
                else:
                    untaken.remove(files)
                    files.release()
                    yield result

    def _open(self, admitted: _Admitted) -> StagedFiles:
        with ExitStack() as opening:
            # Given back when the directories are gone, and not before.
            opening.callback(admitted.share.give_back)
            path = opening.enter_context(self.scratch.open())
            output = opening.enter_context(self.scratch.open()) if self.with_output else None
            return StagedFiles(admitted.row, path, output, opening.pop_all())
