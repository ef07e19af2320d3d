"""CRCs that Python has not, bit by bit: what AWS's library has to give."""

from __future__ import annotations

from typing import Final

_POLYNOMIALS: Final = {32: 0x82F63B78, 64: 0x9A6C9329AC4BC9B5}


def crc32c(data: bytes | memoryview, before: int = 0) -> int:
    """The CRC-32C of bytes that follow those of another."""
    return _crc(data, before, 32)


def crc64nvme(data: bytes | memoryview, before: int = 0) -> int:
    """The CRC-64/NVME of bytes that follow those of another."""
    return _crc(data, before, 64)


def _crc(data: bytes | memoryview, before: int, bits: int) -> int:
    ones = (1 << bits) - 1
    value = before ^ ones
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIALS[bits] if value & 1 else 0)
    return value ^ ones
