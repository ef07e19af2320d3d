"""Tasks that write: objects of bytes or of small files, and parts of large ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.curl.answers import headers
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.places import Place
from file_dataset.adapters.s3.curl.signing import UNSIGNED, quoted
from file_dataset.adapters.s3.curl.tasks import Task
from file_dataset.adapters.s3.multipart import Part
from file_dataset.adapters.s3.values import size_of_file
from file_dataset.domain.errors import StoreError
from file_dataset.domain.files import local_errors
from file_dataset.domain.requests import Data
from file_dataset.domain.url import Url


class Send(Task):
    """An object of bytes, by one PUT.

    Args:
        url: The object.
        place: How it is addressed.
        data: The bytes.
        query: Which part of an upload they are, if they are one.
    """

    operation = "PutObject"

    def __init__(self, url: Url, place: Place, data: Data, *, query: str = "") -> None:
        super().__init__(url, place)
        self._data = data
        self._query = query

    def begin(self) -> Exchange:
        """The request, with the bytes."""
        data = _flat(self._data)
        payload = hashlib.sha256(data).hexdigest() if self.place.hashes else UNSIGNED
        return Exchange(self, "PUT", query=self._query, body=data, payload=payload)

    def end(self, exchange: Exchange) -> object:  # noqa: ARG002 - the answer says nothing more
        """None; and the bytes are let go of."""
        self._data = b""
        return None


def _flat(data: Data) -> memoryview:
    """Data as a view of single bytes, whatever its items are and wherever they lie."""
    view = memoryview(data)
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


class SendFile(Send):
    """An object of a small file, by one PUT.

    Args:
        url: The object.
        place: How it is addressed.
        path: The file.
        most: The size in bytes above which boto3 is to do it.
    """

    def __init__(self, url: Url, place: Place, path: Path, *, most: int) -> None:
        super().__init__(url, place, b"")
        self._path = path
        self._most = most

    def begin(self) -> Exchange:
        """The request, with the file's bytes."""
        # Most files are small: their path is not made into a Url unless something is wrong.
        try:
            if size_of_file(self._path) >= self._most:
                raise Declined
            with open(self._path, "rb", buffering=0) as file:
                self._data = file.read()
        except OSError:
            with local_errors(Url.local(self._path)):
                raise
        return super().begin()


class SendPart(Send):
    """A part of an upload. It gives the part's etag, as the server has it, with its quotes.

    Args:
        url: The object.
        place: How it is addressed.
        path: The file.
        part: Which of its bytes.
        upload: The id of the upload.
    """

    operation = "UploadPart"

    def __init__(self, url: Url, place: Place, path: Path, part: Part, *, upload: str) -> None:
        query = f"partNumber={part.number}&uploadId={quoted(upload).replace('/', '%2F')}"
        super().__init__(url, place, b"", query=query)
        self._path = path
        self._span = part.span

    def begin(self) -> Exchange:
        """The request, with the part's bytes."""
        length = self._span.length or 0
        with local_errors(Url.local(self._path)), open(self._path, "rb") as file:
            file.seek(self._span.start)
            # Unlike pread(), it goes on where the system gives less at once than was asked for.
            self._data = file.read(length)
        if len(self._data) < length:
            raise StoreError(f"{self._path}: became shorter while it was being uploaded")
        return super().begin()

    def end(self, exchange: Exchange) -> str:
        """The part's etag, from the answer."""
        self._data = b""
        etag = headers(exchange.head).get("etag")
        if not etag:
            raise StoreError(f"{self.url.redacted}: the store gave a part of it no etag")
        return etag
