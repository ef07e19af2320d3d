"""The kinds of tables that go in and come out: pandas, Arrow, Polars and its like, plain lists."""

from __future__ import annotations

import contextlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from file_dataset.domain.errors import InvalidDatasetError
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

Columns: TypeAlias = Mapping[str, Sequence[object]]
CellTypes: TypeAlias = Mapping[str, type[int] | type[bool] | type[Url]]


class Table(ABC):
    """A user's table: its columns as lists, and the way back to a table of its kind."""

    @abstractmethod
    def columns(self) -> dict[str, list[Any]]:
        """Every column's values as Python objects, in order."""

    @abstractmethod
    def arrow(self, names: Sequence[str]) -> pa.Table:
        """These columns as a pyarrow Table."""

    @abstractmethod
    def like(self, positions: Sequence[int], columns: Columns, types: CellTypes) -> Any:
        """A table of this kind: the ids at these positions, with these columns beside them.

        Args:
            positions: Where in this table the rows of the new one are.
            columns: Their cells.
            types: The columns that are not of texts, as every other is. One of URLs may have them
                as their texts, which take less memory.
        """


@attrs.frozen(eq=False)
class PandasTable(Table):
    """A pandas DataFrame; the ids keep their dtype, texts are objects, so None stays None."""

    frame: pd.DataFrame

    def columns(self) -> dict[str, list[Any]]:
        """Every column's values. Raises InvalidDatasetError for columns of the same name."""
        if not self.frame.columns.is_unique:
            twice = sorted(map(str, self.frame.columns[self.frame.columns.duplicated()]))
            raise InvalidDatasetError(f"the DataFrame has columns of the same name: {twice}")
        return {name: self.frame[name].tolist() for name in self.frame.columns}

    def arrow(self, names: Sequence[str]) -> pa.Table:
        """These columns as a pyarrow Table, without the index."""
        import pyarrow as pa

        return pa.Table.from_pandas(self.frame[list(names)], preserve_index=False)

    def like(self, positions: Sequence[int], columns: Columns, types: CellTypes) -> pd.DataFrame:
        """A DataFrame with a fresh index."""
        import pandas as pd

        ids = self.frame["id"].iloc[list(positions)].reset_index(drop=True)
        kinds = {str: "object", Url: "object", int: "int64", bool: "bool"}
        cells = {
            name: pd.Series(values, dtype=kinds[types.get(name, str)])
            for name, values in _spelled(columns).items()
        }
        return pd.DataFrame({"id": ids, **cells})


@attrs.frozen(eq=False)
class ArrowTable(Table):
    """A pyarrow Table; the ids keep their type, texts are strings."""

    table: pa.Table

    def columns(self) -> dict[str, list[Any]]:
        """Every column's values. Raises InvalidDatasetError for columns of the same name."""
        names = self.table.column_names
        if len(set(names)) < len(names):
            raise InvalidDatasetError(f"the table has columns of the same name: {names}")
        return {name: self.table.column(name).to_pylist() for name in names}

    def arrow(self, names: Sequence[str]) -> pa.Table:
        """These columns."""
        return self.table.select(list(names))

    def like(self, positions: Sequence[int], columns: Columns, types: CellTypes) -> pa.Table:
        """A pyarrow Table."""
        import pyarrow as pa

        kinds = {str: pa.string(), Url: pa.string(), int: pa.int64(), bool: pa.bool_()}
        cells = {
            name: pa.array(values, kinds[types.get(name, str)])
            for name, values in _spelled(columns).items()
        }
        return pa.Table.from_pydict({"id": self._ids(positions), **cells})

    def _ids(self, positions: Sequence[int]) -> pa.Array[Any] | pa.ChunkedArray[Any]:
        import pyarrow as pa

        ids = self.table.column("id")
        if pa.types.is_string_view(ids.type):
            # Of this type alone Arrow cannot take some.
            texts = ids.to_pylist()
            return pa.array([texts[position] for position in positions], ids.type)
        return ids.take(pa.array(positions, pa.int64()))


@attrs.frozen(eq=False)
class PolarsTable(Table):
    """A Polars DataFrame; the ids keep their type, texts are strings."""

    frame: pl.DataFrame

    def columns(self) -> dict[str, list[Any]]:
        """Every column's values."""
        return self.frame.to_dict(as_series=False)

    def arrow(self, names: Sequence[str]) -> pa.Table:
        """These columns as a pyarrow Table."""
        return self.frame.select(names).to_arrow()

    def like(self, positions: Sequence[int], columns: Columns, types: CellTypes) -> pl.DataFrame:
        """A Polars DataFrame."""
        import polars as pl

        kinds = {str: pl.String, Url: pl.String, int: pl.Int64, bool: pl.Boolean}
        cells = {
            name: pl.Series(values, dtype=kinds[types.get(name, str)])
            for name, values in _spelled(columns).items()
        }
        return pl.DataFrame({"id": self.frame["id"][list(positions)], **cells})


@attrs.frozen(eq=False)
class ListTable(Table):
    """A list of mappings that each carry an ``id``; local destinations are Paths."""

    items: Sequence[Mapping[str, Any]]

    def columns(self) -> dict[str, list[Any]]:
        """Every name that occurs, with None where a mapping lacks it."""
        names = dict.fromkeys(name for item in self.items for name in item)
        return {name: [item.get(name) for item in self.items] for name in ["id", *names]}

    def arrow(self, names: Sequence[str]) -> pa.Table:
        """These columns as a pyarrow Table."""
        import pyarrow as pa

        return pa.table({name: [item.get(name) for item in self.items] for name in names})

    def like(
        self,
        positions: Sequence[int],
        columns: Columns,
        types: CellTypes,
    ) -> list[dict[str, Any]]:
        """A list of mappings."""
        cells = {
            name: [_url_of(cell) for cell in values] if types.get(name) is Url else values
            for name, values in columns.items()
        }
        return [
            {
                "id": self.items[position]["id"],
                **{name: local_or_url(values[row]) for name, values in cells.items()},
            }
            for row, position in enumerate(positions)
        ]


def local_or_url(cell: object) -> object:
    """A destination as one cell of a mapping: a Path where it is local, else the URL's text."""
    if isinstance(cell, Url):
        return Path(cell.path) if cell.is_local else str(cell)
    return cell


def _url_of(cell: object) -> object:
    return Url.parse(cell) if isinstance(cell, str) else cell


def _spelled(columns: Columns) -> dict[str, list[Any]]:
    """The columns with URLs as their texts."""
    return {
        name: [str(cell) if isinstance(cell, Url) else cell for cell in cells]
        for name, cells in columns.items()
    }


def table_of(frame: object) -> Table:
    """The table behind what a user gave.

    Raises:
        InvalidDatasetError: If it is no table.
    """
    # Who has a table of a library has imported it.
    pandas, polars, pyarrow = (sys.modules.get(name) for name in ("pandas", "polars", "pyarrow"))
    if pandas is not None and isinstance(frame, pandas.DataFrame):
        return PandasTable(frame)
    if pyarrow is not None and isinstance(frame, pyarrow.Table):
        return ArrowTable(frame)
    if polars is not None and isinstance(frame, polars.DataFrame):
        return PolarsTable(frame)
    if isinstance(frame, list | tuple):
        if not all(isinstance(item, Mapping) for item in frame):
            raise InvalidDatasetError("every row in a list must be a mapping with an 'id'")
        return ListTable(frame)
    if hasattr(frame, "__arrow_c_stream__"):
        import pyarrow as pa

        # What streams no table but a single column is invalid to Arrow.
        with contextlib.suppress(pa.ArrowInvalid):
            return ArrowTable(pa.table(frame))
    raise InvalidDatasetError(
        f"a table must be a pandas DataFrame, a pyarrow Table, a Polars DataFrame, a list of "
        f"mappings or something with __arrow_c_stream__, not {type(frame).__name__}"
    )
