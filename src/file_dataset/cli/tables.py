"""Tables in files and on the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

KINDS = (".csv", ".parquet", ".jsonl")

MOST = 20
"""How many rows of a table that may be large are printed."""

_WIDEST_CELL = 88
_COLUMNS = 10


def read_table(path: Path) -> pd.DataFrame:
    """A table from a file; ids of a CSV are text, so that ``007`` stays what it is.

    Raises:
        ClickException: If it is of another kind, or cannot be read as one.
    """
    import pandas as pd

    readers = {
        ".csv": lambda: pd.read_csv(path, dtype=str),
        ".parquet": lambda: pd.read_parquet(path),
        ".jsonl": lambda: pd.read_json(path, lines=True, dtype={"id": str}),
    }
    kind = _kind(path)
    try:
        table = readers[kind]()
    except FileNotFoundError:
        raise click.UsageError(f"{path}: not found") from None
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path}: cannot be read as {kind}: {error}") from error
    if "id" not in table:
        columns = ", ".join(map(repr, table.columns[:_COLUMNS]))
        raise click.UsageError(
            f"{path}: a table has a column 'id', this one has {columns}"
            + ("; columns are separated by commas" if kind == ".csv" else "")
        )
    return table


def _kind(path: Path) -> str:
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise click.UsageError(f"{path}: a table must be one of {', '.join(KINDS)}")
    return kind


def check_place(path: Path | None) -> None:
    """Refuse a file that could not be made; better at once than after a run that took a day.

    Raises:
        UsageError: If its directory is not there.
    """
    if path is not None and not path.parent.is_dir():
        raise click.UsageError(f"{path}: there is no directory {path.parent}")


def check_target(path: Path | None) -> None:
    """Refuse a file that no table can be written to.

    Raises:
        UsageError: If its name does not say which kind it is, or its directory is not there.
    """
    if path is not None:
        _kind(path)
    check_place(path)


def write_table(
    frame: pd.DataFrame, path: Path, metadata: Mapping[bytes, bytes] | None = None
) -> None:
    """A table into a file of the kind that its name says, whole or not at all.

    Args:
        frame: The table.
        path: The file, which is replaced.
        metadata: What is kept beside the table, in Parquet only.
    """
    new = path.with_name(f".{path.name}.tmp")
    try:
        kind = _kind(path)
        if kind == ".csv":
            frame.to_csv(new, index=False)
        elif kind == ".parquet":
            _write_parquet(frame, new, metadata or {})
        else:
            frame.to_json(new, orient="records", lines=True)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _write_parquet(frame: pd.DataFrame, path: Path, metadata: Mapping[bytes, bytes]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pandas(frame, preserve_index=False)
    described = {**(table.schema.metadata or {}), **metadata}
    parquet.write_table(table.replace_schema_metadata(described), path)


def read_metadata(path: Path) -> dict[bytes, bytes]:
    """What is kept beside the table in a Parquet file.

    Raises:
        UsageError: If it cannot be read.
    """
    from pyarrow import parquet

    try:
        return dict(parquet.read_schema(path).metadata or {})
    except FileNotFoundError:
        raise click.UsageError(f"{path}: not found") from None
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path}: cannot be read as .parquet: {error}") from error


def show(
    frame: pd.DataFrame, title: str, *, most: int | None = None, rest: str = "there are more"
) -> None:
    """Print a table, long cells cut in the middle, where a URL has the least to say.

    Args:
        frame: The table.
        title: What it is.
        most: How many of its rows are printed; None for all.
        rest: Where the others are.
    """
    click.secho(f"\n{title}", bold=True)
    shown = frame if most is None else frame.head(most)
    click.echo(shown.map(_cut).to_string(index=False, na_rep="-"))
    if len(shown) < len(frame):
        click.echo(f"and {len(frame) - len(shown):,} more; {rest}")


def show_rows(rows: Sequence[Mapping[str, object]], title: str) -> None:
    """Print mappings as a table."""
    import pandas as pd

    show(pd.DataFrame(rows, dtype=object), title)


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of a table as JSON has them."""
    rows: list[dict[str, object]] = json.loads(frame.to_json(orient="records"))
    return rows


def show_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, default=str))


def _cut(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = " ".join(cell.split())
    if len(text) <= _WIDEST_CELL:
        return text
    half = _WIDEST_CELL // 2 - 1
    return f"{text[:half]}…{text[-half:]}"
