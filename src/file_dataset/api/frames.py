"""A user's table as rows, and rows as a table again: every rule about ids, names and cells."""

from __future__ import annotations

import collections
import inspect
import operator
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import attrs

from file_dataset.api.cells import (
    CellRows,
    is_absent,
    some_of,
    sound_cells,
    url_of,
)
from file_dataset.api.kinds import CellTypes, Columns, Table, table_of
from file_dataset.domain.errors import InvalidDatasetError
from file_dataset.domain.names import clashing_names, file_name_fault, row_id_fault
from file_dataset.domain.rows import Row, RowId
from file_dataset.domain.url import Url


@attrs.frozen
class RowTable:
    """A table that was found sound, as rows.

    Args:
        table: What the user gave.
        rows: A row for each of its rows, in order.
        columns: The names of its file columns.
        positions: Where each row stands in the table.
    """

    table: Table = attrs.field(repr=False)
    rows: CellRows = attrs.field(repr=False)
    columns: tuple[str, ...]
    positions: Mapping[RowId, int] = attrs.field(repr=False)

    @classmethod
    def parse(
        cls, frame: object, *, check: Callable[[Url, str], None], only_files: bool = False
    ) -> RowTable:
        """The rows of a pandas, Arrow or Polars table or of a list of mappings.

        Args:
            frame: The table, with an ``id`` column.
            check: Raises what is wrong with a URL, given where it stands.
            only_files: Whether the file columns are those whose name has an extension, rather
                than every column but ``id``.

        Raises:
            InvalidDatasetError: For ids, names or cells that break the rules; all are listed.
        """
        table = table_of(frame)
        cells = table.columns()
        if "id" not in cells:
            raise InvalidDatasetError("DataFrame must have an 'id' column")
        ids = _row_ids(cells.pop("id"))
        names = _file_columns(cells, ids) if only_files else _checked_names(cells)
        rows = CellRows(ids, sound_cells({name: cells[name] for name in names}, ids, check))
        if clashing_names(names):
            # Where names clash, it depends on the row's cells whether it has both: each is made.
            collections.deque(rows, maxlen=0)
        return cls(table, rows, tuple(names), {row_id: n for n, row_id in enumerate(ids)})

    def only(self, ids: Collection[RowId]) -> RowTable:
        """The same table with only these of its rows."""
        return attrs.evolve(self, rows=self.rows.only(ids))

    def sources(self) -> Any:
        """Its rows as a table of the user's kind, with local paths made absolute."""
        columns = {name: [row.files[name] for row in self.rows] for name in self.columns}
        return self.like([row.id for row in self.rows], columns)

    def like(self, ids: Sequence[RowId], columns: Columns, types: CellTypes | None = None) -> Any:
        """A table of the user's kind: these of its rows' ids, with these columns beside them."""
        return self.table.like([self.positions[row_id] for row_id in ids], columns, types or {})


def parse_row(row: object, *, check: Callable[[Url, str], None], row_id: RowId) -> Row:
    """A mapping of filename to source as a row.

    Raises:
        InvalidDatasetError: For names or sources that break the rules.
    """
    if not isinstance(row, Mapping):
        raise InvalidDatasetError(
            f"a row must be a mapping of filename to source, not {type(row).__name__}"
        )
    sources = sound_cells({name: [source] for name, source in row.items()}, [row_id], check)
    return Row(plain(row_id), {name: url_of(source) for name, [source] in sources.items()})  # type: ignore[arg-type]  # Row looks at it


def _row_ids(values: Sequence[object]) -> list[RowId]:
    # Of nearly all tables nothing more has to be looked at, or explained.
    is_plain = set(map(type, values)) in ({int}, {str}) and len(set(values)) == len(values)
    if is_plain and not any(map(row_id_fault, values)):
        return list(values)  # type: ignore[arg-type]  # they are what their types say
    ids = [plain(value) for value in values]
    faults, twice = id_faults(ids)
    said = []
    if faults:
        told = [f"row {n}: {fault}" for n, fault in faults.items()]
        said.append(f"'id' column has values that cannot name a row: {some_of(told)}")
    if twice:
        texts = [repr(text) for text in twice]
        said.append(f"'id' column must have unique values; duplicates: {some_of(texts)}")
    if said:
        raise InvalidDatasetError(". ".join(said))
    return ids  # type: ignore[return-value]  # row_id_fault() has looked at each


def id_faults(ids: Sequence[object]) -> tuple[dict[int, str], dict[str, list[int]]]:
    """What is wrong with ids, by their positions; and the positions of those that are alike."""
    faults: dict[int, str] = {}
    positions: dict[str, list[int]] = {}
    for n, row_id in enumerate(ids):
        if fault := row_id_fault(row_id):
            faults[n] = f"the id {'is absent' if is_absent(row_id) else f'{row_id!r} {fault}'}"
        else:
            positions.setdefault(str(row_id), []).append(n)
    return faults, {text: where for text, where in positions.items() if len(where) > 1}


def plain(value: object) -> object:
    """A number or text of numpy's as Python's own."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        return value
    return operator.index(value)  # type: ignore[arg-type]


def _checked_names(names: Mapping[str, object]) -> list[str]:
    faults = [f"{name!r} {fault}" for name in names if (fault := file_name_fault(name))]
    if faults:
        raise InvalidDatasetError(f"columns that cannot be filenames: {some_of(faults)}")
    return list(names)


def _file_columns(cells: Mapping[Any, Sequence[object]], ids: Sequence[RowId]) -> list[str]:
    names = named_as_files(cells)
    # An empty list has no columns, nor has what a pipeline made of no rows.
    if ids and not names:
        raise InvalidDatasetError(
            f"No valid file columns found in DataFrame; a file column has a name with an "
            f"extension, as 'image.mha'; the columns are {[str(name) for name in cells]}"
        )
    for name in cells.keys() - set(names):
        if any(isinstance(cell, str | Url) and "://" in str(cell) for cell in cells[name]):
            warnings.warn(
                f"column {name!r} holds URLs but is no file column, since its name has no "
                f"extension; rename it, as '{name}.bin', to have its files staged",
                stacklevel=users_stacklevel(),
            )
    return _checked_names(dict.fromkeys(names))


def named_as_files(names: Iterable[object]) -> list[str]:
    """Those of some columns' names that have an extension."""
    return [name for name in names if isinstance(name, str) and _has_extension(name)]


def users_stacklevel() -> int:
    """How many calls up from who asks the first line is that is not this library's."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals["__name__"].startswith("file_dataset."):
        level, frame = level + 1, frame.f_back
    return level


def _has_extension(name: str) -> bool:
    return any(character.isalpha() for character in PurePosixPath(name).suffix)
