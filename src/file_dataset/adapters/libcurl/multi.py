"""libcurl's multi handle, waited for outside of libcurl; nobody forks while it is at work."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Final

import pycurl

from file_dataset.adapters.libcurl.forks import inside

LONGEST_WAIT: Final = 1.0
"""Seconds; libcurl says itself when it wants to be called, and whoever has news rings."""

# What select() can see: FD_SETSIZE, which is this much on Linux and macOS.
_SEEN: Final = 1024
# Seconds between two looks at what it cannot see.
_LOOK: Final = 0.002


class Multi:
    """A multi handle with its connections.

    One thread at a time uses it. It waits by select() for what libcurl says that it waits for: to
    be told of each change instead takes libcurl and this longer than a small object's request
    does. What select() cannot see, in a process with a thousand open files, is looked at again
    and again.

    Args:
        connections: How many are kept open.

    Attributes:
        handle: What easy handles are added to.
    """

    def __init__(self, *, connections: int) -> None:
        self.handle: pycurl.CurlMulti = pycurl.CurlMulti()
        self.handle.setopt(pycurl.M_MAXCONNECTS, connections)
        self._others: dict[int, Callable[[], object]] = {}
        self._running = 0

    def listen(self, file: int, heard: Callable[[], object]) -> None:
        """Let a wait end when there is something to be read from a file, too."""
        self._others[file] = heard

    def wait(self, seconds: float) -> None:
        """Wait at most so long for the network, and go on with what it brought."""
        heard = self._wait(seconds)
        with inside():
            _, self._running = self.handle.perform()
        for file in heard:
            self._others[file]()

    def close(self) -> None:
        """Close the connections, by who is inside of libcurl."""
        self.handle.close()

    def _wait(self, seconds: float) -> list[int]:
        """Wait for the network and for the other files; gives those that can be read."""
        reading, writing, _ = self.handle.fdset()
        others = [file for file in self._others if file < _SEEN]
        due = self.handle.timeout()
        if due >= 0:
            seconds = min(seconds, due / 1000)
        if len(others) < len(self._others) or len({*reading, *writing}) < self._running:
            seconds = min(seconds, _LOOK)
        readable, _, _ = select.select([*reading, *others], writing, (), max(0.0, seconds))
        # Reading from one that was not seen would wait; it is heard when it is rung for again.
        return [file for file in others if file in readable]
