"""libcurl's handles: one that drives many transfers at once, and one for each of those."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import select
import time
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pycurl

from file_dataset.adapters.s3.curl.easy import METHODS, Body, easy_handle
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.forks import inside
from file_dataset.adapters.s3.curl.network import Network

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


class Handles:
    """A multi handle with its connections, and the easy handles that it drives.

    One thread at a time uses it. It waits by epoll, and where there is none by poll, since
    libcurl's own select() sees no file descriptor above 1,023.

    Args:
        network: How connections are made.
        connections: How many are kept open.
    """

    def __init__(self, network: Network, *, connections: int) -> None:
        self._network = network
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._poll, self._per_second = _poller()
        self._watched: set[int] = set()
        self._due = math.inf
        self._idle: dict[str, list[pycurl.Curl]] = {method: [] for method in METHODS}
        self._busy: dict[Exchange, pycurl.Curl] = {}
        self._bodies: dict[Exchange, Body] = {}
        self._exchanges: dict[pycurl.Curl, Exchange] = {}
        self._alarm, self._bell = os.pipe()
        # A pipe full of rings that nobody waits for is loud enough.
        os.set_blocking(self._bell, False)
        self._poll.register(self._alarm, select.POLLIN)
        self._close_pipe = weakref.finalize(self, _close_all, self._alarm, self._bell)
        _all.add(self)

    def __len__(self) -> int:
        """How many exchanges are under way."""
        return len(self._busy)

    def start(self, exchange: Exchange, url: str, headers: Sequence[str]) -> None:
        """Begin an exchange."""
        idle = self._idle[exchange.method]
        easy = idle.pop() if idle else easy_handle(exchange.method, self._network)
        easy.setopt(pycurl.URL, url)
        easy.setopt(pycurl.HTTPHEADER, headers)
        easy.setopt(pycurl.HEADERFUNCTION, exchange.head.append)
        easy.setopt(pycurl.WRITEFUNCTION, exchange.receive)
        if exchange.body is not None:
            body = self._bodies[exchange] = Body(exchange.body, once=exchange.once)
            easy.setopt(pycurl.INFILESIZE_LARGE, len(exchange.body))
            easy.setopt(pycurl.READFUNCTION, body.read)
            easy.setopt(pycurl.SEEKFUNCTION, body.seek)
        self._busy[exchange] = easy
        self._exchanges[easy] = exchange
        self._multi.add_handle(easy)

    def stop(self, exchange: Exchange) -> None:
        """Break off an exchange, if it is under way."""
        easy = self._busy.get(exchange)
        if easy is not None:
            # Its connection is closed.
            with inside():
                self._take_back(exchange, easy)

    def stop_all(self) -> None:
        """Break off what is under way, and wait for what a server will write in any case."""
        for exchange in list(self._busy):
            body = self._bodies.get(exchange)
            if body is None or not body.is_sent:
                self.stop(exchange)
        while self._busy:
            for _ in self.wait(LONGEST_WAIT):
                pass

    def wait(self, seconds: float) -> Iterator[Exchange]:
        """What has ended, after waiting at most so long for the network; perhaps nothing."""
        seconds = max(0.0, min(seconds, self._due - time.monotonic()))
        events = self._poll.poll(seconds * self._per_second)
        with inside():
            self._act(events)
        return self._ended()

    def _act(self, events: Sequence[tuple[int, int]]) -> None:
        act = self._multi.socket_action
        if self._due <= time.monotonic():
            self._due = math.inf
            act(pycurl.SOCKET_TIMEOUT, 0)
        for socket, happened in events:
            if socket == self._alarm:
                os.read(self._alarm, 4096)
                continue
            # A socket of the list may be gone by its turn: libcurl does nothing for one that is.
            mask = pycurl.CSELECT_OUT if happened & select.POLLOUT else 0
            act(socket, mask | pycurl.CSELECT_IN if happened & ~select.POLLOUT else mask)

    def ring(self) -> None:
        """End a wait, from any thread."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._bell, b"!")

    def close(self) -> None:
        """Close all connections."""
        self.stop_all()
        with inside():
            for easies in self._idle.values():
                for easy in easies:
                    easy.close()
            self._multi.close()
        self._close_pipe()

    def _ended(self) -> Iterator[Exchange]:
        left = 1
        while left:
            left, good, bad = self._multi.info_read()
            for easy, fault, message in [*((easy, 0, "") for easy in good), *bad]:
                # Whoever got to know of the end of another one may have stopped this one since.
                exchange = self._exchanges.get(easy)
                if exchange is None:
                    continue
                if fault:
                    exchange.fault, exchange.message = fault, message
                    exchange.received = easy.getinfo(pycurl.SIZE_DOWNLOAD_T)
                exchange.status = easy.getinfo(pycurl.RESPONSE_CODE)
                first, begun = pycurl.STARTTRANSFER_TIME, pycurl.PRETRANSFER_TIME
                exchange.latency = easy.getinfo(first) - easy.getinfo(begun)
                self._take_back(exchange, easy)
                yield exchange

    def _take_back(self, exchange: Exchange, easy: pycurl.Curl) -> None:
        del self._busy[exchange], self._exchanges[easy]
        self._multi.remove_handle(easy)
        # What it has to do with goes, and it stays: it would keep hundreds of bodies in memory.
        easy.setopt(pycurl.WRITEFUNCTION, _nothing)
        if self._bodies.pop(exchange, None) is not None:
            easy.setopt(pycurl.READFUNCTION, _nothing)
            easy.setopt(pycurl.SEEKFUNCTION, _nothing)
        self._idle[exchange.method].append(easy)

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


def _nothing(*_: object) -> None:
    """What a transfer that is over calls, which is never."""


def _close_all(*files: int) -> None:
    for file in files:
        os.close(file)


_all: weakref.WeakSet[Handles] = weakref.WeakSet()


def _keep_the_parents() -> None:
    """Never let a child get rid of its parent's handles.

    libcurl would say goodbye over connections that the parent is using.
    """
    for handles in _all:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(handles))


os.register_at_fork(after_in_child=_keep_the_parents)


def _poller() -> tuple[Any, float]:
    """What waits for sockets, and how many of its units of time are a second."""
    if hasattr(select, "epoll"):
        return select.epoll(), 1.0
    return select.poll(), 1000.0
