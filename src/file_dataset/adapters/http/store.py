"""What is on the web, as objects that can be read."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from file_dataset.adapters.http.answers import Answer, refused
from file_dataset.adapters.http.way import Way
from file_dataset.adapters.per_process import PerProcess
from file_dataset.domain.errors import (
    InvalidUrlError,
    RangeNotSatisfiableError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.files import local_errors, replacing
from file_dataset.domain.objects import ObjectInfo, Prefix, Span
from file_dataset.domain.per_object import PerObjectStore
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from file_dataset.adapters.http.exchange import Exchanges

# What may stand in a URL as it is: https://www.rfc-editor.org/rfc/rfc3986#appendix-A
_is_spelled = re.compile(r"[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]*").fullmatch
# Answers to a HEAD that say nothing of what a GET would bring; a signed URL is for GET alone.
_NO_HEADS: Final = frozenset({400, 403, 405, 501})


class HttpStore(PerObjectStore):
    """Objects of web servers, for reading: nothing is written, deleted or listed.

    Only addresses of the public network are connected to, whatever a name or a redirect leads to,
    unless it is allowed. URLs are sent as they are written, query included, so they have to be
    spelled as HTTP has it: ``%20`` for a space.

    Args:
        headers: What is sent along, such as ``Authorization``; not to where a redirect leads.
        allow_private: Whether addresses that are not public may be connected to: this machine's,
            those of a local network, and the metadata services of clouds.
        proxy: The URL of a proxy, whose business it then is where names lead. The environment is
            not asked for one.
        ca_bundle: A file of certificates to trust in place of this machine's.
    """

    deviations: Mapping[int, str] = {
        12: "what a server takes for one object is its own affair, as a%2Bb and a+b mostly are",
    }

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        *,
        allow_private: bool = False,
        proxy: str = "",
        ca_bundle: str | os.PathLike[str] = "",
    ) -> None:
        self._way = Way(dict(headers or {}), allow_private, proxy, os.fspath(ca_bundle))
        self._exchanges = PerProcess(functools.partial(_exchanges, self._way))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(allow_private={self._way.allow_private})"

    def __reduce__(self) -> tuple[object, ...]:
        return _made, (type(self), self._way)

    def close(self) -> None:
        """Close the connections; a store that is used again opens new ones."""
        self._exchanges().close()

    def _stat(self, url: Url) -> ObjectInfo:
        _check(url)
        answer = self._exchanges().head(url)
        if answer.status == 200 and answer.length is not None:
            return answer.info(url, answer.length)
        if answer.status != 200 and answer.status not in _NO_HEADS:
            raise refused(answer, url)
        # Its first byte tells the size, or the whole of it does.
        answer = self._exchanges().get(url, _needs_counting, span="0-0")
        if answer.range is not None:
            return answer.info(url, answer.range[1])
        if answer.status != 200:
            raise refused(answer, url)
        return answer.info(url, answer.size if answer.length is None else answer.length)

    def _read(self, url: Url, span: Span | None) -> bytes:
        _check(url)
        pieces: list[bytes] = []

        def write(answer: Answer, data: bytes) -> bool:
            if answer.status in (200, 206):
                pieces.append(data)
            return True

        if span is None:
            answer = self._exchanges().get(url, write)
            if answer.status != 200:
                raise refused(answer, url)
            return b"".join(pieces)
        last = "" if span.stop is None else span.stop - 1
        answer = self._exchanges().get(url, write, span=f"{span.start}-{last}")
        return _spanned(answer, b"".join(pieces), span, url)

    def _download(self, url: Url, path: Path) -> ObjectInfo:
        _check(url)
        with local_errors(Url.local(path)), replacing(path) as temporary:
            with open(temporary, "xb") as file:

                def write(answer: Answer, data: bytes) -> bool:
                    if answer.status == 200:
                        file.write(data)
                    return True

                answer = self._exchanges().get(url, write)
            if answer.status != 200:
                raise refused(answer, url)
            return answer.info(url, answer.size)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:  # noqa: ARG002
        """Nothing: HTTP has no listings. Raises UnsupportedError."""
        raise UnsupportedError(
            f"{prefix.redacted}: what is on a web server cannot be listed", url=prefix
        )


def _exchanges(way: Way) -> Exchanges:
    # libcurl is loaded by those who need it.
    from file_dataset.adapters.http.exchange import Exchanges

    return Exchanges(way)


def _made(kind: type[HttpStore], way: Way) -> HttpStore:
    return kind(
        way.headers,
        allow_private=way.allow_private,
        proxy=way.proxy,
        ca_bundle=way.ca_bundle,
    )


def _check(url: Url) -> None:
    """Raise InvalidUrlError for what would be sent in another spelling than it has."""
    if url.scheme not in ("http", "https") or not url.authority:
        raise InvalidUrlError(f"{url.redacted!r} is no URL of a web server")
    if not (_is_spelled(url.authority) and _is_spelled(url.key)):
        raise InvalidUrlError(
            f"{url.redacted!r} is not spelled as HTTP has it; write %20 for a space, %23 for #, "
            f"and percent-escapes for what is not ASCII"
        )


def _needs_counting(answer: Answer, data: bytes) -> bool:  # noqa: ARG001 - only its size counts
    """Whether a body has to be read to its end for its size."""
    return answer.status not in (200, 206) or (answer.status == 200 and answer.length is None)


def _spanned(answer: Answer, data: bytes, span: Span, url: Url) -> bytes:
    if answer.status == 206:
        if answer.range is None or answer.range[0] != span.start:
            raise TransientError(f"{url.redacted}: the server sent another span", url=url)
        return data
    if answer.status != 200:
        raise refused(answer, url)
    # It does not do spans, and sent the whole object.
    if span.start >= len(data):
        raise RangeNotSatisfiableError(
            f"{url.redacted}: byte {span.start} is past the end ({len(data)} bytes)", url=url
        )
    return data[span.start : span.stop]
