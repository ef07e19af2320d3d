"""Large uploads: boto3 begins and completes them, and libcurl carries the parts."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from file_dataset.adapters.s3.values import named, unchanging
from file_dataset.domain.objects import Span
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from file_dataset.adapters.s3.curl.carrier import Carrier

_log = logging.getLogger("file_dataset")

# S3's limits: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_SMALLEST_PART: Final = 5 * 2**20
_MOST_PARTS: Final = 10_000


@attrs.frozen
class Part:
    """A part of an upload.

    Args:
        number: Its place, from 1.
        span: Its bytes of the file.
    """

    number: int
    span: Span


def parts_of(size: int, *, part_size: int) -> list[Part]:
    """The parts of a file, as large as asked for unless S3 wants fewer or larger ones.

    Args:
        size: Of the file, in bytes.
        part_size: In bytes.

    >>> [part.span.length for part in parts_of(12 * 2**20, part_size=5 * 2**20)]
    [5242880, 5242880, 2097152]
    """
    length = max(part_size, _SMALLEST_PART, -(-size // _MOST_PARTS))
    return [
        Part(number, Span(start, min(length, size - start)))
        for number, start in enumerate(range(0, size, length), 1)
    ]


def upload_parts(
    client: S3Client, carrier: Carrier, path: Path, url: Url, parts: Sequence[Part], *, at_once: int
) -> None:
    """Make an object of a file's parts; if that fails, nothing is left of them.

    Args:
        client: Begins, completes and aborts the upload; its errors are raised as they are.
        carrier: Sends the parts.
        path: The file.
        url: The object.
        parts: The parts.
        at_once: How many parts may be under way at a time.

    Raises:
        StoreError: If a part cannot be sent.
        Declined: If boto3 has to do it all.
    """
    with begun(client, url) as upload:
        with unchanging(path):
            etags = carrier.send_parts(path, url, parts, upload=upload, at_once=at_once)
        complete(client, url, upload, etags)


@contextlib.contextmanager
def begun(client: S3Client, url: Url, **metadata: str) -> Iterator[str]:
    """The id of a new upload, which is aborted if the body fails.

    Args:
        client: Its errors are raised as they are.
        url: The object.
        metadata: What the object will have by way of its own metadata.
    """
    upload = client.create_multipart_upload(**named(url), Metadata=metadata)["UploadId"]
    try:
        yield upload
    except BaseException:
        _abort(client, url, upload)
        raise


def complete(client: S3Client, url: Url, upload: str, etags: Sequence[str]) -> None:
    """Make the object of an upload's parts, whose etags are given in their order."""
    client.complete_multipart_upload(
        **named(url),
        UploadId=upload,
        MultipartUpload={
            "Parts": [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        },
    )


def _abort(client: S3Client, url: Url, upload: str) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client.abort_multipart_upload(**named(url), UploadId=upload)
    except (BotoCoreError, ClientError) as error:
        # What went wrong before is what the user has to know; this costs a little space.
        _log.warning("Could not abort the upload %s of %s: %s", upload, url.redacted, error)
