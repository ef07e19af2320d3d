"""What goes over the wire: a log of a client's requests, and answers put in a server's mouth."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

KEYS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "made-up-secret"}


class RequestLog:
    """The requests of a client, as ``(method, key)``, from when the log is made."""

    def __init__(self, client) -> None:
        self.requests: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self._lock = threading.Lock()
        # First, because moto answers in the same place and later handlers are not asked.
        client.meta.events.register_first("before-send.s3", self._note)

    def _note(self, *, request, **_: object) -> None:
        path = unquote(urlsplit(request.url).path)
        with self._lock:
            self.requests.append((request.method, path.lstrip("/")))
            self.headers.append({name: _text(value) for name, value in request.headers.items()})

    @property
    def methods(self) -> dict[str, int]:
        return dict(Counter(method for method, _ in self.requests))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class Answers:
    """Answers that a client gets instead of its server's; at None the server is asked."""

    def __init__(self, client, *answers: AWSResponse | None, operation: str = "*") -> None:
        self.left = list(answers)
        client.meta.events.register_first(f"before-send.s3.{operation}", self._next)

    def _next(self, *, request, **_: object) -> AWSResponse | None:
        given = self.left.pop(0) if self.left else None
        if given is not None:
            # botocore asks everyone and takes the first answer: moto must not do the work as well.
            request.url = "https://answered.invalid/"
            if hasattr(request.body, "read"):
                request.body.read()
        return given


class _Raw(io.BytesIO):
    def stream(self, **_: object):
        while chunk := self.read(1024):
            yield chunk


def answer(status: int, body: bytes = b"", **headers: str) -> AWSResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("content-length", str(len(body)))
    return AWSResponse("https://s3.example", status, HTTPHeaders.from_dict(named), _Raw(body))


def refusal(status: int, code: str, message: str = "", **headers: str) -> AWSResponse:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return answer(status, body.encode(), content_type="application/xml", **headers)
