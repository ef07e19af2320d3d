"""The cells of file columns: all looked at beforehand, and made into rows one by one."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeAlias, overload

import attrs

from file_dataset.domain.errors import InvalidDatasetError, InvalidUrlError
from file_dataset.domain.rows import Row, RowId
from file_dataset.domain.spelling import RemotePath
from file_dataset.domain.url import Url, scheme_of

Source: TypeAlias = "str | os.PathLike[str] | RemotePath | Url | None"

Cell: TypeAlias = "str | Url | None"
"""A source that was found sound: a text only if Url.parse() takes it as it is."""

# More than these would hide the message in its examples.
_SHOWN = 10


@attrs.frozen(eq=False)
class CellRows(Sequence[Row]):
    """The rows of some columns, each made when it is asked for, since there may be millions.

    Args:
        ids: The rows' ids.
        columns: A cell for each of them, by filename.
    """

    ids: Sequence[RowId]
    columns: Mapping[str, Sequence[Cell]]

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Row]:
        names = tuple(self.columns)
        for row_id, *cells in zip(self.ids, *self.columns.values(), strict=True):
            yield Row(row_id, dict(zip(names, map(url_of, cells), strict=True)))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> CellRows: ...
    def __getitem__(self, index: int | slice) -> Row | CellRows:
        if isinstance(index, slice):
            columns = {name: cells[index] for name, cells in self.columns.items()}
            return CellRows(self.ids[index], columns)
        files = {name: url_of(cells[index]) for name, cells in self.columns.items()}
        return Row(self.ids[index], files)

    def only(self, ids: Collection[RowId]) -> CellRows:
        """Those with the given ids."""
        kept = [position for position, row_id in enumerate(self.ids) if row_id in ids]
        columns = {name: [cells[n] for n in kept] for name, cells in self.columns.items()}
        return CellRows([self.ids[position] for position in kept], columns)


def url_of(cell: Cell) -> Url | None:
    """The URL that a sound cell stands for."""
    return Url.parse(cell) if isinstance(cell, str) else cell


def is_absent(cell: object) -> bool:
    """Whether a cell says that there is nothing: None, NaN, NA or NaT."""
    if isinstance(cell, numbers.Number):
        return bool(cell != cell)  # noqa: PLR0124 - which only NaN does, in any library
    return cell is None or type(cell).__name__ in {"NAType", "NaTType"}


def sound_cells(
    columns: Mapping[str, Sequence[object]],
    ids: Sequence[RowId],
    check: Callable[[Url, str], None],
) -> dict[str, list[Cell]]:
    """The cells of each column, if all of them spell a source or none.

    Args:
        columns: The cells as the user gave them.
        ids: The id of each row.
        check: Raises what is wrong with a URL, given where it stands.

    Raises:
        InvalidDatasetError: For cells that spell none; they are told all at once.
    """
    faults: list[str] = []
    schemes: set[str] = set()
    sound: dict[str, list[Cell]] = {name: [] for name in columns}
    for name, column in columns.items():
        for row_id, given in zip(ids, column, strict=True):
            cell: Cell
            # What is a text stays one: as a Url a cell takes five times the memory.
            if type(given) is str and (scheme := scheme_of(given)):
                cell = given
            else:
                try:
                    cell = source_of(given)
                except InvalidUrlError as error:
                    faults.append(f"row {row_id!r}, file {name!r}: {error}")
                    continue
                scheme = "" if cell is None else cell.schemes
            if scheme not in schemes and (url := url_of(cell)) is not None:
                check(url, f"row {row_id!r}, file {name!r}")
                schemes.add(scheme)
            sound[name].append(cell)
    if faults:
        raise InvalidDatasetError(some_of(faults))
    return sound


def source_of(cell: object) -> Url | None:
    """The URL that a cell as the user gave it stands for. Raises InvalidUrlError if it is none."""
    if is_absent(cell):
        return None
    if isinstance(cell, Url):
        return cell
    if isinstance(cell, str | os.PathLike | RemotePath):
        return Url.parse(cell)
    raise InvalidUrlError(
        f"{cell!r} ({type(cell).__name__}) is neither a URL, a path nor absent (None, NaN or NA)"
    )


def some_of(faults: Sequence[str]) -> str:
    """The first of many faults, as a part of a message."""
    more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return "; ".join(faults[:_SHOWN]) + more
