"""Rows of small files into few archives, and what their members are called there."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final, TypeAlias

import attrs

from file_dataset.domain.archives import MOST_MEMBERS
from file_dataset.domain.errors import FileDatasetError, InvalidDatasetError, StoreError
from file_dataset.domain.gathering import Gathered
from file_dataset.domain.names import clashing_names, member_name_fault
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.plan import RowResult
from file_dataset.domain.ports import Scratch
from file_dataset.domain.requests import Request, Upload, Write
from file_dataset.domain.rows import Cause, Row, RowDone, RowFailure, RowId
from file_dataset.domain.shard_index import index_of
from file_dataset.domain.store import Store
from file_dataset.domain.tar_archives import end, taken
from file_dataset.domain.tar_writer import TarWriter, size_of
from file_dataset.domain.threads import behind, closing
from file_dataset.domain.url import Url

_is_shard = re.compile(r"shard-\d{6,}\.tar").fullmatch
# More names than these would hide the message in its examples.
_SHOWN: Final = 5


def member_name(row_id: RowId, filename: str) -> str:
    """What a file of a row is called in a shard.

    WebDataset takes what comes before the first dot for the row, and the rest for the file.
    """
    return f"{row_id}.{filename}"


def check_member_names(ids: Sequence[RowId], filenames: Collection[str]) -> None:
    """Look whether all files of a table can be members, each under a name of its own.

    Raises:
        InvalidDatasetError: If some cannot.
    """
    faults = [
        f"row {row_id!r}, file {filename!r}: the member {name!r} {fault}"
        for row_id in ids
        for filename in filenames
        if (fault := member_name_fault(name := member_name(row_id, filename)))
    ]
    # Only a dot in an id can make the names of two rows one.
    if any("." in str(row_id) for row_id in ids):
        names = Counter(member_name(row_id, name) for row_id in ids for name in filenames)
        faults += [
            f"two rows would have the member {n!r}" for n, count in names.items() if count > 1
        ]
        faults += [f"{n!r} would be a file and a directory" for n in clashing_names(names)]
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise InvalidDatasetError(f"{'; '.join(faults[:_SHOWN])}{more}")


@attrs.define(eq=False)
class _Shard:
    """An archive that is filled, and the rows that are in it."""

    url: Url
    tar: TarWriter
    held: ExitStack
    rows: list[Row] = attrs.field(factory=list)

    def add(self, gathered: Gathered) -> None:
        """Take in a row. Raises the StoreError that keeps it out."""
        row = gathered.row
        self.tar.add({member_name(row.id, name): each for name, each in gathered.files.items()})
        self.rows.append(row)

    def release(self) -> None:
        """Take the archive away from here."""
        self.held.close()

    def failures(self, error: FileDatasetError) -> Iterator[RowFailure]:
        """What becomes of its rows if it cannot be had."""
        cause = Cause.of(error, file="", url=self.url)
        return (RowFailure(row.id, "write", (cause,)) for row in self.rows)

    def done(self, row: Row) -> RowDone[Url]:
        """The row with its files where they are as members."""
        archive = str(self.url)
        members = {
            name: None if source is None else Url("tar", archive, member_name(row.id, name))
            for name, source in row.files.items()
        }
        return RowDone(row, members)


_Item: TypeAlias = _Shard | RowFailure


@attrs.frozen
class Packing:
    """Packs rows into archives, each of which is seen when it is whole and not before.

    The index comes before its shard, so that none is seen without, and what a killed packer leaves
    is an index of nothing. A packer that packs the same rows again makes the same bytes.

    Args:
        store: Serves the destination.
        into: The prefix that the shards lie below.
        scratch: Where a shard is filled: one is, while another one waits and a third is uploaded.
        shard_bytes: What a shard takes at most, unless a single row takes more.
        shard_rows: How many rows are in a shard at most; None for any number.
    """

    store: Store
    into: Url
    scratch: Scratch
    shard_bytes: int
    shard_rows: int | None = None

    def pack(self, gathered: Iterable[Gathered | RowFailure]) -> Iterator[RowResult[Url]]:
        """Each row with the URLs of its members, or what kept it from that, shard by shard.

        Args:
            gathered: Rows with what is in their files, which are released here.
        """
        with (
            closing(self._shards(gathered)) as shards,
            closing(behind(self._publish, shards, depth=1)) as results,
        ):
            yield from results

    def shards(self) -> list[Url]:
        """The shards that are at the destination, by whomever.

        Raises:
            StoreError: If the store cannot be listed.
        """
        with closing(self.store.list_starting(self.into, "shard-", recursive=False)) as found:
            return [each.url for each in found if _is_shard(each.url.name)]

    def _shards(self, gathered: Iterable[Gathered | RowFailure]) -> Iterator[_Item]:
        shard: _Shard | None = None
        numbers = itertools.count(1)
        try:
            for each in gathered:
                if isinstance(each, RowFailure):
                    yield each
                    continue
                try:
                    if shard is not None and not self._has_room(shard, each):
                        yield from self._ended(shard)
                        shard = None
                    shard = shard or self._begin(next(numbers))
                    shard.add(each)
                except StoreError as error:
                    yield RowFailure(each.row.id, "write", (Cause.of(error, file="", url=""),))
                finally:
                    each.release()
            if shard is not None and shard.rows:
                yield from self._ended(shard)
                shard = None
        finally:
            if shard is not None:
                shard.release()

    def _begin(self, number: int) -> _Shard:
        with ExitStack() as opening:
            directory = opening.enter_context(self.scratch.open())
            tar = TarWriter(directory / "shard.tar")
            opening.callback(tar.close)
            url = self.into.joined(f"shard-{number:06}.tar")
            return _Shard(url, tar, opening.pop_all())

    def _ended(self, shard: _Shard) -> Iterator[_Item]:
        """The shard as it is to be uploaded, or its rows if there was no space for its end."""
        try:
            shard.tar.finish()
        except StoreError as error:
            shard.release()
            yield from shard.failures(error)
        else:
            yield shard

    def _has_room(self, shard: _Shard, gathered: Gathered) -> bool:
        """Whether a row goes into a shard; into an empty one any does."""
        if not shard.rows:
            return True
        row_id = gathered.row.id
        needed = sum(
            taken(member_name(row_id, name), size_of(each)) for name, each in gathered.files.items()
        )
        size = shard.tar.size + needed
        return (
            size + len(end(size)) <= self.shard_bytes
            and (self.shard_rows is None or len(shard.rows) < self.shard_rows)
            and shard.tar.members + len(gathered.files) <= MOST_MEMBERS
        )

    def _publish(self, items: Sequence[_Item]) -> Iterator[RowResult[Url]]:
        for item in items:
            if isinstance(item, RowFailure):
                yield item
                continue
            try:
                error = self._upload(item)
            finally:
                item.release()
            yield from map(item.done, item.rows) if error is None else item.failures(error)

    def _upload(self, shard: _Shard) -> FileDatasetError | None:
        """Put a shard where it is to be, and tell what kept it from that."""
        requests: tuple[Request[None], ...] = (
            Write(index_of(shard.url), shard.tar.index.to_json()),
            Upload(shard.tar.path, shard.url),
        )
        for request in requests:
            (outcome,) = self.store.run([request])
            if isinstance(outcome, Failed):
                return outcome.error
        return None
