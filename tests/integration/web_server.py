"""A web server with the ways of many, in a process of its own.

``/files/...`` are objects, by their names with percent-escapes decoded. What comes before says how
they are served: ``/no-head/files/...`` refuses HEAD, ``/no-range``, ``/no-length``, ``/cut``,
``/redirect?to=...``,
``/circle``, ``/status/503``.
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

if TYPE_CHECKING:
    from tests.integration.authority import Certificates

_SPAN = re.compile(r"bytes=(\d+)-(\d*)")


@attrs.frozen
class WebServer:
    """Where such a server listens.

    Args:
        endpoint: Its URL.
        objects: What it has, by their names.
        authority: The certificate by which clients know it, if it speaks TLS.
    """

    endpoint: str
    objects: Mapping[str, bytes]
    authority: Path | None = None

    def seen(self) -> list[dict[str, str]]:
        """The requests since this was last asked."""
        known = self.authority
        context = None if known is None else ssl.create_default_context(cafile=known)
        with urllib.request.urlopen(f"{self.endpoint}/-/seen", context=context) as answer:
            found: list[dict[str, str]] = json.load(answer)
            return found


@contextlib.contextmanager
def web_server(
    objects: Mapping[str, bytes], *, tls: Certificates | None = None
) -> Iterator[WebServer]:
    """A server of some objects, until the context ends."""
    files = [str(tls.certificate), str(tls.key)] if tls else []
    with subprocess.Popen(
        [sys.executable, __file__, *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        held = {name: data.hex() for name, data in objects.items()}
        process.stdin.write(json.dumps(held) + "\n")
        process.stdin.flush()
        port = process.stdout.readline().strip()
        assert port, "the server did not start"
        scheme = "https" if tls else "http"
        authority = None if tls is None else tls.authority
        yield WebServer(f"{scheme}://127.0.0.1:{port}", objects, authority)
        process.stdin.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    objects: Mapping[str, bytes]
    seen: list[dict[str, str]]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        way, files, name = parts.path.partition("/files/")
        if self.path == "/-/seen":
            told = json.dumps(self.seen).encode()
            self.seen.clear()
            return self._say(200, told)
        self.seen.append({"method": self.command, "path": self.path, **dict(self.headers)})
        if way.startswith("/status/"):
            return self._say(int(way.rpartition("/")[2]), b"no", {"Retry-After": "7"})
        if way in ("/circle", "/redirect"):
            to = self.path if way == "/circle" else parse_qs(parts.query)["to"][0]
            return self._say(302, b"elsewhere", {"Location": to})
        data = self.objects.get(unquote(name)) if files else None
        if data is None:
            return self._say(404, b"nothing here")
        return self._serve(way, data)

    def _serve(self, way: str, data: bytes) -> None:
        described = {
            "ETag": f'"{len(data)}"' if way != "/weak" else f'W/"{len(data)}"',
            "Last-Modified": "Sat, 21 Nov 2026 12:00:00 GMT",
        }
        span = _SPAN.fullmatch(self.headers.get("Range", ""))
        if self.command == "HEAD" and way == "/no-head":
            self._say(403, b"")
        elif way == "/no-length":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)
            self.close_connection = True
        elif way == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(data) + 1))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)
            self.close_connection = True
        elif span and way not in ("/no-range", "/other-range"):
            start, stop = int(span[1]), min(int(span[2] or len(data)) + 1, len(data))
            if start >= len(data):
                self._say(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            told = f"bytes {start}-{stop - 1}/{len(data)}"
            self._say(206, data[start:stop], {**described, "Content-Range": told})
        elif span and way == "/other-range":
            self._say(206, data, {**described, "Content-Range": f"bytes 1-1/{len(data)}"})
        else:
            self._say(200, data, described)

    def _say(self, status: int, body: bytes, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _serve() -> None:
    held = json.loads(sys.stdin.readline())
    _Handler.objects = {name: bytes.fromhex(data) for name, data in held.items()}
    _Handler.seen = []
    import threading

    server = _Server(("127.0.0.1", 0), _Handler)
    if sys.argv[1:]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[1:])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    # It ends with who started it, who holds the other end.
    sys.stdin.read()


if __name__ == "__main__":
    _serve()
