"""What a run did when: nothing of it lost, and in little memory."""

from __future__ import annotations

import pickle
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.reporting import grouped
from file_dataset.domain.rows import Cause, RowFailure
from file_dataset.domain.stopping import Stop
from file_dataset.domain.timeline import FATES, SLOWEST, STAGES, Span, Timeline

TIMES = st.lists(st.floats(0, 100, width=32), min_size=6, max_size=6).map(sorted)


def timeline_of(rows, rows_at_once=1) -> Timeline:
    timeline = Timeline()
    begun = timeline._begun
    for n, times in enumerate(rows):
        read, call, write = zip(times[::2], times[1::2], strict=True)
        spans = (
            Span(begun + read[0], begun + read[1], rows_at_once),
            Span(begun + call[0], begun + call[1]),
            Span(begun + write[0], begun + write[1], rows_at_once),
        )
        timeline.note(n, spans, size=n)
        timeline.end(FATES[n % 3])
    return timeline


@given(st.lists(TIMES, max_size=20), st.integers(1, 50))
def test_all_time_in_a_stage_is_in_some_part_of_the_picture(rows, bins):
    timeline = timeline_of(rows)
    last = max([timeline.seconds, *(times[-1] for times in rows)], default=0.0)
    for n, stage in enumerate(STAGES):
        spent = sum(times[2 * n + 1] - times[2 * n] for times in rows)
        shown = sum(timeline.under_way(bins)[stage]) * last / bins
        assert shown == pytest.approx(spent, abs=1e-2)
        assert timeline.busy(stage) <= min(spent, last) + 1e-3


@given(st.lists(TIMES, min_size=1, max_size=20), st.integers(1, 50))
def test_every_row_is_in_the_throughput_once(rows, bins):
    timeline = timeline_of(rows)
    width = max(timeline.seconds, *(times[-1] for times in rows), 1e-6) / bins
    counted = {fate: sum(rates) * width for fate, rates in timeline.rates(bins).items()}
    expected = {fate: len(rows[n::3]) for n, fate in enumerate(FATES)}
    assert counted == pytest.approx(expected)


def test_a_stage_is_busy_while_one_row_is_in_it():
    timeline = timeline_of([[0, 2, 2, 2, 2, 2], [1, 3, 3, 3, 3, 3], [5, 6, 6, 6, 6, 6]])
    assert timeline.busy("read") == pytest.approx(4, abs=1e-3)
    assert timeline.under_way(6)["read"] == pytest.approx([1, 2, 1, 0, 0, 1], abs=1e-3)


@given(st.lists(TIMES, max_size=40))
def test_the_slowest_rows_are_kept_as_they_were(rows):
    costs = [sum(times[1::2]) - sum(times[::2]) for times in rows]
    slowest = timeline_of(rows).slowest
    assert [row.cost for row in slowest] == pytest.approx(
        sorted(costs, reverse=True)[:SLOWEST], abs=1e-3
    )
    assert all(row.cost == pytest.approx(costs[int(row.row_id)], abs=1e-3) for row in slowest)


def test_what_was_done_for_several_rows_at_once_is_shared_by_them():
    (row,) = timeline_of([[0, 4, 4, 5, 5, 9]], rows_at_once=4).slowest
    assert row.costs == pytest.approx((1, 1, 1), abs=1e-3)
    assert row.spans[0] == pytest.approx((0, 4), abs=1e-3)


@pytest.mark.parametrize("shared", ["read", "write"])
def test_who_shared_with_others_is_not_the_slowest(shared):
    timeline = Timeline()
    now = timeline._begun
    for row_id, rows in (("alone", 1), ("one of many", 4)):
        # Twice as long, and for four.
        spent = {stage: Span(now, now + 1) for stage in STAGES}
        spent[shared] = Span(now, now + 10 * (1 if rows == 1 else 2), rows)
        timeline.note(row_id, (spent["read"], spent["call"], spent["write"]), 0)
    assert [row.row_id for row in timeline.slowest] == ["alone", "one of many"]


def test_a_row_takes_little_memory():
    timeline, rows = Timeline(), 20_000
    begun = timeline._begun
    spans = (Span(begun, begun + 1), Span(begun + 1, begun + 2), Span(begun + 2, begun + 3))
    tracemalloc.start()
    try:
        for n in range(rows):
            timeline.note(n, spans, 1)
            timeline.end("done")
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / rows < 40
    again = pickle.loads(pickle.dumps(timeline))
    assert (again.timed, again.size, len(again.slowest)) == (rows, rows, SLOWEST)


def test_a_part_from_elsewhere_takes_little_room_on_its_way():
    rows = 256
    part = timeline_of([[n, n + 1, n + 1, n + 2, n + 2, n + 3] for n in range(rows)])
    assert len(pickle.dumps(part)) / rows < 40


def part_of(whole: Timeline, *, later: float, rows) -> Timeline:
    """What a process that has begun so much later, by the calendar, has noted of some rows."""
    part = timeline_of(rows)
    part._date = whole._date + later
    return part


def test_what_other_processes_have_noted_is_put_where_it_was():
    whole = timeline_of([])
    whole._begun -= 100
    for later in (10, 30):
        whole.take_in(part_of(whole, later=later, rows=[[0, 1, 1, 3, 3, 4], [4, 4, 4, 5, 5, 6]]))
    assert (whole.timed, whole.size) == (4, 2)
    assert list(whole._spans) == pytest.approx(
        [later + moment for later in (10, 30) for moment in (0, 1, 1, 3, 3, 4, 4, 4, 4, 5, 5, 6)],
        abs=1e-3,
    )
    slowest = whole.slowest
    assert [row.row_id for row in slowest] == [0, 0, 1, 1]
    assert [row.spans[1][0] for row in slowest] == pytest.approx([31, 11, 34, 14], abs=1e-3)
    assert [row.costs[1] for row in slowest] == pytest.approx([2, 2, 1, 1], abs=1e-3)


@pytest.mark.parametrize("later", [-1e6, 1e6])
def test_a_clock_that_is_wrong_puts_nothing_before_the_run_or_after_now(later):
    whole = timeline_of([])
    whole._begun -= 100
    whole.take_in(part_of(whole, later=later, rows=[[0, 1, 1, 3, 3, 4]]))
    expected = 0 if later < 0 else 96
    assert whole._spans[0] == pytest.approx(expected, abs=1)
    assert whole._spans[5] - whole._spans[0] == pytest.approx(4, abs=1e-3)


@given(st.lists(st.lists(TIMES, max_size=15), max_size=4))
def test_the_slowest_of_all_parts_are_kept(parts):
    whole = timeline_of([])
    whole._begun -= 1000
    for rows in parts:
        whole.take_in(part_of(whole, later=1, rows=rows))
    costs = [sum(times[1::2]) - sum(times[::2]) for rows in parts for times in rows]
    assert whole.timed == len(costs)
    assert [row.cost for row in whole.slowest] == pytest.approx(
        sorted(costs, reverse=True)[:SLOWEST], abs=1e-3
    )


WORDS = st.sampled_from(["s3://b/1: not found", "s3://b/22: not found", "no", "no 'x'", "no 'y'"])


@given(st.lists(st.tuples(WORDS, st.sampled_from(["read", "call"])), max_size=20))
def test_groups_of_failures_have_each_row_once(told):
    failures = [
        RowFailure(n, stage, (Cause("Error", message),)) for n, (message, stage) in enumerate(told)
    ]
    groups = grouped(failures)
    assert sorted(int(row_id) for group in groups for row_id in group.ids) == [*range(len(told))]
    sizes = [len(group.ids) for group in groups]
    assert sizes == sorted(sizes, reverse=True)
    # What is a row's own makes no group of its own.
    assert len(groups) <= 3 * 2
    assert all(group.example.row_id == group.ids[0] for group in groups)


def test_rows_that_had_no_turn_are_no_failures_of_their_own():
    stop = Stop("a reason")
    tried = RowFailure(1, "read", (Cause("Error", "no"),))
    (group,) = grouped([stop.not_run(0), tried, stop.not_run(2)])
    assert (group.ids, group.cause.message) == ([1], "no")
