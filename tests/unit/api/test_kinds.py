"""Kinds of tables: what goes in comes back, in its order and with the ids as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.api.support import KINDS, WAYS, as_list, cells, table, text_of

from file_dataset import InvalidDatasetError, Pipeline, Url, write_files
from file_dataset.testing import row_ids

kinds = pytest.mark.parametrize("kind", KINDS)


def copied(directory: Path) -> dict[str, Path | None]:
    files = {path.name: path for path in directory.iterdir()}
    return {"a.txt": files.get("a.txt"), "b.txt": files.get("b.txt")}


def through_pipeline(frame, options):
    pipeline = Pipeline(copied, into_path="memory://out", options=options, if_all_fail="empty")
    return pipeline(frame)


def through_write_files(frame, options):
    return write_files(dataframe=frame, into_path="memory://out", options=options)


ways = pytest.mark.parametrize("way", [through_pipeline, through_write_files])


# What a cell is, and so what becomes of its row.
FATES = {"there": "memory://in/there", "absent": None, "missing": "memory://in/missing"}


@kinds
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    ids=st.lists(row_ids(), unique_by=str, min_size=1, max_size=5),
    fates=st.lists(st.tuples(*[st.sampled_from(sorted(FATES))] * 2), min_size=5, max_size=5),
)
def test_the_good_rows_come_back_in_the_kind_and_the_order_of_the_table(
    kind, ids, fates, options, put
):
    if kind != "list":  # columns of the others have one type
        ids = [str(row_id) for row_id in ids]
    put("memory://in/there")
    rows = dict(zip(ids, [("there", "there"), *fates][: len(ids)], strict=True))
    columns: dict[str, list[Any]] = {"id": ids}
    for position, name in enumerate(("a.txt", "b.txt")):
        columns[name] = [FATES[fate[position]] for fate in rows.values()]
    if kind == "stream":
        columns = {name: list(pa.array(values, pa.string())) for name, values in columns.items()}

    good = {row_id: fate for row_id, fate in rows.items() if "missing" not in fate}
    for way in (through_write_files, through_pipeline):
        written = way(table(kind, columns), options)
        assert isinstance(written, KINDS[kind][1])
        found = cells(written)
        assert found["id"] == list(good)
        for position, name in enumerate(("a.txt", "b.txt")):
            assert found[name] == [
                str(Url.parse("memory://out").joined(str(row_id), name))
                if fate[position] == "there"
                else None
                for row_id, fate in good.items()
            ]


PANDAS_IDS = {
    "int64": pd.Series([3, 1, 2], dtype="int64"),
    "int32": pd.Series([3, 1, 2], dtype="int32"),
    "uint8": pd.Series([3, 1, 2], dtype="uint8"),
    "Int64": pd.Series([3, 1, 2], dtype="Int64"),
    "object": pd.Series([3, "1", 2], dtype=object),
    "string": pd.Series(["c", "a", "b"], dtype="string"),
    "string[python]": pd.Series(["c", "a", "b"], dtype="string[python]"),
    "string[pyarrow]": pd.Series(["c", "a", "b"], dtype="string[pyarrow]"),
    "arrow int": pd.Series([3, 1, 2], dtype=pd.ArrowDtype(pa.int16())),
    "category": pd.Series(["c", "a", "b"], dtype="category"),
    "category of int": pd.Series([3, 1, 2], dtype="category"),
    "inferred": pd.Series(["c", "a", "b"]),
}


@ways
@pytest.mark.parametrize("ids", PANDAS_IDS.values(), ids=PANDAS_IDS)
def test_a_dataframe_keeps_the_dtype_of_its_ids(way, ids, options, put):
    frame = pd.DataFrame({"id": ids, "a.txt": put("memory://in/a")})
    frame.loc[1, "a.txt"] = "memory://in/missing"
    written = way(frame, options)
    expected = ids.iloc[[0, 2]].reset_index(drop=True)
    pd.testing.assert_series_equal(written["id"], expected, check_names=False)


ARROW_IDS = {
    "int64": pa.array([3, 1, 2]),
    "int32": pa.array([3, 1, 2], pa.int32()),
    "string": pa.array(["c", "a", "b"]),
    "large_string": pa.array(["c", "a", "b"], pa.large_string()),
    "string_view": pa.array(["c", "a", "b"], pa.string_view()),
    "dictionary": pa.array(["c", "a", "b"]).dictionary_encode(),
    "chunked": pa.chunked_array([["c"], ["a", "b"]]),
}


@ways
@pytest.mark.parametrize("ids", ARROW_IDS.values(), ids=ARROW_IDS)
def test_an_arrow_table_keeps_the_type_of_its_ids(way, ids, options, put):
    sources = [put("memory://in/a"), "memory://in/missing", "memory://in/a"]
    written = way(pa.table({"id": ids, "a.txt": sources}), options)
    assert written.column("id").type == ids.type
    assert written.column("id").to_pylist() == [ids[0].as_py(), ids[2].as_py()]


POLARS_IDS = {
    "Int64": pl.Series([3, 1, 2]),
    "Int32": pl.Series([3, 1, 2], dtype=pl.Int32),
    "String": pl.Series(["c", "a", "b"]),
    "Categorical": pl.Series(["c", "a", "b"], dtype=pl.Categorical),
    "Enum": pl.Series(["c", "a", "b"], dtype=pl.Enum(["a", "b", "c"])),
}


@ways
@pytest.mark.parametrize("ids", POLARS_IDS.values(), ids=POLARS_IDS)
def test_a_polars_frame_keeps_the_dtype_of_its_ids(way, ids, options, put):
    sources = [put("memory://in/a"), "memory://in/missing", "memory://in/a"]
    written = way(pl.DataFrame({"id": ids, "a.txt": sources}), options)
    assert written["id"].dtype == ids.dtype
    assert written["id"].to_list() == [ids[0], ids[2]]
    assert written["a.txt"].dtype == pl.String


INDEXES = {
    "twice the same": pd.Index([7, 7]),
    "texts": pd.Index(["a.txt", "id"]),
    "named like a column": pd.Index([1, 0], name="id"),
    "several levels": pd.MultiIndex.from_tuples([(1, "x"), (1, "y")]),
    "times": pd.DatetimeIndex(["2020-01-01", "2020-01-01"]),
}


@ways
@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_the_index_of_a_dataframe_does_not_matter(way, index, options, put):
    columns = {"id": ["b", "a"], "a.txt": put("memory://in/a")}
    plain = way(pd.DataFrame(columns), options)
    pd.testing.assert_frame_equal(way(pd.DataFrame(columns, index=index), options), plain)
    assert plain.index.tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars", "list"])
def test_local_destinations_are_plain_paths_in_tables_and_paths_in_lists(kind, tmp_path, options):
    frame = table(kind, {"id": [1], "a.txt": [str(tmp_path / "a")], "b.txt": [None]})
    (tmp_path / "a").write_bytes(b"data")
    written = write_files(dataframe=frame, into_path=tmp_path / "out", options=options)
    (cell,), (nothing,) = cells(written)["a.txt"], cells(written)["b.txt"]
    assert isinstance(cell, Path if kind == "list" else str)
    assert (text_of(cell), nothing) == (f"{tmp_path}/out/1/a.txt", None)


@kinds
def test_a_table_is_left_as_it_was(kind, options, put):
    columns = {"id": ["b", "a"], "a.txt": [put("memory://in/a"), "memory://in/missing"]}
    frame = table(kind, columns)
    through_pipeline(frame, options)
    through_write_files(frame, options)
    assert cells(pa.table(frame) if kind == "stream" else frame) == columns


def test_mappings_need_not_have_the_same_files(options, put):
    a, b = put("memory://in/a"), put("memory://in/b")
    items = [{"id": 1, "a.txt": a}, {"b.txt": b, "id": 2}, {"id": 3}]
    written = write_files(dataframe=items, into_path="memory://out", options=options)
    assert written == [
        {"id": 1, "a.txt": "memory://out/1/a.txt", "b.txt": None},
        {"id": 2, "a.txt": None, "b.txt": "memory://out/2/b.txt"},
        {"id": 3, "a.txt": None, "b.txt": None},
    ]


def test_a_tuple_of_mappings_is_as_good_as_a_list(options, put):
    items = tuple(as_list({"id": [1], "a.txt": [put("memory://in/a")]}))
    assert len(write_files(items, into_path="memory://out", options=options)) == 1


@pytest.mark.parametrize(
    "frame", ["a.csv", 7, {"id": [1]}, [1], [{"id": 1}, None], {1, 2}, pd.Series([1]), object()]
)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_is_no_table_is_refused(way, frame, options):
    with pytest.raises(InvalidDatasetError, match="must be a"):
        way(frame, options)
