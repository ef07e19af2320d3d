"""Objects that are prepared: uploads in parts, which nobody sees until they are completed."""

from __future__ import annotations

import contextlib
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from file_dataset.adapters.s3.multipart import Part, begun, complete, parts_of
from file_dataset.adapters.s3.parts import MakePart, NotCopied, bring_part, copy_part, send_part
from file_dataset.adapters.s3.values import named, status_of_file
from file_dataset.domain.errors import FileDatasetError, NotFoundError, PreconditionFailedError
from file_dataset.domain.files import local_errors, refuse_changed
from file_dataset.domain.objects import ObjectInfo, Span
from file_dataset.domain.per_object import PerObjectStore
from file_dataset.domain.requests import Draft, Pending, Prepared
from file_dataset.domain.threads import closing, unordered
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from types_boto3_s3 import S3Client

ATTEMPT: Final = "file-dataset-attempt"
"""What tells in an object's own metadata which draft it came with."""

PARTS_AT_ONCE: Final = 8
"""How many parts of an upload at most are under way: more do not fill a link better."""


def superseded(url: Url, draft: Draft) -> PreconditionFailedError:
    """Why a draft's object cannot be completed any more."""
    return PreconditionFailedError(
        f"{url.redacted}: the draft {draft.attempt} was aborted, or others wrote there since"
    )


def most_hopeful(errors: Sequence[FileDatasetError]) -> FileDatasetError:
    """Of what went wrong with the objects of a draft, what another attempt at all may help."""
    return next((error for error in errors if getattr(error, "transient", False)), errors[0])


class Drafting(PerObjectStore):
    """What a store of S3 does about objects that are prepared.

    Each is an upload in parts, of one part if it is small: a request begins it, with the draft's
    attempt in the object's metadata, one sends each part, and one completes it. The upload's id is
    the token, and the parts' etags are the receipt.
    """

    threads_each: int

    @property
    @abstractmethod
    def _transfer(self) -> TransferConfig:
        """How large objects are split."""

    @abstractmethod
    def _calling(
        self, url: Url, *, operation: str = "", source: Url | None = None
    ) -> contextlib.AbstractContextManager[S3Client]:
        """The client, whose errors become this library's."""

    def _prepare(self, source: Url, url: Url, draft: Draft | None) -> Prepared:
        attempt = {} if draft is None else {ATTEMPT: draft.attempt}
        if source.is_local:
            path = Path(source.path)
            with local_errors(source):
                before = status_of_file(path)
            size = before.st_size
            with self._calling(url) as client, begun(client, url, **attempt) as upload:
                etags = self._send_parts(client, path, url, self._parts(size), upload)
                with local_errors(source):
                    refuse_changed(path, before, os.stat(path))
        else:
            found = self._stat(source)
            size = found.size
            try:
                upload, etags = self._made_of(found, url, attempt, copy_part)
            except NotCopied:
                upload, etags = self._made_of(found, url, attempt, bring_part)
        return Prepared(url, upload, draft, " ".join(etag.strip('"') for etag in etags), size)

    def _parts(self, size: int) -> Sequence[Part]:
        if size < self._transfer.multipart_threshold:
            # S3 wants a part also of an object that is empty.
            return [Part(1, Span(0, size or None))]
        return parts_of(size, part_size=self._transfer.multipart_chunksize)

    def _send_parts(
        self, client: S3Client, path: Path, url: Url, parts: Sequence[Part], upload: str
    ) -> Sequence[str]:
        """Send the parts of a file; gives their etags in their order."""

        def send(part: Part) -> str:
            with local_errors(Url.local(path)), open(path, "rb") as file:
                file.seek(part.span.start)
                data = file.read(part.span.length or 0)
            return send_part(client, url, part, upload, data)

        return self._for_parts(parts, send)

    def _made_of(
        self, source: ObjectInfo, url: Url, attempt: Mapping[str, str], make: MakePart
    ) -> tuple[str, Sequence[str]]:
        """The id of an upload that is made of an object, and the etags of its parts."""
        parts = self._parts(source.size)
        with (
            self._calling(url, source=source.url) as client,
            begun(client, url, **attempt) as upload,
        ):
            whole = len(parts) == 1
            etags = self._for_parts(
                parts, lambda part: make(client, source, url, part, upload, whole=whole)
            )
        return upload, etags

    def _for_parts(self, parts: Sequence[Part], make: Callable[[Part], str]) -> Sequence[str]:
        """What is made of each part, several at a time, in their order."""

        def numbered(part: Part) -> tuple[int, str]:
            return part.number, make(part)

        with closing(unordered(numbered, parts, workers=self._at_once(parts))) as made:
            return [etag for _, etag in sorted(made)]

    def _at_once(self, parts: Sequence[object]) -> int:
        return min(self.threads_each, PARTS_AT_ONCE, len(parts))

    def _complete(self, prepared: tuple[Prepared, ...]) -> None:
        self._for_each(self._complete_one, prepared)

    def _complete_one(self, prepared: Prepared) -> None:
        url, draft = prepared.url, prepared.draft
        etags = [f'"{etag}"' for etag in prepared.receipt.split()]
        with self._calling(url) as client:
            try:
                complete(client, url, prepared.token, etags)
            except client.exceptions.NoSuchUpload:
                if draft is None:
                    raise
                if self._attempt_at(client, url) != draft.attempt:
                    raise superseded(url, draft) from None

    def _attempt_at(self, client: S3Client, url: Url) -> str | None:
        """Which draft an object came with, if it is there and came with one."""
        try:
            with self._calling(url):
                metadata = client.head_object(**named(url))["Metadata"]
                # They are names of headers, which some servers write with capitals.
                return {name.lower(): metadata[name] for name in metadata}.get(ATTEMPT)
        except NotFoundError:
            return None

    def _abort(self, prepared: tuple[Prepared, ...]) -> None:
        self._for_each(self._abort_one, prepared)

    def _abort_one(self, prepared: Prepared) -> None:
        url = prepared.url
        with self._calling(url) as client, contextlib.suppress(client.exceptions.NoSuchUpload):
            client.abort_multipart_upload(**named(url), UploadId=prepared.token)

    def _for_each(self, settle: Callable[[Prepared], None], prepared: tuple[Prepared, ...]) -> None:
        def tried(each: Prepared) -> FileDatasetError | None:
            try:
                settle(each)
            except FileDatasetError as error:
                return error
            return None

        with closing(unordered(tried, prepared, workers=self._at_once(prepared))) as ends:
            errors = [error for error in ends if error is not None]
        if errors:
            raise most_hopeful(errors)

    def pending(self, prefix: Url, /) -> Iterator[Pending]:
        """The uploads below a prefix, page by page, whoever began them; of a draft it is not told.

        Raises:
            UnsupportedError: If the server cannot list them.
        """
        with self._calling(prefix, operation="Pending") as client:
            pages = iter(
                client.get_paginator("list_multipart_uploads").paginate(
                    Bucket=prefix.authority, Prefix=prefix.stem
                )
            )
        while True:
            with self._calling(prefix, operation="Pending"):
                page = next(pages, None)
            if page is None:
                return
            for upload in page.get("Uploads", []):
                if not upload["Key"].endswith("/"):
                    url = attrs.evolve(prefix, key=upload["Key"])
                    begun_at = upload.get("Initiated")
                    yield Pending(
                        Prepared(url, upload["UploadId"]), begun_at and begun_at.astimezone(UTC)
                    )
