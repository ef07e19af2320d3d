"""S3 by way of boto3 and its managed transfers, an object at a time."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import attrs

from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.client import retries_itself
from file_dataset.adapters.s3.drafts import Drafting
from file_dataset.adapters.s3.errors import s3_errors
from file_dataset.adapters.s3.fetched import Fetched
from file_dataset.adapters.s3.meanings import ConflictError
from file_dataset.adapters.s3.options import S3Options
from file_dataset.adapters.s3.ranges import RangeIgnoredError
from file_dataset.adapters.s3.values import (
    Page,
    condition,
    copied,
    cut,
    info,
    named,
    unchanging,
    within,
)
from file_dataset.domain.errors import (
    AlreadyExistsError,
    NotFoundError,
    PreconditionFailedError,
    UnsupportedError,
)
from file_dataset.domain.files import local_errors, replacing
from file_dataset.domain.objects import (
    CREATE,
    OVERWRITE,
    IfMatch,
    ObjectInfo,
    Prefix,
    Span,
    WriteMode,
)
from file_dataset.domain.outcomes import Outcome
from file_dataset.domain.per_object import PerObjectStore
from file_dataset.domain.requests import Data, Request
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from types_boto3_s3 import S3Client

T = TypeVar("T")

_LARGEST_PUT: Final = 5 * 1024**3
_EVERYTHING: Final = 2**60

# How often a write with a condition is tried while others are at the same key.
_CONFLICTS: Final = 5


class ByBoto3(Drafting):
    """Objects of S3, or of a store that speaks its protocol, by boto3's managed transfers.

    Up to ``max_concurrency`` requests are under way at once. A batch of many objects moves each
    in one thread; in a batch of few, the threads that are left over move parts of large objects.
    Nothing asks first whether an object is there. Writes with a condition take one request, of at
    most 5 GiB, and are repeated where the server says that another write got in their way.

    Args:
        options: How to reach the store.
    """

    def __init__(self, options: S3Options | None = None) -> None:
        self.options: S3Options = options or S3Options()
        self.workers: int = self.options.max_concurrency
        self.threads_each: int = self.workers

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out a batch; its objects share the threads."""
        batch = copy.copy(self)
        batch.threads_each = max(1, self.workers // max(1, len(requests)))
        return PerObjectStore.run(batch, requests)

    def _stat(self, url: Url) -> ObjectInfo:
        with self._calling(url) as client:
            head = client.head_object(**named(url))
        return info(url, head)

    def _read(self, url: Url, span: Span | None) -> bytes:
        if span is None:
            body = io.BytesIO()
            self._fetch(url, body)
            return body.getvalue()
        try:
            return self._read_span(url, span)
        except RangeIgnoredError:
            return cut(self._read(url, None), url, span)

    def _read_span(self, url: Url, span: Span) -> bytes:
        last = "" if span.stop is None else span.stop - 1
        with self._calling(url) as client:
            answer = client.get_object(**named(url), Range=f"bytes={span.start}-{last}")
        # The client's own attempts, if it makes some, end where the body begins.
        with s3_errors(Call(url)):
            data = answer["Body"].read()
        told = answer.get("ContentRange")
        return within(data, told, url, span) if told else cut(data, url, span)

    def _download(self, url: Url, path: Path) -> ObjectInfo:
        with (
            local_errors(Url.local(path)),
            replacing(path) as temporary,
            open(temporary, "w+b") as file,
        ):
            return self._fetch(url, file)

    def _fetch(self, url: Url, file: IO[Any]) -> ObjectInfo:
        """Write an object into a file, from its beginning; gives what it was."""
        with self._calling(url) as client:
            transfer, fetched = self._transfer, Fetched(client, self.options.verify_reads)
            try:
                fetched.into(file, url, transfer)
            except RangeIgnoredError:
                transfer.multipart_chunksize = _EVERYTHING
                fetched = Fetched(client, self.options.verify_reads)
                fetched.into(file, url, transfer)
        return info(url, {**fetched.described, "ContentLength": fetched.size})

    def _write(self, url: Url, data: Data, mode: WriteMode) -> None:
        body = io.BytesIO(data)
        if mode is OVERWRITE:
            with self._calling(url) as client:
                client.upload_fileobj(body, url.authority, url.key, Config=self._transfer)
        else:
            self._put(body, body.getbuffer().nbytes, url, mode)

    def _upload(self, path: Path, url: Url, mode: WriteMode) -> None:
        with unchanging(path) as size, local_errors(Url.local(path)):
            if mode is OVERWRITE:
                self._overwrite(path, size, url)
            else:
                with open(path, "rb") as file:
                    self._put(file, size, url, mode)

    def _overwrite(self, path: Path, size: int, url: Url) -> None:  # noqa: ARG002 - for who cares
        with self._calling(url) as client:
            client.upload_file(str(path), url.authority, url.key, Config=self._transfer)

    def _put(self, body: IO[bytes], size: int, url: Url, mode: WriteMode) -> None:
        """Write under a condition, which boto3's managed transfers do not know."""
        if size > _LARGEST_PUT:
            raise UnsupportedError(
                f"{url.redacted}: {size} bytes cannot be written under a condition ({mode}), which "
                f"takes one request of at most 5 GiB; larger objects can only be overwritten"
            )

        def put() -> None:
            body.seek(0)
            with self._calling(url, mode=mode) as client:
                client.put_object(**named(url), **condition(mode), Body=body)

        _despite_conflicts(put)

    def _copy(self, source: Url, url: Url, mode: WriteMode) -> None:
        if source == url:
            self._copy_onto_itself(url, mode)
        elif mode is OVERWRITE:
            with self._calling(url, source=source) as client:
                client.copy(copied(source), url.authority, url.key, Config=self._transfer)
        else:
            _despite_conflicts(lambda: self._copy_under(mode, source, url))

    def _copy_onto_itself(self, url: Url, mode: WriteMode) -> None:
        """Do nothing, which S3 refuses to do, as the mode says."""
        found = self._stat(url)
        if mode is CREATE:
            raise AlreadyExistsError(f"{url.redacted}: exists already")
        if isinstance(mode, IfMatch) and found.etag != mode.etag:
            raise PreconditionFailedError(f"{url.redacted}: is no longer version {mode.etag}")

    def _copy_under(self, mode: WriteMode, source: Url, url: Url) -> None:
        try:
            with self._calling(url, source=source, mode=mode) as client:
                client.copy_object(**named(url), **condition(mode), CopySource=copied(source))
        except NotFoundError as error:
            if isinstance(mode, IfMatch):
                # If the source is there, what is missing is the version to replace.
                self._stat(source)
                raise PreconditionFailedError(f"{url.redacted}: is gone") from error
            raise

    def _delete(self, url: Url) -> None:
        # S3 itself never says that a key is missing; some of those that speak its protocol do.
        with self._calling(url) as client, contextlib.suppress(client.exceptions.NoSuchKey):
            client.delete_object(**named(url))

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """The objects below a prefix, page by page; the slash that ends a directory is no file."""
        return self.list_starting(prefix, "", recursive=recursive)

    def list_starting(
        self, prefix: Url, start: str, /, *, recursive: bool = True
    ) -> Iterator[ObjectInfo | Prefix]:
        """As ``list``; the server is told what the keys go on with."""
        for page in self._pages(prefix, "" if recursive else "/", start=start):
            for common in page.prefixes:
                yield Prefix(prefix.child(common[len(prefix.stem) : -1]))
            yield from page.objects

    def _pages(
        self, prefix: Url, delimiter: str, *, start: str = "", after: str = ""
    ) -> Iterator[Page]:
        with self._calling(prefix, operation="List") as client:
            pages = iter(
                client.get_paginator("list_objects_v2").paginate(
                    Bucket=prefix.authority,
                    Prefix=prefix.stem + start,
                    Delimiter=delimiter,
                    StartAfter=after,
                )
            )
        while True:
            with self._calling(prefix, operation="List"):
                page = next(pages, None)
            if page is None:
                return
            yield Page(
                [
                    info(attrs.evolve(prefix, key=item["Key"]), item)
                    for item in page.get("Contents", [])
                    if not item["Key"].endswith("/")
                ],
                [common["Prefix"] for common in page.get("CommonPrefixes", [])],
            )

    @contextlib.contextmanager
    def _calling(
        self,
        url: Url,
        *,
        operation: str = "",
        mode: WriteMode = OVERWRITE,
        source: Url | None = None,
    ) -> Iterator[S3Client]:
        """The client, whose errors become this library's; making it can fail like using it."""
        call = Call(url, operation, mode, source)
        with s3_errors(call):
            client = self.options.client
        with s3_errors(attrs.evolve(call, retried=retries_itself(client))):
            yield client

    @property
    def _transfer(self) -> TransferConfig:
        return self.options.transfer(threads=self.threads_each)


def _despite_conflicts(write: Callable[[], None]) -> None:
    """Repeat a write which was refused, and not carried out, because another was under way."""
    for _ in range(_CONFLICTS - 1):
        with contextlib.suppress(ConflictError):
            return write()
    return write()
