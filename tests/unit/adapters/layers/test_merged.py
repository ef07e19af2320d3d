import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.adapters.layers.fakes import close

from file_dataset.adapters.layers._merged import merged


@given(st.lists(st.lists(st.integers()), min_size=2, max_size=6))
@settings(deadline=None)
def test_every_item_comes_once_and_in_the_order_of_its_stream(streams):
    found = list(merged([iter([(n, item) for item in s]) for n, s in enumerate(streams)]))
    for number, stream in enumerate(streams):
        assert [item for n, item in found if n == number] == stream
    assert len(found) == sum(map(len, streams))


def test_streams_advance_at_the_same_time():
    meeting = threading.Barrier(3)

    def stream():
        meeting.wait(20)
        yield 1

    assert list(merged([stream() for _ in range(3)])) == [1, 1, 1]


def test_a_slow_stream_does_not_hold_up_the_others():
    slow = threading.Event()

    def waiting():
        assert slow.wait(20)
        yield "slow"

    found = merged([waiting(), iter(range(100))])
    assert [next(found) for _ in range(100)] == list(range(100))
    slow.set()
    assert list(found) == ["slow"]


@given(st.integers(2, 5), st.integers(0, 12), st.data())
@settings(deadline=None)
def test_closing_ends_every_stream_and_thread(number, taken, data):
    lengths = data.draw(st.lists(st.integers(0, 9), min_size=number, max_size=number))
    begun, closed = [], []

    def stream(n, length):
        begun.append(n)
        try:
            yield from range(length)
        finally:
            closed.append(n)

    threads = set(threading.enumerate())
    found = merged([stream(n, length) for n, length in enumerate(lengths)])
    for _ in range(min(taken, sum(lengths))):
        next(found)
    close(found)
    assert set(threading.enumerate()) <= threads
    assert sorted(closed) == sorted(begun)


def test_an_error_of_a_stream_is_raised_and_the_others_are_closed():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    def broken():
        yield 2
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        for _ in merged([endless(), broken(), endless()]):
            pass
    assert closed.is_set()
