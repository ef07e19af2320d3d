"""What is in which object: known from its key alone, to the server and to who checks."""

from __future__ import annotations

import functools
import random
from pathlib import Path

import attrs

# A prime, so that no part of a large object can be taken for another part.
PERIOD = 1_048_573
_REPEATED = 4
_CHUNK = 2**20


@attrs.frozen
class Family:
    """Objects of one size, under keys such as ``5000x4096/000017.bin``.

    Args:
        count: How many there are.
        size: The bytes of each.
        step: How many objects of the prefix there are for each of these.
    """

    count: int
    size: int
    step: int = 1

    @property
    def prefix(self) -> str:
        return f"{self.count * self.step}x{self.size}/"

    @functools.cached_property
    def names(self) -> list[str]:
        return [f"{number * self.step:06}.bin" for number in range(self.count)]

    @functools.cached_property
    def keys(self) -> list[str]:
        return [self.prefix + name for name in self.names]

    @property
    def is_large(self) -> bool:
        """Whether its objects are worth moving in ranges."""
        return self.size >= 2**25

    def write(self, directory: Path) -> list[Path]:
        """Make a local file of each."""
        directory.mkdir(parents=True, exist_ok=True)
        paths = [directory / name for name in self.names]
        for path, key in zip(paths, self.keys, strict=True):
            with path.open("wb") as file:
                for at in range(0, self.size, _CHUNK):
                    file.write(content(key, at, min(at + _CHUNK, self.size)))
        return paths


@functools.cache
def block() -> bytes:
    """The bytes that all objects are cut from."""
    return random.Random("benchmarks").randbytes(PERIOD)


@functools.cache
def _repeated() -> bytes:
    return block() * _REPEATED


def hash_of(key: str) -> int:
    """The same hash as in server/types.h."""
    value = 0xCBF29CE484222325
    for byte in key.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def content(key: str, start: int, stop: int) -> bytes:
    """The bytes of an object from one position to another, at most 2 MiB."""
    begin = (hash_of(key) + start) % PERIOD
    return _repeated()[begin : begin + stop - start]


def check_bytes(key: str, data: bytes, size: int) -> None:
    """Raises ValueError unless these are the bytes of the object."""
    if len(data) != size:
        raise ValueError(f"{key}: {len(data)} bytes instead of {size}")
    for at in range(0, size, _CHUNK):
        if data[at : at + _CHUNK] != content(key, at, min(at + _CHUNK, size)):
            raise ValueError(f"{key}: other bytes than the object's after {at}")


def check_file(key: str, path: Path, size: int) -> None:
    """Raises ValueError unless the file holds the bytes of the object."""
    if path.stat().st_size != size:
        raise ValueError(f"{path}: {path.stat().st_size} bytes instead of {size}")
    with path.open("rb") as file:
        for at in range(0, size, _CHUNK):
            if file.read(_CHUNK) != content(key, at, min(at + _CHUNK, size)):
                raise ValueError(f"{path}: other bytes than those of {key} after {at}")
