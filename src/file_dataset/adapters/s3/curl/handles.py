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
from file_dataset.adapters.s3.curl.easy import METHODS, Channel
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
        self._channels: dict[pycurl.Curl, Channel] = {}
        self._idle: dict[str, list[Channel]] = {method: [] for method in METHODS}
        self._busy = 0
        self._alarm, self._bell = os.pipe()
        # A pipe full of rings that nobody waits for is loud enough.
        os.set_blocking(self._bell, False)
        self._multi.listen(self._alarm, partial(os.read, self._alarm, 4096))
        self._close_pipe = weakref.finalize(self, _close_all, self._alarm, self._bell)
        _all.add(self)

    def __len__(self) -> int:
        """How many exchanges are under way."""
        return self._busy

    def start(self, exchange: Exchange, url: str, headers: Sequence[str]) -> None:
        """Begin an exchange."""
        idle = self._idle[exchange.method]
        channel = idle.pop() if idle else self._new(exchange.method)
        channel.begin(exchange, url, headers)
        self._busy += 1
        self._multi.handle.add_handle(channel.easy)

    def stop(self, exchange: Exchange) -> None:
        """Break off an exchange, if it is under way."""
        for channel in self._channels.values():
            if channel.exchange is exchange:
                # Its connection is closed.
                with inside():
                    self._take_back(channel, exchange)

    def stop_all(self) -> None:
        """Break off what is under way, and wait for what a server will write in any case."""
        for channel in self._channels.values():
            if channel.exchange is not None and not channel.is_sent:
                self.stop(channel.exchange)
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
            for easy in self._channels:
                easy.close()
            self._multi.close()
        self._close_pipe()

    def _new(self, method: str) -> Channel:
        channel = Channel(method, self._network)
        self._channels[channel.easy] = channel
        return channel

    def _ended(self) -> Iterator[Exchange]:
        left = 1
        while left:
            left, good, bad = self._multi.handle.info_read()
            for easy, fault, message in [*((easy, 0, "") for easy in good), *bad]:
                channel = self._channels[easy]
                # Whoever got to know of the end of another one may have stopped this one since.
                exchange = channel.exchange
                if exchange is None:
                    continue
                if fault:
                    exchange.fault, exchange.message = fault, message
                    exchange.received = easy.getinfo(pycurl.SIZE_DOWNLOAD_T)
                exchange.status = easy.getinfo(pycurl.RESPONSE_CODE)
                first, begun = pycurl.STARTTRANSFER_TIME, pycurl.PRETRANSFER_TIME
                exchange.latency = easy.getinfo(first) - easy.getinfo(begun)
                self._take_back(channel, exchange)
                yield exchange

    def _take_back(self, channel: Channel, exchange: Exchange) -> None:
        self._busy -= 1
        self._multi.handle.remove_handle(channel.easy)
        channel.end(exchange)
        self._idle[exchange.method].append(channel)


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
