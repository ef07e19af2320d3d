"""Whole runs on a Ray cluster: the same results as on this machine, whatever happens there."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import ray
from ray.experimental.internal_kv import _internal_kv_list
from tests.integration.clusters import ON_A_CLUSTER

import file_dataset.ray
from file_dataset import FileDatasetError, Options, Pipeline, Progress

pytestmark = ON_A_CLUSTER


def shout(input_dir: Path, output_dir: Path) -> dict[str, Path | None]:
    text = (input_dir / "a.txt").read_text()
    if text == "text 4":
        raise ValueError("four is too many")
    (output_dir / "b.txt").write_text(text.upper())
    return {"b.txt": output_dir / "b.txt", "c.txt": None}


def local_rows(tmp_path: Path, count: int, *, bad=()):
    (tmp_path / "in").mkdir(exist_ok=True)
    for number in range(count):
        if number not in bad:
            (tmp_path / "in" / f"{number}.txt").write_text(f"text {number}")
    return {
        "id": list(range(count)),
        "a.txt": [str(tmp_path / "in" / f"{number}.txt") for number in range(count)],
    }


def as_list(columns):
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


KINDS: dict[str, Callable[[Any], Any]] = {
    "pandas": pd.DataFrame,
    "arrow": pa.table,
    "polars": pl.DataFrame,
    "list": as_list,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_result_is_that_of_a_run_on_this_machine(kind, tmp_path, ray_cluster):
    before = set(ray_cluster.workers_temp.iterdir())  # what workers left that others killed
    table = KINDS[kind](local_rows(tmp_path, 10, bad=[7]))
    here = Pipeline(shout, into_path=tmp_path / "out").run(table)
    there = file_dataset.ray.run(
        table, Pipeline(shout, into_path=tmp_path / "out"), batch_size=3, concurrency=2
    )
    assert as_text(there.rows) == as_text(here.rows)
    assert type(there.rows) is type(here.rows)
    assert as_text(there.failures) == as_text(here.failures)
    assert (there.stats.rows, there.stats.failed) == (8, 2)
    (tmp_path / "in/7.txt").write_text("text 7")
    again = there.retry()
    assert (again.stats.rows, again.stats.failed) == (1, 1)
    assert set(ray_cluster.workers_temp.iterdir()) <= before


def as_text(table):
    """A table as comparable values, tracebacks only by their last line."""
    columns = pd.DataFrame(table.to_pylist() if isinstance(table, pa.Table) else table)
    if isinstance(table, pl.DataFrame):
        columns = pd.DataFrame(table.to_dicts())
    if "traceback" in columns:
        columns["traceback"] = [
            str(text).strip().splitlines()[-1:] for text in columns["traceback"]
        ]
    return columns.astype(object).where(columns.notna(), None).to_dict("list")


def test_a_ray_dataset_gives_arrow_tables(tmp_path):
    frame = pd.DataFrame(local_rows(tmp_path, 6))
    dataset = ray.data.from_pandas([frame[:2], frame[2:]])
    result = file_dataset.ray.run(dataset, shout, into_path=tmp_path / "out")
    assert result.rows.column("id").to_pylist() == [0, 1, 2, 3, 5]
    assert result.failures.column("error").to_pylist() == ["ValueError"]


def test_rows_that_are_done_are_skipped(tmp_path):
    frame = pd.DataFrame(local_rows(tmp_path, 5))
    for done in (4, 0):
        pipeline = Pipeline(shout, into_path=tmp_path / "out", if_exists="skip")
        result = file_dataset.ray.run(frame, pipeline)
        assert (result.stats.rows, result.stats.skipped, result.stats.failed) == (done, 4 - done, 1)


class Stateful:
    """A function that says how often this very object was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, working_dir: Path) -> dict[str, Path]:
        self.calls += 1
        (working_dir / "calls.txt").write_text(f"{os.getpid()} {self.calls}")
        return {"calls.txt": working_dir / "calls.txt"}


def test_the_function_stays_in_a_worker_from_one_task_to_the_next(tmp_path):
    frame = pd.DataFrame(local_rows(tmp_path, 12))
    result = file_dataset.ray.run(frame, Stateful(), into_path=tmp_path / "out", batch_size=1)
    said = [Path(path).read_text().split() for path in result.rows["calls.txt"]]
    for process in {process for process, _ in said}:
        calls = sorted(int(number) for each, number in said if each == process)
        assert calls == list(range(1, len(calls) + 1))


class KilledOnce:
    """Writes two files that name the process, and is killed between two rows the first time."""

    def __init__(self, marker: Path, *, always: bool = False) -> None:
        self.marker = marker
        self.always = always

    def __call__(self, input_dir: Path, output_dir: Path) -> dict[str, Path]:
        text = (input_dir / "a.txt").read_text()
        if text == "text 5" and (self.always or not self.marker.exists()):
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        files = {name: output_dir / name for name in ("one.txt", "two.txt")}
        for path in files.values():
            path.write_text(f"{text} by {os.getpid()} at {time.monotonic_ns()}")
            text = path.read_text()
        files["two.txt"].write_text(files["one.txt"].read_text())
        return files


def test_a_worker_that_is_killed_loses_nothing(tmp_path, ray_cluster):
    frame = pd.DataFrame(local_rows(tmp_path, 20))
    killed = KilledOnce(tmp_path / "marker")
    result = file_dataset.ray.run(frame, killed, into_path=tmp_path / "out", batch_size=10)
    assert killed.marker.exists()
    assert result.rows["id"].tolist() == list(range(20))
    assert result.failures.empty
    for number in range(20):
        one, two = ((tmp_path / f"out/{number}" / name) for name in ("one.txt", "two.txt"))
        assert one.read_text() == two.read_text()
        assert one.read_text().startswith(f"text {number} by ")


def test_a_row_that_kills_every_worker_costs_its_batch(tmp_path):
    frame = pd.DataFrame(local_rows(tmp_path, 9))
    killed = KilledOnce(tmp_path / "marker", always=True)
    result = file_dataset.ray.run(frame, killed, into_path=tmp_path / "out", batch_size=3)
    assert result.rows["id"].tolist() == [0, 1, 2, 6, 7, 8]
    assert result.failures["id"].tolist() == [3, 4, 5]
    assert set(result.failures["error"]) == {"WorkerLostError"}
    assert set(result.failures["attempts"]) == {4}


def test_a_run_ends_after_too_many_failures(tmp_path):
    frame = pd.DataFrame(local_rows(tmp_path, 300, bad=range(5)))
    pipeline = Pipeline(shout, into_path=tmp_path / "out", max_failures=2)
    result = file_dataset.ray.run(frame, pipeline, batch_size=5, concurrency=1)
    assert "max_failures" in (result.stopped or "")
    assert result.stats.rows + result.stats.failed == 300
    assert result.stats.not_run > 100
    assert set(result.rows["id"]) | set(result.failures["id"]) == set(range(300))


def test_what_keeps_every_row_from_coming_through_ends_the_run(tmp_path, rclone_s3):
    no_credentials = Options({}, {"endpoint_url": rclone_s3.endpoint})
    frame = pd.DataFrame({"id": range(100), "a.txt": "s3://bucket/key"})
    pipeline = Pipeline(shout, into_path=tmp_path / "out", options=no_credentials)
    result = file_dataset.ray.run(frame, pipeline, batch_size=2)
    assert result.is_systemic
    assert result.stats.not_run > 0


def test_the_first_failure_can_be_an_error(tmp_path):
    frame = pd.DataFrame(local_rows(tmp_path, 6))
    pipeline = Pipeline(shout, into_path=tmp_path / "out", on_error="raise")
    with pytest.raises(FileDatasetError, match="four is too many"):
        file_dataset.ray.run(frame, pipeline)


class Told:
    """Keeps what it is told, and can be sent nowhere."""

    def __init__(self) -> None:
        self.seen: list[Progress] = []
        self.lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        with self.lock:
            self.seen.append(progress)


def test_progress_is_told_here(tmp_path):
    told = Told()
    pipeline = Pipeline(shout, into_path=tmp_path / "out", progress=told)
    frame = pd.DataFrame(local_rows(tmp_path, 6))
    file_dataset.ray.run(frame, pipeline)
    first, last = told.seen[0], told.seen[-1]
    assert (first.total, first.done) == (6, 0)
    assert (last.done, last.failed, last.is_over) == (5, 1, True)


def test_a_report_has_the_times_of_the_stages(tmp_path):
    frame = pd.DataFrame(local_rows(tmp_path, 9, bad=[7]))
    result = file_dataset.ray.run(frame, shout, into_path=tmp_path / "out", batch_size=2)
    timeline = result._facts.timeline
    # The row that is not there has been through no stage, and the one that the function does not
    # like through two.
    assert timeline.timed == 8
    assert timeline.size == sum(path.stat().st_size for path in (tmp_path / "in").iterdir())
    assert 0 <= min(timeline._spans) <= max(timeline._spans) <= result.stats.seconds
    assert sorted(row.row_id for row in timeline.slowest) == [0, 1, 2, 3, 4, 5, 6, 8]
    result.report(tmp_path / "run.html")
    page = (tmp_path / "run.html").read_text()
    for title in ("Throughput", "Download, function and upload", "Slowest rows"):
        assert f"<h2>{title}</h2>" in page


def test_rows_of_a_task_may_have_much_to_say(tmp_path):
    place = tmp_path.joinpath(*["x" * 200] * 15)
    place.mkdir(parents=True)
    (place / "a.txt").write_text("text")
    frame = pd.DataFrame({"id": range(400), "a.txt": str(place / "a.txt")})
    assert frame["a.txt"].str.len().sum() > 2**20
    result = file_dataset.ray.run(frame, shout, into_path=tmp_path / "out", batch_size=400)
    assert result.stats.rows == 400


def test_a_ray_dataset_of_no_rows_is_no_rows(tmp_path):
    frame = pd.DataFrame(local_rows(tmp_path, 2))
    dropped = ray.data.from_pandas(frame).map_batches(lambda _: frame[:0], batch_format="pandas")
    for dataset in (dropped, ray.data.from_pandas(frame[:0]), ray.data.from_items([])):
        result = file_dataset.ray.run(dataset, shout, into_path=tmp_path / "out")
        assert (len(result.rows), len(result.failures)) == (0, 0)


class Beginning:
    """Says that it has begun."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __call__(self, input_dir: Path, output_dir: Path) -> dict[str, Path]:
        name = (input_dir / "a.txt").read_text()
        (self.place / name).touch()
        return {"b.txt": input_dir / "a.txt"}


def test_what_is_stopped_goes_on_nowhere(tmp_path):
    (tmp_path / "begun").mkdir()
    frame = pd.DataFrame(local_rows(tmp_path, 400, bad=range(4)))
    begins = Beginning(tmp_path / "begun")
    pipeline = Pipeline(begins, into_path=tmp_path / "out", on_error="raise")
    # The error is kept, with all that its traceback refers to.
    with pytest.raises(FileDatasetError) as raised:
        file_dataset.ray.run(frame, pipeline, batch_size=4, concurrency=1)
    begun = len(list((tmp_path / "begun").iterdir()))
    assert begun < 200
    # A task of another job gets its turn when what is left has had its own.
    ray.data.range(4, override_num_blocks=4).map(lambda row: row).materialize()
    assert len(list((tmp_path / "begun").iterdir())) <= begun + 8
    assert raised.tb is not None


class Dawdling:
    """Fails with one row as soon as another one has come, of which each takes a while."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __call__(self, input_dir: Path, output_dir: Path) -> dict[str, Path]:
        name = (input_dir / "a.txt").read_text()
        if name != "text 100":
            (self.place / name).touch()
            time.sleep(0.2)
            return {"b.txt": input_dir / "a.txt"}
        while not any(self.place.iterdir()):
            time.sleep(0.01)
        raise ValueError("this is a task of its own")


def test_tasks_that_are_under_way_end_with_the_run_and_leave_nothing(tmp_path, ray_cluster):
    before = set(ray_cluster.workers_temp.iterdir())  # what workers left that others killed
    known = set(_internal_kv_list(b"file_dataset"))
    (tmp_path / "begun").mkdir()
    frame = pd.DataFrame(local_rows(tmp_path, 101))
    dawdling = Dawdling(tmp_path / "begun")
    pipeline = Pipeline(dawdling, into_path=tmp_path / "out", on_error="raise")
    with pytest.raises(FileDatasetError, match="a task of its own"):
        file_dataset.ray.run(frame, pipeline, batch_size=100)
    assert set(ray_cluster.workers_temp.iterdir()) <= before
    begun = len(list((tmp_path / "begun").iterdir()))
    assert begun < 90
    time.sleep(1)
    assert len(list((tmp_path / "begun").iterdir())) == begun
    assert set(_internal_kv_list(b"file_dataset")) <= known


def test_tasks_that_take_longer_are_told(tmp_path, monkeypatch, caplog):
    known = set(_internal_kv_list(b"file_dataset"))
    monkeypatch.setattr("file_dataset.ray.running._PATIENCE", 0.0)
    (tmp_path / "begun").mkdir()
    frame = pd.DataFrame(local_rows(tmp_path, 101))
    dawdling = Dawdling(tmp_path / "begun")
    pipeline = Pipeline(dawdling, into_path=tmp_path / "out", on_error="raise")
    with caplog.at_level("WARNING", logger="file_dataset"), pytest.raises(FileDatasetError):
        file_dataset.ray.run(frame, pipeline, batch_size=100)
    assert "1 tasks had not ended 0 s after the run was over" in caplog.text
    assert set(_internal_kv_list(b"file_dataset")) <= known
    assert len(list((tmp_path / "begun").iterdir())) < 90


def test_no_rows_are_no_rows(tmp_path):
    frame = pd.DataFrame(local_rows(tmp_path, 1))[:0]
    result = file_dataset.ray.run(frame, shout, into_path=tmp_path / "out")
    assert (len(result.rows), len(result.failures)) == (0, 0)


def test_ray_client_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ray.util.client.ray, "is_connected", lambda: True)
    with pytest.raises(ValueError, match="Ray Client"):
        file_dataset.ray.run(pd.DataFrame(local_rows(tmp_path, 1)), shout, into_path=tmp_path)


def test_wrong_input_is_told_before_a_task_is_begun(tmp_path):
    frame = pd.DataFrame(local_rows(tmp_path, 2))
    pipeline = Pipeline(shout, into_path=tmp_path / "out")
    wrong: dict[str, dict] = {
        "'id' column": {"dataset_or_frame": frame.drop(columns="id")},
        "No valid file columns": {"dataset_or_frame": frame.drop(columns="a.txt")},
        "unique": {"dataset_or_frame": frame.assign(id=1)},
        "batch_size": {"batch_size": 0},
        "concurrency": {"concurrency": 0},
        "num_cpus": {"num_cpus": -1},
        "num_gpus": {"num_gpus": "all"},
        "its own destination": {"into_path": tmp_path},
        "give the destination once": {"pipeline": shout},
    }
    for message, arguments in wrong.items():
        given = {"dataset_or_frame": frame, "pipeline": pipeline, **arguments}
        with pytest.raises(ValueError, match=message):
            file_dataset.ray.run(**given)
