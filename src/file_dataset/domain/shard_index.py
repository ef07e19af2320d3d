"""The index beside a shard: which members it has and where, so that no header has to be read.

It is an object of JSON with four lists of the same length. Whatever is read from a store is checked
before it is believed: a wrong index is told, and never gives the bytes of another member.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias, TypeGuard, TypeVar

import attrs

from file_dataset.domain.archives import MOST_MEMBERS, Contents, Member
from file_dataset.domain.errors import IntegrityError
from file_dataset.domain.names import is_ordinary_member, member_name_fault
from file_dataset.domain.tar_archives import BLOCK
from file_dataset.domain.url import Url

T = TypeVar("T")

FORMAT: Final = "file_dataset shard index"
VERSION: Final = 1
LARGEST: Final = 256 << 20
"""What a shard index takes at most, in bytes."""

_LISTS = ("names", "starts", "sizes", "crcs")
_KEYS = {"format", "version", "archive_size", *_LISTS}


def index_of(archive: Url) -> Url:
    """Where the index of an archive is."""
    return Url(archive.scheme, archive.authority, f"{archive.key}.index.json")


_Lists: TypeAlias = tuple[list[str], list[int], list[int], list[int]]


@attrs.define
class ShardIndex:
    """The members of a shard.

    Args:
        names: Their names.
        starts: Where the bytes of each begin.
        sizes: How many they are.
        crcs: Their CRC-32.
        archive_size: How long the shard is.
    """

    names: list[str] = attrs.field(factory=list)
    starts: list[int] = attrs.field(factory=list)
    sizes: list[int] = attrs.field(factory=list)
    crcs: list[int] = attrs.field(factory=list)
    archive_size: int = 0

    def add(self, name: str, start: int, size: int, crc: int) -> None:
        """Take in a member."""
        self.names.append(name)
        self.starts.append(start)
        self.sizes.append(size)
        self.crcs.append(crc)

    def to_json(self) -> bytes:
        """The index as it is kept."""
        said = {"format": FORMAT, "version": VERSION, **attrs.asdict(self, recurse=False)}
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()

    def contents(self) -> Contents:
        """What it says is in the shard."""
        return Contents(_Members(self))

    @classmethod
    def from_json(cls, data: bytes) -> ShardIndex:
        """The index that to_json() has written.

        Raises:
            IntegrityError: If it is none, or says what cannot be.
        """
        if len(data) > LARGEST:
            raise IntegrityError(f"it has more than {LARGEST} bytes")
        try:
            said = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise IntegrityError(f"it is no JSON: {error}") from error
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise IntegrityError("it is no index of a shard")
        if said.get("version") != VERSION:
            raise IntegrityError(f"it is of version {said.get('version')!r}, not {VERSION}")
        if set(said) != _KEYS:
            raise IntegrityError(f"it has the fields {sorted(said)}, not {sorted(_KEYS)}")
        lists = _lists(*(said[name] for name in _LISTS))
        _check(*lists, archive_size=said["archive_size"])
        return cls(*lists, archive_size=said["archive_size"])


class _Members(Mapping[str, Member]):
    """The members of an index, each made when it is asked for: there may be a million."""

    def __init__(self, index: ShardIndex) -> None:
        self._index = index
        self._numbers = dict(zip(index.names, range(len(index.names)), strict=True))

    def __getitem__(self, name: str) -> Member:
        number = self._numbers[name]
        start, size = self._index.starts[number], self._index.sizes[number]
        return Member(start - BLOCK, BLOCK + size, size, self._index.crcs[number], BLOCK)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def _are(values: object, kind: type[T]) -> TypeGuard[list[T]]:
    return isinstance(values, list) and set(map(type, values)) <= {kind}


def _lists(names: object, starts: object, sizes: object, crcs: object) -> _Lists:
    if _are(names, str) and _are(starts, int) and _are(sizes, int) and _are(crcs, int):
        return names, starts, sizes, crcs
    raise IntegrityError("its lists are not of texts and whole numbers")


def _check(
    names: list[str], starts: list[int], sizes: list[int], crcs: list[int], *, archive_size: object
) -> None:
    """Raises IntegrityError for what no shard can have."""
    if type(archive_size) is not int:
        raise IntegrityError("the size of its shard is no whole number")
    if not len(names) == len(starts) == len(sizes) == len(crcs) <= MOST_MEMBERS:
        raise IntegrityError("its lists differ in length, or are too long")
    if len(set(names)) < len(names):
        raise IntegrityError("it has a member more than once")
    if not all(map(is_ordinary_member, names)):
        for name in names:
            if fault := member_name_fault(name):
                raise IntegrityError(f"its member {name!r} {fault}")
    _check_places(starts, sizes, archive_size)
    if crcs and not 0 <= min(crcs) <= max(crcs) < 1 << 32:
        raise IntegrityError("it has a CRC-32 that is none")


def _check_places(starts: Sequence[int], sizes: Sequence[int], archive_size: int) -> None:
    if starts and (starts[0] < BLOCK or min(sizes) < 0):
        raise IntegrityError("it has a member that begins before its header, or ends before that")
    ends = list(map(operator.add, starts, sizes))
    # Each has its header between the one before it and its own bytes.
    gaps = map(operator.sub, islice(starts, 1, None), ends)
    if min(gaps, default=BLOCK) < BLOCK:
        raise IntegrityError("it has members that lie in one another, or out of their order")
    if ends and ends[-1] > archive_size:
        raise IntegrityError(
            f"it has a member that ends at {ends[-1]}, its shard at {archive_size}"
        )
