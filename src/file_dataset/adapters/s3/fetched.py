"""A download by s3transfer, which tells nothing of what it brings, nor looks at its checksum."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Final, Unpack, cast

from file_dataset.adapters.s3.checksums import VerifyReads, expected
from file_dataset.domain.errors import StoreError
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef, GetObjectRequestTypeDef

_CHUNK: Final = 2**20


class Fetched:
    """A download, and what the store said of the object while it came.

    s3transfer is given this in place of the client, since it keeps the answers for itself. It
    begins with a request for the first part, of which no store tells the checksum; so the object
    is asked for instead, and of a large one no more is read than that part.

    Args:
        client: boto3's client.
        verify: By what the bytes are looked at when they have come.

    Attributes:
        described: What the answer said that came first; those after it are of the same version.
        size: How many bytes came.
        took_back: Whether an attempt failed whose bytes no longer count.
    """

    def __init__(self, client: S3Client, verify: VerifyReads) -> None:
        self.described: Mapping[str, Any] = {}
        self.size: int = 0
        self.took_back: bool = False
        self._client = client
        self._verify = verify
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
        if self.took_back:
            # The attempt that broke off may have had more of another version than there is now.
            file.truncate(self.size)
        self._check(file, url)

    def get_object(self, **asked: Unpack[GetObjectRequestTypeDef]) -> GetObjectOutputTypeDef:
        """What the client answers, after a look at it."""
        # An attempt that broke off may be followed by one at another version.
        if self.described and not asked.get("Range", "").startswith("bytes=0-"):
            return self._client.get_object(**asked)
        if self._verify == "size" or self._is_checked_by_botocore:
            answer = self._client.get_object(**asked)
        else:
            answer = self._beginning(**asked)
        self.described = {name: value for name, value in answer.items() if name != "Body"}
        return answer

    @property
    def _is_checked_by_botocore(self) -> bool:
        """Whether the user wants it to be: parts then come in any order, after a HEAD."""
        config: Any = self._client.meta.config  # its stub knows none of its attributes
        return bool(config.response_checksum_validation != "when_required")

    def _beginning(self, **asked: Unpack[GetObjectRequestTypeDef]) -> GetObjectOutputTypeDef:
        """The answer about the whole object, with no more of its bytes than were asked for."""
        wanted = int(asked.pop("Range").rpartition("-")[2]) + 1
        asked["ChecksumMode"] = "ENABLED"
        answer = self._client.get_object(**asked)
        size = None if answer.get("ContentRange") else answer.get("ContentLength")
        if size is None:
            answer["Body"].close()
            raise StoreError(
                "the store was asked for an object and answers with other bytes than were asked "
                "for, or does not say how long the object is"
            )
        if size > wanted:
            answer["Body"] = cast(Any, _Beginning(answer["Body"], wanted))
            answer["ContentRange"] = f"bytes 0-{wanted - 1}/{size}"
        return answer

    def _check(self, file: IO[Any], url: Url) -> None:
        said = self.described.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        # What is told with a part is the part's.
        wanted = None if "content-range" in said else expected(said, self._verify)
        if wanted is not None:
            found = wanted.begin()
            file.seek(0)
            while chunk := file.read(_CHUNK):
                found.update(chunk)
            wanted.check(url, found)

    def _count(self, count: int) -> None:
        """Count some bytes; s3transfer takes back those of an attempt that failed."""
        with self._lock:
            self.size += count
            self.took_back |= count < 0


class _Beginning:
    """The first bytes of a body; what is behind them is not read.

    Args:
        body: The body.
        size: Their number.
    """

    def __init__(self, body: StreamingBody, size: int) -> None:
        self._body = body
        self._left = size

    def read(self, amount: int) -> bytes:
        """The next so many bytes."""
        data = self._body.read(min(amount, self._left)) if self._left else b""
        self._left -= len(data)
        if not self._left:
            # The connection is of no use to others: the rest of the object is in it.
            self._body.close()
        return data
