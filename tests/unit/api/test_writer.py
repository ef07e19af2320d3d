"""Writing rows: where the files end up, seen by the back door, and what a bad row leaves there."""

from __future__ import annotations

import logging
import os
from collections import UserDict
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.api.support import KINDS, cells, table

from file_dataset import (
    AllRowsFailedError,
    FileDatasetError,
    InvalidDatasetError,
    MemoryStore,
    Options,
    UnsupportedSchemeError,
    Url,
    write_files,
)
from file_dataset.testing import row_ids, rows


@given(table=st.lists(st.tuples(row_ids(), rows()), unique_by=lambda row: str(row[0]), max_size=3))
def test_the_layout_is_destination_id_filename_and_nothing_else(table):
    store = MemoryStore()
    options = Options(stores={"memory://": store})
    items, expected = [], {}
    for number, (row_id, files) in enumerate(table):
        items.append({"id": row_id})
        for name, data in files.items():
            source = Url("memory", "in", f"{number}/{name}")
            store.write(source, data)
            items[-1][name] = str(source)
            expected[f"out/dir/{row_id}/{name}"] = data
    write_files(items, into_path="memory://bucket/out/dir", options=options)
    written = {
        info.url.key: store.read(info.url) for info in store.list(Url.parse("memory://bucket"))
    }
    assert written == expected


@pytest.mark.parametrize("into", ["memory://bucket/out", "memory://bucket/out/"])
def test_a_slash_at_the_end_of_the_destination_makes_no_difference(into, options, put, held):
    row = {"a.txt": put("memory://in/a", b"data"), "b.txt": None}
    written = write_files(row, into_path=into, id=7, options=options)
    assert written == {"a.txt": "memory://bucket/out/7/a.txt", "b.txt": None}
    assert held() == {"memory://in/a": b"data", "memory://bucket/out/7/a.txt": b"data"}


@pytest.mark.parametrize("into", ["memory://bucket", "memory://bucket/"])
def test_a_whole_bucket_can_be_the_destination(into, options, put, held):
    write_files({"a": put("memory://in/a")}, into_path=into, id="x", options=options)
    assert "memory://bucket/x/a" in held()


@pytest.mark.parametrize("make", [str, Path, "{}/".format, lambda path: path.as_uri(), Url.local])
def test_of_a_local_destination_a_row_has_paths(make, tmp_path, options, put):
    row = {"dir/a.txt": put("memory://in/a", b"data"), "b.txt": None}
    written = write_files(row, into_path=make(tmp_path / "out"), id="x", options=options)
    assert written == {"dir/a.txt": tmp_path / "out" / "x" / "dir" / "a.txt", "b.txt": None}
    assert (tmp_path / "out" / "x" / "dir" / "a.txt").read_bytes() == b"data"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.txt"]


def test_a_relative_destination_is_below_the_working_directory(tmp_path, monkeypatch, options, put):
    monkeypatch.chdir(tmp_path)
    written = write_files({"a": put("memory://in/a")}, into_path="./out/", id=1, options=options)
    assert written == {"a": tmp_path / "out" / "1" / "a"}


def test_any_mapping_is_a_row(options, put):
    row = UserDict({"a": put("memory://in/a")})
    written = write_files(row, into_path="memory://out", id=1, options=options)
    assert written == {"a": "memory://out/1/a"}


def test_local_files_are_sources_too(tmp_path, options, held):
    (tmp_path / "a").write_bytes(b"data")
    frame = pd.DataFrame({"id": [1, 2], "a": [tmp_path / "a", str(tmp_path / "a")]})
    written = write_files(dataframe=frame, into_path="memory://out", options=options)
    assert written["a"].tolist() == ["memory://out/1/a", "memory://out/2/a"]
    assert held() == {"memory://out/1/a": b"data", "memory://out/2/a": b"data"}


def test_what_is_there_is_replaced(options, put, held):
    put("memory://out/1/a", b"old")
    put("memory://out/1/other", b"other")
    write_files(
        {"a": put("memory://in/a", b"new")}, into_path="memory://out", id=1, options=options
    )
    assert held()["memory://out/1/a"] == b"new"
    assert held()["memory://out/1/other"] == b"other"


# Bad rows.


@pytest.mark.parametrize("into", ["memory://out", "{tmp}/out"])
def test_of_a_row_with_a_missing_source_nothing_is_written(into, options, put, held, tmp_path):
    before = {put("memory://in/a"): b"data", put("memory://in/b"): b"data"}
    row = {"a": "memory://in/a", "x": "memory://in/x", "b": "memory://in/b", "y": tmp_path / "y"}
    with pytest.raises(FileDatasetError, match="row 'case'") as caught:
        write_files(row, into_path=into.format(tmp=tmp_path), id="case", options=options)
    assert set(caught.value.file_errors) == {"x", "y"}
    assert all("not found" in text for text in caught.value.file_errors.values())
    assert held() == before
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", KINDS)
def test_bad_rows_of_a_table_are_dropped_and_logged(kind, options, put, held, caplog):
    good, bad = put("memory://in/good"), "memory://in/bad"
    frame = table(kind, {"id": ["x", "y", "z"], "a": [good, good, good], "b": [good, bad, good]})
    with caplog.at_level(logging.WARNING):
        written = cells(write_files(dataframe=frame, into_path="memory://out", options=options))
    assert written["id"] == ["x", "z"]
    assert "Failed to process row y: b: NotFoundError" in caplog.text
    assert {url for url in held() if "out" in url} == {*written["a"], *written["b"]}


def test_if_all_rows_failed_it_is_told_why(options):
    frame = pd.DataFrame({"id": [1, 2], "a": "memory://in/bad"})
    with pytest.raises(AllRowsFailedError, match=r"All rows failed \(2\)\. Check error logs"):
        write_files(dataframe=frame, into_path="memory://out", options=options)


def test_a_row_with_a_target_that_cannot_be_written_is_not_reported(tmp_path, options, put):
    good = put("memory://in/good")
    (tmp_path / "out" / "x" / "b").mkdir(parents=True)
    frame = pd.DataFrame({"id": ["x", "y"], "a": good, "b": good})
    written = write_files(dataframe=frame, into_path=tmp_path / "out", options=options)
    assert written["id"].tolist() == ["y"]
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {"a", "b"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_table_is_no_failure(kind, options, store):
    written = write_files(
        dataframe=table(kind, {"id": [], "a": []}), into_path="memory://out", options=options
    )
    assert isinstance(written, KINDS[kind][1])
    assert not any(cells(written).values())
    assert list(cells(written)) == ([] if kind == "list" else ["id", "a"])
    assert store.requests == []


# Arguments.


def test_exactly_one_source_is_given(options):
    with pytest.raises(ValueError, match=r"^Cannot specify both 'row' and 'dataframe'$"):
        write_files({"a": None}, dataframe=[], into_path="memory://out", options=options)
    with pytest.raises(ValueError, match=r"^Must specify either 'row' or 'dataframe'$"):
        write_files(into_path="memory://out", options=options)


def test_a_row_has_an_id_and_a_table_has_none_of_its_own(options, put):
    row = {"a": put("memory://in/a")}
    with pytest.raises(ValueError, match=r"^Must specify 'id' when using 'row' argument$"):
        write_files(row=row, into_path="memory://out", options=options)
    items = [{"id": 1, **row}]
    for frame in (items, pd.DataFrame(items)):
        with pytest.raises(ValueError, match="'id' goes with a single 'row'"):
            write_files(dataframe=frame, id=1, into_path="memory://out", options=options)
    with pytest.raises(ValueError, match="'id' goes with a single 'row'"):
        write_files(row=items, id=1, into_path="memory://out", options=options)


def test_a_list_of_mappings_is_a_table_as_a_row_too(options, put):
    items = [{"id": n, "a": put("memory://in/a"), "b": None} for n in (2, 1)]
    written = write_files(row=items, into_path="memory://out", options=options)
    assert written == [
        {"id": 2, "a": "memory://out/2/a", "b": None},
        {"id": 1, "a": "memory://out/1/a", "b": None},
    ]


@pytest.mark.parametrize("into", ["gopher://out", "S4://out", "https+x://out/"])
def test_an_unknown_scheme_never_becomes_a_directory(into, options, put, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsupportedSchemeError, match=r"into_path: unsupported scheme .* memory"):
        write_files({"a": put("memory://in/a")}, into_path=into, id=1, options=options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("into", ["", b"out", None, 7, "s3:/bucket/out", "a\0b"])
def test_a_destination_that_is_none_is_refused(into, options, put, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"into_path|URL"):
        write_files({"a": put("memory://in/a")}, into_path=into, id=1, options=options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../a", "/etc/a", "a/../../b", "..", "a\\..\\b"])
def test_nothing_is_written_outside_the_rows_directory(name, options, put, tmp_path):
    put("memory://in/a")
    with pytest.raises(InvalidDatasetError):
        write_files({name: "memory://in/a"}, into_path=tmp_path / "out", id=1, options=options)
    with pytest.raises(InvalidDatasetError):
        write_files({"a": "memory://in/a"}, into_path=tmp_path / "out", id=name, options=options)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - names, to be compared
