"""How many HTTP requests this library's requests take, if none of them has to be repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from file_dataset.adapters.s3.listed import MANY
from file_dataset.adapters.s3.multipart import parts_of
from file_dataset.domain.objects import OVERWRITE
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Copy,
    Download,
    Prepare,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig

# As many objects as S3 tells of in one answer.
_PAGE: Final = 1000


def cost(requests: Sequence[Request[Any]], sizes: Sequence[int], transfer: TransferConfig) -> int:
    """How many HTTP requests a batch takes.

    Args:
        requests: The batch.
        sizes: The length of each one's object in bytes.
        transfer: How large objects are split.
    """
    asked = {each.url for each in requests if isinstance(each, Stat)}
    buckets = Counter((url.scheme, url.authority) for url in asked)
    listed = {bucket for bucket, count in buckets.items() if count >= MANY}
    pages = sum(-(-buckets[bucket] // _PAGE) for bucket in listed)
    return pages + sum(
        _cost(request, size, transfer)
        for request, size in zip(requests, sizes, strict=True)
        if not (isinstance(request, Stat) and (request.url.scheme, request.url.authority) in listed)
    )


def _cost(request: Request[Any], size: int, transfer: TransferConfig) -> int:
    is_large = size >= transfer.multipart_threshold
    sent = len(parts_of(size, part_size=transfer.multipart_chunksize)) if is_large else 1
    match request:
        case Complete() | Abort():
            return len(request.prepared)
        case Read(_, None) | Download():
            return -(-size // transfer.multipart_chunksize) if is_large else 1
        case Prepare():
            return 1 + sent + (not request.source.is_local)
        case Write() | Upload() if request.mode is OVERWRITE and is_large:
            return sent + 2
        case Copy() if request.mode is OVERWRITE:
            # boto3 asks how large the source is.
            return sent + 3 if is_large else 2
    return 1
