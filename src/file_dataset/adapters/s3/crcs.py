"""CRCs, as S3 tells them of its objects, also of what comes in parts side by side."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Mapping
from typing import Final

import attrs


@attrs.frozen
class Kind:
    """One of the CRCs that begin and end with ones, and have their first bit last.

    Args:
        name: What it is called.
        bits: Its length.
        polynomial: What it is the remainder by.
        update: The CRC of some bytes that follow those of another CRC.
    """

    name: str
    bits: int
    polynomial: int
    update: Callable[[bytes | memoryview, int], int]


_CRC32: Final = "x-amz-checksum-crc32"
_CRC32C: Final = "x-amz-checksum-crc32c"
_CRC64NVME: Final = "x-amz-checksum-crc64nvme"
HEADERS: Final = (_CRC32, _CRC32C, _CRC64NVME)
"""The headers by which S3 tells them."""

CRC32: Final = Kind("CRC-32", 32, 0xEDB88320, zlib.crc32)


def kind_of(header: str) -> Kind | None:
    """The CRC that S3 tells by a header, or None if nothing here can make it."""
    return CRC32 if header == _CRC32 else _of_awscrt().get(header)


@functools.cache
def _of_awscrt() -> Mapping[str, Kind]:
    """Those that AWS's own library makes, where it is installed."""
    try:
        from awscrt.checksums import crc32c, crc64nvme
    except ImportError:
        return {}
    return {
        _CRC32C: Kind("CRC-32C", 32, 0x82F63B78, crc32c),
        _CRC64NVME: Kind("CRC-64/NVME", 64, 0x9A6C9329AC4BC9B5, crc64nvme),
    }


@attrs.define
class Crc:
    """A CRC of some bytes, and their number."""

    kind: Kind = CRC32
    value: int = 0
    length: int = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """Take some more bytes."""
        self.value = self.kind.update(data, self.value)
        self.length += len(data)

    def digest(self) -> bytes:
        """As the store tells it."""
        return self.value.to_bytes(self.kind.bits // 8, "big")

    def followed_by(self, other: Crc) -> Crc:
        """The CRC of these bytes and others behind them."""
        value = _product(_power(other.length, self.kind), self.value, self.kind) ^ other.value
        return Crc(self.kind, value, self.length + other.length)


def _product(a: int, b: int, kind: Kind) -> int:
    """Of two polynomials over GF(2), modulo the CRC's."""
    product, one = 0, 1 << (kind.bits - 1)
    for _ in range(kind.bits):
        if a & one:
            product ^= b
        a = (a << 1) & ((one << 1) - 1)
        b = b >> 1 ^ (kind.polynomial if b & 1 else 0)
    return product


@functools.lru_cache(maxsize=32)
def _power(count: int, kind: Kind) -> int:
    """By what bytes are multiplied that so many others follow: x to eight times their number."""
    power = 1 << (kind.bits - 1)
    square = power >> 8
    while count:
        if count & 1:
            power = _product(power, square, kind)
        square = _product(square, square, kind)
        count >>= 1
    return power
