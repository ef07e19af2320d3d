"""One exchange after the other by libcurl, waited for without keeping anyone from a fork."""

from __future__ import annotations

from typing import Final

import pycurl

from file_dataset.adapters.libcurl.forks import end_thread, inside
from file_dataset.adapters.libcurl.multi import LONGEST_WAIT, Multi

# As many connections as an easy handle keeps that is driven by itself.
_CONNECTIONS: Final = 5


class Single:
    """An easy handle with connections of its own. One thread at a time uses it.

    Attributes:
        easy: The handle, to be set up for each exchange.
    """

    def __init__(self) -> None:
        self.easy: pycurl.Curl = pycurl.Curl()
        self._multi = Multi(connections=_CONNECTIONS)

    def perform(self) -> None:
        """Carry out an exchange, as ``easy.perform()`` does.

        Raises:
            pycurl.error: As it does.
        """
        self._multi.handle.add_handle(self.easy)
        try:
            while not self._has_ended():
                self._multi.wait(LONGEST_WAIT)
        finally:
            with inside():
                self._multi.handle.remove_handle(self.easy)
            # It may be about to end, and nobody is told of that.
            end_thread()

    def close(self) -> None:
        """Close the connections."""
        with inside():
            self.easy.close()
            self._multi.close()

    def _has_ended(self) -> bool:
        _, good, bad = self._multi.handle.info_read()
        for _, fault, message in bad:
            raise pycurl.error(fault, message)
        return bool(good)
