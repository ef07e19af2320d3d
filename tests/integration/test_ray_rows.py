"""Tables of URLs as sources of Ray Data, and runs that go on where they ended."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import ray
from ray.data import DataContext
from ray.data.checkpoint import CheckpointConfig
from tests.integration.clusters import ON_A_CLUSTER

from file_dataset import Pipeline, Url
from file_dataset.ray import read_rows

pytestmark = ON_A_CLUSTER

COLUMNS = {"id": [3, 1, 2], "a.txt": ["s3://b/3", None, "here/../2"], "label": ["x", "y", "z"]}


def as_list(columns):
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize(
    "kind",
    [pd.DataFrame, pa.table, pl.DataFrame, as_list],
    ids=["pandas", "arrow", "polars", "list"],
)
def test_every_column_is_there_and_paths_are_absolute(kind):
    table = ray.data.read_datasource(read_rows(kind(COLUMNS))).to_pandas().sort_values("id")
    assert table.columns.tolist() == list(COLUMNS)
    assert table["id"].tolist() == [1, 2, 3]
    assert table["label"].tolist() == ["y", "z", "x"]
    assert table["a.txt"].isna().tolist() == [True, False, False]
    assert table["a.txt"].tolist()[1:] == [str(Path("2").absolute()), "s3://b/3"]


def test_cells_may_be_paths_and_urls():
    frame = pd.DataFrame({"id": [1, 2], "a.txt": [Path("/x/y"), Url.parse("s3://b/k")]})
    table = ray.data.read_datasource(read_rows(frame)).to_pandas()
    assert sorted(table["a.txt"]) == ["/x/y", "s3://b/k"]


@pytest.mark.parametrize(("asked", "given"), [(1, [10]), (3, [3, 3, 4]), (50, [1] * 10)])
def test_there_are_as_many_tasks_as_ray_asks_for(asked, given):
    frame = pd.DataFrame({"id": range(10), "a.txt": "s3://bucket/key"})
    source = read_rows(frame)
    tasks = source.get_read_tasks(asked)
    assert [task.metadata.num_rows for task in tasks] == given
    assert sum(task.metadata.size_bytes or 0 for task in tasks) == pytest.approx(
        source.estimate_inmemory_data_size(), rel=0.1
    )
    assert [block["id"].to_pylist() for task in tasks for block in task()] == [
        list(range(sum(given[:n]), sum(given[: n + 1]))) for n in range(len(given))
    ]


def test_the_count_is_known_and_limits_are_kept():
    rows = ray.data.read_datasource(
        read_rows(pd.DataFrame({"id": range(10), "a.txt": "s3://bucket/key"}))
    )
    assert rows.count() == 10
    assert rows.limit(4).count() == 4
    assert len(rows.take(3)) == 3


def test_columns_of_any_kind_come_along():
    frame = pd.DataFrame(
        {
            "id": ["x", "y"],
            "a.txt": ["s3://b/1", "s3://b/2"],
            "kind": pd.Categorical(["ct", "mr"]),
            "when": pd.Series([pd.Timestamp("2026-01-01T12:00", tz="Europe/Zurich"), pd.NaT]),
            "spacing": [[1.0, 2.0], []],
            "large": [2**63, 2**64 - 1],
            "nested": [{"a": [1]}, None],
            "raw": [b"\x00", None],
            7: [1, 2],
        }
    )
    table = ray.data.read_datasource(read_rows(frame)).to_pandas().sort_values("id")
    assert table.columns.tolist() == [*map(str, frame.columns)]
    assert table["kind"].tolist() == ["ct", "mr"]
    assert table["when"].dt.tz_convert("UTC").tolist()[0] == pd.Timestamp("2026-01-01T11:00Z")
    assert [list(cell) for cell in table["spacing"]] == [[1.0, 2.0], []]
    assert table["large"].tolist() == [2**63, 2**64 - 1]
    assert list(table["nested"].tolist()[0]["a"]) == [1]
    assert table["raw"].tolist()[0] == b"\x00"
    assert table["raw"].isna().tolist() == [False, True]
    assert table["7"].tolist() == [1, 2]


def test_no_rows_are_no_rows():
    none = pd.DataFrame({"id": [], "a.txt": []})
    assert ray.data.read_datasource(read_rows(none)).count() == 0


def test_wrong_input_is_told_before_a_task_is_begun():
    frame = pd.DataFrame({"id": [1, 2], "a.txt": ["s3://b/1", "s3://b/2"]})
    mixed = pd.Series([{"a"}, 1], dtype="object")
    wrong: dict[str, pd.DataFrame] = {
        "DataFrame must have an 'id' column": frame.drop(columns="id"),
        "No valid file columns found in DataFrame": frame.drop(columns="a.txt"),
        "'id' column must have unique values": frame.assign(id=1),
        "unsupported scheme 'nowhere://'": frame.assign(**{"a.txt": "nowhere://x"}),
        "values that Arrow has no type for": frame.assign(mixed=mixed),
        "no type for: .*too large": frame.assign(large=[2**70, 1]),
        "no type for: .*numpy": frame.assign(wave=[1j, 2j]),
    }
    for message, table in wrong.items():
        with pytest.raises(ValueError, match=message):
            read_rows(table)


class Noting:
    """A function that notes which rows it was called for."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __call__(self, working_dir: Path) -> dict[str, Path]:
        text = (working_dir / "a.txt").read_text()
        with (self.place / text).open("a") as calls:
            calls.write("called ")
        return {"b.txt": working_dir / "a.txt"}


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    """Ray notes which rows it has written."""
    config = CheckpointConfig(
        id_column="id",
        checkpoint_path=str(tmp_path / "checkpoints"),
        delete_checkpoint_on_success=False,
    )
    monkeypatch.setattr(DataContext.get_current(), "checkpoint_config", config)


@pytest.mark.usefixtures("checkpoints")
def test_a_second_run_processes_what_is_missing_and_nothing_else(tmp_path):
    for name in ("in", "calls"):
        (tmp_path / name).mkdir()
    frame = pd.DataFrame(
        {"id": [str(n) for n in range(10)], "a.txt": [tmp_path / f"in/{n}" for n in range(10)]}
    )
    pipeline = Pipeline(Noting(tmp_path / "calls"), into_path=tmp_path / "out")

    def run():
        ray.data.read_datasource(read_rows(frame)).map_batches(
            pipeline, batch_format="pandas", batch_size=3
        ).write_parquet(str(tmp_path / "table"))

    for number in range(6):
        (tmp_path / f"in/{number}").write_text(str(number))
    run()
    assert len(list((tmp_path / "calls").iterdir())) == 6
    for number in range(6, 10):
        (tmp_path / f"in/{number}").write_text(str(number))
    run()
    calls = {path.name: path.read_text() for path in (tmp_path / "calls").iterdir()}
    assert calls == {str(number): "called " for number in range(10)}
    written = pd.read_parquet(tmp_path / "table")
    assert sorted(written["id"]) == [str(number) for number in range(10)]
