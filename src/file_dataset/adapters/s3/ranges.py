"""A guard against servers that answer a request for a range with other bytes than those."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from file_dataset.domain.errors import StoreError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_ASKED = "file_dataset.asked_range"
_ASKED_FROM = re.compile(r"bytes=(\d+)-")
_SENT_FROM = re.compile(r"bytes (\d+)-\d*/\d+")


class RangeIgnoredError(StoreError):
    """The server sends the object from its beginning, whatever was asked for."""


def sent_from(content_range: str) -> int | None:
    """With which byte of an object an answer begins, by its Content-Range; None if it has none."""
    found = _SENT_FROM.fullmatch(content_range)
    return None if found is None else int(found[1])


def refuse_other_ranges(client: S3Client) -> None:
    """Make a client check each answer's range.

    s3transfer writes what it gets where it should go, so that a server, or a proxy, which
    answers each request for a part with the whole object would leave a file of pieces.
    """
    client.meta.events.register("before-call.s3.GetObject", _remember)
    client.meta.events.register("after-call.s3.GetObject", _check)


def _remember(*, params: Mapping[str, Any], context: MutableMapping[str, Any], **_: object) -> None:
    context[_ASKED] = params["headers"].get("Range", "")


def _check(*, parsed: Mapping[str, Any], context: Mapping[str, Any], **_: object) -> None:
    asked = _ASKED_FROM.match(context.get(_ASKED, ""))
    if asked is None or "Error" in parsed:
        return
    # Without an end, or a length, s3transfer would wait for ever.
    sent = parsed.get("ContentRange") or f"bytes 0-/{parsed.get('ContentLength', '*')}"
    if sent_from(sent) != int(asked[1]):
        parsed["Body"].close()
        raise RangeIgnoredError(
            f"the store was asked for {context[_ASKED]!r} and answers with {sent!r}, which are "
            f"other bytes than were asked for, or does not say how long the object is"
        )
