"""The files of rows, brought together to be put into archives: small ones in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeAlias

import attrs

from file_dataset.domain.errors import FileDatasetError, StoreError
from file_dataset.domain.files import small_file
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.plan import run_rows, windows
from file_dataset.domain.ports import Scratch
from file_dataset.domain.requests import Download, Read, Stat
from file_dataset.domain.rows import Cause, Row, RowFailure
from file_dataset.domain.store import Store
from file_dataset.domain.threads import ahead, closing
from file_dataset.domain.url import Url

SMALL: Final = 256 << 10
"""How many bytes a file has at most to be read into memory."""

# What is read at a time, and once more while that is packed: 64 MiB each at most.
_FILES_AT_ONCE: Final = 256

Content: TypeAlias = bytes | Path
"""A file's bytes, or a local file that has them."""

# What is in each file: None if it is larger than that.
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
    """Reads files into memory that are small; larger ones come to the disk, if they are not there.

    Sizes are asked for first: what a store tells of many is little beside what it gives of each.
    A local file is looked at where it is.

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
        asked: list[tuple[_Peeked, str, Url]] = []
        for row, files in found:
            for name, url in row.sources.items():
                content = small_file(url.path, most=SMALL) if url.is_local else None
                if content is None:
                    asked.append((files, name, url))
                else:
                    files[name] = content
        small: list[tuple[_Peeked, str, Url]] = []
        with closing(self.store.run([Stat(url) for _, _, url in asked])) as infos:
            for info in infos:
                files, name, url = asked[info.index]
                files[name] = info.error if isinstance(info, Failed) else None
                if not isinstance(info, Failed) and info.value.size <= SMALL:
                    small.append((files, name, url))
        # Without a span, so that a store which knows a checksum compares it.
        with closing(self.store.run([Read(url) for _, _, url in small])) as outcomes:
            for outcome in outcomes:
                files, name, _ = small[outcome.index]
                files[name] = outcome.error if isinstance(outcome, Failed) else outcome.value
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
