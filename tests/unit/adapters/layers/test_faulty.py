import pickle
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.adapters.layers.fakes import Watched, by_index, error, key, value

from file_dataset.adapters.layers.faulty import Faults, Faulty, ReplyLost
from file_dataset.adapters.local import LocalStore
from file_dataset.domain.errors import (
    InvalidUrlError,
    NotFoundError,
    ThrottledError,
    TransientError,
)
from file_dataset.domain.outcomes import Done, Failed
from file_dataset.domain.requests import Delete, Read, Stat, Write
from file_dataset.domain.url import Url

SHARES = st.floats(0, 0.5)


def writes(number):
    return [Write(key(str(each)), b"%d" % each) for each in range(number)]


def failures(store, requests):
    return [isinstance(outcome, Failed) for outcome in by_index(store.run(requests))]


@given(st.integers(), SHARES, SHARES, st.integers(0, 40))
@settings(deadline=None)
def test_one_outcome_per_request_and_only_its_own_errors(seed, before, after, number):
    inside = Watched()
    outcomes = by_index(
        Faulty(inside, Faults(seed=seed, before=before, after=after)).run(writes(number))
    )
    assert len(outcomes) == number
    carried_out = {item.url for item in inside.list(key(""))}
    assert inside.asked == len(carried_out)
    for request, outcome in zip(writes(number), outcomes, strict=True):
        if isinstance(outcome, Done):
            assert request.url in carried_out
        else:
            assert isinstance(outcome.error, TransientError)
            assert (outcome.error.url, outcome.error.operation) == (request.url, "Write")
            assert ("after" in str(outcome.error)) == (request.url in carried_out)


@given(st.integers(), SHARES, SHARES, st.permutations(range(12)), st.integers(1, 12))
@settings(deadline=None)
def test_the_seed_decides_and_not_the_order_or_the_batches(seed, before, after, order, size):
    faults = Faults(seed=seed, before=before, after=after)
    requests = writes(12)
    expected = failures(Faulty(Watched(), faults), requests)
    store = pickle.loads(pickle.dumps(Faulty(LocalStore(), faults)))
    store = Faulty(Watched(), store.faults)
    seen: dict[int, bool] = {}
    for start in range(0, 12, size):
        part = order[start : start + size]
        found = failures(store, [requests[number] for number in part])
        seen.update(zip(part, found, strict=True))
    assert [seen[number] for number in range(12)] == expected


def test_rates_are_rates():
    store = Faulty(Watched(), Faults(seed=3, before=0.2, after=0.3))
    outcomes = by_index(store.run(writes(2000)))
    texts = [str(outcome.error) for outcome in outcomes if isinstance(outcome, Failed)]
    assert 300 < sum("before" in text for text in texts) < 500
    assert 500 < sum("after" in text for text in texts) < 700


def test_asking_again_draws_again_and_other_seeds_draw_otherwise():
    first, second = (Faulty(Watched(), Faults(seed=seed, before=0.5)) for seed in (1, 2))
    drawn = [tuple(failures(store, writes(40))) for store in (first, first, second)]
    assert len(set(drawn)) == 3


def test_all_before_and_all_after():
    inside = Watched()
    assert failures(Faulty(inside, Faults(before=1.0)), writes(5)) == [True] * 5
    assert inside.asked == 0
    assert failures(Faulty(inside, Faults(after=1.0)), writes(5)) == [True] * 5
    assert inside.asked == 5
    assert inside.read(key("3")) == b"3"


def test_verbs_and_keys_are_spared():
    faults = Faults(before=1.0, verbs=[Read, Stat], keys=r"mask\.mha$")
    store = Faulty(Watched(), faults)
    requests = [
        Write(key("1/mask.mha"), b""),
        Write(key("1/image.mha"), b""),
        Read(key("1/mask.mha")),
        Stat(key("1/mask.mha")),
        Read(key("1/mask.mha.bak")),
        Delete(key("1/mask.mha")),
    ]
    outcomes = by_index(store.run(requests))
    assert [
        isinstance(outcome, Failed) and isinstance(outcome.error, TransientError)
        for outcome in outcomes
    ] == [False, False, True, True, False, False]


def test_any_error_will_do():
    throttled = Faulty(
        Watched(), Faults(before=1.0, error=partial(ThrottledError, retry_after=3.0))
    )
    with pytest.raises(ThrottledError) as caught:
        throttled.read(key("a"))
    assert caught.value.retry_after == 3.0
    missing = Faulty(Watched(), Faults(before=1.0, error=NotFoundError))
    assert not missing.exists(key("a"))


def test_a_script_decides_on_each_request():
    bad, lost = InvalidUrlError("bad"), ReplyLost(TransientError("lost"))
    script: dict[str, InvalidUrlError | ReplyLost] = {"0": bad, "1": lost}
    store = Faulty(Watched(), lambda request: script.get(request.url.key))
    outcomes = by_index(store.run(writes(3)))
    assert [type(outcome) for outcome in outcomes] == [Failed, Failed, Done]
    assert isinstance(error(outcomes[0]), InvalidUrlError)
    assert not store.store.exists(key("0"))
    assert store.store.read(key("1")) == b"1"
    again = by_index(store.run(writes(2)))
    assert error(again[0]) is not error(outcomes[0])
    assert error(again[1]) is not error(outcomes[1])


def test_without_faults_nothing_is_changed():
    inside = Watched()
    store = Faulty(inside, Faults())
    assert [value(outcome) for outcome in by_index(store.run(writes(9)))] == [None] * 9
    assert store.verbs == inside.verbs
    assert list(store.run([])) == []


def test_it_counts_anew_in_another_process():
    store = Faulty(LocalStore(), Faults(seed=5, before=0.5, error=NotFoundError))
    urls = [Url.local(f"/{number}") for number in range(20)]
    before = failures(store, [Stat(url) for url in urls])
    again = pickle.loads(pickle.dumps(store))
    assert failures(again, [Stat(url) for url in urls]) == before
    assert again.faults == store.faults


@pytest.mark.parametrize(
    "faults", [{"before": 1.1}, {"after": -0.1}, {"before": 0.6, "after": 0.6}, {"seed": "x"}]
)
def test_nonsense_is_refused(faults):
    with pytest.raises((ValueError, TypeError)):
        Faults(**faults)
