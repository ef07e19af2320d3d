"""Forks while threads are at work in libcurl: none happens while one of them is inside.

A child has a copy of all of OpenSSL's locks, and none of the threads that would unlock them. So
who forks waits until nobody is inside of libcurl; and a thread tells OpenSSL itself that it ends,
which would otherwise be told at its very end, when nobody can wait for it any more.
"""

from __future__ import annotations

import ctypes
import os
import threading
from functools import lru_cache
from types import TracebackType

import pycurl

# Seconds after which a fork no longer waits: to be inside takes milliseconds.
_PATIENCE = 1.0


class _Gate:
    """Any number of threads may be inside, but nobody while the process forks."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._inside = 0
        self._forks = 0

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._forks)
            self._inside += 1

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Wait until nobody is inside, and let nobody in."""
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: not self._inside, _PATIENCE)

    def open(self) -> None:
        """Let those in who wait."""
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()


_gate = _Gate()


def inside() -> _Gate:
    """What is held by who is inside of libcurl; not twice by the same thread."""
    return _gate


def end_thread() -> None:
    """Let OpenSSL forget this thread, which is not to use libcurl any more."""
    stop = _openssl_thread_stop()
    if stop is not None:
        with inside():
            stop()


@lru_cache(maxsize=1)
def _openssl_thread_stop() -> ctypes._NamedFuncPointer | None:
    """OpenSSL's function, if it is what libcurl uses."""
    module = getattr(pycurl, "_pycurl", pycurl)
    stop = getattr(ctypes.CDLL(module.__file__), "OPENSSL_thread_stop", None)
    if stop is not None:
        stop.argtypes, stop.restype = (), None
    return stop


def _close() -> None:
    _gate.close()


def _open() -> None:
    _gate.open()


def _renew() -> None:
    global _gate  # noqa: PLW0603 - threads of the parent were on their way through the old one
    _gate = _Gate()


os.register_at_fork(before=_close, after_in_parent=_open, after_in_child=_renew)
