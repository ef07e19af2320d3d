"""A server that has every object, with its own key as its content, and costs next to nothing.

It is a process of its own, so that it answers while a test forks, hangs or has its threads counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import ssl
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

import attrs

if TYPE_CHECKING:
    from tests.integration.authority import Certificates

    from file_dataset.adapters.s3 import S3Store

Limiter = Literal["bucket", "second"]
_COUNTS = b"/-/counts"


@attrs.frozen
class Counts:
    """What a server has seen so far.

    Args:
        accepted: Connections.
        served: Requests that it answered well.
        refused: Requests that came too fast.
        goodbyes: Connections that clients closed.
        seconds: Between the first and the last request that it answered well.
    """

    accepted: int = 0
    served: int = 0
    refused: int = 0
    goodbyes: int = 0
    seconds: float = 0.0


@attrs.frozen
class StaticServer:
    """Where such a server listens.

    Args:
        endpoint: Its URL.
        authority: The certificate by which clients know it.
    """

    endpoint: str
    authority: Path | None = None

    def store(self, **more: Any) -> S3Store:
        """A store on it, by libcurl and nothing else."""
        from tests.integration.servers import S3Server

        server = S3Server(self.endpoint, "key", "secret", authority=self.authority)
        return server.store(engine="curl", **more)

    @property
    def counts(self) -> Counts:
        """What it has seen so far; asking for it does not count."""
        scheme, _, address = self.endpoint.partition("://")
        if scheme == "https":
            context = ssl.create_default_context(cafile=self.authority)
            connection: HTTPConnection = HTTPSConnection(address, context=context)
        else:
            connection = HTTPConnection(address)
        with contextlib.closing(connection):
            connection.request("GET", _COUNTS.decode())
            return Counts(**json.load(connection.getresponse()))


@contextlib.contextmanager
def static_server(
    *,
    rate: int = 0,
    limiter: Limiter = "bucket",
    tls: Certificates | None = None,
) -> Iterator[StaticServer]:
    """A server, until the context ends.

    Args:
        rate: Above so many requests a second it answers 503; at 0 it never does.
        limiter: Whether it counts by tokens, of which it keeps a few, or anew in each second.
        tls: By what it is known, if it speaks TLS.
    """
    # Not by the server itself, which is a program and has no such path.
    from tests.integration.own_process import serving

    files = [str(tls.certificate), str(tls.key)] if tls else ["", ""]
    with serving(__file__, json.dumps([rate, limiter, *files])) as port:
        scheme = "https" if tls else "http"
        yield StaticServer(f"{scheme}://127.0.0.1:{port}", None if tls is None else tls.authority)


class _Site:
    """What all connections have in common."""

    def __init__(self, rate: float, limiter: str) -> None:
        self.accepted = self.served = self.refused = self.goodbyes = 0
        self._rate = rate
        self._limiter = limiter
        self._most = max(5.0, rate / 50)
        self._left = self._most
        self._looked = self._first = self._last = time.monotonic()

    @property
    def counts(self) -> bytes:
        seen = Counts(
            self.accepted, self.served, self.refused, self.goodbyes, self._last - self._first
        )
        return json.dumps(attrs.asdict(seen)).encode()

    def takes_one(self) -> bool:
        now = time.monotonic()
        if self._rate:
            if self._limiter == "second":
                if math.floor(now) != math.floor(self._looked):
                    self._left = self._rate
            else:
                self._left = min(self._most, self._left + (now - self._looked) * self._rate)
            self._looked = now
            if self._left < 1:
                self.refused += 1
                return False
            self._left -= 1
        if not self.served:
            self._first = now
        self._last = now
        self.served += 1
        return True


class _Connection(asyncio.Protocol):
    def __init__(self, site: _Site) -> None:
        self._site = site
        self._unread = b""
        self._to_come = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._is_counted = False

    def eof_received(self) -> None:
        self._site.goodbyes += self._is_counted

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while True:
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            if not end:
                return
            length = _length(head)
            if len(rest) < length:
                return
            self._unread = rest[length:]
            self._transport.write(self._answer(head))

    def _answer(self, head: bytes) -> bytes:
        method, path, _ = head.split(b"\r\n", 1)[0].split(b" ")
        if path == _COUNTS:
            return _said(b"200 OK", self._site.counts)
        name = path.partition(b"?")[0].split(b"/", 2)[2:]
        if not name or not name[0]:
            return _said(b"501 Not Implemented", b"")
        if not self._is_counted:
            self._is_counted = True
            self._site.accepted += 1
        if not self._site.takes_one():
            return _said(b"503 Slow Down", b"<Error><Code>SlowDown</Code></Error>", method)
        key = unquote(name[0].decode()).encode()
        return _said(b"200 OK", b"" if method == b"PUT" else key, method)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _said(status: bytes, body: bytes, method: bytes = b"GET") -> bytes:
    described = b'Content-Length: %d\r\nETag: "1"\r\nConnection: keep-alive\r\n' % len(body)
    shown = b"" if method == b"HEAD" else body
    return b"HTTP/1.1 " + status + b"\r\n" + described + b"\r\n" + shown


async def _serve(rate: int, limiter: str, certificate: str, key: str) -> None:
    loop = asyncio.get_running_loop()
    site = _Site(rate, limiter)
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    server = await loop.create_server(
        lambda: _Connection(site), "127.0.0.1", 0, ssl=context, backlog=1024
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    # It ends with who started it, who holds the other end.
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(*json.loads(sys.argv[1])))
