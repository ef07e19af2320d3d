"""What boto3 writes, with the MD5 by which the store can tell that it got the right bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, MutableMapping
from typing import IO, TYPE_CHECKING, Any, Final

from file_dataset.adapters.s3.checksums import check_kept, digest_header
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_OBJECT: Final = "file_dataset.object"
_SENT: Final = "file_dataset.sent_md5"
_CHUNK: Final = 2**20


def compare_what_is_written(client: S3Client) -> None:
    """Make a client tell the MD5 of what it writes, and look at what the store answers."""
    for operation in ("PutObject", "UploadPart"):
        client.meta.events.register(f"before-parameter-build.s3.{operation}", _note)
        client.meta.events.register(f"before-call.s3.{operation}", _tell)
        client.meta.events.register(f"after-call.s3.{operation}", _compare)


def _note(*, params: Mapping[str, Any], context: MutableMapping[str, Any], **_: object) -> None:
    context[_OBJECT] = Url("s3", params["Bucket"], params["Key"])


def _tell(*, params: Mapping[str, Any], context: MutableMapping[str, Any], **_: object) -> None:
    digest = _md5(params["body"])
    name, value = digest_header(digest)
    params["headers"][name] = value
    context[_SENT] = digest


def _compare(*, parsed: Mapping[str, Any], context: Mapping[str, Any], **_: object) -> None:
    if "Error" not in parsed:
        check_kept(context[_OBJECT], parsed["ResponseMetadata"]["HTTPHeaders"], context[_SENT])


def _md5(body: bytes | IO[bytes]) -> bytes:
    if isinstance(body, (bytes, bytearray)):
        return hashlib.md5(body, usedforsecurity=False).digest()
    found = hashlib.md5(usedforsecurity=False)
    start = body.tell()
    while chunk := body.read(_CHUNK):
        found.update(chunk)
    body.seek(start)
    return found.digest()
