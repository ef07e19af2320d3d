"""Contents of members of archives as Arrow columns, from where they were read to and no further."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import attrs

from file_dataset.api.cells import Cell, CellRows
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.together import OddError, Portion, Together

if TYPE_CHECKING:
    import pyarrow as pa

_SCHEME: Final = "tar"
_START: Final = f"{_SCHEME}://"
# What the 32-bit offsets of Arrow's `binary` can reach.
_REACH: Final = 2**31 - 1


def packed_columns(store: Store, rows: CellRows) -> Mapping[str, pa.ChunkedArray[Any]] | None:
    """The contents of all rows, if each file is a member of a shard and nothing is odd about it.

    Args:
        store: Where the archives are.
        rows: The rows, whose members have to be in the order in which they lie.

    Returns:
        A column for each of the files; None if they are to be read in the usual way.
    """
    # One look at one cell tells of nearly all tables whether it is worth a look at the others.
    if not len(rows) or not all(_is_text(cells[0]) for cells in rows.columns.values()):
        return None
    try:
        return _Columns(store, rows).read()
    except OddError:
        return None


def _is_text(cell: Cell) -> bool:
    return isinstance(cell, str) and cell.startswith(_START)


@attrs.frozen
class _Columns:
    """Columns that are read together."""

    store: Store
    rows: CellRows

    def read(self) -> Mapping[str, pa.ChunkedArray[Any]]:
        import pyarrow as pa

        names, archives = self._split()
        width = len(self.rows.columns)
        together = Together(self.store, archives, names, width)
        pieces: list[dict[int, pa.Array[Any]]] = [{} for _ in range(width)]
        size = 0
        with closing(together.portions()) as portions:
            for portion in portions:
                size += len(portion.data)
                if size > _REACH:
                    raise OddError
                for column, places in enumerate(_by_column(portion, width)):
                    if places:
                        pieces[column][portion.number] = _taken(portion.data, places)
        return {
            name: pa.chunked_array([found[number] for number in sorted(found)], pa.binary())
            for name, found in zip(self.rows.columns, pieces, strict=True)
        }

    def _split(self) -> tuple[list[str], list[tuple[str, str]]]:
        """The members' names and their archives, row by row."""
        names: list[str] = []
        archives: list[tuple[str, str]] = []
        known: dict[str, tuple[str, str]] = {}
        for cell in chain.from_iterable(zip(*self.rows.columns.values(), strict=True)):
            if not (isinstance(cell, str) and cell.startswith(_START)):
                raise OddError
            name, _, archive = cell[len(_START) :].partition("::")
            names.append(name)
            archives.append(known.setdefault(archive, (_SCHEME, archive)))
        return names, archives


def _by_column(portion: Portion, width: int) -> Sequence[Sequence[tuple[int, int]]]:
    """Where what each column has of a portion begins and ends, in the order of the rows."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(width)]
    for start, stop, number in portion.places:
        found[number % width].append((start, stop))
    return found


def _taken(data: bytes, places: Sequence[tuple[int, int]]) -> pa.Array[Any]:
    """Some of the bytes as values of their own, all of them copied by one call."""
    import pyarrow as pa

    offsets = array("i", chain.from_iterable(places))
    # What lies between two values is one as well, to Arrow.
    with_between: pa.Array[Any] = pa.Array.from_buffers(
        pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    return with_between.take(pa.array(range(0, len(offsets), 2), pa.int32()))
