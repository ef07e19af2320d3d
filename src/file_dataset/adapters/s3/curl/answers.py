"""A server's answer: its head, and what it says if it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from html import unescape
from typing import TYPE_CHECKING, Any

from file_dataset.adapters.s3.checksums import TOLD
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}
_DESCRIBING = frozenset({"content-length", "content-range", "etag", "last-modified", *TOLD})
_said = re.compile(r"<(Code|Message|Region|Endpoint|BucketName)>([^<]*)</\1>").findall


def is_ended(lines: Sequence[bytes]) -> bool:
    """Whether the head of an answer is all there; what follows a body in pieces may come after."""
    for line in reversed(lines):
        if line in (b"\r\n", b"\n"):
            return True
        if line.startswith(b"HTTP/"):
            return False
    return False


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


def status(lines: Iterable[bytes]) -> int:
    """The status of an answer that has begun; of several, the last answer's."""
    last = [line for line in lines if line.startswith(b"HTTP/")][-1]
    return int(last.split()[1])


def described(lines: Iterable[bytes]) -> dict[str, str]:
    """As headers(), of those that describe an object, in a fraction of the time."""
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        known = _known(name)
        if known:
            found[known] = value.strip().decode("latin-1")
        elif known is not None:
            found.clear()
    return found


@lru_cache(maxsize=256)  # the names are those of the answer before, and the values are not
def _known(name: bytes) -> str | None:
    """The name of a header in small letters if it describes an object, "" for a status line."""
    if name.startswith(b"HTTP/"):
        return ""
    lower = name.rstrip(b" \t").decode("latin-1").lower()
    return lower if lower in _DESCRIBING else None


def object_info(url: Url, size: int, said: Mapping[str, str]) -> ObjectInfo:
    """An object as an answer describes it.

    Args:
        url: The object.
        size: Its size in bytes.
        said: The headers.
    """
    return ObjectInfo(url, size, _etag(said), moment(said.get("last-modified", "")))


def version(url: Url, size: int, said: Mapping[str, str]) -> ObjectInfo:
    """As object_info(); when it was written is only told where there is no etag.

    To read the time takes as long as all the rest, and of a version the etag says more.
    """
    etag = _etag(said)
    return object_info(url, size, said) if etag is None else ObjectInfo(url, size, etag)


def _etag(said: Mapping[str, str]) -> str | None:
    etag = said.get("etag")
    return None if etag is None else etag.strip('"')


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
