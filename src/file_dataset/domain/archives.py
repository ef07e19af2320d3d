"""What is in an archive: where each member lies, and how its bytes are had from there."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

import attrs

from file_dataset.domain.errors import IntegrityError
from file_dataset.domain.names import member_name_fault

MOST_MEMBERS: Final = 1_000_000
"""An archive that says that it has more is not believed, and not read further."""

_SIGNATURE = b"PK\3\4"
_LOCAL_HEADER = 30
_STORED = 0
# A tar header begins with the name, of which there are pax headers where it does not fit.
_NAME_FIELD = 100

LARGEST_UNPACKED: Final = 1 << 30
"""How many bytes of a member of a zip are unpacked at most, since they are in memory then."""

FREE: Final = 64 << 20
"""How many bytes a member may unpack to, whatever the number of those that it takes."""

RATIO: Final = 200
"""How many times as many bytes a larger member may unpack to as it takes."""

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""Gives the bytes of an archive from an offset, as many as asked for; fewer only at its end."""


class Member(NamedTuple):
    """Where one file of an archive lies.

    There may be a million of them, so it is a tuple. In a tar it begins with the header, which
    tells whether it is this member that is there.

    Attributes:
        start: Where what has to be read of the archive begins.
        length: How much of it has to be read.
        size: How long the file is.
        crc: The CRC-32 of the file; None where nobody knows it.
        skip: How much of what is read comes before the file's bytes.
        head: The CRC-32 of what is skipped; None where its first bytes have to spell the name.
        zipped: What else has to be known of a member of a zip.
    """

    start: int
    length: int
    size: int
    crc: int | None = None
    skip: int = 0
    head: int | None = None
    zipped: Zipped | None = None


class Zipped(NamedTuple):
    """What a zip says of a member beside where it lies.

    Attributes:
        name: The member's name, as it is spelled before its bytes.
        method: How it is compressed.
        packed: How many bytes it takes so.
    """

    name: bytes
    method: int
    packed: int


class Fault(NamedTuple):
    """What keeps a member from being read.

    Attributes:
        text: What is wrong with it, as ``is a symbolic link``.
        is_damage: Whether the archive is not what it should be, rather than more than is read.
    """

    text: str
    is_damage: bool = False


@attrs.frozen
class Contents:
    """What is in an archive, as its index or its headers say.

    Args:
        members: The files that can be read, by their names.
        faults: What keeps others from being read, by their names.
        nameless: What keeps files from being read that no URL can name.
        broken: Why there may be more than is told here; empty for an archive that is whole.
    """

    members: Mapping[str, Member] = attrs.field(factory=dict)
    faults: Mapping[str, Fault] = attrs.field(factory=dict)
    nameless: tuple[str, ...] = ()
    broken: str = ""


class Found:
    """Members as they are found, each under a name that nothing else has."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._faults: dict[str, Fault] = {}
        self._nameless: list[str] = []

    @property
    def count(self) -> int:
        """How many there are so far."""
        return len(self._members) + len(self._faults) + len(self._nameless)

    def add(self, name: str, member: Member | Fault) -> None:
        """Take in a member, or why it cannot be read."""
        # So tar spells what is in the directory that it was told to pack.
        while name.startswith("./"):
            name = name[2:]
        if fault := member_name_fault(name):
            self._nameless.append(f"{name!r} {fault}")
        elif name in self._members or name in self._faults:
            self._members.pop(name, None)
            self._faults[name] = Fault("is in the archive more than once", is_damage=True)
        elif isinstance(member, Member):
            self._members[name] = member
        else:
            self._faults[name] = member

    def contents(self, broken: str = "") -> Contents:
        """What was found."""
        return Contents(self._members, self._faults, tuple(self._nameless), broken)


def overlapping(places: Iterable[tuple[int, int]]) -> set[int]:
    """Which of some places lie in one another, by which a bomb is as large as it likes.

    Args:
        places: Where each begins, and how much it takes at least.
    """
    found: set[int] = set()
    reached, owner = 0, -1
    for start, length, number in sorted((*place, n) for n, place in enumerate(places)):
        if start < reached:
            found |= {number, owner}
        if start + length > reached:
            reached, owner = start + length, number
    return found


def bomb_fault(size: int, packed: int) -> Fault | None:
    """What keeps a zipped member from being unpacked into memory, by what is said of it."""
    if size > LARGEST_UNPACKED:
        return Fault(f"has {size} bytes; of a zip no more than {LARGEST_UNPACKED} are unpacked")
    if size > FREE and size > RATIO * packed:
        return Fault(
            f"unpacks to {size} bytes from {packed}; beyond {FREE} bytes no more than {RATIO} "
            f"times as many are unpacked"
        )
    return None


def content_of(name: str, member: Member, data: bytes, at: int = 0) -> bytes:
    """A member's bytes, from those that were read for it and maybe for others.

    Args:
        name: What it is called.
        member: What is known of it.
        data: What was read.
        at: Where in there it begins.

    Raises:
        IntegrityError: If they are not what the index or the headers say.
    """
    if member.zipped is not None:
        content = _unzipped(member, member.zipped, data[at : at + member.length])
    else:
        start = at + member.skip
        content = data[start : start + member.size]
        if len(content) < member.size:
            raise IntegrityError(
                f"the archive is cut off: it has {len(data) - at} bytes of "
                f"{member.skip + member.size}"
            )
        check_head(name, member, data, at)
    if member.crc is not None and (found := zlib.crc32(content)) != member.crc:
        check_crc(member.crc, found)
    return content


def check_head(name: str, member: Member, data: bytes, at: int = 0) -> None:
    """Raises IntegrityError if it is another member's header that a tar has there."""
    if member.head is not None:
        is_it = zlib.crc32(data[at : at + member.skip]) == member.head
    else:
        spelled = name.encode("ascii", "replace")[:_NAME_FIELD]
        # A shorter one ends with a NUL.
        is_it = data.startswith(spelled, at) and (
            len(spelled) == _NAME_FIELD or data[at + len(spelled)] == 0
        )
    if not is_it:
        raise IntegrityError("another member is where the archive is said to have it")


def check_crc(told: int, found: int) -> None:
    """Raises IntegrityError if a CRC-32 is not what it should be."""
    if told != found:
        raise IntegrityError(
            f"its bytes are not those that were packed: their CRC-32 is {found:08x}, not {told:08x}"
        )


def _unzipped(member: Member, zipped: Zipped, data: bytes) -> bytes:
    head = data[:_LOCAL_HEADER]
    if len(head) < _LOCAL_HEADER or not head.startswith(_SIGNATURE):
        raise IntegrityError("no member begins where the directory of the archive says")
    name_length = int.from_bytes(head[26:28], "little")
    start = _LOCAL_HEADER + name_length + int.from_bytes(head[28:30], "little")
    if data[_LOCAL_HEADER : _LOCAL_HEADER + name_length] != zipped.name:
        raise IntegrityError("another member begins where this one should")
    packed = data[start : start + zipped.packed]
    if len(packed) < zipped.packed:
        raise IntegrityError(f"the archive is cut off: {len(packed)} bytes of {zipped.packed}")
    content = packed if zipped.method == _STORED else _inflated(packed, member.size)
    if len(content) != member.size:
        raise IntegrityError(
            f"it has {'more' if len(content) > member.size else 'fewer'} bytes than the "
            f"{member.size} that the archive says"
        )
    return content


def _inflated(packed: bytes, size: int) -> bytes:
    # One byte more than was said tells that there are more, and no others are made.
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
    except zlib.error as error:
        raise IntegrityError(f"it cannot be decompressed: {error}") from error
