"""Parts of uploads, each by one request or two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypedDict

from file_dataset.adapters.s3.multipart import Part
from file_dataset.adapters.s3.values import copied, named
from file_dataset.domain.errors import StoreError
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_NOT_IMPLEMENTED: Final = 501


class _Version(TypedDict, total=False):
    CopySourceIfMatch: str
    CopySourceRange: str


class _IfMatch(TypedDict, total=False):
    IfMatch: str


class _Range(TypedDict, total=False):
    Range: str


class NotCopied(Exception):  # noqa: N818 - no error: the bytes are brought here instead
    """The server does not copy parts."""


class MakePart(Protocol):
    """One of the ways to make a part of an object's bytes."""

    def __call__(
        self,
        client: S3Client,
        source: ObjectInfo,
        url: Url,
        part: Part,
        upload: str,
        *,
        whole: bool,
    ) -> str:
        """Make the part; gives its etag. ``whole`` says that it is the only one."""


def copy_part(
    client: S3Client, source: ObjectInfo, url: Url, part: Part, upload: str, *, whole: bool
) -> str:
    """Let the server copy a part. Raises NotCopied if it cannot do that."""
    if not source.size:
        return send_part(client, url, part, upload, b"")
    try:
        answer = client.upload_part_copy(
            **named(url),
            UploadId=upload,
            PartNumber=part.number,
            CopySource=copied(source.url),
            **_version_copied(source, part, whole=whole),
        )
    except client.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == _NOT_IMPLEMENTED:
            raise NotCopied from error
        raise
    etag = answer.get("CopyPartResult", {}).get("ETag")
    if not etag:
        # The server does not know such requests, and has taken it for a part that is empty.
        raise NotCopied
    return etag


def _version_copied(source: ObjectInfo, part: Part, *, whole: bool) -> _Version:
    """Which bytes of which version; of small objects S3 copies no ranges."""
    copying: _Version = {}
    if source.etag is not None:
        copying["CopySourceIfMatch"] = f'"{source.etag}"'
    if not whole:
        copying["CopySourceRange"] = _bytes(part)
    return copying


def bring_part(
    client: S3Client, source: ObjectInfo, url: Url, part: Part, upload: str, *, whole: bool
) -> str:
    """Read a part, and send it."""
    version: _IfMatch = {} if source.etag is None else {"IfMatch": f'"{source.etag}"'}
    span: _Range = {} if whole else {"Range": _bytes(part)}
    data = client.get_object(**named(source.url), **version, **span)["Body"].read()
    return send_part(client, url, part, upload, data)


def _bytes(part: Part) -> str:
    return f"bytes={part.span.start}-{part.span.start + (part.span.length or 0) - 1}"


def send_part(client: S3Client, url: Url, part: Part, upload: str, data: bytes) -> str:
    """Send a part; gives its etag."""
    if len(data) != (part.span.length or 0):
        raise StoreError(
            f"{url.redacted}: what it is made of changed its length while it was being uploaded"
        )
    answer = client.upload_part(**named(url), UploadId=upload, PartNumber=part.number, Body=data)
    return answer["ETag"]
