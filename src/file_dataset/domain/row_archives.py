"""Rows to their destination as one archive each: ``{into}/{id}.tar``, a single object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from file_dataset.domain.errors import InvalidUrlError, StoreError
from file_dataset.domain.gathering import Gathered, Gathering
from file_dataset.domain.objects import OVERWRITE, WriteMode
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.plan import RowResult
from file_dataset.domain.ports import Scratch
from file_dataset.domain.records import NO_INPUTS, Inputs
from file_dataset.domain.requests import Upload
from file_dataset.domain.rows import Cause, Row, RowDone, RowFailure, RowId
from file_dataset.domain.store import Store
from file_dataset.domain.tar_writer import TarWriter
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

# So many archives are made before they are uploaded together.
_AT_ONCE = 64


@attrs.frozen
class RowArchives:
    """Puts each row as one archive below a destination: it is seen whole, or not at all.

    A row's members are called as its files are. There is no index beside the archive, so that
    there is nothing that could be there without it; of a small one all is read at once.

    Args:
        store: Where the files are, and where the archives go.
        into: The destination.
        scratch: Where archives are made.
        mode: What may be there.
    """

    store: Store
    into: Url
    scratch: Scratch
    mode: WriteMode = OVERWRITE

    def publish(
        self,
        rows: Sequence[Row],
        inputs: Inputs = NO_INPUTS,  # noqa: ARG002 - for those who keep records
    ) -> Iterator[RowResult[Url]]:
        """Each row with the URLs of its members, or what kept it from that, in order."""
        for start in range(0, len(rows), _AT_ONCE):
            yield from self._publish(rows[start : start + _AT_ONCE])

    def _publish(self, rows: Sequence[Row]) -> Iterator[RowResult[Url]]:
        results: dict[RowId, RowResult[Url]] = {}
        uploads: list[tuple[RowDone[Url], Upload]] = []
        with self.scratch.open() as directory:
            gathered = Gathering(self.store, self.scratch).gather(rows)
            with closing(gathered):
                for number, each in enumerate(gathered):
                    if isinstance(each, RowFailure):
                        results[each.row_id] = each
                        continue
                    path = directory / f"{number}.tar"
                    try:
                        done = self._done(each.row)
                        _make(TarWriter(path), each)
                    except (StoreError, InvalidUrlError) as error:
                        cause = Cause.of(error, file="", url="")
                        results[each.row.id] = RowFailure(each.row.id, "write", (cause,))
                    else:
                        uploads.append((done, Upload(path, self._target(each.row), self.mode)))
                    finally:
                        each.release()
            with closing(self.store.run([upload for _, upload in uploads])) as outcomes:
                for outcome in outcomes:
                    done, upload = uploads[outcome.index]
                    results[done.row_id] = done
                    if isinstance(outcome, Failed):
                        cause = Cause.of(outcome.error, file="", url=upload.url)
                        results[done.row_id] = RowFailure(done.row_id, "write", (cause,))
        for row in rows:
            yield results[row.id]

    def _target(self, row: Row) -> Url:
        return self.into.joined(f"{row.id}.tar")

    def _done(self, row: Row) -> RowDone[Url]:
        archive = str(self._target(row))
        members = {
            name: None if source is None else Url("tar", archive, name)
            for name, source in row.files.items()
        }
        return RowDone(row, members)


def _make(tar: TarWriter, gathered: Gathered) -> None:
    """Make the archive of a row. Raises the StoreError that keeps it from being made."""
    try:
        tar.add(gathered.files)
        tar.finish()
    finally:
        tar.close()
