"""Tables as Arrow, in a form that says the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from file_dataset.api.arrow import id_column, text_column
from file_dataset.api.frames import RowTable

if TYPE_CHECKING:
    import pyarrow as pa


def urls_table(table: RowTable) -> pa.Table:
    """The ids as texts, and the sources of the files: URLs, and absolute paths."""
    import pyarrow as pa

    columns = {
        name: text_column([None if cell is None else str(cell) for cell in cells])
        for name, cells in table.rows.columns.items()
    }
    return pa.table({"id": id_column(table.rows.ids), **columns})
