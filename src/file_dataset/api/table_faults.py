"""Everything that is wrong with a table, and the rest of it, for who wants to know it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from file_dataset.api.cells import Cell, CellRows, is_absent, source_of
from file_dataset.api.frames import RowTable, id_faults, named_as_files, plain
from file_dataset.api.kinds import table_of
from file_dataset.domain.errors import (
    FileDatasetError,
    InvalidDatasetError,
    InvalidUrlError,
    MissingDependencyError,
    UnsupportedSchemeError,
)
from file_dataset.domain.names import file_name_fault
from file_dataset.domain.rows import Row
from file_dataset.domain.url import Url

Check = Callable[[Url, str], None]


@attrs.frozen
class TableFault:
    """Something for which a table is refused.

    Args:
        id: The id of the row as it is in the table; None where it is a column's.
        file: The column; empty where it is the id's.
        url: The URL without its secrets, where it is one.
        error: The kind of error.
        message: What is wrong, in words.
    """

    id: object
    file: str
    url: str
    error: str
    message: str


@attrs.frozen
class Examined:
    """A table, as far as it is sound.

    Args:
        total: How many rows it has.
        rows: Those that are sound.
        faults: What is wrong with the others, or with columns.
    """

    total: int
    rows: CellRows
    faults: Sequence[TableFault] = ()


def examined(frame: object, *, check: Check) -> Examined:
    """The rows of a table that are sound, and what is wrong with the others.

    Args:
        frame: The table, with an ``id`` column.
        check: Raises what is wrong with a URL, given where it stands.

    Raises:
        InvalidDatasetError: If it is no table, or one without ids or files.
    """
    try:
        rows = RowTable.parse(frame, check=check, only_files=True).rows
        return Examined(len(rows), rows)
    except (InvalidDatasetError, UnsupportedSchemeError, MissingDependencyError):
        cells = table_of(frame).columns()
        if "id" not in cells or not (named := named_as_files(cells)):
            raise
        bad_names = {name: fault for name in named if (fault := file_name_fault(name))}
        columns = {name: cells[name] for name in named if name not in bad_names}
        faults = [
            _fault(None, name, InvalidDatasetError(f"the filename {name!r} {fault}"))
            for name, fault in bad_names.items()
        ]
        ids = [plain(value) for value in cells["id"]]
        left = _left(ids, faults)
        rows = _sound(ids, columns, [n for n in range(len(ids)) if n not in left], check, faults)
        if not faults:
            raise
        return Examined(len(ids), rows, faults)


def _left(ids: Sequence[object], faults: list[TableFault]) -> set[int]:
    """The positions of rows that have no name of their own."""
    bad, twice = id_faults(ids)
    faults += [_fault(ids[n], "", InvalidDatasetError(text)) for n, text in bad.items()]
    again = {n: where for where in twice.values() for n in where[1:]}
    for n, where in again.items():
        text = f"the id {ids[n]!r} is that of {len(where)} rows"
        faults.append(_fault(ids[n], "", InvalidDatasetError(text)))
    return {*bad, *again}


def _sound(
    ids: Sequence[Any],
    columns: Mapping[str, Sequence[object]],
    positions: Sequence[int],
    check: Check,
    faults: list[TableFault],
) -> CellRows:
    """The rows of which every cell is sound."""
    sound: list[tuple[Any, Mapping[str, Url | None]]] = []
    for n in positions:
        files = {name: _source(ids[n], name, cells[n], check) for name, cells in columns.items()}
        wrong = [each for each in files.values() if isinstance(each, TableFault)]
        right = {name: url for name, url in files.items() if not isinstance(url, TableFault)}
        try:
            Row(ids[n], right)
        except InvalidDatasetError as error:
            wrong.append(_fault(ids[n], "", error))
        faults += wrong
        if not wrong:
            sound.append((ids[n], right))
    cells: dict[str, Sequence[Cell]] = {
        name: [files[name] for _, files in sound] for name in columns
    }
    return CellRows([row_id for row_id, _ in sound], cells)


def _source(row_id: object, name: str, cell: object, check: Check) -> Url | TableFault | None:
    url = None
    try:
        url = source_of(cell)
        if url is not None:
            check(url, "source")
    except InvalidUrlError as error:
        return _fault(row_id, name, error)
    except (InvalidDatasetError, UnsupportedSchemeError, MissingDependencyError) as error:
        return _fault(row_id, name, error, "" if url is None else url.redacted)
    return url


def _fault(row_id: object, name: str, error: FileDatasetError, url: str = "") -> TableFault:
    known = None if is_absent(row_id) else row_id
    return TableFault(known, name, url, type(error).__name__, str(error))
