"""A page of a listing, by GET, and what its XML says.

The format is that of ListObjectsV2:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import unescape
from typing import Final, TypeAlias
from urllib.parse import quote, unquote_plus

from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.places import Place
from file_dataset.adapters.s3.curl.tasks import Task
from file_dataset.adapters.s3.values import Page
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url

_BEGIN: Final = "<Contents>"
# How nearly all servers say it: reading 1,000 keys this way takes a fraction of the time that a
# parser of XML does, whose events are calls of Python.
_usual = re.compile(
    "<Contents><Key>([^<]*)</Key><LastModified>([^<]*)</LastModified><ETag>([^<]*)</ETag>"
    "(?:<Checksum(?:Algorithm|Type)>[^<]*</Checksum(?:Algorithm|Type)>)*<Size>([^<]*)</Size>"
).findall
# All that a page says of objects, in the order in which it says it.
_said = re.compile(r"<(Contents|Key|LastModified|ETag|Size)>([^<]*)").findall
_common = re.compile(r"<CommonPrefixes>\s*<Prefix>([^<]*)<").findall
_token = re.compile(r"<NextContinuationToken>([^<]*)<").search
_END: Final = "</ListBucketResult>"

# Of an object: its key, its time and its tag if they are told, and its size.
_Said: TypeAlias = tuple[str, str | None, str | None, str]


class ListPage(Task):
    """A page of what is below a prefix; it gives the page, and the token of the next or nothing.

    Args:
        prefix: The prefix.
        place: How its bucket is addressed.
        delimiter: What ends the names of the direct children, or nothing for all objects.
        start: What the keys go on with below the prefix.
        token: What the page before said of this one.
        after: Begin after this key.
    """

    operation = "ListObjectsV2"

    def __init__(
        self,
        prefix: Url,
        place: Place,
        *,
        delimiter: str,
        start: str = "",
        token: str = "",
        after: str = "",
    ) -> None:
        super().__init__(prefix, place)
        # Of a bucket itself only the place tells how it is addressed.
        self.key = ""
        asked = {
            "continuation-token": token,
            "delimiter": delimiter,
            "encoding-type": "url",
            "list-type": "2",
            "prefix": prefix.stem + start,
            "start-after": after,
        }
        self._query = "&".join(
            f"{name}={quote(value, safe='-_.~')}" for name, value in asked.items() if value
        )

    def begin(self) -> Exchange:
        """The request."""
        return Exchange(self, "GET", query=self._query)

    def end(self, exchange: Exchange) -> tuple[Page, str]:
        """What the page says. Raises Declined if it is none."""
        text = b"".join(exchange.said).decode()
        if not text.rstrip().endswith(_END):
            raise Declined
        token = _token(text)
        page = _page(text, self.url, exchange.latency)
        return page, unescape(token[1]) if token else ""


def _page(text: str, prefix: Url, latency: float) -> Page:
    quoted = "<EncodingType>url</EncodingType>" in text
    scheme, bucket = prefix.scheme, prefix.authority
    objects: list[ObjectInfo] = []
    usual: Sequence[_Said] = _usual(text)
    for name, modified, etag, size in usual if len(usual) == text.count(_BEGIN) else _odd(text):
        key = _name(name, quoted=quoted)
        if not key.endswith("/"):
            time = None if modified is None else datetime.fromisoformat(modified)
            url = Url(scheme, bucket, key)
            objects.append(ObjectInfo(url, int(size), None if etag is None else _tag(etag), time))
    return Page(objects, [_name(found, quoted=quoted) for found in _common(text)], latency)


def _odd(text: str) -> Iterator[_Said]:
    """What a page says of objects, in whatever order it does."""
    fields: dict[str, str] = {}
    for name, value in [*_said(text), ("Contents", "")]:
        if name != "Contents":
            fields[name] = value
        elif fields:
            yield fields["Key"], fields.get("LastModified"), fields.get("ETag"), fields["Size"]
            fields = {}


def _name(text: str, *, quoted: bool) -> str:
    if "&" in text:
        text = unescape(text)
    return unquote_plus(text) if quoted and ("%" in text or "+" in text) else text


def _tag(text: str) -> str:
    return (unescape(text) if "&" in text else text).strip('"')
