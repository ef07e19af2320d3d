"""What writing gives, by what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import pandas as pd

from file_dataset import FileDataset, Options, write_files


def rows(row: dict[str, Path | None]) -> None:
    assert_type(write_files(row, into_path="s3://b/out", id=1), dict[str, Path | str | None])
    assert_type(write_files(row=row, into_path=Path("out"), id="x"), dict[str, Path | str | None])
    assert_type(
        FileDataset(Options()).write_files(row, into_path="out", id=1), dict[str, Path | str | None]
    )
    assert_type(FileDataset().upload_files(row, "out"), dict[str, Path | str | None])


def tables(items: list[dict[str, object]], frame: pd.DataFrame) -> None:
    assert_type(write_files(items, into_path="out"), list[dict[str, Any]])
    assert_type(write_files(dataframe=frame, into_path="out"), Any)
    assert_type(FileDataset().write_files(items, into_path="out"), list[dict[str, Any]])


def refused(row: dict[str, Path]) -> None:
    write_files(row, id=1)  # type: ignore[call-overload]
    write_files(row, into_path=7, id=1)  # type: ignore[call-overload]
    write_files(row, into_path="out", id=1.5)  # type: ignore[call-overload]
