"""A table's rows, each in a directory: what comes, what is dropped, and what is left behind."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.api.support import KINDS, table

from file_dataset import AllRowsFailedError, FileDatasetError, NotFoundError, StagedRow, reader

GOOD, BAD = "memory://in/good", "memory://in/bad"


def rows_of(sources):
    return [{"id": n, "a": source} for n, source in enumerate(sources)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    sources=st.lists(st.sampled_from([GOOD, BAD, None]), max_size=12), prefetch=st.integers(0, 20)
)
def test_good_rows_come_in_order_and_bad_ones_are_kept_as_failures(
    sources, prefetch, options, put, tmp_path
):
    put(GOOD, b"good")
    good = [n for n, source in enumerate(sources) if source != BAD]
    staged = reader(dataframe=rows_of(sources), options=options).into_temp_dir(
        dir=tmp_path, prefetch=prefetch
    )
    found = []
    try:
        for row in staged:
            found.append(row.id)
            content = {path.name: path.read_bytes() for path in row.path.iterdir()}
            assert content == ({} if sources[row.id] is None else {"a": b"good"})
            on_disk = sum(names == ["a"] for _, _, names in os.walk(tmp_path))
            assert on_disk <= prefetch + 1
    except AllRowsFailedError:
        assert sources
        assert not good
    assert found == good
    assert [failure.row_id for failure in staged.failures] == [
        n for n in range(len(sources)) if n not in good
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_gone_when_the_next_is_asked_for(options, put):
    staged = reader(dataframe=rows_of([put(GOOD)] * 3), options=options).into_temp_dir()
    seen: list[Path] = []
    for row in staged:
        assert [path.exists() for path in seen] == [False] * len(seen)
        seen.append(row.path)
        assert row.path.exists()
    assert not seen[-1].exists()


def test_a_staged_row_is_an_id_a_path_and_a_way_to_its_files(options, put):
    rows = [{"id": "case", "dir/a.txt": put(GOOD, b"good")}]
    with reader(dataframe=rows, options=options).into_temp_dir() as staged:
        row = next(staged)
        assert isinstance(row, StagedRow)
        row_id, path = row
        assert (row_id, os.fspath(row)) == ("case", str(path))
        assert (row / "dir/a.txt").read_bytes() == Path(row, "dir", "a.txt").read_bytes() == b"good"
        assert (row.id, row.path) == (row_id, path)


def ended_by_break(staged):
    for _ in staged:
        break
    staged.close()


def ended_by_context(staged):
    with staged:
        next(staged)


def ended_by_exception(staged):
    with pytest.raises(ZeroDivisionError), staged:
        raise ZeroDivisionError


def ended_by_nobody(staged):
    next(staged)


@pytest.mark.parametrize(
    "end", [ended_by_break, ended_by_context, ended_by_exception, ended_by_nobody]
)
def test_nothing_is_left_of_what_was_fetched_ahead(end, options, put, tmp_path):
    frame = reader(dataframe=rows_of([put(GOOD)] * 9), options=options)
    staged = frame.into_temp_dir(dir=tmp_path, prefetch=4)
    end(staged)
    del staged
    assert list(tmp_path.iterdir()) == []


def test_after_the_end_nothing_more_comes(options, put):
    with reader(dataframe=rows_of([put(GOOD)] * 2), options=options).into_temp_dir() as staged:
        next(staged)
    assert list(staged) == []


def test_the_next_rows_are_fetched_while_one_is_being_worked_on(options, put, store):
    staged = reader(dataframe=rows_of([put(GOOD)] * 9), options=options).into_temp_dir(prefetch=0)
    next(staged)
    assert store.verbs_used() == ["Download"]
    staged.close()
    store.requests.clear()
    staged = reader(dataframe=rows_of([put(GOOD)] * 9), options=options).into_temp_dir(prefetch=4)
    next(staged)
    assert len(store.requests) > 1
    staged.close()


def test_each_file_costs_one_request(options, put, store):
    columns = {"id": range(5), "a": put(GOOD), "b": put(GOOD), "c": None}
    rows = [{**columns, "id": n} for n in columns["id"]]
    list(reader(dataframe=rows, options=options).into_temp_dir())
    assert store.verbs_used() == ["Download"] * 10


def test_failed_rows_are_logged_as_warnings(options, put, caplog):
    rows = [{"id": "x", "a": put(GOOD)}, {"id": "y", "a": BAD, "b": BAD}]
    with caplog.at_level(logging.WARNING):
        staged = reader(dataframe=rows, options=options).into_temp_dir()
        assert [row_id for row_id, _ in staged] == ["x"]
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.name == "file_dataset"
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("Failed to process row y: a: NotFoundError: ")
    assert "; b: NotFoundError: " in record.getMessage()
    (failure,) = staged.failures
    assert record.getMessage() == f"Failed to process row {failure.row_id}: {failure}"
    assert set(failure.file_errors) == {"a", "b"}


def test_if_all_rows_failed_it_is_told_why(options):
    rows = [*rows_of([BAD] * 4), {"id": "no object", "a": "memory://in/"}]
    staged = reader(dataframe=rows, options=options).into_temp_dir()
    with pytest.raises(AllRowsFailedError, match=r"^All rows failed .* Check error logs") as caught:
        next(staged)
    assert isinstance(caught.value, FileDatasetError)
    assert caught.value.file_errors == {"all_rows": str(caught.value)}
    for words in ("4 x NotFoundError", "1 x InvalidUrlError", "not found"):
        assert words in str(caught.value)
    assert [failure.row_id for failure in caught.value.failures] == [0, 1, 2, 3, "no object"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_table_is_no_failure(kind, options):
    frame = reader(dataframe=table(kind, {"id": [], "a": []}), options=options)
    with frame.into_temp_dir() as staged:
        assert list(staged) == []
    assert staged.failures == []


def test_a_table_can_be_read_again(options, put, store):
    frame = reader(dataframe=rows_of([put(GOOD)] * 2), options=options)
    first = [row_id for row_id, _ in frame.into_temp_dir()]
    assert [row_id for row_id, _ in frame.into_temp_dir()] == first == [0, 1]
    assert len(store.requests) == 4


def test_a_place_that_is_not_there_is_refused_at_once(options, tmp_path):
    with pytest.raises(NotFoundError, match="not found"):
        reader(dataframe=[], options=options).into_temp_dir(dir=tmp_path / "x")


@pytest.mark.parametrize("prefetch", [-1, 1.5, None, "2"])
def test_a_prefetch_that_is_no_number_of_rows_is_refused_at_once(prefetch, options):
    with pytest.raises((ValueError, TypeError), match="prefetch"):
        reader(dataframe=[], options=options).into_temp_dir(prefetch=prefetch)
