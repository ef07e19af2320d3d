"""What readers are, by what they were given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import assert_type

import pandas as pd
import pyarrow as pa

from file_dataset import FileDataset, RowFailure, StagedRow, Url, reader
from file_dataset.api.reader import FrameReader, RowReader
from file_dataset.api.staged import StagedRows


def of_rows(row: dict[str, str], mixed: dict[str, str | Path | Url | None]) -> None:
    assert_type(reader(row), RowReader)
    assert_type(reader(row=row), RowReader)
    assert_type(reader(row=mixed), RowReader)
    assert_type(FileDataset().reader(row=row), RowReader)
    assert_type(FileDataset().downloader(row), RowReader)
    with reader(row=mixed).into_temp_dir() as directory:
        assert_type(directory, Path)
    assert_type(reader(row=row).into_size_table(), pa.Table)
    with FileDataset().downloader({"image.mha": None}).into_temp_dir(dir="/tmp") as directory:
        assert_type(directory, Path)


def of_tables(frame: pd.DataFrame, table: pa.Table, items: list[dict[str, object]]) -> None:
    assert_type(reader(dataframe=frame), FrameReader)
    assert_type(reader(dataframe=table), FrameReader)
    assert_type(reader(dataframe=items), FrameReader)
    assert_type(FileDataset().reader(dataframe=frame), FrameReader)
    assert_type(reader(frame), RowReader | FrameReader)
    staged = reader(dataframe=frame).into_temp_dir(prefetch=4)
    assert_type(staged, StagedRows)
    assert_type(staged.failures, list[RowFailure])
    for row in staged:
        assert_type(row, StagedRow)
        assert_type(row.id, int | str)
        assert_type(row.path, Path)
        assert_type(row / "image.mha", Path)
        assert_type(os.fspath(row), str)
    with reader(dataframe=frame).into_temp_dir() as rows:
        assert_type(next(rows), StagedRow)


def refused(row: dict[str, int]) -> None:
    reader(row=row)  # type: ignore[arg-type]
    reader(row=7)  # type: ignore[call-overload]
    reader(rows={})  # type: ignore[call-overload]
