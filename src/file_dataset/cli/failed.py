"""Tables of failures in files, with what it takes to run their rows again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from file_dataset import InvalidUrlError, RunResult, Url
from file_dataset.cli import tables
from file_dataset.cli.jobs import Job

if TYPE_CHECKING:
    import pandas as pd

_JOB = b"file_dataset.run"
_COLUMNS = frozenset(
    {"id", "file", "url", "stage", "error", "message", "attempts", "retryable", "traceback"}
)
_LEFT_OUT = "***"


def write_failures(result: RunResult, job: Job, path: Path) -> None:
    """The failures, with the sources of their rows beside them and, in Parquet, the job."""
    sources = result.failed_rows().set_index("id").map(_redacted).reset_index()
    frame = result.failures.merge(sources, on="id", how="left")
    metadata = {_JOB: job.without_secrets.to_json().encode()}
    tables.write_table(frame, path, metadata)


def read_job(path: Path) -> Job | None:
    """The job that is written in a file of failures; None where there is none.

    Raises:
        UsageError: If there is one that cannot be read.
    """
    if path.suffix.lower() != ".parquet":
        return None
    text = tables.read_metadata(path).get(_JOB)
    try:
        return None if text is None else Job.from_json(text.decode())
    except ValueError as error:
        raise click.UsageError(f"{path}: {error}") from error


def rows_to_retry(failures: pd.DataFrame, table: pd.DataFrame | None) -> pd.DataFrame:
    """The rows that failed, each once.

    Args:
        failures: As written by write_failures(), or any table of failures if there is a ``table``.
        table: The input of the run, if it is to be taken from there.

    Raises:
        UsageError: If the rows cannot be had from what there is.
    """
    if "id" not in failures:
        raise click.UsageError("a table of failures has a column 'id'; this one has none")
    if table is not None:
        return _rows_of(table, failures)
    rows = failures.drop_duplicates("id").drop(columns=_COLUMNS - {"id"}, errors="ignore")
    if not rows.empty and rows.columns.tolist() == ["id"]:
        raise click.UsageError("the table of failures does not name sources; give --table")
    if any(_lacks_a_secret(cell) for name in rows.columns.drop("id") for cell in rows[name]):
        raise click.UsageError(
            "the table of failures leaves out what is secret in the URLs of sources; give --table"
        )
    return rows


def _rows_of(table: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    if "id" not in table:
        raise click.UsageError("the table has no column 'id'")
    # As texts: the ids of a CSV are, whatever they are in the other file.
    wanted, there = failures["id"].astype(str), table["id"].astype(str)
    missing = wanted[~wanted.isin(there)].unique().tolist()
    if missing:
        raise click.UsageError(f"the table does not have the failed rows {missing[:10]}")
    return table[there.isin(wanted)]


def _redacted(cell: object) -> object:
    return Url.parse(cell).redacted if isinstance(cell, str) else cell


def _lacks_a_secret(cell: object) -> bool:
    if not isinstance(cell, str) or _LEFT_OUT not in cell:
        return False
    try:
        return not Url.parse(cell).is_local
    except InvalidUrlError:
        return False
