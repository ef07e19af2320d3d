"""What came of a run: a table of failures that is typed and whole, and a page for a notebook."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests.unit.api.support import KINDS, cells, table

from file_dataset import Pipeline, RunResult
from file_dataset.domain.errors import ThrottledError

COLUMNS = [
    "id", "file", "url", "stage", "error", "message", "attempts", "retryable", "traceback"
]  # fmt: skip


def picky(directory: Path) -> dict[str, Path]:
    if (directory / "a.txt").read_bytes() == b"bad":
        raise ValueError("<b>bad</b>")
    return {"b.txt": directory / "a.txt"}


@pytest.fixture
def run(options, put):
    def run(frame: Any) -> RunResult:
        put("memory://in/good")
        put("memory://in/bad", b"bad")
        return Pipeline(picky, into_path="memory://out", options=options).run(frame)

    return run


def columns_of(*names):
    return {
        "id": [f"case {n}" for n in range(len(names))],
        "a.txt": [f"memory://in/{name}" for name in names],
        "b.txt": ["memory://in/good"] * len(names),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_failures_are_a_table_of_the_users_kind_with_a_line_for_each_bad_file(kind, run):
    columns = columns_of("bad", "good", "gone")
    columns["b.txt"][2] = "memory://in/gone too"
    result = run(table(kind, columns))
    assert isinstance(result.failures, KINDS[kind][1])
    found = cells(result.failures)
    assert list(found) == COLUMNS
    assert found["id"] == ["case 0", "case 2", "case 2"]
    assert found["file"] == ["", "a.txt", "b.txt"]
    assert found["url"] == ["", "memory://in/gone", "memory://in/gone too"]
    assert found["stage"] == ["call", "read", "read"]
    assert found["error"] == ["ValueError", "NotFoundError", "NotFoundError"]
    assert found["message"][0] == "<b>bad</b>"
    assert "not found" in found["message"][1]
    assert found["attempts"] == [1, 1, 1]
    assert found["retryable"] == [False, False, False]
    assert "raise ValueError(" in found["traceback"][0]
    assert found["traceback"][1:] == ["", ""]


def dtypes(frame):
    if isinstance(frame, pd.DataFrame):
        return frame.dtypes.astype(str).to_dict()
    if isinstance(frame, pa.Table):
        return {field.name: str(field.type) for field in frame.schema}
    return {name: str(dtype) for name, dtype in frame.schema.items()}


# What the columns of each kind are, in the order of str, int and bool.
TYPES = {
    "pandas": ("object", "int64", "bool"),
    "arrow": ("string", "int64", "bool"),
    "stream": ("string", "int64", "bool"),
    "polars": ("String", "Int64", "Boolean"),
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("names", [[], ["good"], ["gone"], ["good", "bad"]], ids=str)
def test_failures_have_the_same_columns_and_types_whatever_there_is(kind, names, run):
    frame = table(kind, columns_of(*names))
    if not names and kind == "polars":
        frame = frame.cast(dict.fromkeys(frame.columns, pl.String))
    result = run(frame)
    text, number, flag = TYPES[kind]
    expected = dict.fromkeys(COLUMNS, text) | {"attempts": number, "retryable": flag}
    found = dtypes(result.failures)
    assert list(found) == COLUMNS
    assert {**found, "id": text} == expected
    assert found["id"] == dtypes(result.rows)["id"]


def test_tables_of_failures_can_be_put_together(run):
    parts = [run(table("arrow", columns_of(*names))).failures for names in (["good"], ["gone"])]
    assert pa.concat_tables(parts).num_rows == 1


def test_what_may_go_well_another_time_is_retryable_with_its_attempts(run, store, monkeypatch):
    def busy(*_):
        raise ThrottledError("slow down")

    monkeypatch.setattr(store.store, "_download", busy)
    monkeypatch.setattr("file_dataset.adapters.clock.SystemClock.sleep", lambda *_: None)
    result = run(table("pandas", columns_of("good")))
    assert result.failures["error"].tolist() == ["ThrottledError"] * 2
    assert result.failures["retryable"].tolist() == [True] * 2
    assert result.failures["attempts"].tolist() == [4] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_notebook_shows_the_figures_and_escapes_what_users_wrote(kind, run):
    shown = run(table(kind, columns_of("bad", "good", "gone")))._repr_html_()
    assert "<b>1</b> rows, <b>2</b> failed" in shown
    assert "<b>bad</b>" not in shown
    if kind in ("pandas", "polars"):
        assert "&lt;b&gt;bad&lt;/b&gt;" in shown


def test_a_notebook_shows_no_failures_where_there_are_none(run):
    shown = run(table("pandas", columns_of("good")))._repr_html_()
    assert "<b>1</b> rows, <b>0</b> failed" in shown
    assert "table" not in shown


def test_a_result_travels_and_can_still_be_retried(tmp_path):
    (tmp_path / "good").write_bytes(b"data")
    frame = pd.DataFrame({"id": [1, 2], "a.txt": [tmp_path / "good", tmp_path / "later"]})
    result = Pipeline(picky, into_path=tmp_path / "out").run(frame)
    again = pickle.loads(pickle.dumps(result))
    pd.testing.assert_frame_equal(again.failures, result.failures)
    (tmp_path / "later").write_bytes(b"data")
    assert again.retry().rows["id"].tolist() == [2]


def test_its_repr_is_short(run):
    assert "_again" not in repr(run(table("list", columns_of("good"))))
