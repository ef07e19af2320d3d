"""A store's requests, as tasks for the engine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.checksums import VerifyReads
from file_dataset.adapters.s3.curl.drafting import (
    AbortUpload,
    BeginUpload,
    CompleteUpload,
    can_be_settled,
)
from file_dataset.adapters.s3.curl.fetch import Fetch
from file_dataset.adapters.s3.curl.parts import Terms
from file_dataset.adapters.s3.curl.places import OnlyBoto3Error, Place
from file_dataset.adapters.s3.curl.sending import Send, SendFile
from file_dataset.adapters.s3.curl.sinks import AtPath, InMemory
from file_dataset.adapters.s3.curl.tasks import Describe, ReadSpan, Streams, Task
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Download,
    Prepare,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig

_log = logging.getLogger("file_dataset")

# Connections for parts of large objects, over a batch: more of them do not fill a link better.
_STREAMS: Final = 8


class Batch:
    """What the tasks of a batch have in common.

    Args:
        place: Tells where a bucket is; raises OnlyBoto3Error if only boto3 can go there.
        transfer: From which size on objects are moved in parts, and in which.
        verify_reads: By what the bytes of objects are looked at when they have come.
        verify_writes: Whether the store is to look at what it gets.

    Attributes:
        streams: The connections for parts.
    """

    def __init__(
        self,
        place: Callable[[str], Place],
        transfer: TransferConfig,
        *,
        verify_reads: VerifyReads = "checksum",
        verify_writes: bool = False,
    ) -> None:
        self._known_place = place
        self._most = transfer.multipart_threshold
        self._verify_writes = verify_writes
        self._refused: set[str] = set()
        # The first of an object's connections is its own.
        self.streams: Streams = Streams(
            _STREAMS if transfer.use_threads else 0, each=transfer.max_request_concurrency - 1
        )
        # Asked once: boto3 looks at its own configuration anew each time.
        part = transfer.multipart_chunksize
        self._terms = Terms(self.streams, threshold=self._most, part=part, verify=verify_reads)

    def task(self, request: Request[object]) -> Task:
        """The task of a request. Raises Declined if it is one for boto3."""
        # There is one for each object, and a match takes as long as all that it decides on.
        url = request.url
        if isinstance(request, Download):
            return Fetch(url, self._place(url), AtPath(url, request.local), self._terms)
        if isinstance(request, Stat):
            return Describe(url, self._place(url))
        if not isinstance(request, Read):
            return self._writing(request)
        if request.span is None:
            return Fetch(url, self._place(url), InMemory(), self._terms)
        return ReadSpan(url, self._place(url), request.span)

    def _writing(self, request: Request[object]) -> Task:
        match request:
            case Upload(url=url, mode=mode):
                place, verify = self._place(url), self._verify_writes
                path = request.local
                return SendFile(url, place, path, most=self._most, mode=mode, verify=verify)
            case Write(url, data, mode):
                if memoryview(data).nbytes < self._most:
                    return Send(url, self._place(url), data, mode=mode, verify=self._verify_writes)
            case Prepare(source, url) if source.is_local and not self._verify_writes:
                return BeginUpload(request, self._place(url), most=self._most)
            case Complete((prepared,)) if can_be_settled(prepared):
                return CompleteUpload(prepared, self._place(prepared.url))
            case Abort((prepared,)) if can_be_settled(prepared):
                return AbortUpload(prepared.url, self._place(prepared.url), prepared.token)
        raise Declined

    def _place(self, url: Url) -> Place:
        bucket = url.authority
        if bucket not in self._refused:
            try:
                return self._known_place(bucket)
            except OnlyBoto3Error as reason:
                _log.debug("boto3 serves s3://%s: %s", bucket, reason)
                self._refused.add(bucket)
        raise Declined
