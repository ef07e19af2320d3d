"""Stands before fake-gcs-server, and says in the JSON API what that lacks of the XML API.

obstore writes and copies by the XML API; the emulator reads, deletes and lists by it, and knows
uploads, copies and their conditions by the JSON API alone. What is passed on keeps its meaning:
which versions there are, and whether a condition holds, is for the emulator to say.
"""

from __future__ import annotations

import json
import sys
import threading
import uuid
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlencode

_CONDITION = "x-goog-if-generation-match"
_SOURCE = "x-goog-copy-source"
_HOP = frozenset({"connection", "transfer-encoding", "content-length", "host", "keep-alive"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    behind: str
    own = threading.local()

    def log_message(self, *_: object) -> None:
        pass

    def do_PUT(self) -> None:
        bucket, _, name = self.path.lstrip("/").partition("/")
        given = self.headers.get(_CONDITION)
        condition = {"ifGenerationMatch": given} if given is not None else {}
        body = self._body()
        if _SOURCE in self.headers:
            from_bucket, _, from_name = self.headers[_SOURCE].lstrip("/").partition("/")
            way = f"/storage/v1/b/{from_bucket}/o/{quote(unquote(from_name), safe='')}"
            way += f"/rewriteTo/b/{bucket}/o/{quote(unquote(name), safe='')}"
            status, told = self._asked("POST", f"{way}?{urlencode(condition)}", b"{}")
        else:
            query = urlencode({"uploadType": "multipart", **condition})
            kind, parts = _parts(unquote(name), body)
            way = f"/upload/storage/v1/b/{bucket}/o?{query}"
            status, told = self._asked("POST", way, parts, kind=kind)
        described = {}
        if status < 300:
            meta = json.loads(told)
            meta = meta.get("resource", meta)
            described = {"ETag": meta["etag"], "x-goog-generation": meta["generation"]}
        self._say(status, told if status >= 300 else b"", described)

    def do_GET(self) -> None:
        answer, body = self._passed_on(self.command, self.path, self._body(), dict(self.headers))
        told = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else None
        self._say(answer.status, body, told, length=length)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _asked(
        self, method: str, path: str, body: bytes, *, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        answer, told = self._passed_on(method, path, body, {"Content-Type": kind})
        return answer.status, told

    def _passed_on(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection(self.behind)
        kept = {name: value for name, value in headers.items() if name.lower() not in _HOP}
        connection.request(method, path, body, {**kept, "Content-Length": str(len(body))})
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        return answer, told

    def _say(
        self, status: int, body: bytes, described: dict[str, str], *, length: str | None = None
    ) -> None:
        self.send_response(status)
        for name, value in described.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _parts(name: str, body: bytes) -> tuple[str, bytes]:
    """An object as the JSON API takes it at once: the only upload whose conditions count."""
    mark = uuid.uuid4().hex
    head = f"--{mark}\r\nContent-Type: application/json\r\n\r\n{json.dumps({'name': name})}"
    kind = "Content-Type: application/octet-stream"
    before = f"{head}\r\n--{mark}\r\n{kind}\r\n\r\n".encode()
    return f"multipart/related; boundary={mark}", before + body + f"\r\n--{mark}--".encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    _Handler.behind = sys.argv[1]
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    # It ends with who started it, who holds the other end.
    sys.stdin.read()
