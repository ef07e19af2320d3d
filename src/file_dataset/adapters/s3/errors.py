"""The one seam at which boto3's errors become this library's."""

from __future__ import annotations

import contextlib
import errno
import functools
import socket
import ssl
from collections.abc import Iterator

from file_dataset.adapters.s3.answers import answered
from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.exceptions import EXCEPTIONS, OF_BODIES, WRAPPERS
from file_dataset.domain.errors import FileDatasetError, StoreError
from file_dataset.domain.files import local_errors

# Errors of the system which a socket does not raise, so that it must have been a file.
_OF_FILES = frozenset(
    {errno.EIO, errno.EISDIR, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.ESTALE}
)


@contextlib.contextmanager
def s3_errors(call: Call) -> Iterator[None]:
    """Turn the engine's errors, and the system's about a file it reads, into this library's.

    Raises:
        StoreError: The kind that fits what the server, or the library on the way to it, said.
        InvalidUrlError: If the store cannot hold the name at all.
    """
    try:
        yield
    except _engine_errors() as error:
        with local_errors(call.url):
            _raise_local(error)
        raise _translated(error, call) from error


@functools.cache
def _engine_errors() -> tuple[type[Exception], ...]:
    """The roots of what the engine raises; its libraries are there once it has been called."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError
    from s3transfer import exceptions as s3transfer
    from urllib3.exceptions import HTTPError

    return (
        BotoCoreError,
        Boto3Error,
        ClientError,
        ResponseParserError,
        HTTPError,
        s3transfer.RetriesExceededError,
        s3transfer.S3UploadFailedError,
        s3transfer.S3DownloadFailedError,
        s3transfer.S3CopyFailedError,
        s3transfer.S3ValidationError,
        ConnectionError,
        TimeoutError,
        ssl.SSLError,
    )


def _raise_local(error: BaseException) -> None:
    """Raise what went wrong with a local file; urllib3 takes it for a broken connection."""
    from botocore import exceptions as botocore

    if isinstance(error, (botocore.HTTPClientError, botocore.ConnectionError)):
        for each in _chain(error):
            if isinstance(each, OSError) and _of_a_file(each):
                raise each


def _of_a_file(error: OSError) -> bool:
    of_sockets = (ConnectionError, TimeoutError, ssl.SSLError, socket.gaierror)
    return not isinstance(error, of_sockets) and (
        error.filename is not None or error.errno in _OF_FILES
    )


def _translated(error: BaseException, call: Call) -> FileDatasetError:
    from botocore.exceptions import ClientError

    cause = _cause(error)
    if isinstance(cause, FileDatasetError):
        return cause
    if isinstance(cause, ClientError):
        failed = answered(cause, call)
    else:
        failed = call.failed(
            EXCEPTIONS[_name(cause) or "BotoCoreError"],
            {**getattr(cause, "kwargs", {}), "message": cause},
            detail=f"{type(cause).__name__}: {cause}",
        )
    if call.retried and isinstance(failed, StoreError) and not _of_a_body(cause):
        failed.transient = False
    return failed


def _cause(error: BaseException) -> BaseException:
    """The exception in a chain that says most: not a wrapper, if there is more below it."""
    from botocore.exceptions import ClientError

    for each in _chain(error):
        if isinstance(each, (FileDatasetError, ClientError)):
            return each
        name = _name(each)
        if name and name not in WRAPPERS:
            return each
    return error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "last_exception", None) or error.__cause__ or error.__context__


def _name(error: BaseException) -> str:
    """The name under which an exception is in the table, or an empty text."""
    names = (cls.__name__ for cls in type(error).__mro__)
    return next((name for name in names if name in EXCEPTIONS), "")


def _of_a_body(error: BaseException) -> bool:
    """Whether it happened after an answer had begun, where no retries of the client reach."""
    name = _name(error)
    if name == "ReadTimeoutError":
        return not getattr(error, "kwargs", {}).get("endpoint_url")
    return name in OF_BODIES
