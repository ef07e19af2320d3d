"""Budgets: who is let in, who waits, and that nothing is lost on the way."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.budget import Budget

GUARD = 20.0
SIZES = st.integers(0, 50)


@given(st.integers(1, 100), st.lists(SIZES))
def test_a_strict_budget_is_never_passed_by_who_asks_for_room_and_is_allowed(limit, sizes):
    budget = Budget(limit, is_strict=True)
    held = 0
    for size in filter(budget.allows, sizes):
        if budget.has_room(size):
            budget.share(size)
            held += size
        assert held <= limit


@given(st.integers(1, 100), st.lists(SIZES))
def test_what_is_given_back_makes_room_again(limit, sizes):
    budget = Budget(limit, is_strict=True)
    shares = [budget.share(size) for size in sizes]
    for share in shares:
        share.give_back()
        share.give_back()
    assert budget.has_room(limit)


@given(st.integers(0, 100), st.lists(st.integers(1, 50), min_size=1))
def test_past_the_limit_there_is_no_room_until_nothing_is_held(limit, sizes):
    budget = Budget(limit)
    shares = [budget.share(0) for _ in sizes]
    for share, size in zip(shares, sizes, strict=True):
        share.resize(size)
    assert budget.has_room(0) == (sum(sizes) < limit)
    for share in shares:
        assert budget.allows(1000)
        share.give_back()
    assert budget.has_room(0)


@given(st.lists(SIZES))
def test_without_a_limit_there_is_always_room(sizes):
    budget = Budget(is_strict=True)
    for size in sizes:
        assert budget.allows(size)
        assert budget.has_room(size)
        budget.share(size)


@pytest.mark.parametrize("end", ["release", "close"])
def test_who_waits_is_let_in_by_a_release_and_sent_away_by_the_end(end):
    budget = Budget(10, is_strict=True)
    share = budget.share(6)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(budget.wait_for_room(5)))
    waiting.start()
    # However long one looks, there is no room.
    waiting.join(0.05)
    assert waiting.is_alive()
    share.give_back() if end == "release" else budget.close()
    waiting.join(GUARD)
    assert answers == [end == "release"]
