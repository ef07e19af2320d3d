"""Rows: what cannot be one, what a staged one is like, and how failures speak."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.errors import (
    FileDatasetError,
    InvalidDatasetError,
    NotFoundError,
    ThrottledError,
    TransientError,
    UnauthenticatedError,
)
from file_dataset.domain.names import file_name_fault, row_id_fault
from file_dataset.domain.rows import Cause, Row, RowDone, RowFailure, StagedRow, all_rows_failed
from file_dataset.domain.url import Url

HERE = Url("memory", "", "source")


# Rows.


@given(st.one_of(st.text(max_size=5), st.integers(), st.none(), st.floats()))
def test_a_row_has_an_id_that_makes_a_path(row_id):
    if row_id_fault(row_id):
        with pytest.raises(InvalidDatasetError) as caught:
            Row(row_id, {})
        assert repr(row_id) in str(caught.value)
    else:
        assert Row(row_id, {}).id == row_id


@given(st.text(max_size=5))
def test_a_row_has_filenames_that_make_paths(name):
    if file_name_fault(name):
        with pytest.raises(InvalidDatasetError) as caught:
            Row("case", {name: HERE})
        assert "'case'" in str(caught.value)
        assert repr(name) in str(caught.value)
    else:
        assert list(Row("case", {name: HERE}).files) == [name]


def test_the_name_of_an_absent_file_has_to_make_a_path_too():
    with pytest.raises(InvalidDatasetError, match="leads elsewhere"):
        Row(1, {"../x": None})


def test_a_row_has_no_file_that_is_a_directory_too():
    with pytest.raises(
        InvalidDatasetError, match="'a' would be a file and a directory at once, for 'a/b'"
    ):
        Row(1, {"a": HERE, "a/b": HERE})


@pytest.mark.parametrize("absent", ["a", "a/b"])
def test_an_absent_file_is_in_nobodys_way(absent):
    row = Row(1, {"a": HERE, "a/b": HERE, absent: None})
    assert row.sources == {name: HERE for name in ("a", "a/b") if name != absent}


def test_a_row_cannot_be_changed():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Row(1, {}).id = 2  # type: ignore[misc]


def test_the_id_keeps_its_type():
    assert [type(RowDone(Row(each, {}), {}).row_id) for each in (7, "7")] == [int, str]


# Staged rows.


def test_a_staged_row_is_an_id_and_a_path(tmp_path):
    staged = StagedRow(7, tmp_path)
    row_id, path = staged
    assert (row_id, path) == (7, tmp_path)
    assert (staged / "a" / "b.txt") == tmp_path / "a" / "b.txt"
    assert (staged / Path("a")) == tmp_path / "a"


def test_a_staged_row_can_be_opened_like_a_path(tmp_path):
    staged = StagedRow("case", tmp_path)
    (staged / "a.txt").write_text("text")
    assert isinstance(staged, os.PathLike)
    assert os.fspath(staged) == str(tmp_path)
    assert [path.name for path in Path(staged).iterdir()] == ["a.txt"]


# Causes.

URL = Url.parse("https://user:hunter2@host/image.mha?X-Amz-Signature=hunter2&token=hunter2")


@pytest.mark.parametrize(
    "error",
    [NotFoundError(f"{URL.redacted}: not found", url=URL), InvalidDatasetError("bad")],
    ids=["of-a-store", "of-a-table"],
)
def test_a_cause_holds_no_secret_of_a_url(error):
    cause = Cause.of(error, file="image.mha", url=URL)
    failure = RowFailure(1, "read", (cause,))
    spoken = (repr(cause), str(failure), repr(failure), str(failure.as_error()))
    everything = [*attrs.asdict(cause).values(), *spoken, str(all_rows_failed([failure]))]
    assert not [text for text in everything if "hunter2" in str(text)]
    assert cause.url == "https://***@host/image.mha?***"


def test_a_cause_says_what_where_and_how_often():
    error = ThrottledError("slow down", url=HERE, attempts=5)
    assert Cause.of(error, file="a", url=HERE) == Cause(
        "ThrottledError",
        "slow down",
        file="a",
        url="memory:///source",
        attempts=5,
        retryable=True,
        common=ThrottledError.common_cause,
    )


def test_a_cause_says_how_far_the_fault_reaches_as_the_single_error_does():
    error = NotFoundError("no such bucket")
    assert not Cause.of(error, file="a", url=HERE).systemic
    error.systemic, error.common_cause = True, "no such bucket"
    cause = Cause.of(error, file="a", url=HERE)
    assert (cause.systemic, cause.common) == (True, "no such bucket")
    assert Cause.of(UnauthenticatedError("who?"), file="a", url=HERE).systemic


def test_a_cause_stays_retryable_after_the_retries_are_used_up():
    error = TransientError("reset", attempts=3)
    error.transient = False  # as the retrying layer leaves it
    assert Cause.of(error, file="a", url=HERE).retryable
    assert not Cause.of(NotFoundError("gone"), file="a", url=HERE).retryable


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_an_exception_of_the_user_is_recorded_whole():
    cause = Cause.raised(raised(ZeroDivisionError("by zero")))
    assert (cause.error, cause.message) == ("ZeroDivisionError", "by zero")
    assert cause.traceback.startswith("Traceback (most recent call last)")
    assert f"in {raised.__name__}" in cause.traceback
    assert cause.traceback.endswith("ZeroDivisionError: by zero\n")


def test_an_exception_without_words_is_still_told():
    assert Cause.raised(raised(ValueError())).message == "ValueError()"


def test_an_exception_that_cannot_be_spelled_is_still_told():
    class UnspeakableError(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    cause = Cause.raised(raised(UnspeakableError()))
    assert (cause.error, cause.message) == ("UnspeakableError", "<exception str() failed>")


# Failures.


def failure(row_id=7, *errors, stage="read"):
    kinds = errors or ("NotFoundError",)
    causes = (Cause(kind, f"message {n}", file=f"file {n}") for n, kind in enumerate(kinds))
    return RowFailure(row_id, stage, tuple(causes))


def test_a_failure_names_every_bad_file():
    assert str(failure(7, "NotFoundError", "TransientError")) == (
        "file 0: NotFoundError: message 0; file 1: TransientError: message 1"
    )
    assert failure(7, "A", "B").file_errors == {"file 0": "message 0", "file 1": "message 1"}


def test_a_failure_of_the_row_as_a_whole_has_no_file():
    whole = RowFailure(7, "call", (Cause("ValueError", "no"),))
    assert str(whole) == "ValueError: no"
    assert whole.file_errors == {}


def test_a_failure_becomes_an_error():
    error = failure("case", "NotFoundError", stage="write").as_error()
    assert type(error) is FileDatasetError
    assert str(error).startswith("Failed to process row 'case' (write): file 0: NotFoundError")
    assert error.file_errors == {"file 0": "message 0"}


def test_a_failure_has_a_cause():
    with pytest.raises(ValueError, match="causes"):
        RowFailure(7, "read", ())


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_workers_send_home_survives_pickling(protocol, tmp_path):
    done = RowDone(Row(1, {"a": HERE, "b": None}), {"a": HERE, "b": None})
    for value in (failure(7, "A", "B"), done, StagedRow(7, tmp_path)):
        assert pickle.loads(pickle.dumps(value, protocol)) == value
    error = pickle.loads(pickle.dumps(all_rows_failed([failure()]), protocol))
    assert error.failures == (failure(),)


# All of them.


def test_all_rows_failed_tells_the_most_frequent_causes_first():
    rare = [failure(number, f"Rare{number}Error") for number in range(3)]
    often = [failure(number, "NotFoundError") for number in (10, 11, 12)]
    seldom = [failure(number, "ValueError", stage="call") for number in (20, 21)]
    error = all_rows_failed([*rare, *seldom, *often])
    text = str(error)
    assert text.startswith("All rows failed (8). Check error logs.")
    assert text.index("3 x NotFoundError (read), as in row 10") < text.index(
        "2 x ValueError (call)"
    )
    assert "message 0" in text
    assert text.count(" x ") == 3
    assert error.failures == (*rare, *seldom, *often)


def test_all_rows_failed_stands_for_all_rows_in_file_errors():
    error = all_rows_failed([failure()])
    assert error.file_errors == {"all_rows": str(error)}


def test_the_same_error_at_another_stage_is_another_cause():
    text = str(all_rows_failed([failure(1), failure(2, stage="write"), failure(3)]))
    assert "2 x NotFoundError (read), as in row 1" in text
    assert "1 x NotFoundError (write), as in row 2" in text
