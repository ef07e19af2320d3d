"""Rows as one archive each: whole or not there, and what a failure costs."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.layers.faulty import Faulty
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.scratch import TempScratch
from file_dataset.domain import row_archives
from file_dataset.domain.errors import NoSpaceError
from file_dataset.domain.objects import CREATE
from file_dataset.domain.requests import Upload
from file_dataset.domain.row_archives import RowArchives
from file_dataset.domain.rows import Row, RowDone, RowFailure
from file_dataset.domain.url import Url

INTO = Url.parse("memory://bucket/out")
CELLS = st.binary(max_size=2000) | st.none() | st.just("missing")


def rows_of(store, table):
    rows = []
    for number, cells in enumerate(table):
        urls = {name: Url("memory", "in", f"{number}/{name}") for name in cells}
        for name, cell in cells.items():
            if isinstance(cell, bytes):
                store.write(urls[name], cell)
        rows.append(
            Row(number, {n: None if cell is None else urls[n] for n, cell in cells.items()})
        )
    return rows


def archives(store):
    found = {}
    for info in store.list(INTO):
        with tarfile.open(fileobj=io.BytesIO(store.read(info.url))) as archive:
            found[info.url.name] = {
                m.name: file.read() for m in archive if (file := archive.extractfile(m))
            }
    return found


@given(st.lists(st.fixed_dictionaries({"a.bin": CELLS, "d/b.bin": CELLS}), max_size=8))
def test_a_row_is_an_archive_of_its_files_or_nothing(table):
    with pytest.MonkeyPatch.context() as patch, TempScratch() as scratch:
        patch.setattr(row_archives, "_AT_ONCE", 3)
        store = MemoryStore()
        rows = rows_of(store, table)
        results = list(RowArchives(store, INTO, scratch).publish(rows))
    assert [result.row_id for result in results] == list(range(len(table)))
    good = {n: cells for n, cells in enumerate(table) if "missing" not in cells.values()}
    assert archives(store) == {
        f"{n}.tar": {name: cell for name, cell in cells.items() if cell is not None}
        for n, cells in good.items()
    }
    for number, result in enumerate(results):
        assert isinstance(result, RowDone if number in good else RowFailure)
        if isinstance(result, RowDone):
            assert {name: url and str(url) for name, url in result.values.items()} == {
                name: None if cell is None else f"tar://{name}::memory://bucket/out/{number}.tar"
                for name, cell in table[number].items()
            }


def test_an_archive_that_cannot_be_written_costs_its_row_alone(tmp_path):
    inner = MemoryStore()

    def fault(request):
        is_it = type(request) is Upload and request.url.name == "1.tar"
        return NoSpaceError("full", url=request.url) if is_it else None

    rows = rows_of(inner, [{"a": b"0"}, {"a": b"1"}, {"a": b"2"}])
    with TempScratch(tmp_path) as scratch:
        results = list(RowArchives(Faulty(inner, fault), INTO, scratch).publish(rows))
        assert list(tmp_path.iterdir()) == []
    assert [type(each) for each in results] == [RowDone, RowFailure, RowDone]
    assert archives(inner).keys() == {"0.tar", "2.tar"}


def test_a_row_that_is_there_is_left_where_it_is_not_to_be_replaced():
    store = MemoryStore()
    store.write(INTO.joined("0.tar"), b"theirs")
    with TempScratch() as scratch:
        (result,) = RowArchives(store, INTO, scratch, CREATE).publish(rows_of(store, [{"a": b"0"}]))
    assert isinstance(result, RowFailure)
    assert result.causes[0].error == "AlreadyExistsError"
    assert store.read(INTO.joined("0.tar")) == b"theirs"


def test_a_file_that_no_url_can_name_as_a_member_is_that_of_its_row():
    store = MemoryStore()
    with TempScratch() as scratch:
        (result,) = RowArchives(store, INTO, scratch).publish(rows_of(store, [{"a::b": b"0"}]))
    assert isinstance(result, RowFailure)
    assert result.causes[0].error == "InvalidUrlError"
    assert archives(store) == {}
