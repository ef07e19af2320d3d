import pickle
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.adapters.layers.fakes import FakeClock, Watched, by_index, close, error, key, value

from file_dataset.adapters.layers.faulty import Faults, Faulty, ReplyLost
from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.adapters.local import LocalStore
from file_dataset.domain.errors import (
    IntegrityError,
    InvalidUrlError,
    NotFoundError,
    StoreError,
    ThrottledError,
    TransientError,
)
from file_dataset.domain.objects import CREATE, IfMatch
from file_dataset.domain.outcomes import Done, Failed
from file_dataset.domain.requests import (
    Complete,
    Copy,
    Delete,
    Prepared,
    Read,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.url import Url

MODES = st.sampled_from([CREATE, IfMatch("an etag")])


def failing(*errors, then=None):
    """A script that gives these errors one after the other, and then none."""
    left = list(errors)
    return lambda request: left.pop(0) if left else then


def retrying(store, **options) -> Any:
    return Retrying(store, clock=FakeClock(), random=lambda: 1.0, **options)


@given(
    st.integers(),
    st.floats(0, 0.5),
    st.floats(0, 0.4),
    st.integers(0, 40),
    st.integers(1, 6),
)
@settings(deadline=None)
def test_every_request_has_one_outcome_and_what_succeeds_is_right(
    seed, before, after, number, attempts
):
    inside = Watched()
    for each in range(0, number, 2):
        inside.write(key(f"there/{each}"), b"%d" % each)
    inside.batches.clear()
    faulty = Faulty(inside, Faults(seed=seed, before=before, after=after))
    requests = [Read(key(f"there/{each}")) for each in range(number)]
    outcomes = by_index(retrying(faulty, attempts=attempts).run(requests))
    assert len(outcomes) == number
    for each, outcome in enumerate(outcomes):
        if isinstance(outcome, Done):
            assert outcome.value == b"%d" % each
        elif isinstance(outcome.error, TransientError):
            assert (outcome.error.attempts, outcome.error.transient) == (attempts, False)
        else:
            assert isinstance(outcome.error, NotFoundError)
            assert each % 2
            assert 1 <= outcome.error.attempts <= attempts


@given(st.integers(), st.integers(1, 30))
@settings(deadline=None)
def test_with_attempts_enough_every_write_arrives(seed, number):
    inside = Watched()
    store = retrying(Faulty(inside, Faults(seed=seed, before=0.3, after=0.3)), attempts=60)
    outcomes = by_index(store.run([Write(key(str(n)), b"%d" % n) for n in range(number)]))
    assert [value(outcome) for outcome in outcomes] == [None] * number
    assert [inside.read(key(str(n))) for n in range(number)] == [b"%d" % n for n in range(number)]


@pytest.mark.parametrize("verb", ["write", "upload", "copy", "complete"])
@given(mode=MODES)
@settings(deadline=None)
def test_what_is_not_idempotent_is_asked_once(verb, mode):
    request = {
        "write": Write(key("a"), b"", mode),
        "upload": Upload(__file__, key("a"), mode),
        "copy": Copy(key("b"), key("a"), mode),
        "complete": Complete(Prepared(key("a"), "token")),
    }[verb]
    inside = Watched()
    store = retrying(Faulty(inside, lambda _: ReplyLost(TransientError("reset"))))
    (outcome,) = store.run([request])
    assert inside.asked == 1
    assert error(outcome).attempts == 1
    assert store.clock.pauses == []


def test_only_what_failed_is_asked_again():
    inside = Watched()
    for name in "abc":
        inside.write(key(name), b"")
    asked: dict[Url, int] = {}

    def second_time_works(request):
        asked[request.url] = asked.get(request.url, 0) + 1
        fails = request.url == key("b") and asked[request.url] == 1
        return TransientError("reset") if fails else None

    store = retrying(Faulty(inside, second_time_works))
    assert [value(o) for o in by_index(store.run([Read(key(name)) for name in "abc"]))] == [b""] * 3
    assert asked == {key("a"): 1, key("b"): 2, key("c"): 1}
    assert store.clock.pauses == [0.1]


def test_final_outcomes_come_before_the_first_pause():
    inside = Watched()
    inside.write(key("there"), b"")
    store = retrying(
        Faulty(inside, lambda r: TransientError("x") if r.url == key("slow") else None)
    )
    outcomes = store.run([Stat(key("slow")), Stat(key("there")), Stat(key("missing"))])
    assert {next(outcomes).index, next(outcomes).index} == {1, 2}
    assert store.clock.pauses == []
    assert next(outcomes).index == 0
    assert len(store.clock.pauses) == 3


def test_closing_stops_at_once():
    inside = Watched()
    store = retrying(
        Faulty(inside, lambda r: TransientError("x") if r.url == key("slow") else None)
    )
    outcomes = store.run([Delete(key("slow")), Delete(key("a")), Delete(key("b"))])
    next(outcomes)
    close(outcomes)
    assert store.clock.pauses == []
    assert len(inside.batches) == 1
    assert inside._inside == 0


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_a_lasting_fault_is_tried_so_often_and_says_so(attempts):
    faults = Faults(before=1.0)
    store = retrying(Faulty(Watched(), faults), attempts=attempts)
    with pytest.raises(TransientError) as caught:
        store.read(key("a"))
    assert caught.value.attempts == attempts
    assert caught.value.transient is False
    assert pickle.loads(pickle.dumps(caught.value)).transient is False
    assert len(store.clock.pauses) == attempts - 1


def test_attempts_that_the_engine_made_count_too():
    made = [TransientError("x", attempts=3), NotFoundError("gone", attempts=2)]
    with pytest.raises(NotFoundError) as caught:
        retrying(Faulty(Watched(), failing(*made))).read(key("a"))
    assert caught.value.attempts == 5


def test_a_layer_further_out_does_not_multiply():
    inside = Watched()
    inner = retrying(Faulty(inside, Faults(after=1.0)))
    with pytest.raises(TransientError) as caught:
        retrying(inner).read(key("a"))
    assert inside.asked == 4
    assert caught.value.attempts == 4


@pytest.mark.parametrize("final", [NotFoundError("no"), StoreError("?"), InvalidUrlError("bad")])
def test_final_errors_are_not_tried_again(final):
    store = retrying(Faulty(Watched(), failing(final, then=None)))
    with pytest.raises(type(final)):
        store.read(key("a"))
    assert store.clock.pauses == []


def test_pauses_double_up_to_the_cap_and_are_drawn():
    clock = FakeClock()
    store = Retrying(
        Faulty(Watched(), Faults(before=1.0)),
        attempts=7,
        base=1.0,
        cap=10.0,
        clock=clock,
        random=iter([1.0, 1.0, 1.0, 1.0, 0.5, 0.0]).__next__,
    )
    list(store.run([Stat(key("a"))]))
    assert clock.pauses == [1.0, 2.0, 4.0, 8.0, 5.0, 0.0]


def test_the_longest_wish_of_the_store_is_heeded():
    script = failing(
        ThrottledError("slow", retry_after=2.0),
        ThrottledError("slow", retry_after=7.5),
        ThrottledError("slow"),
    )
    store = retrying(Faulty(Watched(), script))
    list(store.run([Delete(key(name)) for name in "abc"]))
    assert store.clock.pauses == [7.5]


def test_who_asks_for_too_long_a_pause_is_not_asked_again():
    asked = partial(ThrottledError, retry_after=61.0)
    store = retrying(Faulty(Watched(), Faults(before=1.0, error=asked)))
    with pytest.raises(ThrottledError) as caught:
        store.read(key("a"))
    assert (caught.value.attempts, caught.value.transient) == (1, False)
    assert store.clock.pauses == []


class Listing(Watched):
    """Fails so many listings, after so many items."""

    def __init__(self, failures, after):
        super().__init__()
        self.failures = failures
        self.after = after
        self.listings = 0
        for name in "abc":
            self.write(key(name), b"")

    def list(self, prefix, /, *, recursive=True):
        self.listings += 1
        for number, item in enumerate(super().list(prefix, recursive=recursive)):
            if self.failures and number == self.after:
                self.failures -= 1
                raise TransientError("reset")
            yield item


def test_a_listing_is_tried_again_before_its_first_item():
    store = retrying(Listing(failures=2, after=0))
    assert [item.url.key for item in store.list(key(""))] == ["a", "b", "c"]
    assert store.clock.pauses == [0.1, 0.2]
    assert [item.url for item in store.list(key("nothing"))] == []


def test_a_listing_of_what_begins_with_a_text_is_tried_again():
    store = retrying(Listing(failures=1, after=0))
    assert [item.url.key for item in store.list_starting(key(""), "b")] == ["b"]
    assert store.clock.pauses == [0.1]


def test_a_listing_that_has_begun_is_not_begun_again():
    inside = Listing(failures=1, after=1)
    found = retrying(inside).list(key(""))
    assert next(found).url == key("a")
    with pytest.raises(TransientError):
        next(found)
    assert inside.listings == 1


def test_a_listing_that_never_works_tells_its_attempts():
    store = retrying(Listing(failures=9, after=0), attempts=3)
    with pytest.raises(TransientError) as caught:
        list(store.list(key("")))
    assert (caught.value.attempts, caught.value.transient) == (3, False)


def test_it_pickles_small_and_without_the_state_of_its_randomness():
    store = Retrying(LocalStore())
    assert len(pickle.dumps(store)) < 1000
    again = pickle.loads(pickle.dumps(store))
    assert again.exists(Url.local(__file__))
    assert 0 <= again.random() < 1


@pytest.mark.parametrize(
    "options", [{"attempts": 0}, {"base": -1}, {"cap": 0}, {"attempts": 1.5}, {"patience": -1}]
)
def test_nonsense_is_refused(options):
    with pytest.raises((ValueError, TypeError)):
        Retrying(Watched(), **options)
    with pytest.raises(TypeError):
        Retrying("no store")  # type: ignore[arg-type] # that is the point


def test_everything_else_is_handed_on():
    inside = Watched()
    store = Retrying(inside)
    assert store.verbs == inside.verbs
    assert store.deviations == inside.deviations
    assert store.can(Read, key("a"))
    with store:
        pass
    assert inside.closed == 1
    assert isinstance(next(store.run([Stat(key("a"))])), Failed)


class TestDamage:
    @staticmethod
    def damaged() -> IntegrityError:
        found = IntegrityError("other bytes")
        found.transient = True
        return found

    def test_bytes_that_are_wrong_twice_are_not_asked_for_again(self):
        store = retrying(Faulty(Watched(), failing(*[self.damaged() for _ in range(3)])))
        (outcome,) = store.run([Read(key("a"))])
        assert (error(outcome).attempts, error(outcome).transient) == (2, False)

    def test_other_faults_between_do_not_count(self):
        inside = Watched()
        inside.write(key("a"), b"bytes")
        made = [TransientError("once"), self.damaged(), TransientError("twice")]
        assert retrying(Faulty(inside, failing(*made))).read(key("a")) == b"bytes"

    def test_each_request_of_a_batch_may_have_its_own(self):
        inside = Watched()
        inside.write(key("a"), b"bytes")
        made = [self.damaged(), self.damaged()]
        store = retrying(Faulty(inside, failing(*made)))
        outcomes = by_index(store.run([Read(key("a"))] * 3))
        assert [value(outcome) for outcome in outcomes] == [b"bytes"] * 3
