"""libcurl's easy handles: one for each transfer, and what it sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pycurl

from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.network import Network

_BUFFER: Final = 256 * 1024
# What libcurl reads at a time of a body that is sent. One that fits is given to it as it is.
_SENT: Final = 320 * 1024
# What it is given of a larger one: more would be new memory of the system's each time, which takes
# longer to get than to fill.
_PIECE: Final = 64 * 1024

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


_SENDING: Final = frozenset({"PUT", "POST"})


class Channel:
    """An easy handle, and the exchange that it carries, one after the other.

    What libcurl calls stays the same: to change it takes longer than to look up whom it is for.

    Args:
        method: Of all the exchanges that it is for.
        network: How connections are made.

    Attributes:
        easy: The handle.
        exchange: What it carries now.
    """

    __slots__ = ("_body", "_head", "easy", "exchange")

    def __init__(self, method: str, network: Network) -> None:
        self.easy: pycurl.Curl = pycurl.Curl()
        self.exchange: Exchange | None = None
        self._head: list[bytes] = []
        self._body: Body | None = Body() if method in _SENDING else None
        for option, value in {**_SETTINGS, **METHODS[method], **network.settings}.items():
            self.easy.setopt(option, value)
        self.easy.setopt(pycurl.HEADERFUNCTION, self._head.append)
        self.easy.setopt(pycurl.WRITEFUNCTION, self._receive)
        if self._body is not None:
            self.easy.setopt(pycurl.READFUNCTION, self._body.read)
            self.easy.setopt(pycurl.SEEKFUNCTION, self._body.seek)

    @property
    def is_sent(self) -> bool:
        """Whether libcurl has all of what is sent, so that the server has, or may have."""
        return self._body is not None and self._body.is_sent

    def begin(self, exchange: Exchange, url: str, headers: Sequence[str]) -> None:
        """Get ready for an exchange."""
        self.exchange = exchange
        exchange.head = self._head
        easy = self.easy
        easy.setopt(pycurl.URL, url)
        easy.setopt(pycurl.HTTPHEADER, headers)
        if self._body is not None and exchange.body is not None:
            easy.setopt(pycurl.INFILESIZE_LARGE, len(exchange.body))
            self._body.begin(exchange.body, once=exchange.once)

    def end(self, exchange: Exchange) -> None:
        """Leave an exchange with its answer, and let go of it."""
        self.exchange = None
        exchange.head = self._head.copy()
        self._head.clear()
        if self._body is not None:
            self._body.begin(b"")

    def _receive(self, data: bytes) -> int | None:
        # There is one as long as libcurl is at it.
        return self.exchange.receive(data)  # type: ignore[union-attr]


class Body:
    """What is sent, read piece by piece, and from its beginning again on another connection."""

    __slots__ = ("_data", "_once", "_sent")

    def __init__(self) -> None:
        self.begin(b"")

    def begin(self, data: bytes | memoryview, *, once: bool = False) -> None:
        """Send something else.

        Args:
            data: The bytes.
            once: Whether it is never sent again once libcurl has all of it: a connection that is
                found closed then may have been closed by a server that did what it was told.
        """
        self._data = memoryview(data)
        self._once = once
        self._sent = 0

    @property
    def is_sent(self) -> bool:
        """Whether libcurl has all of it."""
        return self._sent == len(self._data)

    def read(self, size: int) -> bytes:
        """The next so many bytes."""
        data, sent = self._data, self._sent
        whole = data.obj
        if not sent and isinstance(whole, bytes) and len(whole) == len(data) <= size:
            piece = whole
        else:
            piece = bytes(data[sent : sent + min(size, _PIECE)])
        self._sent = sent + len(piece)
        return piece

    def seek(self, offset: int, _: int) -> int:
        """Go back to an offset."""
        if self._once and self.is_sent:
            return pycurl.SEEKFUNC_FAIL
        self._sent = offset
        return pycurl.SEEKFUNC_OK
