"""libcurl's handles: one that drives many transfers at once, and one for each of those."""

from __future__ import annotations

import contextlib
import ctypes
import os
import weakref
from collections.abc import Iterator, Sequence
from functools import partial

import pycurl

from file_dataset.adapters.libcurl.forks import inside
from file_dataset.adapters.libcurl.multi import LONGEST_WAIT, Multi
from file_dataset.adapters.s3.curl.easy import METHODS, Body, easy_handle
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.network import Network


class Handles:
    """A multi handle with its connections, and the easy handles that it drives.

    One thread at a time uses it.

    Args:
        network: How connections are made.
        connections: How many are kept open.
    """

    def __init__(self, network: Network, *, connections: int) -> None:
        self._network = network
        self._multi = Multi(connections=connections)
        self._idle: dict[str, list[pycurl.Curl]] = {method: [] for method in METHODS}
        self._busy: dict[Exchange, pycurl.Curl] = {}
        self._bodies: dict[Exchange, Body] = {}
        self._exchanges: dict[pycurl.Curl, Exchange] = {}
        self._alarm, self._bell = os.pipe()
        # A pipe full of rings that nobody waits for is loud enough.
        os.set_blocking(self._bell, False)
        self._multi.listen(self._alarm, partial(os.read, self._alarm, 4096))
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
        self._multi.handle.add_handle(easy)

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
        self._multi.wait(seconds)
        return self._ended()

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
            left, good, bad = self._multi.handle.info_read()
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
        self._multi.handle.remove_handle(easy)
        # What it has to do with goes, and it stays: it would keep hundreds of bodies in memory.
        easy.setopt(pycurl.WRITEFUNCTION, _nothing)
        if self._bodies.pop(exchange, None) is not None:
            easy.setopt(pycurl.READFUNCTION, _nothing)
            easy.setopt(pycurl.SEEKFUNCTION, _nothing)
        self._idle[exchange.method].append(easy)


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
