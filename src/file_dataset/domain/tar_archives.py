"""Tar archives: what is in them, by their headers alone, and the headers of those made here."""

from __future__ import annotations

import functools
import re
import tarfile
import zlib
from collections.abc import Mapping
from typing import Final

import attrs

from file_dataset.domain.archives import MOST_MEMBERS, Contents, Fault, Found, Member, ReadAt

BLOCK: Final = 512
# What tar reads at a time, and fills an archive up to.
_RECORD: Final = 20 * BLOCK
_EMPTY: Final = bytes(BLOCK)
# A header that says more of a member than this says too much.
_LARGEST_EXTRA: Final = 1 << 20
_MODE: Final = 0o644
# Of a header: the longest name, where the size is in digits and the sum, and the first size that
# has too many digits.
_NAME_FIELD: Final = 100
_SIZE: Final = slice(124, 135)
_SUM: Final = slice(148, 156)
_PLAIN_SIZES: Final = 8**11

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_FILES: Final = frozenset(b"07\0")
_DIRECTORY: Final = ord("5")
# These have no bytes of their own after the header, whatever it says of their size.
_OTHERS: Final[Mapping[int, Fault]] = {
    ord("1"): Fault("is a hard link, which is not followed"),
    ord("2"): Fault("is a symbolic link, which is not followed"),
    ord("3"): Fault("is a device"),
    ord("4"): Fault("is a device"),
    ord("6"): Fault("is a named pipe"),
}
_OLD_SPARSE: Final = ord("S")
_SPARSE: Final = Fault("is a sparse file, of which the archive does not have every byte")
_pax_record = re.compile(rb"(\d{1,20}) ([^=]*)=").match


def padded(size: int) -> int:
    """What a file takes of an archive, which goes by blocks."""
    return -(-size // BLOCK) * BLOCK


def header(name: str, size: int) -> bytes:
    """What comes before a file, the same at any time and for anyone.

    A name or a size that the plain header has no room for is told in a pax header before it, which
    every tar of this century reads.
    """
    if _is_plain(name, size):
        return _plain_header(name.encode(), b"%011o" % size)
    return _header(name, size)


def taken(name: str, size: int) -> int:
    """How many bytes a file takes of an archive, with what comes before it."""
    return (BLOCK if _is_plain(name, size) else len(_header(name, size))) + padded(size)


def _is_plain(name: str, size: int) -> bool:
    return name.isascii() and len(name) <= _NAME_FIELD and size < _PLAIN_SIZES


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = _MODE
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


@functools.cache
def _blank() -> tuple[bytes, int]:
    """The header of a file without a name and a size, and the sum of its bytes without a sum."""
    blank = _header("", 0)
    return blank, sum(blank) - sum(blank[_SUM]) + len(blank[_SUM]) * ord(" ")


def _plain_header(name: bytes, size: bytes) -> bytes:
    # There may be millions, and tarfile takes twenty times as long.
    blank, told = _blank()
    told += sum(name) + sum(size) - len(size) * ord("0")
    return b"".join(
        (
            name.ljust(_NAME_FIELD, b"\0"),
            blank[_NAME_FIELD : _SIZE.start],
            size,
            blank[_SIZE.stop : _SUM.start],
            b"%06o\0" % told,
            blank[_SUM.stop - 1 :],
        )
    )


def end(size: int) -> bytes:
    """What comes after the last file of an archive that has so many bytes by then."""
    whole = size + 2 * BLOCK
    return bytes(-(-whole // _RECORD) * _RECORD - size)


class _BrokenError(Exception):
    """From here on nobody can tell what is in the archive."""


@attrs.define
class _Extra:
    """What the headers before a file's own say of it."""

    entry: int
    name: str | None = None
    size: int | None = None
    sparse: bool = False


def scan(read: ReadAt, size: int) -> Contents:
    """What is in a tar archive, by its headers.

    Args:
        read: Reads the archive.
        size: How long it is.
    """
    found = Found()
    try:
        _scan(read, size, found)
    except _BrokenError as error:
        return found.contents(str(error))
    return found.contents()


def _scan(read: ReadAt, size: int, found: Found) -> None:
    at = 0
    extra: _Extra | None = None
    while (block := _block(read, at)) != _EMPTY:
        if found.count >= MOST_MEMBERS:
            raise _BrokenError(f"it has more than {MOST_MEMBERS} members, and no more are read")
        kind = block[156]
        length = _number(block[124:136], at)
        start = at + BLOCK
        if kind in b"LKxXg":
            extra = extra or _Extra(at)
            _note(extra, kind, _extra_bytes(read, start, length))
            at = start + padded(length)
            continue
        extra = extra or _Extra(at)
        name = _name(block) if extra.name is None else extra.name
        if extra.size is not None:
            length = extra.size
        if kind == _OLD_SPARSE:
            start = _after_map(read, block, start)
        stored = 0 if kind in _OTHERS or kind == _DIRECTORY else length
        if start + stored > size:
            cut = f"is cut off: it ends at byte {start + stored}, the archive at byte {size}"
            found.add(name, Fault(cut, is_damage=True))
            raise _BrokenError(f"it is cut off at byte {size}")
        # Before there was a type for them, directories were files with a slash at the end.
        if kind != _DIRECTORY and not (kind in _FILES and name.endswith("/")):
            found.add(name, _member(read, kind, extra, start, length))
        at = start + padded(stored)
        extra = None


def _block(read: ReadAt, at: int) -> bytes:
    block = read(at, BLOCK)
    if len(block) < BLOCK:
        raise _BrokenError(f"it is cut off: it ends at byte {at + len(block)}, without an end mark")
    if block == _EMPTY:
        return block
    told = _number(block[148:156], at)
    unsigned = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if told != unsigned and told != _signed(block):
        raise _BrokenError(_no_header(block, at))
    return block


def _after_map(read: ReadAt, block: bytes, start: int) -> int:
    """Where the bytes of a sparse file begin: after as many blocks as the map of its holes has."""
    more = block[482]
    while more:
        block = read(start, BLOCK)
        start += BLOCK
        more = len(block) == BLOCK and block[504]
    return start


def _signed(block: bytes) -> int:
    # So some old ones counted, whose characters had signs.
    return sum(c - 256 if c > 127 else c for c in block[:148] + b" " * 8 + block[156:])


def _no_header(block: bytes, at: int) -> str:
    if at == 0:
        if block.startswith((_GZIP, b"BZh", b"\xfd7zXZ", _ZSTD)):
            return "it is compressed as a whole, so that no member can be had by itself; unpack it"
        return "it is no tar archive"
    return f"what is at byte {at} is no header"


def _number(field: bytes, at: int) -> int:
    if field[0] & 0x80:
        value = int.from_bytes(field[1:], "big")
        if field[0] != 0x80 or value >= 1 << 62:
            raise _BrokenError(f"the header at byte {at} has a number that is none")
        return value
    text = field.partition(b"\0")[0].strip(b" ")
    if not re.fullmatch(rb"[0-7]*", text):
        raise _BrokenError(
            "it is no tar archive" if at == 0 else f"the header at byte {at} is damaged"
        )
    return int(text or b"0", 8)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    if block[257:263] == b"ustar\0" and (prefix := block[345:500].partition(b"\0")[0]):
        name = prefix + b"/" + name
    return _text(name)


def _extra_bytes(read: ReadAt, start: int, length: int) -> bytes:
    if length > _LARGEST_EXTRA:
        raise _BrokenError(f"the header before byte {start} says {length} bytes of a single member")
    data = read(start, length)
    if len(data) < length:
        raise _BrokenError(f"it is cut off in the header before byte {start}")
    return data


def _note(extra: _Extra, kind: int, data: bytes) -> None:
    if kind == ord("L"):
        extra.name = _text(data.partition(b"\0")[0])
    elif kind in b"xXg":
        said = _pax(data)
        if kind == ord("g"):
            if b"path" in said or b"size" in said:
                raise _BrokenError("it has one name or size for all of its members")
            return
        extra.sparse = extra.sparse or any(key.startswith(b"GNU.sparse.") for key in said)
        if b"path" in said:
            extra.name = _text(said[b"path"])
        if b"size" in said:
            if not re.fullmatch(rb"\d{1,18}", said[b"size"]):
                raise _BrokenError("a pax header has a size that is none")
            extra.size = int(said[b"size"])


def _pax(data: bytes) -> dict[bytes, bytes]:
    said: dict[bytes, bytes] = {}
    at = 0
    while at < len(data) and data[at]:
        found = _pax_record(data, at)
        stop = at + int(found[1]) if found else 0
        if found is None or not found.end() < stop <= len(data) or data[stop - 1] != ord("\n"):
            raise _BrokenError("a pax header cannot be read")
        said[found[2]] = data[found.end() : stop - 1]
        at = stop
    return said


def _member(read: ReadAt, kind: int, extra: _Extra, start: int, length: int) -> Member | Fault:
    if kind in _OTHERS:
        return _OTHERS[kind]
    if extra.sparse or kind == _OLD_SPARSE:
        return _SPARSE
    if kind not in _FILES:
        return Fault(f"is of the unknown type {chr(kind)!r}")
    skip = start - extra.entry
    head = zlib.crc32(read(extra.entry, skip))
    return Member(extra.entry, skip + length, length, skip=skip, head=head)
