"""Whether the bytes that came are those that the store has, by the checksum that it tells."""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, Protocol, TypeAlias

import attrs

from file_dataset.adapters.s3.crcs import HEADERS, Crc, kind_of
from file_dataset.domain.errors import IntegrityError
from file_dataset.domain.url import Url

VerifyReads: TypeAlias = Literal["checksum", "etag", "size"]

ASKING: Final = ("X-Amz-Checksum-Mode", "ENABLED")
"""The header by which a store is asked to tell an object's checksum with its bytes."""

TOLD: Final = (
    *HEADERS,
    "x-amz-checksum-type",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-algorithm",
)
"""The headers by which it does so, or by which it can be known what an etag is, besides that."""

_SUMS: Final = frozenset(HEADERS)
_md5 = re.compile(r'"?([0-9a-fA-F]{32})"?').fullmatch
# Of what is encrypted by these the etag is something else.
_KMS: Final = frozenset({"aws:kms", "aws:kms:dsse"})


class Sum(Protocol):
    """A checksum that is being made."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take some more bytes."""

    def digest(self) -> bytes:
        """The checksum of all that there was so far."""


@attrs.frozen
class Expected:
    """The checksum that the bytes of an object should have.

    Args:
        name: What it is called.
        digest: The checksum.
        begin: Begins one of the same kind.
    """

    name: str
    digest: bytes
    begin: Callable[[], Sum]

    @property
    def is_of_parts(self) -> bool:
        """Whether it can be had of parts that come side by side."""
        return isinstance(self.begin(), Crc)

    def check(self, url: Url, found: Sum) -> None:
        """Raise IntegrityError unless the bytes that came have this checksum."""
        digest = found.digest()
        if digest != self.digest:
            error = IntegrityError(
                f"{url.redacted}: checksum mismatch: the store has bytes with the {self.name} "
                f"{self.digest.hex()}, and those that came have {digest.hex()}",
                url=url,
            )
            error.transient = True
            raise error

    def check_parts(self, url: Url, found: Iterable[Sum]) -> None:
        """As ``check``, of an object's parts in their order."""
        first, *others = found
        for other in others:
            assert isinstance(first, Crc)
            assert isinstance(other, Crc)
            first = first.followed_by(other)
        self.check(url, first)


def expected(said: Mapping[str, str], how: VerifyReads) -> Expected | None:
    """What the headers of an answer tell of an object's checksum, or None if that is nothing.

    Args:
        said: The headers, by their names in small letters.
        how: What is looked at.
    """
    if how == "size":
        return None
    # Most have none; that of an upload in parts may be one of the checksums of the parts.
    kind_of_sum = said.get("x-amz-checksum-type", "FULL_OBJECT")
    if not _SUMS.isdisjoint(said) and kind_of_sum == "FULL_OBJECT":
        for header in HEADERS:
            if (told := said.get(header)) and (kind := kind_of(header)):
                # Where no type is told, the number of parts is behind it, which is no base 64.
                with contextlib.suppress(binascii.Error):
                    digest = base64.b64decode(told, validate=True)
                    return Expected(kind.name, digest, functools.partial(Crc, kind))
    return _of_etag(said) if how == "etag" else None


def _of_etag(said: Mapping[str, str]) -> Expected | None:
    etag = _md5(said.get("etag", ""))
    if (
        etag is None
        or said.get("x-amz-server-side-encryption") in _KMS
        or "x-amz-server-side-encryption-customer-algorithm" in said
    ):
        return None
    return Expected("MD5", bytes.fromhex(etag[1]), _begin_md5)


def _begin_md5() -> Sum:
    return hashlib.md5(usedforsecurity=False)


def digest_header(digest: bytes) -> tuple[str, str]:
    """The header by which a store is told the MD5 of what it gets, so that it looks at it."""
    return "Content-MD5", base64.b64encode(digest).decode()


def check_kept(url: Url, said: Mapping[str, str], digest: bytes) -> None:
    """Raise IntegrityError if a store's answer tells another MD5 than that of what was sent."""
    kept = _of_etag(said)
    if kept is not None and kept.digest != digest:
        error = IntegrityError(
            f"{url.redacted}: checksum mismatch: bytes with the MD5 {digest.hex()} were sent, and "
            f"the store has such with {kept.digest.hex()}",
            url=url,
        )
        error.transient = True
        raise error


def check(url: Url, said: Mapping[str, str], pieces: Iterable[bytes], how: VerifyReads) -> None:
    """Raise IntegrityError unless an object's bytes have the checksum that an answer tells."""
    wanted = expected(said, how)
    if wanted is not None:
        found = wanted.begin()
        for piece in pieces:
            found.update(piece)
        wanted.check(url, found)
