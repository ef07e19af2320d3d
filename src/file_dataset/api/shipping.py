"""Tables as Arrow, in a form that says the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from file_dataset.api import _wiring
from file_dataset.api.arrow import id_column, text_column
from file_dataset.api.frames import RowTable
from file_dataset.api.options import Options
from file_dataset.domain.errors import InvalidDatasetError

if TYPE_CHECKING:
    import pyarrow as pa


def parsed(table: object, options: Options | None) -> RowTable:
    """A table as rows whose files are in the columns that have an extension.

    Raises:
        ValueError: For ids, names, cells and schemes that break the rules.
    """
    check = _wiring.scheme_check(_wiring.store_for(options))
    return RowTable.parse(table, check=check, only_files=True)


def urls_table(table: RowTable) -> pa.Table:
    """The ids as texts, and the sources of the files: URLs, and absolute paths."""
    import pyarrow as pa

    return pa.table({"id": id_column(table.rows.ids), **_sources(table)})


def whole_table(table: RowTable) -> pa.Table:
    """All columns as they are, but for the sources of the files: URLs, and absolute paths.

    Raises:
        InvalidDatasetError: For a column that is nothing to Arrow.
    """
    import pyarrow as pa

    names = list(table.table.columns())
    sources = _sources(table)
    try:
        others = table.table.arrow([name for name in names if name not in sources])
    except (pa.ArrowException, OverflowError) as error:
        raise InvalidDatasetError(
            f"the table has values that Arrow has no type for: {error}"
        ) from error
    for name, column in sources.items():
        others = others.append_column(name, column)
    return others.select([str(name) for name in names])


def _sources(table: RowTable) -> dict[str, pa.Array[Any]]:
    return {
        name: text_column([None if cell is None else str(cell) for cell in cells])
        for name, cells in table.rows.columns.items()
    }
