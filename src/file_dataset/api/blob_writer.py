"""Contents that are in memory, published as rows of files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from file_dataset.api import _wiring
from file_dataset.api.committing import CommitMode, Committing
from file_dataset.api.frames import RowTable
from file_dataset.api.options import Options
from file_dataset.api.writer import destination, writing
from file_dataset.domain.commit import IfExists
from file_dataset.domain.errors import InvalidDatasetError
from file_dataset.domain.plan import RowResult
from file_dataset.domain.rows import Cause, Row, RowFailure, RowId
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    import pyarrow as pa

# How much is in temporary files at a time.
_ROWS_AT_ONCE = 1024
_BYTES_AT_ONCE = 2**26


@attrs.frozen
class Written:
    """What became of a row.

    Args:
        result: Where its files are, or what kept them from it.
        bytes: The size of its files together.
    """

    result: RowResult[Url]
    bytes: int


@attrs.frozen
class BlobWriter:
    """Publishes the rows of tables of contents; it can be pickled, to do so on other machines.

    Args:
        committing: How rows come to where they go.
    """

    committing: Committing

    @classmethod
    def of(
        cls,
        into_path: str | os.PathLike[str],
        options: Options | None,
        *,
        commit: CommitMode,
        if_exists: IfExists,
    ) -> BlobWriter:
        """What writes there as the options say.

        Raises:
            ValueError: For a destination of an unknown scheme, and for another ``commit`` or
                ``if_exists``.
        """
        if if_exists == "skip":
            raise ValueError(
                'if_exists="skip" compares the sources of files, which contents do not have'
            )
        store = _wiring.store_for(options)
        into = destination(into_path, store)
        return cls(Committing.of(store, into, commit=commit, if_exists=if_exists))

    def __getstate__(self) -> dict[str, Any]:
        # Copies work on parts of the same data, and an attempt may be one of several at a row.
        return {"committing": self.committing.of_one_run()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        object.__setattr__(self, "committing", state["committing"])

    def check(self, schema: pa.Schema) -> None:
        """Look at the columns that tables are going to have.

        Raises:
            InvalidDatasetError: If there is no ``id``, no file column, or one without contents.
        """
        import pyarrow as pa

        cells = {name: pa.array([0]) if name == "id" else pa.nulls(1) for name in schema.names}
        files = self._parse(pa.table(cells)).columns
        for name, kind in zip(schema.names, schema.types, strict=True):
            if name in files and "binary" not in str(kind) and not pa.types.is_null(kind):
                raise InvalidDatasetError(
                    f"column {name!r} has no contents of files but values of type {kind}; "
                    f"file_dataset.write_files() publishes files that are told by their URLs"
                )

    def write(self, table: pa.Table) -> Iterator[Written]:
        """Publish the rows of a table as ``{into_path}/{id}/{filename}``, in order.

        The files are in columns of contents whose name has an extension; null is a file that the
        row does not have. A row with a text in a column ``error`` has failed already.

        Raises:
            InvalidDatasetError: For ids and names that break the rules.
            UnsupportedSchemeError: If the store of the destination is missing on this machine.
        """
        import pyarrow as pa

        where = self.committing.destination
        _wiring.scheme_check(where.store, names_host=True)(where.into, "into_path")
        names = pa.table({name: pa.nulls(len(table)) for name in table.column_names})
        if "id" in table.column_names:
            names = names.set_column(names.column_names.index("id"), "id", table["id"])
        parsed = self._parse(names)
        errors = table["error"].to_pylist() if "error" in table.column_names else repeat(None)
        contents = (table[name] for name in parsed.columns)
        blobs = (
            _Blobs(row_id, error, dict(zip(parsed.columns, row, strict=True)))
            for row_id, error, *row in zip(parsed.rows.ids, errors, *contents, strict=False)
        )
        with _wiring.temp_scratch(None) as scratch:
            for portion in _portions(blobs):
                with scratch.open() as directory:
                    yield from self._write(portion, directory)

    def _write(self, rows: Sequence[_Blobs], directory: Path) -> Iterator[Written]:
        good = [row for row in rows if row.error is None]
        sources = [row.stored(directory / str(number)) for number, row in enumerate(good)]
        results = writing(self.committing).run(sources)
        for row in rows:
            if row.error is None:
                yield Written(next(results), row.bytes)
            else:
                yield Written(
                    RowFailure(row.id, "read", (Cause("FileDatasetError", row.error),)), 0
                )

    def _parse(self, table: object) -> RowTable:
        check = _wiring.scheme_check(self.committing.destination.store)
        return RowTable.parse(table, check=check, only_files=True)


@attrs.frozen
class _Blobs:
    """A row with its contents, or with what kept it from having any."""

    id: RowId
    error: str | None
    values: Mapping[str, pa.BinaryScalar]

    @property
    def bytes(self) -> int:
        return sum(value.as_buffer().size for value in self.values.values() if value.is_valid)

    def stored(self, prefix: Path) -> Row:
        """The row with its contents in files whose paths begin so."""
        files: dict[str, Url | None] = dict.fromkeys(self.values)
        for number, (name, value) in enumerate(self.values.items()):
            if value.is_valid:
                path = prefix.with_name(f"{prefix.name}.{number}")
                path.write_bytes(value.as_buffer())
                files[name] = Url.local(path)
        return Row(self.id, files)


def _portions(rows: Iterable[_Blobs]) -> Iterator[list[_Blobs]]:
    """The rows in lists that take so little on the disk, or are a single row."""
    portion: list[_Blobs] = []
    size = 0
    for row in rows:
        if portion and (len(portion) == _ROWS_AT_ONCE or size + row.bytes > _BYTES_AT_ONCE):
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += row.bytes
    if portion:
        yield portion
