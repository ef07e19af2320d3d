"""What workers count for Ray's metrics."""

from __future__ import annotations

import collections
from pathlib import Path

import pandas as pd
import pytest
import ray
from ray.util.metrics import Counter
from tests.integration.clusters import ON_A_CLUSTER

import file_dataset.ray
from file_dataset.ray import RowSink, blob_reader

pytestmark = ON_A_CLUSTER


@pytest.fixture
def counted(monkeypatch):
    """What this process adds to counters, by their names and the tag."""
    totals: collections.Counter[tuple[str, str]] = collections.Counter()
    count = Counter.inc

    def noted(counter, value=1.0, tags=None):
        count(counter, value, tags)  # which looks at them
        totals[counter.info["name"], tags["operation"]] += value

    monkeypatch.setattr(Counter, "inc", noted)
    return totals


@pytest.fixture
def frame(tmp_path):
    """Rows of 10 bytes in two files, and one that is not there."""
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("four")
        (tmp_path / f"{number}.bin").write_bytes(b"sixsix")
    (tmp_path / "3.txt").unlink()
    files = {f"a.{end}": [str(tmp_path / f"{n}.{end}") for n in range(5)] for end in ("txt", "bin")}
    return pd.DataFrame({"id": range(5), **files})


@pytest.mark.parametrize("on_error", ["drop", "keep"])
def test_a_reader_counts_rows_and_the_bytes_of_their_files(on_error, frame, counted):
    for task in blob_reader(frame, 2, on_error=on_error).get_read_tasks(1):
        list(task())
    assert counted == {
        ("file_dataset_rows", "read"): 4,
        ("file_dataset_failed_rows", "read"): 1,
        ("file_dataset_bytes", "read"): 40,
    }


def test_a_sink_counts_rows_and_the_bytes_that_it_wrote(frame, counted, tmp_path):
    (task,) = blob_reader(frame, 5, on_error="keep").get_read_tasks(1)
    blocks = list(task())
    counted.clear()
    RowSink(tmp_path / "out").write(blocks, None)  # type: ignore[arg-type]  # it looks at no context
    assert counted == {
        ("file_dataset_rows", "write"): 4,
        ("file_dataset_failed_rows", "write"): 1,
        ("file_dataset_bytes", "write"): 40,
    }


def join(inputs: Path, output: Path) -> dict[str, Path]:
    return {"b.txt": inputs / "a.txt"}


def test_a_run_counts_rows_and_the_bytes_that_it_was_given(frame, counted, tmp_path, monkeypatch):
    sources = []
    read = ray.data.read_datasource

    def noted(source, **given):
        sources.append(source)
        return read(source, **given)

    monkeypatch.setattr(ray.data, "read_datasource", noted)
    result = file_dataset.ray.run(frame, join, into_path=tmp_path / "out", batch_size=2)
    assert (result.stats.rows, result.stats.failed) == (4, 1)
    # A worker's counts cannot be read, and what it does can be done here once more.
    for source in sources:
        for task in source.get_read_tasks(1):
            list(task())
    assert counted == {
        ("file_dataset_rows", "run"): 4,
        ("file_dataset_failed_rows", "run"): 1,
        ("file_dataset_bytes", "run"): 40,
    }
