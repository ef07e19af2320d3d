"""Rows to directories: each row's files are fetched into a directory of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs

from file_dataset.domain.files import local_errors
from file_dataset.domain.plan import run_rows, windows
from file_dataset.domain.ports import Scratch
from file_dataset.domain.requests import Download
from file_dataset.domain.rows import Row, RowDone, RowFailure
from file_dataset.domain.store import Store
from file_dataset.domain.threads import ahead, closing
from file_dataset.domain.url import Url


@attrs.frozen(eq=False)
class StagedFiles:
    """A row whose files are in a directory, for as long as nobody releases it.

    Args:
        row: The row.
        path: The directory that holds them.
        output: An empty directory for what is made of them, where that was asked for.
    """

    row: Row
    path: Path
    output: Path | None
    _held: ExitStack = attrs.field(repr=False, alias="held")

    @property
    def directories(self) -> tuple[Path, ...]:
        """The row's directories: for its files, and for outputs where that was asked for."""
        return (self.path,) if self.output is None else (self.path, self.output)

    def release(self) -> None:
        """Take the directories away."""
        self._held.close()


@attrs.frozen
class Staging:
    """Fetches rows into directories, some of them ahead of who takes them.

    Args:
        store: Where the files are.
        scratch: Where the directories are made.
        prefetch: How many rows may be ready and not yet taken; 0 fetches each when it is asked
            for. What is on disk is never more than these and the rows that were taken.
        with_output: Whether each row gets an empty directory for outputs as well.
    """

    store: Store
    scratch: Scratch
    prefetch: int = attrs.field(
        validator=[attrs.validators.instance_of(int), attrs.validators.ge(0)]
    )
    with_output: bool = False

    def stage(self, rows: Iterable[Row]) -> Iterator[StagedFiles | RowFailure]:
        """Each row with its files in a directory, or what kept it from that, in order.

        A row that was taken is its taker's to release; closing takes away all others.
        """
        # Half of the places for a batch that is on its way, half for those that are ready.
        size = max(1, (self.prefetch + 1) // 2)
        untaken: set[StagedFiles] = set()
        fetched = self._fetch(rows, untaken, size=size)
        if self.prefetch:
            fetched = ahead(fetched, depth=self.prefetch - size + 1)
        try:
            with closing(fetched):
                for each in fetched:
                    if isinstance(each, StagedFiles):
                        untaken.remove(each)
                    yield each
        finally:
            for each in untaken:
                each.release()

    def _fetch(
        self, rows: Iterable[Row], untaken: set[StagedFiles], *, size: int
    ) -> Iterator[StagedFiles | RowFailure]:
        for window in windows(rows, size):
            yield from self._fetch_window(window, untaken)

    def _fetch_window(
        self, rows: Sequence[Row], untaken: set[StagedFiles]
    ) -> Iterator[StagedFiles | RowFailure]:
        staged = []
        for row in rows:
            staged.append(self._open(row))
            untaken.add(staged[-1])

        def download(position: int, name: str, url: Url) -> Download:
            path = staged[position].path / name
            if "/" in name:
                with local_errors(Url.local(path)):
                    path.parent.mkdir(parents=True, exist_ok=True)
            return Download(url, path)

        with closing(run_rows(self.store, rows, download, stage="read")) as results:
            for each, result in zip(staged, results, strict=True):
                if isinstance(result, RowDone):
                    yield each
                else:
                    untaken.remove(each)
                    each.release()
                    yield result

    def _open(self, row: Row) -> StagedFiles:
        with ExitStack() as opening:
            path = opening.enter_context(self.scratch.open())
            output = opening.enter_context(self.scratch.open()) if self.with_output else None
            return StagedFiles(row, path, output, opening.pop_all())
