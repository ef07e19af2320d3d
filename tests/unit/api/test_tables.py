"""Sizes and contents as Arrow tables: their schemas, their cost, and what happens to bad rows."""

from __future__ import annotations

import logging

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.noted import Noted
from tests.unit.api.support import KINDS, table

from file_dataset import (
    AllRowsFailedError,
    FileDatasetError,
    InvalidDatasetError,
    MemoryStore,
    Options,
    Url,
    reader,
)
from file_dataset.api import arrow

GOOD, BAD = "memory://in/good", "memory://in/bad"
CELLS = st.binary(max_size=20) | st.none() | st.just("missing")


@given(rows=st.lists(st.fixed_dictionaries({"a": CELLS, "b/c.txt": CELLS}), max_size=8))
def test_tables_hold_what_the_good_rows_hold(rows):
    store = MemoryStore()
    items: list[dict[str, object]] = []
    for number, row in enumerate(rows):
        items.append({"id": number, "a": None, "b/c.txt": None})
        for name, data in row.items():
            url = f"memory://in/{number}/{name}"
            if data is not None:
                items[-1][name] = url
            if isinstance(data, bytes):
                store.write(Url.parse(url), data)
    good = {str(n): row for n, row in enumerate(rows) if "missing" not in row.values()}
    read = reader(dataframe=items, options=Options(stores={"memory://": store}))
    if rows and not good:
        for make in (read.into_size_table, read.into_blob_table):
            with pytest.raises(AllRowsFailedError):
                make()
        return
    expected = {"id": list(good)}
    names = ["a", "b/c.txt"] if rows else []
    blobs = read.into_blob_table()
    assert blobs.to_pydict() == {**expected, **{n: [r[n] for r in good.values()] for n in names}}
    blobs.validate(full=True)
    sizes = read.into_size_table()
    lengths = {n: [None if r[n] is None else len(r[n]) for r in good.values()] for n in names}
    assert sizes.to_pydict() == {**expected, **lengths}
    assert [failure.row_id for failure in read.failures] == [
        n for n in range(len(rows)) if str(n) not in good
    ]


# Schemas.

ID = pa.schema([("id", pa.string())])
SIZES = ID.append(pa.field("a", pa.int64())).append(pa.field("b", pa.int64()))
BLOBS = ID.append(pa.field("a", pa.binary())).append(pa.field("b", pa.binary()))


@pytest.mark.parametrize(
    ("kind", "ids"),
    [(kind, ids) for kind in KINDS for ids in ([], [7], [7, 8]) if ids or kind != "list"],
    ids=str,
)
def test_the_schema_is_fixed_by_the_columns(kind, ids, options, put):
    cells = {"id": ids, "a": [put(GOOD)] * len(ids), "b": [None] * len(ids)}
    read = reader(dataframe=table(kind, cells), options=options)
    assert read.into_size_table().schema == SIZES
    assert read.into_blob_table().schema == BLOBS
    assert read.into_size_table().column("id").to_pylist() == [str(row_id) for row_id in ids]


def test_an_empty_list_has_ids_only(options):
    read = reader(dataframe=[], options=options)
    for made in (read.into_size_table(), read.into_blob_table()):
        assert made.schema == ID
        assert made.num_rows == 0


def test_a_row_has_a_column_for_each_file_and_no_id(options, put):
    read = reader(row={"a": put(GOOD, b"four"), "b": None}, options=options)
    sizes, blobs = read.into_size_table(), read.into_blob_table()
    assert sizes.schema == SIZES.remove(0)
    assert blobs.schema == BLOBS.remove(0)
    assert sizes.to_pylist() == [{"a": 4, "b": None}]
    assert blobs.to_pylist() == [{"a": b"four", "b": None}]
    assert read.into_size_table(head=0).schema == SIZES.remove(0)
    assert read.into_blob_table(head=0).schema == BLOBS.remove(0)


@pytest.mark.parametrize("sizes", [[40, 61], [101], [1] * 101], ids=["sum", "one", "many"])
def test_a_column_past_the_reach_of_binary_is_large_and_the_others_are_not(
    sizes, options, put, monkeypatch
):
    monkeypatch.setattr(arrow, "_REACH", 100)
    rows = [
        {"id": n, "a": put(f"memory://a/{n}", bytes(size)), "b": None if n else put(GOOD)}
        for n, size in enumerate(sizes)
    ]
    made = reader(dataframe=rows, options=options).into_blob_table()
    assert made.schema.field("a").type == pa.large_binary()
    assert [len(cell.as_py()) for cell in made.column("a")] == sizes
    assert made.schema.field("b").type == pa.binary()
    made.validate(full=True)


def test_a_column_within_the_reach_of_binary_is_binary(options, put, monkeypatch):
    monkeypatch.setattr(arrow, "_REACH", 100)
    rows = [{"id": n, "a": put(f"memory://a/{n}", bytes(50))} for n in range(2)]
    made = reader(dataframe=rows, options=options).into_blob_table()
    assert made.schema.field("a").type == pa.binary()


# Cost.


def test_sizes_are_asked_for_and_no_body_is_read(options, put, store):
    rows = [{"id": n, "a": put(GOOD), "b": put(GOOD), "c": None} for n in range(3)]
    reader(dataframe=rows, options=options).into_size_table()
    reader(row={"a": GOOD}, options=options).into_size_table()
    assert store.verbs_used() == ["Stat"] * 7


def test_contents_are_read_and_nothing_is_asked_before(options, put, store):
    rows = [{"id": n, "a": put(GOOD), "b": put(GOOD), "c": None} for n in range(3)]
    reader(dataframe=rows, options=options).into_blob_table()
    reader(row={"a": GOOD}, options=options).into_blob_table()
    assert store.verbs_used() == ["Read"] * 7


@pytest.mark.parametrize("make", ["into_size_table", "into_blob_table"])
def test_head_reads_the_first_rows_only(make, options, put, store):
    read = reader(dataframe=[{"id": n, "a": put(GOOD)} for n in range(5)], options=options)
    for head, expected in ((0, 0), (2, 2), (5, 5), (9, 5), (None, 5)):
        store.requests.clear()
        assert getattr(read, make)(head=head).num_rows == expected
        assert len(store.requests) == expected


@pytest.mark.parametrize("make", ["into_size_table", "into_blob_table"])
def test_a_head_that_is_no_number_of_rows_is_refused(make, options):
    heads: list[object] = [-1, 1.0, True, "1"]
    for head in heads:
        for read in (reader(dataframe=[], options=options), reader(row={}, options=options)):
            with pytest.raises(ValueError, match="head must be a number of rows, 0 or more"):
                getattr(read, make)(head=head)


@pytest.mark.parametrize("form", ["row", "frame"])
def test_what_is_too_large_is_refused_before_a_body_is_read(form, options, put, store):
    row = {"a": put("memory://in/a", bytes(60)), "b": put("memory://in/b", bytes(40)), "c": None}
    read = reader(row, options=options) if form == "row" else reader(
        dataframe=[{"id": 1, **row}, {"id": 2, "a": BAD}], options=options
    )  # fmt: skip
    with pytest.raises(InvalidDatasetError, match="take 100 bytes and max_bytes allows 99"):
        read.into_blob_table(max_bytes=99)
    assert set(store.verbs_used()) == {"Stat"}
    assert read.into_blob_table(max_bytes=100).num_rows == 1
    assert read.into_blob_table(head=0, max_bytes=0).num_rows == 0


def test_a_budget_that_is_no_number_of_bytes_is_refused(options):
    budgets: list[object] = [-1, 1.5, True, "1 GiB"]
    for max_bytes in budgets:
        with pytest.raises(ValueError, match="max_bytes must be a number of bytes, 0 or more"):
            reader(row={}, options=options).into_blob_table(max_bytes=max_bytes)  # type: ignore[arg-type]


# Bad rows.

MAKE = pytest.mark.parametrize("make", ["into_size_table", "into_blob_table"])


@MAKE
def test_bad_rows_are_dropped_logged_and_kept_as_failures(make, options, put, caplog):
    rows = [{"id": "x", "a": put(GOOD)}, {"id": "y", "a": BAD}]
    read = reader(dataframe=rows, options=options)
    for _ in range(2):  # what failed is told of the latest table only
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            assert getattr(read, make)().column("id").to_pylist() == ["x"]
        assert [failure.row_id for failure in read.failures] == ["y"]
        assert "Failed to process row y: a: NotFoundError" in caplog.text
        assert "row x" not in caplog.text


@MAKE
def test_if_all_rows_failed_it_is_told_why(make, options):
    read = reader(dataframe=[{"id": n, "a": BAD} for n in range(3)], options=options)
    with pytest.raises(AllRowsFailedError, match=r"All rows failed .*Check error logs.*not found"):
        getattr(read, make)()
    assert len(read.failures) == 3


@MAKE
def test_of_a_bad_row_alone_every_bad_file_is_told(make, options, put):
    row = {"a": put(GOOD), "b": BAD, "c": "memory://in/worse"}
    with pytest.raises(FileDatasetError) as caught:
        getattr(reader(row=row, options=options), make)()
    assert set(caught.value.file_errors) == {"b", "c"}


def test_the_store_is_asked_in_few_batches(put):
    batches: list[int] = []

    class Counted(MemoryStore):
        def run(self, requests, /):
            batches.append(len(requests))
            return super().run(requests)

    store = Counted()
    store.write(Url.parse(GOOD), b"")
    batches.clear()
    rows = [{"id": n, "a": GOOD} for n in range(200)]
    reader(dataframe=rows, options=Options(stores={"memory://": Noted(store)})).into_size_table()
    assert batches == [200]
