"""This library's values in S3's words, and back; and what a transfer has to know of a file."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from file_dataset.domain.errors import (
    IntegrityError,
    RangeNotSatisfiableError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.files import local_errors, refuse_changed
from file_dataset.domain.objects import IfMatch, ObjectInfo, Span, WriteMode
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CopySourceTypeDef


class Named(TypedDict):
    """An object, as arguments of a client's methods."""

    Bucket: str
    Key: str


class Condition(TypedDict, total=False):
    """A condition for a write, as an argument of a client's methods."""

    IfMatch: str
    IfNoneMatch: str


@attrs.frozen
class Page:
    """A page of a listing.

    Args:
        objects: The objects, without those that stand for directories.
        prefixes: What the keys below each direct child begin with.
        latency: Seconds until the server began to answer; 0 where that is not known.
    """

    objects: list[ObjectInfo]
    prefixes: list[str]
    latency: float = attrs.field(default=0.0, eq=False)


def named(url: Url) -> Named:
    """The arguments that name an object."""
    return {"Bucket": url.authority, "Key": url.key}


def copied(url: Url) -> CopySourceTypeDef:
    """The argument that names the source of a copy."""
    return {"Bucket": url.authority, "Key": url.key}


def condition(mode: WriteMode) -> Condition:
    """The argument that stands for CREATE or for IfMatch."""
    return {"IfMatch": f'"{mode.etag}"'} if isinstance(mode, IfMatch) else {"IfNoneMatch": "*"}


def info(url: Url, described: Mapping[str, Any]) -> ObjectInfo:
    """An object as an answer describes it: to a HEAD request, or as an item of a list."""
    size = described.get("ContentLength", described.get("Size"))
    if size is None:
        raise StoreError(f"{url.redacted}: the store does not say how long the object is")
    etag, modified = described.get("ETag"), described.get("LastModified")
    return ObjectInfo(
        url,
        size,
        # Some servers leave out the quotes in lists.
        None if etag is None else etag.strip('"'),
        None if modified is None else modified.astimezone(UTC),
    )


def cut(data: bytes, url: Url, span: Span) -> bytes:
    """A span of a whole object. Raises RangeNotSatisfiableError if it starts past the end."""
    if span.start >= len(data):
        raise RangeNotSatisfiableError(
            f"{url.redacted}: byte {span.start} is past the end ({len(data)} bytes)"
        )
    return data[span.start : span.stop]


def within(data: bytes, content_range: str, url: Url, span: Span) -> bytes:
    """A span, as it was sent. Raises IntegrityError if it is not as much as there is of it."""
    size = content_range.rpartition("/")[2]
    stops = [stop for stop in (span.stop, int(size) if size.isdecimal() else None) if stop]
    if stops and len(data) != min(stops) - span.start:
        error = IntegrityError(
            f"{url.redacted}: truncated read: want {min(stops) - span.start}, got {len(data)} "
            f"bytes: the store sent {content_range!r}"
        )
        error.transient = True
        raise error
    return data


def status_of_file(path: str | os.PathLike[str]) -> os.stat_result:
    """What the system tells of a regular file. Raises UnsupportedError for anything else."""
    return regular(os.stat(path), path)


def regular(status: os.stat_result, path: str | os.PathLike[str]) -> os.stat_result:
    """What the system tells of a file, if that is a regular one."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory", os.fspath(path))
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedError(f"{path}: is a device, a pipe or a socket, not a file")
    return status


@contextlib.contextmanager
def unchanging(path: Path) -> Iterator[int]:
    """The size of a regular file in bytes, which has to stay as it is until the context ends.

    Raises:
        StoreError: If it is no regular file, or was changed meanwhile.
    """
    with local_errors(Url.local(path)):
        before = status_of_file(path)
    yield before.st_size
    with local_errors(Url.local(path)):
        refuse_changed(path, before, os.stat(path))
