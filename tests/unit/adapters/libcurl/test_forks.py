"""No fork while a thread is inside of libcurl, and none of OpenSSL's locks held for ever."""

from __future__ import annotations

import os
import threading

import pycurl
import pytest
from tests.forking import ended, forked

from file_dataset.adapters.libcurl import forks
from file_dataset.adapters.libcurl.forks import inside

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_a_fork_waits_until_nobody_is_inside(monkeypatch):
    monkeypatch.setattr(forks, "_PATIENCE", 60.0)
    entered, leave, order = threading.Event(), threading.Event(), []

    def stay():
        with inside():
            entered.set()
            leave.wait(10)
            order.append("left")

    def fork():
        child = forked(lambda: True)
        order.append("forked")
        assert ended(child) == [0]

    staying = in_a_thread(stay)
    entered.wait(10)
    forking = in_a_thread(fork)
    while not forks._gate._forks:
        pass
    leave.set()
    for thread in (staying, forking):
        thread.join()
    assert order == ["left", "forked"]


def test_who_comes_during_a_fork_waits_for_its_end():
    order = []

    def enter():
        with inside():
            order.append("inside")

    forks._close()
    try:
        thread = in_a_thread(enter)
        order.append("forked")
    finally:
        forks._open()
    thread.join()
    assert order == ["forked", "inside"]


def test_a_fork_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(forks, "_PATIENCE", 0.01)
    with inside():
        child = forked(lambda: True)
    assert ended(child) == [0]


def test_a_child_goes_in_whoever_was_inside_of_its_parent(monkeypatch):
    monkeypatch.setattr(forks, "_PATIENCE", 0.01)

    def enters() -> bool:
        with inside():
            # And so do its own children.
            return ended(forked(lambda: True)) == [0]

    with inside():
        child = forked(enters)
    assert ended(child) == [0]


def test_threads_take_leave_of_openssl():
    assert "OpenSSL" in pycurl.version
    assert forks._openssl_thread_stop() is not None
    ended_well = []

    def end():
        forks.end_thread()
        ended_well.append(os.getpid())

    in_a_thread(end).join()
    assert ended_well == [os.getpid()]
