"""A download by s3transfer, which tells nothing of what it brings."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Unpack, cast

from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef, GetObjectRequestTypeDef


class Fetched:
    """A download, and what the store said of the object while it came.

    s3transfer is given this in place of the client, since it keeps the answers for itself.

    Args:
        client: boto3's client.

    Attributes:
        described: What the answer said that came first; those after it are of the same version.
        size: How many bytes came.
        took_back: Whether an attempt failed whose bytes no longer count.
    """

    def __init__(self, client: S3Client) -> None:
        self.described: Mapping[str, Any] = {}
        self.size = 0
        self.took_back = False
        self._client = client
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    def into(self, file: IO[Any], url: Url, transfer: TransferConfig) -> None:
        """Write the object into a file, from its beginning."""
        from boto3.s3 import transfer as boto3

        client = cast("S3Client", self)
        with boto3.create_transfer_manager(client, transfer) as manager:
            manager.download(
                url.authority,
                url.key,
                file,
                subscribers=[boto3.ProgressCallbackInvoker(self._count)],
            ).result()

    def get_object(self, **asked: Unpack[GetObjectRequestTypeDef]) -> GetObjectOutputTypeDef:
        """What the client answers, after a look at it."""
        answer = self._client.get_object(**asked)
        if not self.described:
            self.described = {name: value for name, value in answer.items() if name != "Body"}
        return answer

    def _count(self, count: int) -> None:
        """Count some bytes; s3transfer takes back those of an attempt that failed."""
        with self._lock:
            self.size += count
            self.took_back |= count < 0
