"""The files of rows in memory, if they are small, and on the disk, if they are not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.noted import Noted

from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.scratch import TempScratch
from file_dataset.domain import gathering
from file_dataset.domain.gathering import Gathered, Gathering
from file_dataset.domain.requests import Download, Read, Stat
from file_dataset.domain.rows import Row, RowFailure
from file_dataset.domain.url import Url

CELLS = st.integers(0, 12) | st.none() | st.just("missing")


@given(st.lists(st.fixed_dictionaries({"a": CELLS, "b/c": CELLS}), max_size=20))
def test_every_row_comes_with_its_files_or_its_faults_in_order(table):
    with pytest.MonkeyPatch.context() as patch, TempScratch() as scratch:
        patch.setattr(gathering, "SMALL", 8)
        patch.setattr(gathering, "_FILES_AT_ONCE", 6)
        store, rows = MemoryStore(), []
        for number, cells in enumerate(table):
            urls = {name: Url("memory", "in", f"{number}/{name}") for name in cells}
            for name, cell in cells.items():
                if isinstance(cell, int):
                    store.write(urls[name], bytes([number]) * cell)
            rows.append(Row(number, {n: urls[n] if cells[n] is not None else None for n in cells}))
        results = list(Gathering(store, scratch).gather(rows))
        for number, (cells, result) in enumerate(zip(table, results, strict=True)):
            missing = [name for name, cell in cells.items() if cell == "missing"]
            if missing:
                assert isinstance(result, RowFailure)
                assert [cause.file for cause in result.causes] == missing
                continue
            assert isinstance(result, Gathered)
            seen = {
                name: each if isinstance(each, bytes) else each.read_bytes()
                for name, each in result.files.items()
            }
            assert seen == {
                name: bytes([number]) * cell for name, cell in cells.items() if cell is not None
            }
            assert [name for name, each in result.files.items() if not isinstance(each, bytes)] == [
                name for name, cell in cells.items() if isinstance(cell, int) and cell > 8
            ]
            assert list(result.files) == [name for name in cells if cells[name] is not None]
            result.release()


def test_a_small_file_is_read_whole_and_a_large_one_downloaded(tmp_path):
    store = Noted(MemoryStore())
    sizes = {"small": 256 << 10, "large": (256 << 10) + 1}
    for name, size in sizes.items():
        store.store.write(Url("memory", "in", name), random.Random(1).randbytes(size))
    rows = [Row(name, {"a.bin": Url("memory", "in", name)}) for name in sizes]
    with TempScratch(tmp_path) as scratch:
        results = [
            each for each in Gathering(store, scratch).gather(rows) if isinstance(each, Gathered)
        ]
        assert [type(request) for request in store.requests] == [Stat, Stat, Read, Download]
        assert len(list(tmp_path.rglob("*"))) == 3
        for result in results:
            result.release()
        assert list(tmp_path.rglob("*")) == []


def test_what_is_in_memory_is_bounded_whatever_the_number_of_rows():
    assert gathering.SMALL * gathering._FILES_AT_ONCE == 64 << 20
    batches = []

    class Counted(MemoryStore):
        def run(self, requests):
            batches.append(len(requests))
            return super().run(requests)

    rows = [Row(n, {f"{k}": Url("memory", "in", "none") for k in range(10)}) for n in range(100)]
    with TempScratch() as scratch:
        assert len(list(Gathering(Counted(), scratch).gather(rows))) == 100
    assert max(batches) <= gathering._FILES_AT_ONCE
    assert sum(batches) == 1000
