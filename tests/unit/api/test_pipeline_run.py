"""Runs of a pipeline: every row ends once, as a row or as a failure that says what happened."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.api.support import KINDS, cells, table

from file_dataset import (
    AllRowsFailedError,
    FileDatasetError,
    MemoryStore,
    Options,
    Pipeline,
    Progress,
    Url,
)

# What becomes of a row whose file says so: the stage it fails at, and its error.
FATES = {
    "fine": None,
    "nothing": None,
    "gone": ("read", "NotFoundError"),
    "raises": ("call", "ZeroDivisionError"),
    "no mapping": ("call", "InvalidDatasetError"),
    "no path": ("call", "InvalidDatasetError"),
    "no name": ("call", "InvalidDatasetError"),
    "no file": ("call", "NotFoundError"),
}


def fated(input_dir: Path, output_dir: Path) -> Any:
    fate = (input_dir / "a.txt").read_text()
    output = output_dir / "out"
    output.write_text(fate)
    answers = {
        "fine": {"b.txt": output},
        "nothing": {"b.txt": None},
        "no mapping": [output],
        "no path": {"b.txt": 7},
        "no name": {"../b.txt": output},
        "no file": {"b.txt": output_dir / "gone"},
    }
    return answers[fate] if fate != "raises" else 1 / 0


def fated_store(fates):
    store = MemoryStore()
    for fate in set(fates) - {"gone"}:
        store.write(Url.parse(f"memory://in/{fate}"), fate.encode())
    return store


def items_of(fates):
    return [{"id": n, "a.txt": f"memory://in/{fate}"} for n, fate in enumerate(fates)]


def pipeline_of(fates, **kwargs):
    options = Options(stores={"memory://": fated_store(fates)})
    return Pipeline(fated, into_path="memory://out", options=options, **kwargs)


fates = st.lists(st.sampled_from(sorted(FATES)), max_size=12)


@settings(deadline=None, max_examples=60)
@given(fates=fates, workers=st.sampled_from([1, 2, 4]), prefetch=st.integers(0, 8))
def test_every_row_ends_once_as_a_row_or_as_a_failure(fates, workers, prefetch):
    result = pipeline_of(fates, workers=workers, prefetch=prefetch).run(items_of(fates))
    good = [n for n, fate in enumerate(fates) if FATES[fate] is None]
    bad = [n for n, fate in enumerate(fates) if FATES[fate] is not None]
    assert result.rows == [
        {"id": n, "b.txt": f"memory://out/{n}/b.txt" if fates[n] == "fine" else None} for n in good
    ]
    assert [(each["id"], each["stage"], each["error"]) for each in result.failures] == [
        (n, *(FATES[fates[n]] or ())) for n in bad
    ]
    stats = result.stats
    assert (stats.rows, stats.failed, stats.skipped) == (len(good), len(bad), 0)
    assert stats.seconds >= 0


@settings(deadline=None, max_examples=30)
@given(fates=fates, workers=st.sampled_from([1, 3]))
def test_keeping_failed_rows_keeps_every_row_in_its_place(fates, workers):
    kept = pipeline_of(fates, workers=workers, on_error="keep")(items_of(fates))
    assert [row["id"] for row in kept] == list(range(len(fates)))
    for row, fate in zip(kept, fates, strict=True):
        expected = FATES[fate]
        if expected is None:
            assert row["error"] is None
        else:
            assert expected[1] in row["error"]
        assert (row.get("b.txt") is not None) == (fate == "fine")


@settings(deadline=None, max_examples=30)
@given(fates=fates, workers=st.sampled_from([1, 3]))
def test_a_retry_runs_exactly_the_rows_that_failed(fates, workers):
    store = fated_store(fates)
    options = Options(stores={"memory://": store})
    called: list[str] = []

    def counted(directory: Path) -> dict[str, Path]:
        fate = (directory / "a.txt").read_text()
        called.append(fate)
        if fate not in ("fine", "healed"):
            raise ValueError
        return {"b.txt": directory / "a.txt"}

    first = Pipeline(counted, into_path="memory://out", options=options, workers=workers).run(
        items_of(fates)
    )
    failed = [row["id"] for row in first.failures]
    for fate in set(fates):
        store.write(Url.parse(f"memory://in/{fate}"), b"healed")
    called.clear()
    again = first.retry()
    assert [row["id"] for row in again.rows] == failed == [
        n for n, fate in enumerate(fates) if fate != "fine"
    ]  # fmt: skip
    assert called == ["healed"] * len(failed)
    assert again.failures == again.retry().rows == []


def test_a_retry_can_be_retried(caplog):
    result = pipeline_of(["raises", "fine"]).run(items_of(["raises", "fine"]))
    for _ in range(3):
        result = result.retry()
        assert [row["id"] for row in result.failures] == [0]
        assert result.rows == []


# What becomes of the rows that fail.


def test_failed_rows_are_dropped_and_logged(caplog):
    fates = ["fine", "raises", "gone"]
    with caplog.at_level(logging.WARNING):
        rows = pipeline_of(fates)(items_of(fates))
    assert [row["id"] for row in rows] == [0]
    messages = [record.getMessage() for record in caplog.records if record.levelno >= 30]
    assert sorted(message.partition(":")[0] for message in messages) == [
        "Failed to process row 1",
        "Failed to process row 2",
    ]
    assert "Failed to process row 1: ZeroDivisionError: division by zero" in messages


@pytest.mark.parametrize("run", [Pipeline.__call__, Pipeline.run])
def test_the_first_failure_can_be_raised(run, tmp_path):
    fates = ["fine", "gone", "fine"]
    with pytest.raises(FileDatasetError, match=r"Failed to process row 1 \(read\)") as caught:
        run(pipeline_of(fates, on_error="raise"), items_of(fates))
    assert set(caught.value.file_errors) == {"a.txt"}
    assert not isinstance(caught.value, AllRowsFailedError)


ALL_FAIL = ["raises", "gone", "gone"]


@pytest.mark.parametrize("kwargs", [{}, {"if_all_fail": "raise"}], ids=str)
def test_if_all_rows_failed_it_is_told_why(kwargs):
    with pytest.raises(AllRowsFailedError, match=r"All rows failed \(3\)\. Check error") as caught:
        pipeline_of(ALL_FAIL, **kwargs)(items_of(ALL_FAIL))
    assert "2 x NotFoundError (read), as in row 1" in str(caught.value)
    assert caught.value.file_errors == {"all_rows": str(caught.value)}
    assert [failure.row_id for failure in caught.value.failures] == [0, 1, 2]


def test_if_all_rows_failed_the_table_can_be_empty():
    assert pipeline_of(ALL_FAIL, if_all_fail="empty")(items_of(ALL_FAIL)) == []


def test_kept_rows_are_there_even_if_all_failed():
    rows = pipeline_of(ALL_FAIL, on_error="keep")(items_of(ALL_FAIL))
    assert len(rows) == 3
    with pytest.raises(AllRowsFailedError):
        pipeline_of(ALL_FAIL, on_error="keep", if_all_fail="raise")(items_of(ALL_FAIL))


def test_a_run_tells_its_failures_even_if_all_failed():
    result = pipeline_of(ALL_FAIL, if_all_fail="raise").run(items_of(ALL_FAIL))
    assert (result.stats.rows, len(result.failures)) == (0, 3)


# Progress.


@pytest.mark.parametrize("workers", [1, 3])
def test_progress_is_told_at_the_start_and_after_every_row(workers):
    told: list[Progress] = []
    fates = ["fine", "raises", "gone", "fine"]
    pipeline_of(fates, workers=workers, progress=told.append).run(items_of(fates))
    assert told[0] == Progress(4, 0, 0)
    assert told[-1] == Progress(4, 2, 2)
    assert [each.done + each.failed for each in told] == [0, 1, 2, 3, 4]
    assert [each.is_over for each in told] == [False] * 4 + [True]


def test_progress_of_nothing_is_over_at_once():
    told: list[Progress] = []
    pipeline_of([], progress=told.append)(pd.DataFrame({"id": [], "a.txt": []}))
    assert told == [Progress(0)]
    assert told[0].is_over


def test_a_line_on_the_terminal_tells_the_progress(capsys):
    pipeline_of(["fine", "gone"], progress=True).run(items_of(["fine", "gone"]))
    shown = capsys.readouterr()
    assert "2/2" in shown.err
    assert "failed=1" in shown.err
    assert shown.out == ""


# Nothing to do.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("on_error", ["drop", "keep", "raise"])
def test_an_empty_table_is_no_failure(kind, on_error):
    pipeline = pipeline_of([], on_error=on_error, if_all_fail="raise")
    made = pipeline(table(kind, {"id": [], "a.txt": []}))
    assert isinstance(made, KINDS[kind][1])
    assert not any(cells(made).values())
