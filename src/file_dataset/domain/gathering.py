"""The files of rows, brought together to be put into archives: small ones in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeAlias

import attrs

from file_dataset.domain.errors import FileDatasetError, RangeNotSatisfiableError, StoreError
from file_dataset.domain.objects import Span
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.plan import run_rows, windows
from file_dataset.domain.ports import Scratch
from file_dataset.domain.requests import Download, Read
from file_dataset.domain.rows import Cause, Row, RowFailure
from file_dataset.domain.store import Store
from file_dataset.domain.threads import ahead, closing
from file_dataset.domain.url import Url

SMALL: Final = 256 << 10
"""How many bytes of a file are read to see whether there are more; of most there are not."""

# What is read at a time, and once more while that is packed: 64 MiB each at most.
_FILES_AT_ONCE: Final = 256

Content: TypeAlias = bytes | Path
"""A file's bytes, or a local file that has them."""

# What was read of each file: None if it is larger than that.
_Peeked: TypeAlias = dict[str, bytes | FileDatasetError | None]


@attrs.frozen
class Gathered:
    """A row with the contents of its files, for as long as nobody releases it.

    Args:
        row: The row.
        files: What is in each file that it has.
        release: Takes away what is on the disk.
    """

    row: Row
    files: Mapping[str, Content]
    release: Callable[[], object] = lambda: None


@attrs.frozen
class Gathering:
    """Reads files, each by one request if it is small; larger ones come to the disk, if not there.

    Args:
        store: Where they are.
        scratch: Where the larger ones lie.
    """

    store: Store
    scratch: Scratch

    def gather(self, rows: Iterable[Row]) -> Iterator[Gathered | RowFailure]:
        """Each row with the contents of its files, or what kept it from that, in order.

        A row that was taken is its taker's to release.
        """
        with closing(ahead(self._peeked_windows(rows), depth=1)) as peeked:
            for window in peeked:
                for row, files in window:
                    yield self._gathered(row, files)

    def _peeked_windows(self, rows: Iterable[Row]) -> Iterator[list[tuple[Row, _Peeked]]]:
        for some in windows(rows, _FILES_AT_ONCE):
            # Rows of several files come in windows of fewer.
            size = max(1, _FILES_AT_ONCE // max(1, *(len(row.files) for row in some)))
            yield from map(self._peek, windows(some, size))

    def _peek(self, rows: Sequence[Row]) -> list[tuple[Row, _Peeked]]:
        found: list[tuple[Row, _Peeked]] = [(row, {}) for row in rows]
        asked = [(files, name, url) for row, files in found for name, url in row.sources.items()]
        span = Span(0, SMALL + 1)
        with closing(self.store.run([Read(url, span) for _, _, url in asked])) as outcomes:
            for outcome in outcomes:
                files, name, _ = asked[outcome.index]
                if not isinstance(outcome, Failed):
                    files[name] = outcome.value if len(outcome.value) <= SMALL else None
                # Of an empty file there is no first byte.
                elif isinstance(outcome.error, RangeNotSatisfiableError):
                    files[name] = b""
                else:
                    files[name] = outcome.error
        return found

    def _gathered(self, row: Row, peeked: _Peeked) -> Gathered | RowFailure:
        contents: dict[str, Content] = {}
        causes: list[Cause] = []
        larger: dict[str, Url | None] = {}
        for name, url in row.sources.items():
            seen = peeked[name]
            if isinstance(seen, FileDatasetError):
                causes.append(Cause.of(seen, file=name, url=url))
            elif seen is not None:
                contents[name] = seen
            elif url.is_local:
                # A local file is read where it is.
                contents[name] = Path(url.path)
            else:
                larger[name] = url
        if causes:
            return RowFailure(row.id, "read", tuple(causes))
        return self._with_larger(row, contents, larger) if larger else Gathered(row, contents)

    def _with_larger(
        self, row: Row, contents: Mapping[str, Content], larger: Mapping[str, Url | None]
    ) -> Gathered | RowFailure:
        with ExitStack() as opening:
            try:
                directory = opening.enter_context(self.scratch.open())
            except StoreError as error:
                return RowFailure(row.id, "read", (Cause.of(error, file="", url=""),))
            paths = {name: directory / str(number) for number, name in enumerate(larger)}
            (fetched,) = run_rows(
                self.store,
                [Row(row.id, larger)],
                lambda _, name, url: Download(url, paths[name]),
                stage="read",
            )
            if isinstance(fetched, RowFailure):
                return fetched
            whole = {**contents, **paths}
            files = {name: whole[name] for name in row.sources}
            return Gathered(row, files, opening.pop_all().close)
