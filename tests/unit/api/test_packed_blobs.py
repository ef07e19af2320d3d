"""Contents of members as columns: the same as by the usual way, and otherwise the usual way."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.noted import Noted

from file_dataset import AllRowsFailedError, MemoryStore, Options, Url, pack, reader
from file_dataset.api import _wiring
from file_dataset.api.frames import RowTable
from file_dataset.api.packed_blobs import packed_columns
from file_dataset.domain.requests import Read


def packed(store, rows, **more):
    """Rows of contents in shards; the table of their members."""
    table = []
    for number, row in enumerate(rows):
        cells: dict[str, object] = {"id": number}
        for name, data in row.items():
            url = Url("memory", "in", f"{number}/{name}")
            if data is not None:
                store.write(url, data)
            cells[name] = None if data is None else url
        table.append(cells)
    return pack(table, "memory://bucket/p", options=options_of(store), **more)


def options_of(store):
    return Options(stores={"memory://": store})


def columns(store, table):
    made = _wiring.store_for_tables(options_of(store))
    rows = RowTable.parse(table, check=lambda *_: None).rows
    found = packed_columns(made, rows)
    return None if found is None else {name: each.to_pylist() for name, each in found.items()}


def contents(store, table):
    table = reader(dataframe=table, options=options_of(store)).into_blob_table()
    return {name: table[name].to_pylist() for name in table.column_names if name != "id"}


@given(
    rows=st.lists(st.fixed_dictionaries({"a.x": st.binary(max_size=3000), "b.y": st.binary()})),
    shard_rows=st.integers(1, 4),
)
def test_what_was_packed_is_what_the_columns_have(rows, shard_rows):
    store = MemoryStore()
    table = packed(store, rows, shard_rows=shard_rows)
    expected = {name: [row[name] for row in rows] for name in ("a.x", "b.y")}
    assert columns(store, table) == (expected if rows else None)
    assert not rows or contents(store, table) == expected


ROWS = [{"a.x": random.Random(number).randbytes(5000)} for number in range(600)]
BODIES = [row["a.x"] for row in ROWS]


def test_a_span_is_read_once_and_each_archive_opened_once():
    store = Noted(MemoryStore())
    table = packed(store, ROWS, shard_rows=300)
    store.taken()
    assert contents(store, table) == {"a.x": BODIES}
    asked = store.taken()
    spans = [each for each in asked if isinstance(each, Read) and each.url.name.endswith(".tar")]
    assert len(spans) == 4
    assert len(asked) == 4 + 2 * 2


def test_an_empty_column_has_its_type():
    found = reader(dataframe=[], options=options_of(MemoryStore())).into_blob_table()
    assert found.column_names == ["id"]


def shuffled(store, table):
    random.Random(1).shuffle(table)


def to_and_fro(store, table):
    table.insert(1, table.pop())


def twice(store, table):
    table[1] |= {"a.x": table[0]["a.x"]}


def with_nothing(store, table):
    table[1] |= {"a.x": None}


def beside_others(store, table):
    store.write(Url.parse("memory://in/other"), b"other")
    table[1] |= {"a.x": "memory://in/other"}


def without_an_index(store, table):
    store.delete(Url.parse("memory://bucket/p/shard-000001.tar.index.json"))


@pytest.mark.parametrize(
    "change", [shuffled, to_and_fro, twice, with_nothing, beside_others, without_an_index]
)
def test_what_is_not_in_the_order_of_shards_is_read_in_the_usual_way(change):
    store = MemoryStore()
    table = packed(store, ROWS, shard_rows=300)
    change(store, table)
    assert columns(store, table) is None
    expected = []
    for row in table:
        cell = row["a.x"]
        inside = isinstance(cell, str) and cell.startswith("tar://")
        number = int(cell.removeprefix("tar://").partition(".")[0]) if inside else None
        expected.append(BODIES[number] if number is not None else (cell and b"other"))
    assert contents(store, table) == {"a.x": expected}


def damaged(store, url, at):
    raw = bytearray(store.read(url))
    raw[at] ^= 1
    store.write(url, bytes(raw))


SHARD = Url.parse("memory://bucket/p/shard-000001.tar")


@pytest.mark.parametrize("at", [1024, 0], ids=["bytes", "header"])
def test_a_damaged_member_costs_its_row_alone(at, caplog):
    store = MemoryStore()
    table = packed(store, ROWS[:5])
    damaged(store, SHARD, at)
    read = reader(dataframe=table, options=options_of(store))
    assert read.into_blob_table()["a.x"].to_pylist() == BODIES[1:5]
    (failure,) = read.failures
    assert (failure.row_id, failure.causes[0].error) == (0, "IntegrityError")


def test_members_and_archives_that_are_missing_are_told_of_each_row(caplog):
    store = MemoryStore()
    table = packed(store, ROWS[:3])
    table[1]["a.x"] = table[1]["a.x"].replace("1.a.x", "none")
    read = reader(dataframe=table, options=options_of(store))
    assert read.into_blob_table()["a.x"].to_pylist() == [BODIES[0], BODIES[2]]
    assert [each.causes[0].error for each in read.failures] == ["NotFoundError"]
    store.delete(SHARD)
    with pytest.raises(AllRowsFailedError):
        reader(dataframe=table, options=options_of(store)).into_blob_table()


def test_an_archive_that_was_replaced_is_seen():
    store = MemoryStore()
    table = packed(store, ROWS[:3])
    read = reader(dataframe=table, options=options_of(store))
    assert read.into_blob_table()["a.x"].to_pylist() == BODIES[:3]
    packed(store, [{"a.x": b"new"}, {"a.x": b"newer"}, {"a.x": b""}])
    assert read.into_blob_table()["a.x"].to_pylist() == [b"new", b"newer", b""]
    assert not read.failures
