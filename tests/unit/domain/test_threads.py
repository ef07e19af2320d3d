import itertools
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.threads import ahead, behind, closing, unordered

GUARD = 20


class Source:
    """An iterator that knows how far it was taken, and whether it was closed."""

    def __init__(self, items):
        self._items = iter(items)
        self.taken = 0
        self.closed = False
        self._changed = threading.Condition()

    def __iter__(self):
        return self

    def __next__(self):
        item = next(self._items)
        with self._changed:
            self.taken += 1
            self._changed.notify_all()
        return item

    def close(self):
        self.closed = True

    def wait_for(self, taken):
        """Wait until so many items are taken."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.taken >= taken, GUARD)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def doubled(item):
    return 2 * item


def close(results):
    """What a generator can, and an iterator need not."""
    results.close()


@given(st.lists(st.integers()), st.integers(-1, 8))
def test_every_item_gives_one_result(items, workers):
    results = unordered(doubled, items, workers=workers)
    assert Counter(results) == Counter(map(doubled, items))


@given(st.lists(st.integers()))
def test_one_worker_keeps_the_order_and_starts_no_thread(items):
    def function(item):
        return item, threading.current_thread()

    here = threading.current_thread()
    assert list(unordered(function, items, workers=1)) == [(item, here) for item in items]


@given(st.lists(st.integers()), st.integers(1, 5))
def test_ahead_keeps_the_order(items, depth):
    assert list(ahead(items, depth=depth)) == items


@given(st.lists(st.integers()), st.integers(1, 5), st.booleans())
def test_behind_keeps_the_order_and_leaves_nothing_out(items, depth, apart):
    batches = []

    def function(batch):
        batches.append(len(batch))
        return map(doubled, batch)

    assert list(behind(function, items, depth=depth, apart=apart)) == list(map(doubled, items))
    assert all(1 <= size <= max(depth, 1) for size in batches)


def test_several_workers_work_at_the_same_time():
    together = threading.Barrier(3)
    assert len(list(unordered(lambda _: together.wait(GUARD), range(3), workers=3))) == 3


@pytest.mark.parametrize("workers", [2, 5])
def test_workers_stay_within_reach_of_who_takes_the_results(workers):
    source = Source(itertools.count())
    results = unordered(doubled, source, workers=workers)
    for taken in range(1, 30):
        next(results)
        source.wait_for(taken + 2 * workers)
        assert source.taken == taken + 2 * workers
    close(results)
    assert source.taken == 29 + 2 * workers


@pytest.mark.parametrize("depth", [1, 4])
def test_ahead_stays_within_its_depth(depth):
    source = Source(itertools.count())
    items = ahead(source, depth=depth)
    for taken in range(1, 30):
        assert next(items) == taken - 1
        source.wait_for(taken + depth)
        assert source.taken == taken + depth
    close(items)


def test_one_worker_takes_an_item_only_when_it_is_asked_to():
    source = Source(itertools.count())
    results = unordered(doubled, source, workers=1)
    assert source.taken == 0
    assert [next(results), next(results)] == [0, 2]
    assert source.taken == 2
    close(results)


def _over(kind, source, function=None):
    if kind == "ahead":
        return ahead(map(function, source) if function else source, depth=2)
    return unordered(function or doubled, source, workers=kind)


@pytest.mark.parametrize("kind", [1, 4, "ahead"])
def test_closing_closes_the_source(kind):
    source = Source(itertools.count())
    results = _over(kind, source)
    next(results)
    begun = not source.closed
    close(results)
    assert (begun, source.closed) == (True, True)
    taken = source.taken
    assert next(results, None) is None
    assert source.taken == taken


@pytest.mark.parametrize("kind", [1, 4, "ahead"])
def test_exhausting_closes_the_source(kind):
    source = Source(range(5))
    assert len(list(_over(kind, source))) == 5
    assert source.closed


@pytest.mark.parametrize("kind", [1, 4, "ahead"])
def test_a_source_needs_no_close(kind):
    assert len(list(_over(kind, [1, 2, 3]))) == 3
    results = _over(kind, iter([1, 2, 3]))
    next(results)
    close(results)


def test_closing_waits_for_what_is_under_way():
    begun, may_end = threading.Event(), threading.Event()
    ended = []

    def function(item):
        if item:
            begun.set()
            may_end.wait(GUARD)
            ended.append(item)

    results = unordered(function, range(2), workers=2)
    next(results)
    assert begun.wait(GUARD)
    closing_ = threading.Thread(target=close, args=(results,))
    closing_.start()
    # However long one looks, it is not closed before the function has ended.
    closing_.join(0.1)
    assert closing_.is_alive()
    may_end.set()
    closing_.join(GUARD)
    assert ended == [1]


@pytest.mark.parametrize("kind", [1, 4, "ahead"])
def test_an_error_of_the_function_is_raised_where_results_are_taken(kind):
    source = Source(itertools.count())

    def function(item):
        if item == 3:
            raise KeyError(item)
        return item

    results = _over(kind, source, function)
    had: list[int] = []
    with pytest.raises(KeyError):
        had.extend(results)
    # However many others came before it, no more than may be under way were taken beyond them.
    assert source.taken <= len(had) + 1 + 2 * 4


@pytest.mark.parametrize("kind", [1, 4, "ahead"])
def test_an_error_of_the_source_is_raised_where_results_are_taken(kind):
    def items():
        yield 1
        raise KeyError("source")

    with pytest.raises(KeyError):
        list(_over(kind, items()))


def test_an_error_comes_after_what_was_made_before_it():
    def items():
        yield from range(5)
        raise KeyError("source")

    seen = ahead(items(), depth=2)
    assert [next(seen) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(KeyError):
        next(seen)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_stop_iteration_of_the_function_is_a_bug_and_not_the_end(workers):
    def function(item):
        return next(iter(())) if item == 3 else item

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(unordered(function, range(10), workers=workers))


def test_even_what_only_ends_a_program_is_raised_here():
    def function(item):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        list(unordered(function, range(10), workers=4))


@pytest.mark.parametrize("kind", [1, 4, "ahead"])
def test_what_is_never_started_starts_nothing(kind):
    source = Source(itertools.count())
    before = set(threading.enumerate())
    results = _over(kind, source)
    assert set(threading.enumerate()) <= before
    close(results)
    assert source.taken == 0


APART = pytest.mark.parametrize("apart", [False, True])


@APART
def test_behind_makes_larger_batches_of_a_slow_function(apart):
    begun, may_end = threading.Event(), threading.Event()
    batches = []

    def items():
        yield 0
        assert begun.wait(GUARD)
        yield from range(1, 4)
        may_end.set()
        yield 4

    def function(batch):
        batches.append(list(batch))
        begun.set()
        assert may_end.wait(GUARD)
        return batch

    assert list(behind(function, items(), depth=10, apart=apart)) == [0, 1, 2, 3, 4]
    assert batches[0] == [0]
    assert batches[1][:3] == [1, 2, 3]


@APART
@pytest.mark.parametrize("depth", [1, 3])
def test_behind_keeps_so_many_items_waiting_and_no_more(depth, apart):
    source = Source(range(20))
    begun = threading.Event()
    batches = []

    def function(batch):
        batches.append(len(batch))
        if len(batches) == 1:
            # The one that is here may have been joined by others before it was taken.
            source.wait_for(len(batch) + depth)
            begun.set()
        assert source.taken <= sum(batches) + depth
        return batch

    assert list(behind(function, source, depth=depth, apart=apart)) == list(range(20))
    assert begun.is_set()
    assert max(batches) <= depth


def test_a_thread_apart_takes_the_items_and_otherwise_the_calling_one_does():
    def taking(apart):
        def items():
            yield threading.current_thread()

        return list(behind(list, items(), depth=1, apart=apart))

    assert taking(apart=False) == [threading.current_thread()]
    assert taking(apart=True) != [threading.current_thread()]


def test_a_result_is_there_before_the_next_item_is_made():
    taken = threading.Event()

    def items():
        yield 1
        assert taken.wait(GUARD)
        yield 2

    results = behind(list, items(), depth=1, apart=True)
    assert next(results) == 1
    taken.set()
    assert list(results) == [2]


def test_a_result_is_there_before_the_others_of_its_batch():
    taken = threading.Event()

    def function(batch):
        yield batch[0]
        assert taken.wait(GUARD)
        yield from batch[1:]

    results = behind(function, [1], depth=1, apart=True)
    assert next(results) == 1
    taken.set()
    assert list(results) == []


@APART
def test_behind_raises_the_functions_error(apart):
    def function(batch):
        raise KeyError("function")

    with pytest.raises(KeyError):
        list(behind(function, itertools.count(), depth=1, apart=apart))


@APART
def test_behind_raises_the_items_error(apart):
    def items():
        yield 1
        raise KeyError("items")

    with pytest.raises(KeyError):
        list(behind(list, items(), depth=1, apart=apart))


@APART
def test_behind_says_that_it_stops_before_it_waits_for_anybody(apart):
    begun, stopped = threading.Event(), threading.Event()

    def function(batch):
        yield 0
        begun.set()
        assert stopped.wait(GUARD)

    results = behind(function, itertools.count(), depth=2, apart=apart, stop=stopped.set)
    next(results)
    assert begun.wait(GUARD)
    close(results)
    assert stopped.is_set()


def test_behind_closed_early_gives_the_function_nothing_that_waits():
    source = Source(itertools.count())
    stopped = threading.Event()
    batches = []

    def function(batch):
        batches.append(len(batch))
        yield 0
        assert stopped.wait(GUARD)

    results = behind(function, source, depth=3, apart=True, stop=stopped.set)
    next(results)
    source.wait_for(batches[0] + 3)
    close(results)
    assert len(batches) == 1


def test_closing_closes_what_can_be_closed():
    source = Source([1])
    with closing(source) as items:
        assert list(items) == [1]
    assert source.closed
    with pytest.raises(KeyError), closing(iter([])):
        raise KeyError("inside")
