"""libcurl's easy handles: one for each transfer, and what it sends."""

from __future__ import annotations

from typing import Final

import pycurl

from file_dataset.adapters.s3.curl.network import Network

_BUFFER: Final = 256 * 1024
# What is read at a time of a body that is sent: of more, each piece would be new memory of the
# system's, which takes longer to get than to fill.
_SENT: Final = 64 * 1024

_SETTINGS: Final[dict[int, object]] = {
    # Signals for timeouts would end a program that has other threads.
    pycurl.NOSIGNAL: 1,
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.TCP_NODELAY: 1,
    pycurl.TCP_KEEPALIVE: 1,
    pycurl.BUFFERSIZE: _BUFFER,
    pycurl.UPLOAD_BUFFERSIZE: _SENT,
    # Keys may have segments like "..", which are names here and lead nowhere.
    pycurl.PATH_AS_IS: 1,
    pycurl.FOLLOWLOCATION: 0,
    # A .netrc or a cookie of the user's is none of S3's business.
    pycurl.NETRC: pycurl.NETRC_IGNORED,
}

METHODS: Final[dict[str, dict[int, object]]] = {
    "GET": {pycurl.HTTPGET: 1},
    "HEAD": {pycurl.NOBODY: 1},
    "PUT": {pycurl.UPLOAD: 1},
    # As a PUT: of what libcurl calls a post it would say that it comes from a form.
    "POST": {pycurl.UPLOAD: 1, pycurl.CUSTOMREQUEST: "POST"},
    "DELETE": {pycurl.CUSTOMREQUEST: "DELETE"},
}


def easy_handle(method: str, network: Network) -> pycurl.Curl:
    """A handle for requests of a method; what differs from one to the next is not set."""
    easy = pycurl.Curl()
    for option, value in {**_SETTINGS, **METHODS[method], **network.settings}.items():
        easy.setopt(option, value)
    return easy


class Body:
    """What is sent, read piece by piece, and from its beginning again on another connection.

    Args:
        data: The bytes.
        once: Whether it is never sent again once libcurl has all of it: a connection that is found
            closed then may have been closed by a server that did what it was told.
    """

    __slots__ = ("_data", "_once", "_sent")

    def __init__(self, data: bytes | memoryview, *, once: bool = False) -> None:
        self._data = memoryview(data)
        self._once = once
        self._sent = 0

    @property
    def is_sent(self) -> bool:
        """Whether libcurl has all of it, so that the server has, or may have."""
        return self._sent == len(self._data)

    def read(self, size: int) -> bytes:
        """The next so many bytes."""
        piece = self._data[self._sent : self._sent + size]
        self._sent += len(piece)
        return bytes(piece)

    def seek(self, offset: int, _: int) -> int:
        """Go back to an offset."""
        if self._once and self.is_sent:
            return pycurl.SEEKFUNC_FAIL
        self._sent = offset
        return pycurl.SEEKFUNC_OK
