"""What web servers answer, and what it means."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import attrs

from file_dataset.domain.errors import (
    NotFoundError,
    PermissionDeniedError,
    RangeNotSatisfiableError,
    StoreError,
    ThrottledError,
    TransientError,
)
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url

_KNOWN: Final = frozenset(map(int, HTTPStatus))
_RANGE: Final = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


@attrs.frozen
class Answer:
    """The head of an answer.

    Args:
        status: Its code.
        headers: By their names in small letters.
        size: How many bytes of a body came.
    """

    status: int
    headers: Mapping[str, str]
    size: int = 0

    @property
    def length(self) -> int | None:
        """How long the server said that the body is."""
        told = self.headers.get("content-length", "")
        return int(told) if told.isdecimal() else None

    @property
    def range(self) -> tuple[int | None, int] | None:
        """Where a part begins, if it is one, and the size of the whole object."""
        found = _RANGE.fullmatch(self.headers.get("content-range", ""))
        return found and (int(found[1]) if found[1] else None, int(found[2]))

    def info(self, url: Url, size: int) -> ObjectInfo:
        """What it says of an object of so many bytes."""
        etag = self.headers.get("etag", "")
        # A weak one does not tell one byte from another.
        strong = etag.strip('"') if etag and not etag.startswith("W/") else None
        return ObjectInfo(url, size, strong, _time(self.headers.get("last-modified", "")))


def _time(text: str) -> datetime | None:
    with contextlib.suppress(ValueError):
        told = parsedate_to_datetime(text)
        return told if told.tzinfo is not None else told.replace(tzinfo=UTC)
    return None


def refused(answer: Answer, url: Url) -> StoreError:
    """The error that an answer without the object stands for."""
    status = answer.status
    name = f"{url.redacted}:"
    phrase = HTTPStatus(status).phrase if status in _KNOWN else "an unknown status"
    said = f"{status} {phrase}"
    if status in (404, 410):
        return NotFoundError(f"{name} not found ({said})", url=url)
    if status in (401, 403):
        return PermissionDeniedError(
            f"{name} permission denied ({said}); the server wants other credentials, a signed URL "
            f"may have expired, and some say so of what is missing",
            url=url,
        )
    if status == 416:
        return RangeNotSatisfiableError(f"{name} the span is past the end", url=url)
    if status in (429, 503):
        return ThrottledError(
            f"{name} the server asks to slow down ({said})",
            retry_after=_seconds(answer.headers.get("retry-after", "")),
            url=url,
        )
    if status == 408 or status >= 500:
        return TransientError(f"{name} the server failed ({said})", url=url)
    return StoreError(f"{name} the server answered {said}", url=url)


def _seconds(text: str) -> float | None:
    return float(text) if text.isdecimal() else None
