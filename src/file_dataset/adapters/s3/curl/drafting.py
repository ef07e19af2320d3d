"""Tasks about objects that are prepared: uploads that are begun, completed and aborted."""

from __future__ import annotations

import logging
import os
import re
from hashlib import sha256
from html import escape, unescape
from pathlib import Path
from typing import Final

from file_dataset.adapters.s3.answers import answered
from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.curl.answers import headers, refusal
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.places import Place
from file_dataset.adapters.s3.curl.sending import SendPart, upload_query
from file_dataset.adapters.s3.curl.tasks import Task
from file_dataset.adapters.s3.drafts import ATTEMPT, superseded
from file_dataset.adapters.s3.multipart import Part
from file_dataset.adapters.s3.values import status_of_file
from file_dataset.domain.errors import FileDatasetError, NotFoundError
from file_dataset.domain.files import local_errors, refuse_changed
from file_dataset.domain.objects import Span
from file_dataset.domain.requests import Draft, Prepare, Prepared
from file_dataset.domain.url import Url

_log = logging.getLogger("file_dataset")

_METADATA: Final = f"x-amz-meta-{ATTEMPT}"
_NO_SUCH_UPLOAD: Final = "NoSuchUpload"
_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
_upload_id = re.compile(r"<UploadId>([^<]+)</UploadId>").search
_is_completed = re.compile(rb"<CompleteMultipartUploadResult[\s>/]").search


class BeginUpload(Task):
    """A small file out of sight: an upload that is begun here, and goes on with its only part.

    Args:
        request: What is asked for; its source is local.
        place: How the object is addressed.
        most: The size in bytes from which boto3 is to do it.
    """

    operation = "CreateMultipartUpload"

    def __init__(self, request: Prepare, place: Place, *, most: int) -> None:
        super().__init__(request.url, place)
        self._draft = request.draft
        self._path = Path(request.source.path)
        self._most = most
        self._before: os.stat_result

    def begin(self) -> Exchange:
        """The request, if there is such a file."""
        try:
            self._before = status_of_file(self._path)
        except OSError:
            with local_errors(Url.local(self._path)):
                raise
        if self._before.st_size >= self._most:
            raise Declined
        told = () if self._draft is None else ((_METADATA, self._draft.attempt),)
        return Exchange(self, "POST", query="uploads=", headers=told, body=b"")

    def end(self, exchange: Exchange) -> Task:
        """What sends the part."""
        found = _upload_id(exchange.take_said().decode("utf-8", "replace"))
        upload = "" if found is None else unescape(found[1])
        if not _is_plain(upload):
            raise Declined
        return _OnlyPart(
            self.url, self.place, self._path, self._before, upload=upload, draft=self._draft
        )


class _OnlyPart(SendPart):
    """The only part of an upload, which is aborted unless it gets there; gives a Prepared."""

    def __init__(
        self,
        url: Url,
        place: Place,
        path: Path,
        before: os.stat_result,
        *,
        upload: str,
        draft: Draft | None,
    ) -> None:
        size = before.st_size
        # S3 wants a part also of an object that is empty.
        super().__init__(url, place, path, Part(1, Span(0, size or None)), upload=upload)
        self._size = size
        self._before = before
        self._upload = upload
        self._draft = draft

    def end(self, exchange: Exchange) -> Prepared:
        """What can be completed."""
        self.drop()
        with local_errors(Url.local(self._path)):
            refuse_changed(self._path, self._before, os.stat(self._path))
        receipt = self.etag(exchange).strip('"')
        return Prepared(self.url, self._upload, self._draft, receipt, self._size)

    def undoing(self, why: FileDatasetError | Declined) -> Task:
        """What aborts the upload."""
        return _TakeBack(self.url, self.place, self._upload, why)


class AbortUpload(Task):
    """An upload that is to be no more; one that is gone already is aborted.

    Args:
        url: The object.
        place: How it is addressed.
        upload: The id of the upload.
    """

    operation = "AbortMultipartUpload"

    def __init__(self, url: Url, place: Place, upload: str) -> None:
        super().__init__(url, place)
        self._upload = upload

    def begin(self) -> Exchange:
        """The request."""
        return Exchange(self, "DELETE", query=upload_query(self._upload))

    def end(self, exchange: Exchange) -> object:  # noqa: ARG002 - the answer says nothing more
        """None."""
        return None

    def broke(self, exchange: Exchange, error: FileDatasetError) -> object:
        """As end() where there is no such upload."""
        if exchange.code == _NO_SUCH_UPLOAD:
            return None
        raise error


class _TakeBack(AbortUpload):
    """The end of an upload of which something went wrong, whether it can be aborted or not."""

    def __init__(
        self, url: Url, place: Place, upload: str, why: FileDatasetError | Declined
    ) -> None:
        super().__init__(url, place, upload)
        self._why = why

    def end(self, exchange: Exchange) -> object:  # noqa: ARG002 - what went wrong before is told
        """Raises what went wrong."""
        raise self._why

    def broke(self, exchange: Exchange, error: FileDatasetError) -> object:
        """As end(): what went wrong before is what the user has to know."""
        if exchange.code != _NO_SUCH_UPLOAD:
            _log.warning(
                "Could not abort the upload %s of %s: %s", self._upload, self.url.redacted, error
            )
        raise self._why


class CompleteUpload(Task):
    """An object of an upload's parts.

    Args:
        prepared: What is to be seen.
        place: How it is addressed.
    """

    operation = "CompleteMultipartUpload"

    def __init__(self, prepared: Prepared, place: Place) -> None:
        super().__init__(prepared.url, place)
        self._prepared = prepared

    def begin(self) -> Exchange:
        """The request, which names the parts."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber>"
            f'<ETag>"{escape(etag, quote=False)}"</ETag></Part>'
            for number, etag in enumerate(self._prepared.receipt.split(), 1)
        )
        name = "CompleteMultipartUpload"
        body = f'<{name} xmlns="{_NAMESPACE}">{parts}</{name}>'.encode()
        return Exchange(
            self,
            "POST",
            query=upload_query(self._prepared.token),
            body=body,
            payload=sha256(body).hexdigest(),
            # Of an upload without a draft nobody can tell afterwards who completed it.
            once=self._prepared.draft is None,
        )

    def end(self, exchange: Exchange) -> object:
        """None, if the answer says so: the server may find only after a 200 that it cannot."""
        body = exchange.take_said()
        if _is_completed(body):
            return None
        said = refusal(500, headers(exchange.head), body, self.operation)
        raise answered(said, Call(self.url))

    def broke(self, exchange: Exchange, error: FileDatasetError) -> object:
        """What finds out whether another one has completed it, if it is a draft's."""
        if exchange.code == _NO_SUCH_UPLOAD and self._prepared.draft is not None:
            return _Compare(self.url, self.place, self._prepared.draft)
        raise error


class _Compare(Task):
    """Whether an object came with a draft."""

    operation = "HeadObject"

    def __init__(self, url: Url, place: Place, draft: Draft) -> None:
        super().__init__(url, place)
        self._draft = draft

    def begin(self) -> Exchange:
        """The request."""
        return Exchange(self, "HEAD")

    def end(self, exchange: Exchange) -> object:
        """None if it did. Raises PreconditionFailedError if not."""
        if headers(exchange.head).get(_METADATA) != self._draft.attempt:
            raise superseded(self.url, self._draft)
        return None

    def broke(self, exchange: Exchange, error: FileDatasetError) -> object:  # noqa: ARG002 - the error says it
        """As end(): what is not there did not come with it."""
        if isinstance(error, NotFoundError):
            raise superseded(self.url, self._draft) from None
        raise error


def can_be_settled(prepared: Prepared) -> bool:
    """Whether libcurl can name an upload and its parts, as they are on S3 and its likes."""
    return _is_plain(prepared.token) and prepared.receipt.isascii()


def _is_plain(upload: str) -> bool:
    return bool(upload) and upload.isascii() and upload.isprintable()
