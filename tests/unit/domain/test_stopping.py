"""Reasons to stop: for what the whole of a run tells, and never for what a function does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.plan import RowResult
from file_dataset.domain.rows import Cause, Row, RowDone, RowFailure
from file_dataset.domain.stopping import FIRST, Stop, Stopping
from file_dataset.domain.url import Url

DENIED, FULL = "permission denied", "no space"


def failure(row_id: int, stage, *common: str, systemic: bool = False) -> RowFailure:
    causes = (Cause("Error", "it went wrong", common=each, systemic=systemic) for each in common)
    return RowFailure(row_id, stage, tuple(causes))


def done(row_id: int) -> RowDone[Url]:
    return RowDone(Row(row_id, {}), {})


stages = st.sampled_from(["read", "call", "write"])
commons = st.lists(st.sampled_from([DENIED, DENIED, DENIED, FULL, ""]), min_size=1, max_size=2)
# What a row is: None for one that came through, else its stage, its causes, and if it is systemic.
fates = st.one_of(
    st.none(),
    st.tuples(stages, commons, st.just(False)),
    st.tuples(stages, commons, st.sampled_from([False] * 9 + [True])),
)
# Mostly the same from the beginning, since that is what the rule is about.
runs = st.one_of(
    st.lists(fates, max_size=2 * FIRST),
    st.builds(
        lambda first, rest: [first] * (FIRST - 1) + rest,
        st.tuples(stages, commons, st.just(False)),
        st.lists(fates, max_size=4),
    ),
)
limits = st.one_of(st.none(), st.integers(0, 30), st.floats(0, 1))


def results_of(fates) -> list[RowResult[Url]]:
    return [
        done(n) if fate is None else failure(n, fate[0], *fate[1], systemic=fate[2])
        for n, fate in enumerate(fates)
    ]


def expected_stop(fates, limit) -> int | None:
    """At which row the run has to stop, told from all that came before it."""
    for n in range(len(fates)):
        seen = fates[: n + 1]
        failed = [fate for fate in seen if fate is not None]
        if seen[-1] is None:
            continue
        stage, _, systemic = seen[-1]
        if systemic and stage != "call":
            return n
        kinds = {each for fate in failed for each in fate[1]}
        in_store = all(stage != "call" for stage, _, _ in failed)
        if len(failed) == len(seen) == FIRST and in_store and len(kinds) == 1 and kinds != {""}:
            return n
        allowed = limit if isinstance(limit, int) else limit and limit * len(fates)
        if limit is not None and len(failed) > allowed + 1e-9:
            return n
    return None


@given(runs, limits)
def test_a_run_stops_where_it_has_to_and_not_before(fates, limit):
    stopping = Stopping(len(fates), limit)
    stops = [stopping.note(result) for result in results_of(fates)]
    at = next((n for n, stop in enumerate(stops) if stop), None)
    assert at == expected_stop(fates, limit)


@given(st.lists(st.tuples(commons, st.booleans()), max_size=3 * FIRST), st.booleans())
def test_what_the_function_raises_never_stops_a_run_by_itself(causes, any_done):
    stopping = Stopping(len(causes))
    if any_done:
        assert stopping.note(done(-1)) is None
    for n, (common, systemic) in enumerate(causes):
        assert stopping.note(failure(n, "call", *common, systemic=systemic)) is None


def test_a_function_that_fails_for_want_of_permission_is_no_fault_of_the_store():
    stopping = Stopping(10 * FIRST)
    lost = [failure(n, "call", DENIED) for n in range(3 * FIRST)]
    assert [stopping.note(each) for each in lost] == [None] * len(lost)


@given(st.integers(0, FIRST - 1), stages)
def test_a_row_that_came_through_acquits_the_store(before, stage):
    stopping = Stopping(10 * FIRST)
    denied = [failure(n, stage, DENIED) for n in range(3 * FIRST)]
    assert [stopping.note(each) for each in denied[:before]] == [None] * before
    assert stopping.note(done(-1)) is None
    assert [stopping.note(each) for each in denied] == [None] * len(denied)


def test_the_first_rows_that_all_fail_alike_stop_it_with_the_cause_and_an_example():
    stopping = Stopping(100)
    stops = [stopping.note(failure(n, "write", DENIED, DENIED)) for n in range(FIRST)]
    assert stops[:-1] == [None] * (FIRST - 1)
    assert stops[-1] == Stop(
        f"the first {FIRST} rows all failed with the same cause, permission denied; "
        f"row {FIRST - 1}: Error: it went wrong; Error: it went wrong",
        systemic=True,
    )


def test_a_systemic_fault_stops_it_at_once():
    stop = Stopping(100, 0).note(failure(7, "read", "", systemic=True))
    assert stop == Stop("no row can come through; row 7: Error: it went wrong", systemic=True)


@pytest.mark.parametrize(
    ("limit", "rows", "most", "told"),
    [
        (0, 5, 0, "allowed are 0 "),
        (3, 5, 3, "allowed are 3 "),
        (1, 5, 1, "allowed are 1 "),
        (0.0, 5, 0, "allowed are 0 of all 5 "),
        (0.29, 100, 29, "allowed are 0.29 of all 100 "),  # 0.29 * 100 is less than 29
        (0.07, 100, 7, "allowed are 0.07 of all 100 "),  # and 0.07 * 100 is more than 7
        (0.5, 3, 1, "allowed are 0.5 of all 3 "),
    ],
)
def test_one_failure_more_than_allowed_stops_it(limit, rows, most, told):
    stopping = Stopping(rows, limit)
    stops = [stopping.note(failure(n, "call", "")) for n in range(most + 1)]
    assert stops[:-1] == [None] * most
    assert stops[-1] is not None
    assert stops[-1].reason.startswith(f"{most + 1} rows failed, {told}(max_failures); row {most}:")
    assert not stops[-1].systemic


def test_all_may_fail_of_a_share_of_one():
    stopping = Stopping(50, 1.0)
    assert not any(stopping.note(failure(n, "call", "")) for n in range(50))


def test_a_row_without_a_turn_may_be_run_another_time():
    lost = Stop("of a reason").not_run("x")
    assert (lost.row_id, lost.stage) == ("x", "read")
    (cause,) = lost.causes
    assert (cause.error, cause.attempts, cause.retryable) == ("RunStoppedError", 0, True)
    assert cause.message.endswith("was stopped before this row was done: of a reason")
