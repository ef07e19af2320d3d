"""A server's answer: its head, and what it says if it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import unescape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}
_describing = re.compile(
    r"^(content-length|etag|last-modified):[ \t]*(.*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
).findall
_said = re.compile(r"<(Code|Message|Region|Endpoint|BucketName)>([^<]*)</\1>").findall


def headers(lines: Iterable[bytes]) -> dict[str, str]:
    """The headers of an answer by their names in small letters; of several, the last answer's."""
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"HTTP/"):
            found.clear()
            continue
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            found[name.lower()] = value.strip()
    return found


def described(lines: Iterable[bytes]) -> dict[str, str]:
    """As headers(), of those that describe an object, in a third of the time."""
    text = b"".join(lines).decode("latin-1")
    last = max(0, text.rfind("\nHTTP/"))
    return {name.lower(): value for name, value in _describing(text, last)}


def moment(text: str) -> datetime | None:
    """The time that a header tells in the format of RFC 9110, or None if it is another.

    >>> moment("Sun, 06 Nov 1994 08:49:37 GMT").isoformat()
    '1994-11-06T08:49:37+00:00'
    """
    # Several times as quick as the standard library's parser of all that e-mails may say.
    try:
        _, day, month, year, clock, zone = text.split()
        hour, minute, second = clock.split(":")
        found = datetime(
            int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except (ValueError, KeyError, OverflowError):
        return None
    return found if zone == "GMT" else None


def refusal(status: int, headers: Mapping[str, str], body: bytes, operation: str) -> ClientError:
    """A refusal as botocore would raise it, for those who know what to make of one."""
    from botocore.exceptions import ClientError

    error: dict[str, Any] = {
        name: unescape(text) for name, text in _said(body.decode("utf-8", "replace"))
    }
    error.setdefault("Code", str(status))
    metadata = {
        "HTTPStatusCode": status,
        "HTTPHeaders": dict(headers),
        "RequestId": headers.get("x-amz-request-id", "without an id"),
        "RetryAttempts": 0,
    }
    return ClientError({"Error": error, "ResponseMetadata": metadata}, operation)  # type: ignore[typeddict-item]
