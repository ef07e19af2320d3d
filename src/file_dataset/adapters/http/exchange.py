"""One request and its answer by libcurl, through redirects, and to public addresses only."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import pycurl

from file_dataset.adapters.http.addresses import is_literal, is_public
from file_dataset.adapters.http.answers import Answer
from file_dataset.adapters.http.faults import broken
from file_dataset.adapters.http.way import Way
from file_dataset.adapters.libcurl.single import Single
from file_dataset.domain.errors import PermissionDeniedError, StoreError
from file_dataset.domain.url import Url

_MOST_REDIRECTS: Final = 10
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SETTINGS: Final[Mapping[int, object]] = {
    # Signals for timeouts would end a program that has other threads.
    pycurl.NOSIGNAL: 1,
    pycurl.USERAGENT: "file_dataset",
    pycurl.CONNECTTIMEOUT: 10,
    # A body that gives less than this many bytes a second for so long hangs.
    pycurl.LOW_SPEED_LIMIT: 1,
    pycurl.LOW_SPEED_TIME: 30,
    # The path is sent as it is written: "a/../b" may be a name.
    pycurl.PATH_AS_IS: 1,
    # Each step of a redirect is looked at here.
    pycurl.FOLLOWLOCATION: 0,
    pycurl.NETRC: pycurl.NETRC_IGNORED,
    # Behind a proxy nobody here sees where a request goes, so none is used unasked.
    pycurl.NOPROXY: "",
}

Write = Callable[[Answer, bytes], bool]
"""What takes the bytes of a body, with the head that came before them; False is enough of it."""


class Exchanges:
    """Requests by libcurl, whose connections are kept for the next.

    Args:
        way: How servers are reached.
    """

    def __init__(self, way: Way) -> None:
        self._way = way
        self._idle: deque[Single] = deque()
        _all.add(self)

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().close()

    def head(self, url: Url) -> Answer:
        """What a server says of an object."""
        return self._asked(url, {pycurl.NOBODY: 1}, lambda _, __: True)

    def get(self, url: Url, write: Write, *, span: str = "") -> Answer:
        """An object, or a part of it.

        Args:
            url: The object.
            write: Takes the body of an answer that is no redirect.
            span: Which bytes, as HTTP has it: ``0-99`` or ``100-``.
        """
        return self._asked(url, {pycurl.RANGE: span} if span else {}, write)

    def _asked(self, url: Url, settings: Mapping[int, object], write: Write) -> Answer:
        """The answer that a chain of redirects ends with.

        Raises:
            StoreError: If it leads nowhere, or where it must not.
        """
        at, headers = str(url), self._way.headers
        for _ in range(_MOST_REDIRECTS):
            self._check(at, url)
            answer, onward = self._performed(at, {**settings, **_headers(headers)}, write, url)
            if answer.status not in _REDIRECTS or not onward:
                return answer
            if _origin(onward) != _origin(at):
                headers = {}
            at = onward
        raise StoreError(f"{url.redacted}: redirected more than {_MOST_REDIRECTS} times", url=url)

    def _check(self, at: str, url: Url) -> None:
        parts = urlsplit(at)
        allowed = ("https",) if url.scheme == "https" else ("http", "https")
        if parts.scheme not in allowed:
            raise StoreError(
                f"{url.redacted}: redirected to {parts.scheme}://, which is not followed from "
                f"{url.scheme}://",
                url=url,
            )
        host = parts.hostname or ""
        if not self._way.allow_private and is_literal(host) and not is_public(host):
            raise _private(host, url)

    def _performed(
        self, at: str, settings: Mapping[int, object], write: Write, url: Url
    ) -> tuple[Answer, str]:
        """One answer, and where it redirects to."""
        try:
            single = self._idle.pop()
        except IndexError:
            single = Single()
        easy = single.easy
        one = _One(write, is_open=self._way.allow_private or bool(self._way.proxy))
        try:
            for option, value in {**_SETTINGS, **_of_way(self._way), **settings}.items():
                easy.setopt(option, value)
            easy.setopt(pycurl.URL, at)
            easy.setopt(pycurl.HEADERFUNCTION, one.take_header)
            easy.setopt(pycurl.WRITEFUNCTION, one.take)
            easy.setopt(pycurl.OPENSOCKETFUNCTION, one.open_socket)
            with contextlib.suppress(_Enough):
                self._perform(single, one, url)
            answer = Answer(one.status, one.headers, one.size)
            return answer, str(easy.getinfo(pycurl.REDIRECT_URL) or "")
        finally:
            one.close()
            # The connection stays, and what was set goes.
            easy.reset()
            self._idle.append(single)

    def _perform(self, single: Single, one: _One, url: Url) -> None:
        try:
            single.perform()
        except pycurl.error as error:
            fault, message = int(error.args[0]), str(error.args[-1])
            if one.failure is not None:
                raise one.failure from None
            if one.refused:
                raise _private(one.refused, url) from None
            raise broken(fault, message, url) from error


class _Enough(Exception):  # noqa: N818 - it is no error
    """All of a body that is wanted is there."""


class _One:
    """What libcurl calls during one exchange."""

    def __init__(self, write: Write, *, is_open: bool) -> None:
        self._write = write
        self._is_open = is_open
        self.status = self.size = 0
        self.headers: dict[str, str] = {}
        self.refused = ""
        self.failure: BaseException | None = None
        self._opened: list[socket.socket] = []

    def close(self) -> None:
        for each in self._opened:
            each.close()

    def take_header(self, line: bytes) -> None:
        text = line.decode("latin-1").strip()
        if text.startswith("HTTP/"):
            # There may be several heads: 100 Continue, and what a proxy says.
            self.headers = {}
            self.status = int(text.split(" ")[1])
        elif text:
            name, _, value = text.partition(":")
            self.headers[name.strip().lower()] = value.strip()

    def take(self, data: bytes) -> int | None:
        if self.status in _REDIRECTS:
            return None
        self.size += len(data)
        try:
            if not self._write(Answer(self.status, self.headers), data):
                raise _Enough
        except BaseException as failure:  # noqa: BLE001 - raised again by who called libcurl
            self.failure = failure
            return -1
        return None

    def open_socket(
        self, _: int, address: tuple[int, int, int, Sequence[object]]
    ) -> socket.socket | int:
        family, kind, protocol, place = address
        if not self._is_open and not is_public(str(place[0])):
            self.refused = str(place[0])
            return pycurl.SOCKET_BAD
        opened = socket.socket(family, kind, protocol)
        # pycurl goes on with a duplicate of its own.
        self._opened.append(opened)
        return opened


def _private(address: str, url: Url) -> StoreError:
    return PermissionDeniedError(
        f"{url.redacted}: leads to {address}, which is not an address of the public network; "
        f"HttpStore(allow_private=True) allows it where it is mounted",
        url=url,
    )


def _headers(headers: Mapping[str, str]) -> Mapping[int, object]:
    return {pycurl.HTTPHEADER: [f"{name}: {value}" for name, value in headers.items()]}


def _origin(at: str) -> tuple[str, str]:
    parts = urlsplit(at)
    return parts.scheme, parts.netloc


def _of_way(way: Way) -> Mapping[int, object]:
    return {pycurl.PROXY: way.proxy, pycurl.CAINFO: way.ca_bundle or _own_bundle()}


@functools.cache
def _own_bundle() -> str:
    """The certificates that this machine trusts; libcurl knows of those of the one it is from."""
    found: str | None = ssl.get_default_verify_paths().cafile
    if found is not None:
        return found
    from botocore.httpsession import get_cert_path

    return str(get_cert_path(verify=True))


_all: weakref.WeakSet[Exchanges] = weakref.WeakSet()


def _keep_the_parents() -> None:
    # With the end of a handle in the child its parent's connections would end, those by TLS with a
    # farewell to the server.
    for exchanges in list(_all):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(exchanges))


os.register_at_fork(after_in_child=_keep_the_parents)
