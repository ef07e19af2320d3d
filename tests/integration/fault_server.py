"""A server that answers as a test tells it to: too little, too much, something else, or nothing."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection
from typing import Any, BinaryIO, Literal
from urllib.parse import parse_qs

import attrs
from tests.integration.servers import S3Server

Then = Literal["go on", "close", "reset", "hang"]
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@attrs.frozen
class Asked:
    """A request.

    Args:
        number: Its place among all, from 0.
        method: GET, HEAD, PUT, POST or DELETE.
        path: With its parameters.
        headers: By their names in small letters.
        body: What was sent.
    """

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@attrs.frozen
class Said:
    """What is answered.

    Args:
        data: From the status line on.
        then: What becomes of the connection.
    """

    data: bytes
    then: Then = "go on"


def said(status: str, body: bytes = b"", *, then: Then = "go on", **headers: object) -> Said:
    """An answer; its length is that of the body unless a header says another."""
    told = {"Content-Length": len(body)} | {n.replace("_", "-"): v for n, v in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return Said(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body, then)


def crc32(body: bytes) -> str:
    """The CRC-32 of a body, as S3 tells it."""
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def object_of(
    body: bytes,
    *,
    etag: str = '"1"',
    sent: bytes | None = None,
    told: Mapping[str, str] | None = None,
) -> Callable[[Asked], Said]:
    """How a store answers that has one object.

    Args:
        body: The object.
        etag: With its quotes.
        sent: The bytes that it sends, if they are others.
        told: What else it tells of the object with the whole of it.
    """
    body = body if sent is None else sent
    more: dict[str, Any] = dict(told or {})

    def answer(asked: Asked) -> Said:
        if asked.method == "PUT":
            return said("200 OK", ETag=etag)
        if asked.headers.get("if-match", etag) != etag:
            return said("412 Precondition Failed")
        span = _RANGE.fullmatch(asked.headers.get("range", ""))
        if asked.method == "HEAD" or span is None:
            shown = b"" if asked.method == "HEAD" else body
            return said("200 OK", shown, ETag=etag, Content_Length=len(body), **more)
        start, stop = int(span[1]), min(len(body), int(span[2] or len(body)) + 1)
        span_told = f"bytes {start}-{stop - 1}/{len(body)}"
        return said("206 Partial Content", body[start:stop], ETag=etag, Content_Range=span_told)

    return answer


class Uploads:
    """How a store answers that takes uploads in parts, and tells what they came with.

    Attributes:
        begun: The uploads that are neither completed nor aborted, by their ids: the paths.
        there: The objects, by their paths: the attempts that they came with.
    """

    def __init__(self) -> None:
        self.begun: dict[str, str] = {}
        self.there: dict[str, str] = {}
        self._attempts: dict[str, str] = {}

    def __call__(self, asked: Asked) -> Said:
        path, _, query = asked.path.partition("?")
        upload = parse_qs(query).get("uploadId", [""])[0]
        if query.startswith("uploads"):
            upload = f"upload-{asked.number}"
            self.begun[upload] = path
            self._attempts[upload] = asked.headers.get("x-amz-meta-file-dataset-attempt", "")
            name = "InitiateMultipartUploadResult"
            return said("200 OK", f"<{name}><UploadId>{upload}</UploadId></{name}>".encode())
        if asked.method == "HEAD":
            status = "200 OK" if path in self.there else "404 Not Found"
            return said(status, x_amz_meta_file_dataset_attempt=self.there.get(path, ""))
        if upload not in self.begun:
            return said("404 Not Found", b"<Error><Code>NoSuchUpload</Code></Error>")
        if asked.method == "PUT":
            return said("200 OK", ETag='"1"')
        self.begun.pop(upload)
        if asked.method == "DELETE":
            return said("204 No Content")
        self.there[path] = self._attempts[upload]
        return said("200 OK", b"<CompleteMultipartUploadResult/>")


class _Faulty:
    def __init__(self, answer: Callable[[Asked], Said]) -> None:
        self.asked: list[Asked] = []
        self._answer = answer
        self._lock = threading.Lock()
        self._held: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, name="a faulty server")]
        self._threads[0].start()

    def close(self) -> None:
        # Closing alone does not wake who waits in accept() or recv(). All that are held are known
        # once nobody is let in any more.
        _shut(self._listening)
        self._threads[0].join()
        for each in self._held:
            _shut(each)
        for thread in self._threads[1:]:
            thread.join()
        for each in (self._listening, *self._held):
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._held.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection.makefile("rb") as file:
            while (asked := self._read(file, connection)) is not None:
                answer = self._answer(asked)
                connection.sendall(answer.data)
                if answer.then == "reset":
                    # With no time to linger, closing is a reset.
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                if answer.then in ("close", "reset"):
                    break
                if answer.then == "hang":
                    return
            file.close()
            connection.close()

    def _read(self, file: BinaryIO, connection: socket.socket) -> Asked | None:
        lines = _lines(file)
        if not lines:
            return None
        method, path, _ = lines[0].decode().split(" ")
        named = [line.decode().partition(":") for line in lines[1:]]
        headers = {name.lower(): value.strip() for name, _, value in named}
        if "expect" in headers:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(headers.get("content-length", 0))
        body = file.read(length)
        if len(body) < length:
            return None
        with self._lock:
            asked = Asked(len(self.asked), method, path, headers, body)
            self.asked.append(asked)
        return asked


def _shut(open_still: socket.socket) -> None:
    with contextlib.suppress(OSError):
        open_still.shutdown(socket.SHUT_RDWR)


def _lines(file: BinaryIO) -> list[bytes]:
    """The head of a request; nothing if the connection ended before it did."""
    lines = []
    while (line := file.readline()) != b"\r\n":
        if not line:
            return []
        lines.append(line)
    return lines


def forwarded(address: str, asked: Asked, *, is_summed: bool = False) -> Said:
    """What the server at an address answers; with the CRC-32 of its body, if that is wanted."""
    connection = HTTPConnection(address)
    connection.request(asked.method, asked.path, asked.body or None, asked.headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    dropped = {"connection", "transfer-encoding", "content-length"}
    headers: dict[str, Any] = {n: v for n, v in answer.getheaders() if n.lower() not in dropped}
    length = answer.headers["content-length"] if asked.method == "HEAD" else len(body)
    if is_summed and answer.status == 200:
        headers["x-amz-checksum-crc32"] = crc32(body)
    return said(f"{answer.status} {answer.reason}", body, **headers | {"Content-Length": length})


@contextlib.contextmanager
def fault_server(answer: Callable[[Asked], Said]) -> Iterator[tuple[S3Server, list[Asked]]]:
    """A server, and what it has been asked, until the context ends.

    Args:
        answer: Called for each request, in several threads.
    """
    server = _Faulty(answer)
    try:
        yield S3Server(server.endpoint, "key", "secret"), server.asked
    finally:
        server.close()
