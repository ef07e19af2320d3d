"""Which functions make a pipeline."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import assert_type

import pandas as pd

from file_dataset import FileDataset, Pipeline, Progress, RunResult


def of_one(directory: Path) -> dict[str, Path]:
    return {"a.txt": directory / "a.txt"}


def of_two(input_dir: Path, output_dir: Path) -> dict[str, str | None]:
    return {"a.txt": None}


def of_three(level: int, input_dir: Path, output_dir: Path) -> dict[str, Path | None]:
    return {"a.txt": None}


class Model:
    def __call__(self, directory: Path) -> dict[str, Path]:
        return of_one(directory)


def observe(progress: Progress) -> None:
    assert_type(progress.done, int)


def accepted(frame: pd.DataFrame) -> None:
    Pipeline(of_one, {"into_path": "s3://b/out"})
    Pipeline(of_two, into_path=Path("out"), workers=2, on_error="keep", if_all_fail="empty")
    Pipeline(functools.partial(of_three, 7), into_path="out", progress=observe)
    Pipeline(Model(), into_path="out", progress=True)
    Pipeline(lambda directory: {"a.txt": directory / "a"}, into_path="out")
    assert_type(FileDataset().pipeline(of_one, into_path="out"), Pipeline)
    FileDataset().map_batch(frame, fn=of_two, upload_options={"into_path": "out"})
    result = Pipeline(of_one, into_path="out").run(frame)
    assert_type(result, RunResult)
    assert_type(result.retry(), RunResult)
    assert_type(result.stats.failed, int)


def refused() -> None:
    def without(directory: Path) -> None: ...

    def of_numbers(directory: int) -> dict[str, Path]: ...  # type: ignore[empty-body]

    Pipeline(without, into_path="out")  # type: ignore[arg-type]
    Pipeline(of_numbers, into_path="out")  # type: ignore[arg-type]
    Pipeline(of_one, into_path="out", on_error="ignore")  # type: ignore[arg-type]
    Pipeline(of_one, into_path="out", retries=3)  # type: ignore[call-arg]
