"""Tasks that write: objects of bytes or of small files, and parts of large ones."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.checksums import check_kept, digest_header
from file_dataset.adapters.s3.curl.answers import described
from file_dataset.adapters.s3.curl.bodies import AT_ONCE, FileSpan
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.places import Place
from file_dataset.adapters.s3.curl.signing import UNSIGNED, quoted
from file_dataset.adapters.s3.curl.tasks import Task
from file_dataset.adapters.s3.meanings import ConflictError
from file_dataset.adapters.s3.multipart import Part
from file_dataset.adapters.s3.values import regular, status_of_file
from file_dataset.domain.errors import FileDatasetError, StoreError
from file_dataset.domain.files import local_errors, read_unchanged
from file_dataset.domain.objects import OVERWRITE, IfMatch, WriteMode
from file_dataset.domain.requests import Data
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from hashlib import _Hash as Hash


class Send(Task):
    """An object of bytes, by one PUT.

    Args:
        url: The object.
        place: How it is addressed.
        data: The bytes.
        mode: What may be there.
        query: Which part of an upload they are, if they are one.
        verify: Whether the store is told their MD5, so that it looks at what it gets.
    """

    operation = "PutObject"

    def __init__(
        self,
        url: Url,
        place: Place,
        data: Data,
        *,
        mode: WriteMode = OVERWRITE,
        query: str = "",
        verify: bool = False,
    ) -> None:
        super().__init__(url, place)
        self.mode = mode
        self._data = data
        self._query = query
        self._verify = verify
        self._md5 = b""

    def open(self) -> int:
        """How many bytes are hashed."""
        return self._hashed(memoryview(self._data).nbytes)

    def begin(self) -> Exchange:
        """The request, with the bytes."""
        return self._put(_flat(self._data))

    def _hashed(self, size: int) -> int:
        """How many bytes of so many are hashed."""
        return size if self.place.hashes or self._verify else 0

    def _put(self, data: memoryview | FileSpan) -> Exchange:
        payload = _fed(data, hashlib.sha256()).hexdigest() if self.place.hashes else UNSIGNED
        sent: tuple[tuple[str, str], ...] = ()
        if self._verify:
            self._md5 = _fed(data, hashlib.md5(usedforsecurity=False)).digest()
            sent = (digest_header(self._md5),)
        is_free = self.mode is OVERWRITE
        if not is_free:
            if not len(data):
                # What has no bytes libcurl may send twice, on a connection that was closed then.
                raise Declined
            sent = (*sent, _condition(self.mode))
        return Exchange(
            self,
            "PUT",
            query=self._query,
            headers=sent,
            body=data,
            payload=payload,
            once=not is_free,
        )

    def end(self, exchange: Exchange) -> object:
        """None; and the bytes are let go of."""
        self._data = b""
        if self._verify:
            check_kept(self.url, described(exchange.head), self._md5)
        return None

    def broke(self, exchange: Exchange, error: FileDatasetError) -> object:  # noqa: ARG002 - the error says it
        """Raises the error, or Declined: to write despite of others is boto3's."""
        if isinstance(error, ConflictError) and self.mode is not OVERWRITE:
            raise Declined from error
        raise error


def _condition(mode: WriteMode) -> tuple[str, str]:
    """The header that stands for CREATE or for IfMatch. Raises Declined if it cannot be one."""
    if not isinstance(mode, IfMatch):
        return "If-None-Match", "*"
    if not (mode.etag.isascii() and mode.etag.isprintable()):
        raise Declined
    return "If-Match", f'"{mode.etag}"'


def _fed(data: memoryview | FileSpan, digest: Hash) -> Hash:
    """A hash of some bytes. Raises StoreError if they cannot be had."""
    for piece in data.pieces() if isinstance(data, FileSpan) else (data,):
        digest.update(piece)
    return digest


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
        verify: As in ``Send``.
        mode: What may be there.
    """

    def __init__(
        self,
        url: Url,
        place: Place,
        path: str | os.PathLike[str],
        *,
        most: int,
        mode: WriteMode = OVERWRITE,
        verify: bool = False,
    ) -> None:
        super().__init__(url, place, b"", mode=mode, verify=verify)
        self._path = path
        self._most = most
        self._file = -1
        self._before: os.stat_result

    def open(self) -> int:
        """How many bytes of the file are hashed; it is open then."""
        # Most files are small: their path is not made into a Url unless something is wrong.
        try:
            # Without waiting for who would write to a pipe.
            self._file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
            self._before = regular(os.fstat(self._file), self._path)
        except OSError as error:
            self._tell(error)
        size = self._before.st_size
        if size >= self._most:
            raise Declined
        return self._hashed(size)

    def begin(self) -> Exchange:
        """The request, with the file's bytes."""
        try:
            self._data = read_unchanged(self._file, self._path, self._before)
        except OSError as error:
            self._tell(error)
        self.drop()
        return super().begin()

    def drop(self) -> None:
        """Close the file."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _tell(self, error: OSError) -> NoReturn:
        with local_errors(Url.local(self._path)):
            # Which has better words for what cannot even be opened, as a socket cannot.
            status_of_file(self._path)
            raise error


def upload_query(upload: str) -> str:
    """The parameter that names an upload."""
    return f"uploadId={quoted(upload).replace('/', '%2F')}"


class SendPart(Send):
    """A part of an upload. It gives the part's etag, as the server has it, with its quotes.

    One that is not small is read as it leaves: whoever completes the upload looks whether the file
    is what it was when it began.

    Args:
        url: The object.
        place: How it is addressed.
        path: The file.
        part: Which of its bytes.
        upload: The id of the upload.
        verify: As in ``Send``.
    """

    operation = "UploadPart"

    def __init__(
        self,
        url: Url,
        place: Place,
        path: Path,
        part: Part,
        *,
        upload: str,
        verify: bool = False,
    ) -> None:
        query = f"partNumber={part.number}&{upload_query(upload)}"
        super().__init__(url, place, b"", query=query, verify=verify)
        self._path = path
        self._span = part.span
        self._file: FileSpan | None = None

    def open(self) -> int:
        """How many bytes are hashed."""
        return self._hashed(self._span.length or 0)

    def begin(self) -> Exchange:
        """The request, with the part's bytes."""
        self._file = FileSpan(self._path, self._span.start, self._span.length or 0)
        if len(self._file) > AT_ONCE:
            return self._put(self._file)
        # Of small ones there may be hundreds, whose files need not stay open.
        with contextlib.closing(self._file):
            self._data = b"".join(self._file.pieces())
        return super().begin()

    def end(self, exchange: Exchange) -> object:
        """The part's etag, from the answer."""
        self.drop()
        super().end(exchange)
        return self.etag(exchange)

    def broke(self, exchange: Exchange, error: FileDatasetError) -> object:
        """Raises the error, or what kept the part from being read."""
        if self._file is not None and self._file.raised is not None:
            raise self._file.raised from error
        return super().broke(exchange, error)

    def drop(self) -> None:
        """Let go of the bytes, and close the file."""
        self._data = b""
        if self._file is not None:
            self._file.close()

    def etag(self, exchange: Exchange) -> str:
        """What the answer says. Raises StoreError if it does not."""
        etag = described(exchange.head).get("etag")
        if not etag:
            raise StoreError(f"{self.url.redacted}: the store gave a part of it no etag")
        return etag
