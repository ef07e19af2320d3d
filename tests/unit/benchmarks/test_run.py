"""Who takes part in the benchmarks, and who is measured again."""

from __future__ import annotations

import pytest
from benchmarks.cases import CASES
from benchmarks.contenders import CONTENDERS
from benchmarks.measure import Measured
from benchmarks.run import is_far_behind


@pytest.mark.parametrize(
    ("times", "decided"),
    [
        ([], False),
        ([7.9], False),
        ([8.1], True),
        ([7.0, 2.1], True),
        ([7.0, 1.9], False),
        ([9.0, 9.0, 9.0], False),
    ],
    ids=str,
)
def test_who_is_far_behind_is_not_measured_again(times, decided):
    found = [Measured(time) for time in times]

    assert is_far_behind(found, [Measured(1)] * len(found)) is decided


def test_who_failed_or_was_left_out_is_not_measured_again():
    unit = [Measured(1), Measured(1)]

    assert is_far_behind([Measured(problem="broken")], unit)
    assert is_far_behind([Measured(1), None], unit)


def test_without_a_unit_everybody_is_measured_again():
    assert not is_far_behind([Measured(100)], [])
    assert not is_far_behind([Measured(100)], [Measured(problem="broken")])


@pytest.mark.parametrize("name", CASES)
def test_in_every_case_we_and_the_unit_take_part(name):
    case = CASES[name]

    assert case.judged in case.contenders
    assert case.unit is None or case.unit in case.contenders
    assert set(case.contenders) <= set(CONTENDERS)


def test_no_two_cases_have_the_same_title():
    titles = [case.title for case in CASES.values()]

    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", CASES)
def test_quick_work_is_of_the_same_kind_and_less(name):
    case = CASES[name]
    work, quick = case.sized(quick=False), case.sized(quick=True)

    assert type(work) is type(quick)
    assert quick.family.count * quick.family.size <= work.family.count * work.family.size / 8
    assert quick.family.step == work.family.step
