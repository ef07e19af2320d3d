"""Sizes and contents as Arrow tables, their bytes in Arrow's buffers and nowhere else."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from file_dataset.domain.rows import RowId

if TYPE_CHECKING:
    import pyarrow as pa

# Larger bodies are a chunk of their column as they are; smaller ones are gathered into one.
_LARGE = 2**18
_GATHERED = 2**24
# What the 32-bit offsets of Arrow's `binary` can reach.
_REACH = 2**31 - 1


class BinaryColumn:
    """A column of byte strings, built value by value at little more than their own size.

    Args:
        large: From how many bytes on a value is a chunk of its own, and not copied.
        gathered: How many bytes of smaller ones make a chunk.
    """

    def __init__(self, *, large: int = _LARGE, gathered: int = _GATHERED) -> None:
        self._large = large
        self._gathered = gathered
        self._chunks: list[tuple[bytes | bytearray, array[int], list[bool]]] = []
        self._total = 0
        self._begin()

    def _begin(self) -> None:
        self._data = bytearray()
        self._offsets = array("q", [0])
        self._valid: list[bool] = []

    def append(self, value: bytes | None) -> None:
        """Add a value; None is null."""
        size = len(value or b"")
        self._total += size
        if value is not None and size >= self._large:
            self._flush()
            self._chunks.append((value, array("q", [0, size]), [True]))
            return
        self._data += value or b""
        self._offsets.append(len(self._data))
        self._valid.append(value is not None)
        if len(self._data) >= self._gathered:
            self._flush()

    def _flush(self) -> None:
        if self._valid:
            self._chunks.append((self._data, self._offsets, self._valid))
            self._begin()

    def finish(self) -> pa.ChunkedArray[Any]:
        """The column: ``binary``, or ``large_binary`` if it holds more than that can reach."""
        import pyarrow as pa

        self._flush()
        kind = pa.large_binary() if self._total > _REACH else pa.binary()
        offset = "q" if self._total > _REACH else "i"
        chunks = [
            pa.Array.from_buffers(
                kind,
                len(valid),
                [
                    pa.array(valid, pa.bool_()).buffers()[1],
                    pa.py_buffer(array(offset, offsets)),
                    pa.py_buffer(data),
                ],
                null_count=valid.count(False),
            )
            for data, offsets, valid in self._chunks
        ]
        return pa.chunked_array(chunks, kind)


class BinaryColumns:
    """A BinaryColumn for each of some files.

    Args:
        names: The files.
        large: As BinaryColumn has it.
        gathered: As BinaryColumn has it.
    """

    def __init__(
        self, names: Iterable[str], *, large: int = _LARGE, gathered: int = _GATHERED
    ) -> None:
        self._columns = {name: BinaryColumn(large=large, gathered=gathered) for name in names}

    def append(self, values: Mapping[str, bytes | None]) -> None:
        """Add a row: a value for each file."""
        for name, column in self._columns.items():
            column.append(values[name])

    def finish(self) -> dict[str, pa.ChunkedArray[Any]]:
        """The columns by their names."""
        return {name: column.finish() for name, column in self._columns.items()}


def size_column(sizes: Sequence[int | None]) -> pa.Array[Any]:
    """Sizes in bytes as ``int64``; None is null."""
    import pyarrow as pa

    return pa.array(sizes, pa.int64())


def text_column(texts: Sequence[str | None]) -> pa.Array[Any]:
    """Texts as ``string``; None is null."""
    import pyarrow as pa

    return pa.array(texts, pa.string())


def id_column(ids: Iterable[RowId]) -> pa.Array[Any]:
    """Ids as ``string``."""
    import pyarrow as pa

    return pa.array([str(row_id) for row_id in ids], pa.string())
