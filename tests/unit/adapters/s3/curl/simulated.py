"""A network that is none: exchanges with a server made of a function, in any order and pieces."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import attrs
import pycurl

from file_dataset.adapters.s3.carried import Carried
from file_dataset.adapters.s3.curl.bodies import Body, Sendable
from file_dataset.adapters.s3.curl.drive import Drive
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.places import Place
from file_dataset.adapters.s3.curl.signing import Keys
from file_dataset.adapters.s3.curl.tasks import Streams
from file_dataset.domain.url import Url

URL = Url.parse("s3://bucket/dir/key")
PLACE = Place("http://127.0.0.1:9000/bucket/", "127.0.0.1:9000", "/bucket/", None, hashes=False)


@attrs.frozen
class Asked:
    """A request, as the server sees it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    lines: list[str]

    @property
    def key(self) -> str:
        return self.url.removeprefix(PLACE.base).partition("?")[0]


@attrs.frozen
class Answer:
    """What the server answers; a fault is libcurl's number for how it ends too early."""

    status: int = 200
    headers: dict[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    fault: int = 0
    before: tuple[bytes, ...] = ()

    @property
    def head(self) -> list[bytes]:
        lines = [f"{name}: {value}\r\n" for name, value in self.headers.items()]
        said = (f"HTTP/1.1 {self.status} So\r\n", *lines, "\r\n")
        return [*self.before, *(line.encode("latin-1") for line in said)]


def whole(body: bytes, **headers: str) -> Answer:
    described = {"Content-Length": str(len(body)), "ETag": '"one"'}
    return Answer(200, described | headers, body)


def refusal(status: int, code: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, f"<Error><Code>{code}</Code></Error>".encode() if code else b"")


def read_by_libcurl(data: Sendable) -> bytes:
    """What libcurl reads of a body; less than all if it is told to break off."""
    body = Body()
    body.begin(data)
    pieces: list[bytes] = []
    while not body.is_sent and isinstance(piece := body.read(2**18), bytes):
        pieces.append(piece)
    return b"".join(pieces)


class Transfer:
    """An exchange under way."""

    def __init__(self, exchange: Exchange, answer: Answer) -> None:
        self.exchange = exchange
        self.answer = answer
        self.at = -1

    def advance(self, size: int) -> Exchange | None:
        """Bring the head, then so much of the body, then the end."""
        exchange, answer = self.exchange, self.answer
        if self.at < 0:
            if answer.status:
                exchange.head.extend(answer.head)
            self.at = 0
        elif self.at < len(answer.body):
            piece = answer.body[self.at : self.at + size]
            self.at += len(piece)
            if exchange.receive(piece) not in (None, len(piece)):
                return self._end(pycurl.E_WRITE_ERROR)
        else:
            return self._end(answer.fault)
        return None

    def _end(self, fault: int) -> Exchange:
        self.exchange.status = self.answer.status
        self.exchange.latency = 0.001
        self.exchange.fault, self.exchange.message = fault, "simulated" if fault else ""
        return self.exchange


class Handles:
    """In place of libcurl's handles; the seed decides what comes when, and in what pieces."""

    def __init__(self, server: Callable[[Asked], Answer], *, seed: int = 0) -> None:
        self.now = 1000.0
        self.asked: list[Asked] = []
        self.most = 0
        self.most_bytes = 0
        self.waits: list[float] = []
        self._server = server
        self._random = random.Random(seed)
        self._busy: dict[Exchange, Transfer] = {}
        # Whose time is no simulated one.
        self.has_helpers = False
        self._rung = threading.Event()

    def __len__(self) -> int:
        return len(self._busy)

    def start(self, exchange: Exchange, url: str, lines: list[str]) -> None:
        assert exchange not in self._busy
        assert not exchange.head
        assert not exchange.said
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        body = None if exchange.body is None else read_by_libcurl(exchange.body)
        asked = Asked(exchange.method, url, headers, body, lines)
        self.asked.append(asked)
        was_cut = body is not None and len(body) < len(exchange.body or b"")
        answer = Answer(0, fault=pycurl.E_ABORTED_BY_CALLBACK) if was_cut else self._server(asked)
        self._busy[exchange] = Transfer(exchange, answer)
        self.most = max(self.most, len(self._busy))
        bodies = [each.body for each in self._busy]
        sending = sum(len(body) for body in bodies if isinstance(body, bytes | memoryview))
        self.most_bytes = max(self.most_bytes, sending)

    def stop(self, exchange: Exchange) -> None:
        self._busy.pop(exchange, None)

    def stop_all(self) -> None:
        self._busy.clear()

    def ring(self) -> None:
        self._rung.set()

    def wait(self, seconds: float) -> Iterator[Exchange]:
        assert self._busy or seconds < float("inf"), "nothing would ever end this wait"
        self.waits.append(seconds)
        if not self._busy and self.has_helpers:
            assert self._rung.wait(10), "nobody rang"
        self._rung.clear()
        self.now += 0.001 if self._busy else seconds
        ended = [self._step() for _ in range(self._random.randint(1, 8)) if self._busy]
        for each in ended:
            # What was stopped meanwhile does not end any more.
            if each is not None and self._busy.pop(each, None) is not None:
                yield each

    def _step(self) -> Exchange | None:
        transfer = self._random.choice(list(self._busy.values()))
        if transfer.exchange.status:
            return None
        return transfer.advance(self._random.choice([1, 7, 50, 1000]))


class Unhurried:
    """A pace that is always the same, and takes notes."""

    def __init__(self, most: int = 4, *, bytes_at_once: int = 2**40) -> None:
        self.served = 0
        self.bytes_at_once = bytes_at_once
        self.pauses: list[float] = []
        self.may_wait = True
        self._most = most
        self._next = 0.0

    def wait(self, under_way: int, now: float) -> float:
        return float("inf") if under_way >= self._most else max(0.0, self._next - now)

    def sent(self, now: float) -> None:
        pass

    def answered(self, latency: float, now: float) -> None:
        self.served += 1

    def throttled(self, sent: float, now: float, *, pause: float = 0.0) -> bool:
        assert sent <= now
        self.pauses.append(pause)
        self._next = now + max(pause, 0.01)
        return self.may_wait


def no_keys() -> Keys:
    raise AssertionError("nothing is signed here")


def drive_of(
    makes: Iterable[Callable[[], Any]],
    handles: Handles,
    *,
    streams: Streams | None = None,
    pace: object = None,
    keys: Callable[[], Keys] = no_keys,
) -> Drive:
    return Drive(
        iter(enumerate(makes)),
        cast(Any, handles),
        cast(Any, pace or Unhurried()),
        keys,
        streams or Streams(0),
        clock=lambda: handles.now,
    )


def driven(drive: Drive, *, steps: int = 20_000) -> list[Carried]:
    """What becomes of a drive's tasks, which is to be clear after so many steps."""
    carried: list[Carried] = []
    for _ in range(steps):
        if drive.is_over:
            return carried
        carried += drive.step(may_send=True)
    raise AssertionError(f"not over after {steps} steps")


def carried_out(make, answer, *, seed=0):
    """What becomes of one task, and what was asked for it."""
    handles = Handles(answer if callable(answer) else lambda asked: answer, seed=seed)
    (carried,) = driven(drive_of([make], handles))
    return carried.value, handles.asked
