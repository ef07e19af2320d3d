"""Contents of a Ray dataset, published as rows of files."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import ray
from ray.data import DataContext
from tests.integration.clusters import ON_A_CLUSTER

from file_dataset import AllRowsFailedError, Options
from file_dataset.ray import RowSink, blob_reader

pytestmark = ON_A_CLUSTER


def blobs(count, **more):
    return {
        "id": [f"row {number}" for number in range(count)],
        "a.txt": [f"a{number}".encode() for number in range(count)],
        "b.txt": [None if number == 1 else f"b{number}".encode() for number in range(count)],
        **more,
    }


def files_in(directory: Path) -> dict[str, str]:
    """What lies below a directory, but for the library's own."""
    paths = [path for path in directory.rglob("*") if path.is_file()]
    names = {path.relative_to(directory).as_posix(): path.read_text() for path in paths}
    return {name: text for name, text in names.items() if not name.startswith(".file_dataset/")}


def expected(count):
    a = {f"row {number}/a.txt": f"a{number}" for number in range(count)}
    b = {f"row {number}/b.txt": f"b{number}" for number in range(count) if number != 1}
    return a | b


@pytest.mark.parametrize("commit", ["atomic", "plain"])
def test_rows_of_an_arrow_dataset_become_files(commit, tmp_path, ray_cluster):
    before = set(ray_cluster.workers_temp.iterdir())  # what workers left that others killed
    table = pa.table(blobs(6))
    sink = RowSink(tmp_path / "out", commit=commit)
    ray.data.from_arrow([table.slice(0, 4), table.slice(4)]).write_datasink(sink)
    assert files_in(tmp_path / "out") == expected(6)
    result = sink.result
    assert result is not None
    assert (result.rows, result.bytes, len(result.failures)) == (6, 22, 0)
    assert result.failures.columns.tolist()[:4] == ["id", "file", "url", "stage"]
    assert set(ray_cluster.workers_temp.iterdir()) <= before


def test_rows_of_a_pandas_dataset_become_files(tmp_path):
    sink = RowSink(tmp_path / "out")
    ray.data.from_pandas(pd.DataFrame(blobs(3, note="x"))).write_datasink(sink)
    assert files_in(tmp_path / "out") == expected(3)


def test_large_binary_is_written_as_well(tmp_path):
    table = pa.table(blobs(3)).set_column(
        1, "a.txt", pa.array([b"1", b"2", b"3"], pa.large_binary())
    )
    ray.data.from_arrow(table).write_datasink(RowSink(tmp_path / "out"))
    assert files_in(tmp_path / "out")["row 2/a.txt"] == "3"


def test_what_was_read_is_written_and_what_was_not_is_a_failure(tmp_path, rclone_s3):
    bucket = rclone_s3.make_bucket()
    given = rclone_s3.options()
    options = Options(given.session_kwargs, given.client_kwargs)
    (tmp_path / "in").mkdir()
    for number in (0, 2):
        (tmp_path / f"in/{number}").write_text(f"text {number}")
    frame = pd.DataFrame({"id": [0, 1, 2], "a.txt": [tmp_path / f"in/{n}" for n in range(3)]})
    sink = RowSink(str(bucket.joined("out")), options=options)
    ray.data.read_datasource(blob_reader(frame, 2, on_error="keep")).write_datasink(sink)
    found = files_in(rclone_s3.path_of(bucket.joined("out")))
    assert found == {"0/a.txt": "text 0", "2/a.txt": "text 2"}
    assert sink.result is not None
    assert (sink.result.rows, sink.result.bytes) == (2, 12)
    failures = sink.result.failures
    assert failures[["id", "stage"]].to_numpy().tolist() == [["1", "read"]]
    assert "NotFoundError" in failures["message"][0]


def test_a_row_that_cannot_be_written_costs_that_row(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/row 1").write_text("in the way")
    sink = RowSink(tmp_path / "out", commit="plain")
    ray.data.from_arrow(pa.table(blobs(3))).write_datasink(sink)
    assert sink.result is not None
    assert sink.result.rows == 2
    assert sink.result.failures["id"].tolist() == ["row 1"]
    assert sink.result.failures["stage"].tolist() == ["write"]
    assert files_in(tmp_path / "out")["row 2/b.txt"] == "b2"


def test_no_rows_are_no_rows(tmp_path):
    sink = RowSink(tmp_path / "out")
    ray.data.from_arrow(pa.table(blobs(2))[:0]).write_datasink(sink)
    assert sink.result is not None
    assert (sink.result.rows, sink.result.bytes, len(sink.result.failures)) == (0, 0, 0)


class Noting(RowSink):
    """Notes of how many blocks each write is."""

    def __init__(self, place: Path) -> None:
        super().__init__(place / "out")
        self.place = place

    def write(self, blocks, ctx):
        taken = list(blocks)
        with (self.place / "written").open("a") as lines:
            lines.write(f"{len(taken)} {sum(map(len, taken))}\n")
        return super().write(taken, ctx)


def test_a_task_has_one_block_in_memory_at_a_time(tmp_path, monkeypatch):
    frame = pd.DataFrame({"id": range(8), "a.bin": str(tmp_path / "a")})
    (tmp_path / "a").write_bytes(bytes(300_000))
    sink = Noting(tmp_path)
    monkeypatch.setattr(DataContext.get_current(), "target_max_block_size", 500_000)
    read = ray.data.read_datasource(blob_reader(frame, 8), override_num_blocks=1)
    read.write_datasink(sink)
    assert sink.result is not None
    assert sink.result.rows == 8
    assert (tmp_path / "written").read_text().splitlines() == ["1 2"] * 4


def test_rows_that_are_there_can_be_refused(tmp_path):
    dataset = ray.data.from_arrow(pa.table(blobs(3)))
    sink = RowSink(tmp_path / "out", if_exists="error")
    dataset.write_datasink(sink)
    assert sink.result is not None
    assert sink.result.rows == 3
    with pytest.raises(AllRowsFailedError, match="AlreadyExistsError"):
        dataset.write_datasink(sink)


class KilledOnce(RowSink):
    """The worker is killed after it has written, the first time."""

    def __init__(self, marker: Path, into: Path) -> None:
        super().__init__(into, if_exists="error")
        self.marker = marker

    def write(self, blocks, ctx):
        written = super().write(blocks, ctx)
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return written


def test_a_task_that_is_tried_again_finds_its_own_rows(tmp_path):
    sink = KilledOnce(tmp_path / "marker", tmp_path / "out")
    ray.data.from_arrow(pa.table(blobs(5))).write_datasink(sink)
    assert (tmp_path / "marker").exists()
    assert sink.result is not None
    assert (sink.result.rows, len(sink.result.failures)) == (5, 0)
    assert files_in(tmp_path / "out") == expected(5)


def test_wrong_input_is_told_before_anything_is_written(tmp_path):
    table = pa.table(blobs(2))
    wrong = {
        "DataFrame must have an 'id' column": table.drop_columns("id"),
        "No valid file columns found": table.select(["id"]),
        "column 'a.txt' has no contents of files but values of type string": table.set_column(
            1, "a.txt", pa.array(["s3://bucket/key"] * 2)
        ),
    }
    for message, each in wrong.items():
        with pytest.raises(ValueError, match=message):
            ray.data.from_arrow(each).write_datasink(RowSink(tmp_path / "out"))
    with pytest.raises(ValueError, match="nowhere://"):
        RowSink("nowhere://out")
    with pytest.raises(ValueError, match="if_exists"):
        RowSink(tmp_path, if_exists="skip")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
