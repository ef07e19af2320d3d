"""Whether the bytes that came are those that the store has, by the checksum that it tells."""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, Protocol, TypeAlias

import attrs

from file_dataset.domain.errors import IntegrityError
from file_dataset.domain.url import Url

VerifyReads: TypeAlias = Literal["checksum", "etag", "size"]

ASKING: Final = ("X-Amz-Checksum-Mode", "ENABLED")
"""The header by which a store is asked to tell an object's checksum with its bytes."""

TOLD: Final = (
    "x-amz-checksum-crc32",
    "x-amz-checksum-type",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-algorithm",
)
"""The headers by which it does so, or by which it can be known what an etag is, besides that."""

_md5 = re.compile(r'"?([0-9a-fA-F]{32})"?').fullmatch
# Of what is encrypted by these the etag is something else.
_KMS: Final = frozenset({"aws:kms", "aws:kms:dsse"})

_POLYNOMIAL: Final = 0xEDB88320
_ONE: Final = 1 << 31


class Sum(Protocol):
    """A checksum that is being made."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take some more bytes."""

    def digest(self) -> bytes:
        """The checksum of all that there was so far."""


@attrs.define
class Crc32:
    """The CRC-32 of some bytes, and their number."""

    value: int = 0
    length: int = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """Take some more bytes."""
        self.value = zlib.crc32(data, self.value)
        self.length += len(data)

    def digest(self) -> bytes:
        """As the store tells it."""
        return self.value.to_bytes(4, "big")

    def followed_by(self, other: Crc32) -> Crc32:
        """The CRC-32 of these bytes and others behind them."""
        value = _product(_power(other.length), self.value) ^ other.value
        return Crc32(value, self.length + other.length)


def _product(a: int, b: int) -> int:
    """Of two polynomials over GF(2), modulo that of CRC-32, whose first bit is the last here."""
    product = 0
    for _ in range(32):
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


@functools.lru_cache(maxsize=32)
def _power(count: int) -> int:
    """By what bytes are multiplied that so many others follow: x to eight times their number."""
    power, square = _ONE, _ONE >> 8
    while count:
        if count & 1:
            power = _product(power, square)
        square = _product(square, square)
        count >>= 1
    return power


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
        return self.begin is Crc32

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
            assert isinstance(first, Crc32)
            assert isinstance(other, Crc32)
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
    crc = said.get("x-amz-checksum-crc32", "")
    # That of an upload in parts may be one of the checksums of the parts.
    if crc and said.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT":
        # Where no type is told, the number of parts is behind it, which is no base 64.
        with contextlib.suppress(binascii.Error):
            return Expected("CRC-32", base64.b64decode(crc, validate=True), Crc32)
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
