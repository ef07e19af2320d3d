"""The figures of the benchmarks: what is summed up, what is left out, and what the tables say."""

from __future__ import annotations

from benchmarks.cases import CASES, OURS, UNIT
from benchmarks.measure import Measured
from benchmarks.report import CaseReport, Report, Rounds, against_bar, standing, table
from hypothesis import given
from hypothesis import strategies as st

seconds = st.floats(0.01, 100)
rounds = st.lists(seconds.map(lambda time: Measured(time, time / 2, 1000)), min_size=1)
FAILED = Measured(problem="ValueError: other bytes")
CASE = CASES["download-small"]


def case_report(**found: Rounds) -> CaseReport:
    return CaseReport(CASE, {name: f"the {name}" for name in found}, found)


@given(rounds)
def test_the_unit_takes_one_unit_and_its_median_lies_between_its_extremes(found):
    summed = standing(found, found)

    assert summed is not None
    assert summed.ratio == 1
    assert summed.low <= summed.seconds <= summed.high
    assert summed.rounds == len(found)


@given(rounds, st.floats(0.1, 10))
def test_a_ratio_is_taken_within_rounds_so_that_drift_between_them_does_not_count(found, ratio):
    ours = [Measured(each.seconds * ratio) for each in found]

    summed = standing(ours, found)

    assert summed is not None
    assert summed.ratio is not None
    assert abs(summed.ratio - ratio) < 1e-6 * ratio


@given(rounds, st.integers(0, 3), st.integers(0, 3))
def test_rounds_that_failed_or_were_left_out_do_not_count(found, failed, absent):
    others: list[Measured | None] = [FAILED] * failed + [None] * absent

    summed = standing([*found, *others], [*found, *found[:1] * len(others)])

    assert summed == standing(found, found)


def test_of_rounds_that_all_failed_nothing_is_known():
    assert standing([FAILED, None], [Measured(1), Measured(1)]) is None


def test_the_bar_is_met_at_the_bar_and_missed_above_it():
    assert CASE.bar == 0.5
    unit = [Measured(2)]

    at = against_bar(case_report(**{OURS: [Measured(1)], UNIT: unit}))
    above = against_bar(case_report(**{OURS: [Measured(1.01)], UNIT: unit}))

    assert at is not None
    assert above is not None
    assert (at.met, above.met) == (True, False)


def test_a_failure_of_ours_is_a_bar_missed():
    bar = against_bar(case_report(**{OURS: [FAILED], UNIT: [Measured(1)]}))

    assert bar is not None
    assert (bar.figure, bar.met) == ("failed", False)


def test_without_the_unit_or_us_there_is_no_bar():
    assert against_bar(case_report(**{OURS: [Measured(1)]})) is None
    assert against_bar(case_report(**{UNIT: [Measured(1)]})) is None


def test_where_the_unit_is_the_fastest_peer_ours_and_failures_are_no_peers():
    case = CASES["download-large"]
    found: dict[str, Rounds] = {
        OURS: [Measured(1)],
        "file_dataset-boto3": [Measured(1)],
        UNIT: [Measured(4)],
        "boto3": [Measured(2)],
        "s3fs": [FAILED],
    }
    report = CaseReport(case, {name: name for name in found}, found)

    assert report.unit == "boto3"
    ours = report.standings()[OURS]
    assert ours is not None
    assert ours.ratio == 0.5


def test_whoever_cannot_do_the_work_has_a_dash_and_whoever_failed_a_reason():
    report = CaseReport(
        CASE,
        {UNIT: "obstore", "ray": "Ray Data", "boto3": "boto3"},
        {UNIT: [Measured(1)], "boto3": [FAILED, FAILED]},
    )

    lines = report.lines()

    assert "| Ray Data | — | — | — | — | — | — | — |" in lines
    assert lines.count("- boto3: ValueError: other bytes") == 1
    assert any(line.startswith("| boto3 | failed, see below |") for line in lines)


def test_every_row_of_a_table_has_as_many_cells_as_its_heading():
    report = CaseReport(
        CASE,
        {OURS: "file_dataset", UNIT: "obstore", "ray": "Ray Data", "boto3": "boto3"},
        {OURS: [Measured(1)], UNIT: [Measured(1)], "boto3": [FAILED]},
    )

    cells = {line.count("|") for line in report.lines() if line.startswith("|")}

    assert len(cells) == 1


def test_a_table_is_markdown():
    assert table(["", "s"], [["a", "1"]]) == ["|  | s |", "|---|---:|", "| a | 1 |"]


def test_a_report_from_a_busy_machine_says_so():
    busy, quiet = Report(quick=False, load=3.0), Report(quick=False, load=0.1)

    assert "The machine was busy" in "\n".join(busy.lines())
    assert "The machine was busy" not in "\n".join(quiet.lines())
