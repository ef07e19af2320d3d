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

_WIDEST_CELL = 88


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
    if path.suffix not in readers:
        raise click.UsageError(f"{path}: a table must be one of {', '.join(KINDS)}")
    try:
        return readers[path.suffix]()
    except FileNotFoundError:
        raise click.UsageError(f"{path}: not found") from None
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path}: cannot be read as {path.suffix}: {error}") from error


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
        if path.suffix == ".csv":
            frame.to_csv(new, index=False)
        elif path.suffix == ".parquet":
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


def show(frame: pd.DataFrame, title: str) -> None:
    """Print a table, long cells cut in the middle, where a URL has the least to say."""
    click.secho(f"\n{title}", bold=True)
    click.echo(frame.map(_cut).to_string(index=False, na_rep="-"))


def show_rows(rows: Sequence[Mapping[str, object]], title: str) -> None:
    """Print mappings as a table."""
    import pandas as pd

    show(pd.DataFrame(rows, dtype=object), title)


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
