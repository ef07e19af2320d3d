"""libcurl's multi handle, driven by events; nobody forks while it is at work."""

from __future__ import annotations

import contextlib
import math
import select
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import pycurl

from file_dataset.adapters.libcurl.forks import inside

LONGEST_WAIT: Final = 1.0
"""Seconds; libcurl says itself when it wants to be called, and whoever has news rings."""

# libcurl's words for what it waits for, in the system's.
_EVENTS: Final = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}
# A socket that is closed already is no longer there to be forgotten.
_if_there: Final = contextlib.suppress(OSError, KeyError)


class Multi:
    """A multi handle with its connections.

    One thread at a time uses it. It waits by epoll, and where there is none by poll, since
    libcurl's own select() sees no file descriptor above 1,023.

    Args:
        connections: How many are kept open.

    Attributes:
        handle: What easy handles are added to.
    """

    def __init__(self, *, connections: int) -> None:
        self.handle: pycurl.CurlMulti = pycurl.CurlMulti()
        self.handle.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self.handle.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self.handle.setopt(pycurl.M_MAXCONNECTS, connections)
        self._poll, self._per_second = _poller()
        self._watched: set[int] = set()
        self._others: dict[int, Callable[[], object]] = {}
        self._due = math.inf

    def listen(self, file: int, heard: Callable[[], object]) -> None:
        """Let a wait end when there is something to be read from a file, too."""
        self._others[file] = heard
        self._poll.register(file, select.POLLIN)

    def wait(self, seconds: float) -> None:
        """Wait at most so long for the network, and go on with what it brought."""
        seconds = max(0.0, min(seconds, self._due - time.monotonic()))
        events = self._poll.poll(seconds * self._per_second)
        with inside():
            self._act(events)

    def close(self) -> None:
        """Close the connections, by who is inside of libcurl."""
        self.handle.close()

    def _act(self, events: Sequence[tuple[int, int]]) -> None:
        act = self.handle.socket_action
        if self._due <= time.monotonic():
            self._due = math.inf
            act(pycurl.SOCKET_TIMEOUT, 0)
        for socket, happened in events:
            heard = self._others.get(socket)
            if heard is not None:
                heard()
                continue
            # A socket of the list may be gone by its turn: libcurl does nothing for one that is.
            mask = pycurl.CSELECT_OUT if happened & select.POLLOUT else 0
            act(socket, mask | pycurl.CSELECT_IN if happened & ~select.POLLOUT else mask)

    def _watch(self, what: int, socket: int, _: object, __: object) -> None:
        is_known = socket in self._watched
        if what == pycurl.POLL_REMOVE:
            self._watched.discard(socket)
            if is_known:
                with _if_there:
                    self._poll.unregister(socket)
        elif is_known:
            self._poll.modify(socket, _EVENTS[what])
        else:
            self._watched.add(socket)
            self._poll.register(socket, _EVENTS[what])

    def _set_timer(self, milliseconds: int) -> None:
        self._due = math.inf if milliseconds < 0 else time.monotonic() + milliseconds / 1000


def _poller() -> tuple[Any, float]:
    """What waits for sockets, and how many of its units of time are a second."""
    if hasattr(select, "epoll"):
        return select.epoll(), 1.0
    return select.poll(), 1000.0
