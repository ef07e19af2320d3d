"""A user's table as rows, and rows as a table again: every rule about ids, names and cells."""

from __future__ import annotations

import inspect
import numbers
import operator
import os
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeAlias

import attrs

from file_dataset.api.kinds import CellTypes, Columns, Table, table_of
from file_dataset.domain.errors import InvalidDatasetError, InvalidUrlError
from file_dataset.domain.names import file_name_fault, row_id_fault
from file_dataset.domain.rows import Row, RowId
from file_dataset.domain.url import Url

Source: TypeAlias = "str | os.PathLike[str] | Url | None"

# More than these would hide the message in its examples.
_SHOWN = 10


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
    rows: tuple[Row, ...] = attrs.field(repr=False)
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
        sources = _sources({name: cells[name] for name in names}, ids, check)
        rows = tuple(
            Row(row_id, {name: sources[name][position] for name in names})
            for position, row_id in enumerate(ids)
        )
        return cls(table, rows, tuple(names), {row_id: n for n, row_id in enumerate(ids)})

    def only(self, ids: Collection[RowId]) -> RowTable:
        """The same table with only these of its rows."""
        return attrs.evolve(self, rows=tuple(row for row in self.rows if row.id in ids))

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
    sources = _sources({name: [source] for name, source in row.items()}, [row_id], check)
    return Row(_plain(row_id), {name: source for name, [source] in sources.items()})  # type: ignore[arg-type]  # Row looks at it


def is_absent(cell: object) -> bool:
    """Whether a cell says that there is nothing: None, NaN, NA or NaT."""
    if isinstance(cell, numbers.Number):
        return bool(cell != cell)  # noqa: PLR0124 - which only NaN does, in any library
    return cell is None or type(cell).__name__ in {"NAType", "NaTType"}


def _row_ids(values: Sequence[object]) -> list[RowId]:
    ids = [_plain(value) for value in values]
    faults = {n: fault for n, row_id in enumerate(ids) if (fault := row_id_fault(row_id))}
    counts = Counter(str(row_id) for n, row_id in enumerate(ids) if n not in faults)
    twice = [repr(text) for text, count in counts.items() if count > 1]
    told = [
        f"row {n}: the id {'is absent' if is_absent(ids[n]) else f'{ids[n]!r} {fault}'}"
        for n, fault in faults.items()
    ]
    said = []
    if told:
        said.append(f"'id' column has values that cannot name a row: {_some(told)}")
    if twice:
        said.append(f"'id' column must have unique values; duplicates: {_some(twice)}")
    if said:
        raise InvalidDatasetError(". ".join(said))
    return ids  # type: ignore[return-value]  # row_id_fault() has looked at each


def _plain(value: object) -> object:
    """A number or text of numpy's as Python's own."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        return value
    return operator.index(value)  # type: ignore[arg-type]


def _checked_names(names: Mapping[str, object]) -> list[str]:
    faults = [f"{name!r} {fault}" for name in names if (fault := file_name_fault(name))]
    if faults:
        raise InvalidDatasetError(f"columns that cannot be filenames: {_some(faults)}")
    return list(names)


def _file_columns(cells: Mapping[Any, Sequence[object]], ids: Sequence[RowId]) -> list[str]:
    names = [name for name in cells if isinstance(name, str) and _has_extension(name)]
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


def users_stacklevel() -> int:
    """How many calls up from who asks the first line is that is not this library's."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals["__name__"].startswith("file_dataset."):
        level, frame = level + 1, frame.f_back
    return level


def _has_extension(name: str) -> bool:
    return any(character.isalpha() for character in PurePosixPath(name).suffix)


def _sources(
    cells: Mapping[str, Sequence[object]],
    ids: Sequence[RowId],
    check: Callable[[Url, str], None],
) -> dict[str, list[Url | None]]:
    """The sources that the cells of each column spell; all that spell none are told at once."""
    faults: list[str] = []
    schemes: set[str] = set()
    sources: dict[str, list[Url | None]] = {name: [] for name in cells}
    for name, column in cells.items():
        for row_id, cell in zip(ids, column, strict=True):
            try:
                url = None if is_absent(cell) else _url(cell)
            except InvalidUrlError as error:
                faults.append(f"row {row_id!r}, file {name!r}: {error}")
                continue
            if url is not None and url.scheme not in schemes:
                check(url, f"row {row_id!r}, file {name!r}")
                schemes.add(url.scheme)
            sources[name].append(url)
    if faults:
        raise InvalidDatasetError(_some(faults))
    return sources


def _url(cell: object) -> Url:
    if isinstance(cell, Url):
        return cell
    if isinstance(cell, str | os.PathLike):
        return Url.parse(cell)
    raise InvalidUrlError(
        f"{cell!r} ({type(cell).__name__}) is neither a URL, a path nor absent (None, NaN or NA)"
    )


def _some(faults: Sequence[str]) -> str:
    more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return "; ".join(faults[:_SHOWN]) + more
