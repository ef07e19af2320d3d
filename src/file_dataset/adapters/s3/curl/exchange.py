"""One request and its answer over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from file_dataset.adapters.s3.curl.bodies import FileSpan, Sendable
from file_dataset.adapters.s3.curl.signing import EMPTY

if TYPE_CHECKING:
    from file_dataset.adapters.s3.curl.tasks import Task

BREAK_OFF: Final = -1
"""What ``receive`` returns so that no more of the answer comes."""


class Exchange:
    """One request and its answer over HTTP.

    Args:
        task: Whom it is for.
        method: GET, HEAD, PUT, POST or DELETE.
        take: Takes the answer's body, piece by piece, and the exchange before each; without one,
            ``said`` does.
        headers: What is sent and signed besides the usual.
        query: The parameters, quoted and sorted, each with a ``=``.
        body: What is sent.
        payload: The SHA-256 of the body in hexadecimal digits, or UNSIGNED.
        once: Whether it would not be the same to send it twice.

    Attributes:
        head: The lines of the answer's head.
        said: The pieces of its body that are kept in memory.
        status: The answer's status; 0 until there is one.
        code: What the server calls the reason of its refusal.
        fault: libcurl's number for what went wrong; 0 if it came to an answer.
        message: What libcurl says of it.
        latency: Seconds between the end of the request and the first byte of the answer.
        raised: What taking its body raised, so that it was broken off.
        received: How many bytes of the body came, if it broke off.
        sent: When it was sent, in seconds since some moment.
        served: How many others had been served when it was refused last for coming too fast.
        passed_over: How often it was refused for that while others were served.
    """

    __slots__ = (
        "body",
        "code",
        "fault",
        "head",
        "headers",
        "latency",
        "message",
        "method",
        "once",
        "passed_over",
        "payload",
        "query",
        "raised",
        "received",
        "said",
        "sent",
        "served",
        "status",
        "take",
        "task",
    )

    def __init__(
        self,
        task: Task,
        method: str,
        take: Callable[[Exchange, bytes], int | None] | None = None,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        query: str = "",
        body: Sendable | None = None,
        payload: str = EMPTY,
        once: bool = False,
    ) -> None:
        self.task: Task = task
        self.method: str = method
        self.said: list[bytes] = []
        self.take: Callable[[Exchange, bytes], int | None] | None = take
        self.headers: tuple[tuple[str, str], ...] = headers
        self.query: str = query
        self.body: Sendable | None = body
        self.payload: str = payload
        self.once: bool = once
        self.head: list[bytes] = []
        self.status: int = 0
        self.code: str = ""
        self.fault: int = 0
        self.message: str = ""
        self.latency: float = 0.0
        self.raised: Exception | None = None
        self.received: int = 0
        self.sent: float = 0.0
        self.served: int = 0
        self.passed_over: int = 0

    @property
    def held(self) -> int:
        """How many bytes of what is sent are in memory meanwhile."""
        return 0 if self.body is None or isinstance(self.body, FileSpan) else len(self.body)

    def receive(self, data: bytes) -> int | None:
        """Take a piece of the answer's body, as libcurl hands it over."""
        # It would not let an exception through.
        try:
            if self.take is not None:
                return self.take(self, data)
            self.said.append(data)
        except Exception as raised:  # noqa: BLE001 - told by who asked
            self.raised = raised
            return BREAK_OFF
        return None

    def take_said(self) -> bytes:
        """The body that was kept in memory; it is let go of."""
        return b"".join(self.take_pieces())

    def take_pieces(self) -> list[bytes]:
        """As take_said(), in the pieces in which it came."""
        pieces, self.said = self.said, []
        return pieces

    def begin_anew(self) -> None:
        """Forget the answer; the request is sent again."""
        self.head.clear()
        self.said.clear()
        self.status = 0
        self.code = ""
