"""libcurl's multi interface, and as little around it as can be: no engine of it goes below.

Nothing is signed, checked, tried again or told apart from an error page; a failure ends it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import pycurl

from benchmarks.contenders.base import Contender
from benchmarks.content import Family
from benchmarks.servers import Site

if TYPE_CHECKING:
    import pyarrow as pa

_BUFFER = 2**18


@attrs.frozen
class _Request:
    """What is asked for, and where the answer goes."""

    key: str
    take: Callable[[bytes], object]
    end: Callable[[pycurl.Curl], object]
    body: io.FileIO | None = None


class Bare(Contender):
    name = "libcurl, a bare loop"
    at_once: ClassVar[int] = 64

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        self._base = f"{site.endpoint}/{site.bucket}/"
        self._multi = pycurl.CurlMulti()
        self._open.callback(self._multi.close)

    def download(self, family: Family) -> Path:
        directory = str(self.new_directory())

        def to_file(key: str) -> _Request:
            path = f"{directory}/{key.rpartition('/')[2]}"
            pieces: list[bytes] = []

            def write(_: object) -> None:
                file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o666)
                os.writev(file, pieces)
                os.close(file)

            return _Request(key, pieces.append, write)

        def as_it_comes(key: str) -> _Request:
            file = io.FileIO(f"{directory}/{key.rpartition('/')[2]}", "w")
            return _Request(key, file.write, lambda _: file.close())

        self._all(map(as_it_comes if family.is_large else to_file, family.keys), pycurl.HTTPGET)
        return Path(directory)

    def upload(self, paths: Sequence[Path], prefix: str) -> list[str]:
        def of_file(name: str) -> _Request:
            file = io.FileIO(name)
            key = prefix + name.rpartition("/")[2]
            return _Request(key, _ignore, lambda _: file.close(), file)

        self._all(map(of_file, map(str, paths)), pycurl.UPLOAD)
        return [prefix + path.name for path in paths]

    def sizes(self, family: Family) -> Sequence[int]:
        found: dict[str, int] = {}

        def asked(key: str) -> _Request:
            def note(easy: pycurl.Curl) -> None:
                found[key] = int(easy.getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD))

            return _Request(key, _ignore, note)

        self._all(map(asked, family.keys), pycurl.NOBODY)
        return [found[key] for key in family.keys]

    def blobs(self, family: Family) -> pa.ChunkedArray[pa.BinaryScalar]:
        import pyarrow as pa

        found: dict[str, list[bytes]] = {key: [] for key in family.keys}
        self._all((_Request(key, found[key].append, _ignore) for key in found), pycurl.HTTPGET)
        bodies = [b"".join(pieces) for pieces in found.values()]
        return pa.chunked_array([pa.array(bodies, pa.binary())])

    def _all(self, requests: Iterable[_Request], kind: int) -> None:
        following = iter(requests)
        idle = [self._easy(kind) for _ in range(self.at_once)]
        busy: dict[pycurl.Curl, _Request] = {}
        is_over = False
        while busy or not is_over:
            while idle and not is_over:
                request = next(following, None)
                if request is None:
                    is_over = True
                else:
                    easy = idle.pop()
                    busy[easy] = request
                    self._begin(easy, request)
            self._multi.perform()
            left = 1
            while left:
                left, good, bad = self._multi.info_read()
                if bad:
                    raise OSError(bad)
                for easy in good:
                    self._multi.remove_handle(easy)
                    busy.pop(easy).end(easy)
                    idle.append(easy)
            if busy and (is_over or not idle):
                self._multi.select(1.0)
        for easy in idle:
            easy.close()

    def _begin(self, easy: pycurl.Curl, request: _Request) -> None:
        easy.setopt(pycurl.URL, self._base + request.key)
        easy.setopt(pycurl.WRITEFUNCTION, request.take)
        if request.body is not None:
            easy.setopt(pycurl.INFILESIZE_LARGE, os.fstat(request.body.fileno()).st_size)
            easy.setopt(pycurl.READFUNCTION, request.body.read)
        self._multi.add_handle(easy)

    def _easy(self, kind: int) -> pycurl.Curl:
        easy = pycurl.Curl()
        settings: dict[int, Any] = {
            pycurl.NOSIGNAL: 1,
            pycurl.FAILONERROR: 1,
            pycurl.BUFFERSIZE: _BUFFER,
            pycurl.UPLOAD_BUFFERSIZE: _BUFFER,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.HTTPHEADER: ["Expect:"],
            kind: 1,
        }
        if self.site.ca is not None:
            settings[pycurl.CAINFO] = self.site.ca
        for option, value in settings.items():
            easy.setopt(option, value)
        return easy


class Bare256(Bare):
    name = "libcurl, a bare loop with 256 at once"
    at_once: ClassVar[int] = 256


def _ignore(_: object) -> None:
    """What nobody wants to know."""
