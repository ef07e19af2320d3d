"""Files that tell of each part of them whether it is what it was."""

from __future__ import annotations

import array
import os
import struct
import zlib
from pathlib import Path
from typing import Final, Self

import attrs

from file_dataset.domain.errors import IntegrityError

BLOCK: Final = 256 << 10
"""What is looked at together: reading a byte means reading so many."""

_STEP: Final = 32 * BLOCK
_MOST: Final = 1 << 30
# What stands at the end of a file: what it is, its name, the size of its content, and the CRC-32
# of these and of the CRC-32 of each block, which stand before it.
_TAIL: Final = struct.Struct("<8s32sQI")
_KIND: Final = b"fdseal1\n"


@attrs.frozen
class Sealed:
    """The content of a sealed file that is open.

    Args:
        file: Its descriptor.
        size: The length of the content in bytes.
    """

    file: int
    size: int
    _checks: array.array[int]

    @classmethod
    def of(cls, file: int, name: bytes) -> Self | None:
        """The content, if it was sealed under this name, and None if under another.

        Raises:
            IntegrityError: If it is not what it was.
        """
        end = os.fstat(file).st_size
        tail = os.pread(file, _TAIL.size, max(0, end - _TAIL.size))
        if len(tail) != _TAIL.size:
            raise IntegrityError("it is cut off")
        kind, sealed_as, size, check = _TAIL.unpack(tail)
        checks = array.array("I")
        if kind != _KIND or size + checks.itemsize * _blocks(size) + _TAIL.size != end:
            raise IntegrityError("it has no seal")
        checks.frombytes(_read(file, size, end - _TAIL.size))
        if check != _check_of(checks, sealed_as, size):
            raise IntegrityError("its seal is not what it was")
        return cls(file, size, checks) if sealed_as == name else None

    def read(self, start: int, stop: int) -> bytes:
        """A part of the content.

        Raises:
            IntegrityError: If it is not what it was.
        """
        low, high = start // BLOCK * BLOCK, min(self.size, _blocks(stop) * BLOCK)
        data = _read(self.file, low, high)
        for number, check in enumerate(_checks_of(data), low // BLOCK):
            if check != self._checks[number]:
                raise IntegrityError(f"what follows byte {number * BLOCK} is not what it was")
        return data[start - low : stop - low]

    def copy_to(self, path: Path) -> None:
        """Make a file of the content.

        Raises:
            IntegrityError: If it is not what it was; then some of the file may be there.
        """
        with open(path, "xb", buffering=0) as copy:
            for start in range(0, self.size, _STEP):
                _write(copy.fileno(), self.read(start, min(start + _STEP, self.size)))


def seal(path: Path, name: bytes) -> bytes:
    """Seal a file where it is; gives its content."""
    with open(path, "r+b", buffering=0) as file:
        data = _read(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        file.seek(0, os.SEEK_END)
        _write_seal(file.fileno(), array.array("I", _checks_of(data)), name, len(data))
    return data


def sealed_copy(source: Path, target: Path, name: bytes) -> int:
    """Make a sealed file with the content of another; gives the length of the content."""
    checks, size = array.array("I"), 0
    with open(source, "rb", buffering=0) as file, open(target, "xb", buffering=0) as copy:
        while data := _read(file.fileno(), size, size + _STEP):
            checks.extend(_checks_of(data))
            _write(copy.fileno(), data)
            size += len(data)
        _write_seal(copy.fileno(), checks, name, size)
    return size


def _write_seal(file: int, checks: array.array[int], name: bytes, size: int) -> None:
    tail = _TAIL.pack(_KIND, name, size, _check_of(checks, name, size))
    _write(file, checks.tobytes() + tail)


def _blocks(size: int) -> int:
    return -(-size // BLOCK)


def _checks_of(data: bytes) -> list[int]:
    view = memoryview(data)
    return [zlib.crc32(view[start : start + BLOCK]) for start in range(0, len(data), BLOCK)]


def _check_of(checks: array.array[int], name: bytes, size: int) -> int:
    return zlib.crc32(checks, zlib.crc32(name, size & 0xFFFFFFFF))


def _read(file: int, start: int, stop: int) -> bytes:
    """What is there of a part of a file: in one piece, where the system gives it at once."""
    data = os.pread(file, min(stop - start, _MOST), start)
    pieces = [data]
    at = start + len(data)
    while data and at < stop:
        data = os.pread(file, min(stop - at, _MOST), at)
        pieces.append(data)
        at += len(data)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
