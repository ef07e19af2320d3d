"""Pipelines as functions and as actors of Ray Data, on a cluster of two workers."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import ray
from tests.integration.clusters import ON_A_CLUSTER

import file_dataset.ray
from file_dataset import Options, Pipeline, UnsupportedSchemeError
from file_dataset.adapters.registry import default as registry
from file_dataset.ray import PipelineActor

pytestmark = ON_A_CLUSTER


def shout(input_dir: Path, output_dir: Path) -> dict[str, Path | None]:
    (output_dir / "b.txt").write_text((input_dir / "a.txt").read_text().upper())
    return {"b.txt": output_dir / "b.txt", "c.txt": None}


def tasks(size):
    return ray.data.TaskPoolStrategy(size=size)


@pytest.fixture
def leaves_nothing(ray_cluster):
    """Workers have no temporary directories when the test is done."""
    yield
    assert list(ray_cluster.workers_temp.iterdir()) == []


@pytest.fixture
def on_s3(rclone_s3):
    """Options that reach the server."""
    given = rclone_s3.options()
    return Options(given.session_kwargs, given.client_kwargs)


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_csv_of_urls_becomes_objects_on_s3(workers, batch_size, rclone_s3, on_s3, tmp_path):
    bucket = rclone_s3.make_bucket()
    urls = {number: bucket.joined(f"in/{number}.txt") for number in range(7)}
    for number, url in urls.items():
        rclone_s3.path_of(url).parent.mkdir(parents=True, exist_ok=True)
        if number != 3:
            rclone_s3.path_of(url).write_text(f"text {number}")
    table = pd.DataFrame({"id": list(urls), "a.txt": [str(url) for url in urls.values()]})
    table.to_csv(tmp_path / "table.csv", index=False)
    into = bucket.joined("out")
    pipeline = Pipeline(shout, into_path=str(into), options=on_s3)

    done = (
        ray.data.read_csv(str(tmp_path / "table.csv"))
        .map_batches(pipeline, batch_format="pandas", batch_size=batch_size, compute=tasks(workers))
        .materialize()
    )

    good = [number for number in urls if number != 3]
    assert done.count() == len(good)
    rows = done.to_pandas().sort_values("id")
    assert rows["id"].tolist() == good
    assert rows["b.txt"].tolist() == [f"{into}/{number}/b.txt" for number in good]
    assert rows["c.txt"].isna().all()
    assert done.schema().types[:2] == [pa.int64(), pa.string()]
    found = {path.parent.name: path.read_text() for path in rclone_s3.path_of(into).rglob("*.txt")}
    assert found == {str(number): f"TEXT {number}" for number in good}


def local_rows(tmp_path, count, *, bad=()):
    (tmp_path / "in").mkdir()
    for number in range(count):
        if number not in bad:
            (tmp_path / "in" / f"{number}.txt").write_text(f"text {number}")
    files = [str(tmp_path / "in" / f"{number}.txt") for number in range(count)]
    return pd.DataFrame({"id": [f"row {number}" for number in range(count)], "a.txt": files})


def test_members_of_archives_are_read_on_the_cluster(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")
    files = [{"id": number, "a.txt": tmp_path / f"{number}.txt"} for number in range(5)]
    packed = file_dataset.pack(pd.DataFrame(files), tmp_path / "packed")
    assert packed["a.txt"].str.startswith("tar://").all()

    read = ray.data.read_datasource(file_dataset.ray.blob_reader(packed, batch_size=2)).to_pandas()
    assert dict(zip(read["id"], read["a.txt"], strict=True)) == {
        str(number): f"text {number}".encode() for number in range(5)
    }
    made = file_dataset.ray.read_rows(packed)
    pipeline = Pipeline(shout, into_path=tmp_path / "out")
    result = ray.data.read_datasource(made).map_batches(pipeline, batch_format="pandas")
    assert result.count() == 5
    for number in range(5):
        assert (tmp_path / "out" / str(number) / "b.txt").read_text() == f"TEXT {number}"


@pytest.mark.usefixtures("leaves_nothing")
def test_one_bad_row_in_a_thousand_costs_one_row(tmp_path):
    frame = local_rows(tmp_path, 1000, bad=[500])
    table = ray.data.from_pandas([frame[:500], frame[500:]])
    pipeline = Pipeline(shout, into_path=tmp_path / "out")
    done = table.map_batches(pipeline, batch_format="pandas", batch_size=100)
    assert done.count() == 999
    assert len(list((tmp_path / "out").glob("row */b.txt"))) == 999


@pytest.mark.usefixtures("leaves_nothing")
def test_a_batch_of_which_all_rows_fail_is_empty_and_kills_nothing(tmp_path):
    table = ray.data.from_pandas(local_rows(tmp_path, 9, bad=[3, 4, 5]))
    pipeline = Pipeline(shout, into_path=tmp_path / "out")
    done = table.map_batches(pipeline, batch_format="pandas", batch_size=3).materialize()
    rows = [f"row {number}" for number in (0, 1, 2, 6, 7, 8)]
    assert sorted(done.to_pandas()["id"]) == rows
    assert done.schema().names == ["id", "b.txt", "c.txt"]


def test_no_rows_are_no_rows(tmp_path):
    none = local_rows(tmp_path, 2).iloc[:0]
    pipeline = Pipeline(shout, into_path=tmp_path / "out")
    done = ray.data.from_pandas(none).map_batches(pipeline, batch_format="pandas", batch_size=3)
    assert done.count() == 0


def test_rows_that_fail_can_be_kept(tmp_path):
    table = ray.data.from_pandas(local_rows(tmp_path, 4, bad=[0, 1]))
    pipeline = Pipeline(shout, into_path=tmp_path / "out", on_error="keep")
    done = table.map_batches(pipeline, batch_format="pandas", batch_size=2).to_pandas()
    assert sorted(done["id"]) == [f"row {number}" for number in range(4)]
    assert done.set_index("id")["error"].notna().tolist() == [True, True, False, False]
    assert done["error"].str.contains("NotFoundError", na=False).sum() == 2


class Counting:
    """A function that says how often this very object was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, working_dir: Path) -> dict[str, Path]:
        self.calls += 1
        (working_dir / "calls.txt").write_text(f"{self.calls} {os.getpid()}")
        return {"calls.txt": working_dir / "calls.txt"}


@pytest.mark.usefixtures("leaves_nothing")
def test_an_actor_keeps_what_its_function_has_learned(tmp_path):
    table = ray.data.from_pandas(local_rows(tmp_path, 6))
    pipeline = Pipeline(Counting(), into_path=tmp_path / "out")
    done = table.map_batches(
        PipelineActor,
        fn_constructor_args=(pipeline,),
        batch_format="pandas",
        batch_size=2,
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    assert done.count() == 6
    said = [path.read_text().split() for path in (tmp_path / "out").glob("*/calls.txt")]
    assert sorted(int(calls) for calls, _ in said) == [1, 2, 3, 4, 5, 6]
    assert len({process for _, process in said}) == 1


class KilledOnce:
    """Writes two files that name the process, and is killed between two rows the first time."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __call__(self, input_dir: Path, output_dir: Path) -> dict[str, Path]:
        text = (input_dir / "a.txt").read_text()
        if text == "text 5" and not self.marker.exists():
            self.marker.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        files = {name: output_dir / name for name in ("one.txt", "two.txt")}
        for path in files.values():
            path.write_text(f"{text} by {os.getpid()}")
        return files


def as_tasks(table, pipeline):
    return table.map_batches(pipeline, batch_format="pandas", batch_size=10)


def as_actors(table, pipeline):
    return table.map_batches(
        PipelineActor,
        fn_constructor_args=(pipeline,),
        batch_format="pandas",
        batch_size=10,
        compute=ray.data.ActorPoolStrategy(size=1),
    )


@pytest.mark.parametrize("way", [as_tasks, as_actors])
def test_a_worker_that_is_killed_loses_nothing(way, tmp_path):
    table = ray.data.from_pandas(local_rows(tmp_path, 20))
    killed = KilledOnce(tmp_path / "marker")
    pipeline = Pipeline(killed, into_path=tmp_path / "out")
    done = way(table, pipeline).to_pandas()
    assert sorted(done["id"]) == sorted(f"row {number}" for number in range(20))
    for number in range(20):
        one, two = ((tmp_path / f"out/row {number}" / name) for name in ("one.txt", "two.txt"))
        assert one.read_text() == two.read_text()
        assert one.read_text().startswith(f"text {number} by ")
    victim = (tmp_path / "marker").read_text()
    assert victim not in {path.read_text().split()[-1] for path in tmp_path.glob("out/row [5-9]/*")}


def test_wrong_input_is_told_before_a_batch_is_begun(tmp_path):
    with pytest.raises(UnsupportedSchemeError, match="nowhere://"):
        Pipeline(shout, into_path="nowhere://out")


@pytest.fixture
def attic_here(tmp_path, monkeypatch):
    """A distribution with a store for attic://, on this process's path and on no worker's."""
    information = tmp_path / "installed" / "attic-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: attic\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[file_dataset.stores]\nattic = file_dataset.adapters.memory:shared\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path / "installed"), *sys.path])
    monkeypatch.setattr(registry, "_claims", None)


def by_batches(table):
    pipeline = Pipeline(shout, into_path="attic://out")
    ray.data.from_pandas(table).map_batches(pipeline, batch_format="pandas").materialize()


def by_run(table):
    file_dataset.ray.run(table, shout, into_path="attic://out")


def by_reading(table):
    there = table.assign(**{"a.txt": "attic://in/a"})
    ray.data.read_datasource(file_dataset.ray.blob_reader(there)).materialize()


def by_writing(table):
    blobs = ray.data.read_datasource(file_dataset.ray.blob_reader(table))
    blobs.write_datasink(file_dataset.ray.RowSink("attic://out"))


@pytest.mark.usefixtures("attic_here")
@pytest.mark.parametrize("way", [by_batches, by_run, by_reading, by_writing])
def test_a_scheme_that_a_worker_does_not_know_names_it_and_the_host(way, tmp_path):
    said = rf"UnsupportedSchemeError: .*, on host {os.uname().nodename}: .*'attic://'"
    with pytest.raises((ray.exceptions.RayTaskError, UnsupportedSchemeError)) as raised:
        way(local_rows(tmp_path, 2))
    assert re.search(said, f"{type(raised.value).__name__}: {raised.value}")
