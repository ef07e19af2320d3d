"""libcurl's easy handles: one for each transfer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pycurl

from file_dataset.adapters.s3.curl.bodies import AT_ONCE, Body
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.network import Network

_BUFFER: Final = 256 * 1024

_SETTINGS: Final[dict[int, object]] = {
    # Signals for timeouts would end a program that has other threads.
    pycurl.NOSIGNAL: 1,
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.TCP_NODELAY: 1,
    pycurl.TCP_KEEPALIVE: 1,
    pycurl.BUFFERSIZE: _BUFFER,
    pycurl.UPLOAD_BUFFERSIZE: AT_ONCE,
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
