import pickle
import threading
import warnings
from collections import deque

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.adapters.layers.fakes import (
    Watched,
    by_index,
    close,
    error,
    in_forked_child,
    key,
    value,
)

from file_dataset.adapters.layers.limited import Limited
from file_dataset.adapters.local import LocalStore
from file_dataset.domain.errors import NotFoundError
from file_dataset.domain.outcomes import Done
from file_dataset.domain.requests import Read, Stat, Write
from file_dataset.domain.url import Url

LONG = 20


class Gated(Watched):
    """Lets a batch go in, tells that it is in, and keeps it until it is let out."""

    def __init__(self):
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)

    def run(self, requests, /):
        outcomes = super().run(requests)
        first = next(outcomes)
        self.entered.release(len(requests))
        assert self.gate.acquire(timeout=LONG)
        yield first
        yield from outcomes


def reads(number):
    return [Read(key(str(each))) for each in range(number)]


@given(st.integers(0, 30), st.integers(1, 12))
@settings(deadline=None)
def test_every_request_has_its_outcome(number, limit):
    inside = Watched()
    for each in range(number):
        inside.write(key(str(each)), b"%d" % each)
    outcomes = by_index(Limited(inside, limit).run(reads(number)))
    assert [value(outcome) for outcome in outcomes] == [b"%d" % each for each in range(number)]
    assert inside.most_inside <= max(limit, 1)
    assert sum(map(len, inside.batches)) == number * 2


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_four_callers_together_never_pass_the_limit(limit):
    inside = Watched()
    store = Limited(inside, limit)
    start = threading.Barrier(4)
    outcomes = {}

    def call(caller):
        start.wait(LONG)
        for round_ in range(20):
            outcomes[caller, round_] = by_index(store.run(reads(7)))

    callers = [threading.Thread(target=call, args=[caller], daemon=True) for caller in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(LONG)
    assert len(outcomes) == 80
    assert all(len(each) == 7 for each in outcomes.values())
    assert inside.most_inside <= limit
    assert inside.asked == 4 * 20 * 7


def test_a_second_caller_gets_what_the_first_left_and_a_third_waits():
    inside = Gated()
    store = Limited(inside, 3)
    callers = [
        threading.Thread(target=lambda n=number: list(store.run(reads(n))), daemon=True)
        for number in (2, 5, 4)
    ]
    callers[0].start()
    assert all(inside.entered.acquire(timeout=LONG) for _ in range(2))
    callers[1].start()
    assert inside.entered.acquire(timeout=LONG)
    callers[2].start()
    assert [len(batch) for batch in inside.batches] == [2, 1]
    inside.gate.release(100)
    for caller in callers:
        caller.join(LONG)
    assert inside.most_inside == 3
    assert inside.asked == 2 + 5 + 4


def queued(permits, wants, served, already=0):
    """Threads that wait for permits, in this order; what each got is told in `served`."""

    def wait(wanted):
        served.append(permits.take(wanted))

    threads = []
    for wanted in wants:
        threads.append(threading.Thread(target=wait, args=[wanted], daemon=True))
        threads[-1].start()
        while len(permits._queue) < already + len(threads) and threads[-1].is_alive():
            pass
    return threads


class Leaving(deque):
    """A queue that notes in which order one leaves it; what threads do then is in any order."""

    def __init__(self):
        super().__init__()
        self.left = []

    def remove(self, ticket):
        self.left.append(ticket)
        super().remove(ticket)


def test_who_waits_is_served_in_the_order_of_asking():
    permits = Limited(Watched(), 6)._permits()
    assert permits.take(9) == 6
    permits._queue = queue = Leaving()
    served: list[int] = []
    waiting = queued(permits, [1, 2, 3], served)
    asked = list(queue)
    permits.give_back(6)
    for thread in waiting:
        thread.join(LONG)
    assert queue.left == asked
    assert sorted(served) == [1, 2, 3]


def test_nobody_overtakes_and_who_is_served_wakes_the_next():
    permits = Limited(Watched(), 2)._permits()
    permits._queue.append("who waits longer")
    served: list[int] = []
    waiting = queued(permits, [1, 1], served, already=1)
    with permits._changed:
        assert served == []
        permits._queue.popleft()
        permits._changed.notify()
    for thread in waiting:
        thread.join(LONG)
    assert served == [1, 1]


def test_the_free_permits_are_shared_among_who_waits():
    permits = Limited(Watched(), 8)._permits()
    assert permits.take(3) == 3
    assert permits.take(20) == 5
    served: list[int] = []
    waiting = queued(permits, [20, 20], served)
    permits.give_back(8)
    for thread in waiting:
        thread.join(LONG)
    assert served == [4, 4]


def test_a_paused_consumer_holds_no_permit():
    store = Limited(Watched(), 1)
    taken = 0
    for _ in store.run(reads(3)):
        for _ in store.run(reads(2)):
            taken += len(list(store.run(reads(2))))
    assert taken == 12


def test_what_raises_inside_gives_its_permits_back():
    class Broken(Watched):
        def run(self, requests, /):
            yield from super().run(requests[:1])
            raise ZeroDivisionError

    store = Limited(Broken(), 2)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            list(store.run(reads(2)))
    assert store._permits().take(9) == 2


def test_closing_stops_and_asks_no_more():
    inside = Watched()
    outcomes = Limited(inside, 2).run(reads(10))
    next(outcomes)
    close(outcomes)
    assert inside.asked == 2
    assert inside._inside == 0


def test_a_child_that_is_forked_while_all_permits_are_out_works(tmp_path):
    url = Url.local(tmp_path / "a")
    store = Limited(LocalStore(), 2)
    store.write(url, b"there")
    with store._permits()._changed:
        store._permits().take(2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            assert in_forked_child(lambda: store.read(url)) == b"there"


def test_it_pickles_with_its_limit_and_fresh_permits(tmp_path):
    url = Url.local(tmp_path / "a")
    store = Limited(LocalStore(), 2)
    store._permits().take(2)
    again = pickle.loads(pickle.dumps(store))
    assert again.max_concurrent == 2
    again.write(url, b"there")
    assert again.read(url) == b"there"


@pytest.mark.parametrize("limit", [0, -1, 1.5, None])
def test_nonsense_is_refused(limit):
    with pytest.raises((ValueError, TypeError)):
        Limited(Watched(), limit)


def test_it_cannot_be_changed_and_hands_on_what_is_not_its_own():
    inside = Watched()
    store = Limited(inside, 3)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        store.max_concurrent = 5  # type: ignore[misc] # that is the point
    store.write(key("a/b"), b"")
    assert [item.url for item in store.list(key("a"))] == [key("a/b")]
    assert isinstance(error(next(store.run([Stat(key("c"))]))), NotFoundError)
    assert isinstance(next(store.run([Write(key("c"), b"")])), Done)
    assert list(store.run([])) == []
