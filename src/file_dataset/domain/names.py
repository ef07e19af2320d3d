"""Which ids and filenames may become a part of a path: one rule for all of them."""

from __future__ import annotations

import functools
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

RECORDS = ".file_dataset"
"""The directory below a destination that belongs to this library; no row may be called so."""

_LONGEST = 255
_SHORT = 10**18

# Most names are such, and are not looked at letter by letter.
_ORDINARY = r"[A-Za-z0-9_-][A-Za-z0-9_. -]{0,200}"
_is_ordinary = re.compile(_ORDINARY).fullmatch
is_ordinary_member: Callable[[str], object] = re.compile(f"{_ORDINARY}(?:/{_ORDINARY})*").fullmatch
"""Tells of most texts that can name a member that they can, and nothing of the others."""


def segment_fault(segment: str) -> str:
    """What keeps a text from being one segment of a path; empty if nothing does.

    Names are refused and never mended, so that what a table says is what a bucket holds.

    >>> segment_fault("case 7 é")
    ''
    >>> segment_fault("..")
    "is '..', which leads elsewhere"
    """
    return "" if _is_ordinary(segment) else _odd_segment_fault(segment)


def _odd_segment_fault(segment: str) -> str:
    if not segment:
        return "is empty"
    if segment in {".", ".."}:
        return f"is {segment!r}, which leads elsewhere"
    if "/" in segment or "\\" in segment:
        return "contains a slash or a backslash"
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in segment):
        return "contains a control character, or half of a surrogate pair"
    if len(segment.encode()) > _LONGEST:
        return f"is longer than {_LONGEST} bytes"
    return ""


def row_id_fault(row_id: object) -> str:
    """What keeps a value from being a row's id; empty if nothing does."""
    if type(row_id) is int and 0 <= row_id < _SHORT:
        return ""
    if isinstance(row_id, bool) or not isinstance(row_id, int | str):
        return f"is of type {type(row_id).__name__}, neither int nor str"
    if row_id == RECORDS:
        return f"is {RECORDS!r}, where this library keeps its records"
    return segment_fault(str(row_id))


def file_name_fault(name: object) -> str:
    """What keeps a value from being a filename, ``a.txt`` or ``a/b.txt``; empty if nothing does."""
    if not isinstance(name, str):
        return f"is of type {type(name).__name__}, not str"
    return _file_name_fault(name)


@functools.lru_cache(maxsize=1024)  # a table asks the same few names of every row
def _file_name_fault(name: str) -> str:
    if name.startswith("/"):
        return "is absolute"
    faults = (segment_fault(segment) for segment in name.split("/"))
    return next(filter(None, faults), "")


def member_name_fault(name: str) -> str:
    """What keeps a text from naming a member of an archive; empty if nothing does.

    >>> member_name_fault("7/image.mha"), member_name_fault("../image.mha")
    ('', "is '..', which leads elsewhere")
    """
    if is_ordinary_member(name):
        return ""
    # A URL has the archive after the first "::".
    if "::" in name or name.endswith(":"):
        return "contains '::' or ends in a colon, which a URL cannot say of a member"
    return file_name_fault(name)


def clashing_names(names: Iterable[str]) -> list[str]:
    """The names that would have to be a file and a directory at once, as ``a`` beside ``a/b``."""
    return _clashing_names(frozenset(names))


@functools.lru_cache(maxsize=64)  # as above
def _clashing_names(wanted: frozenset[str]) -> list[str]:
    directories = {
        name[:position]
        for name in wanted
        for position, character in enumerate(name)
        if character == "/"
    }
    return sorted(wanted & directories)


def first_below(name: str, ordered: Sequence[str]) -> str:
    """The first of some sorted names that wants a clashing one of them to be a directory."""
    return ordered[bisect_left(ordered, f"{name}/")]
