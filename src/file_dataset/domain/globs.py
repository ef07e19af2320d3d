"""Globs: patterns of the names below a prefix, which say as much as they can to the server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

_SPECIAL: Final = re.compile(r"[*?\[]")
_STARS: Final = re.compile(r"\*+")

# Inside a segment, and any number of whole segments.
_WITHIN: Final = "[^/]*"
_SEGMENTS: Final = "(?:[^/]*/)*"


def _check(text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"a pattern is a text, not {text!r}")
    if not text:
        raise ValueError("a pattern is empty; '*' matches every file")
    if text.startswith("/"):
        raise ValueError(
            f"the pattern {text!r} begins with a slash; patterns are about what follows the prefix"
        )


@attrs.frozen
class Glob:
    """A pattern of names below a prefix, which are matched from beginning to end, with their case.

    ``?`` is one character and ``[a-z]`` or ``[!a-z]`` one of those or none of those, never a
    slash; ``*`` is any number of characters. In a pattern with a slash ``*`` ends at slashes, and
    ``**`` between slashes is any number of directories, none included. In a pattern without a
    slash, which says nothing of directories, ``*`` runs over them. Everything else means itself;
    so do special characters in brackets, as ``[*]``.

    Args:
        text: The pattern.

    Raises:
        ValueError: If it is no pattern.

    >>> Glob("*.json").matches("2024/a.json"), Glob("2024/*").matches("2024/07/a.json")
    (True, False)
    >>> Glob("**/a.json").matches("a.json"), Glob("2024/**").matches("2024/07/a.json")
    (True, True)
    """

    text: str
    _regex: re.Pattern[str] = attrs.field(init=False, repr=False, eq=False)

    @_regex.default
    def _compiled(self) -> re.Pattern[str]:
        _check(self.text)
        return re.compile(_translated(self.text), re.DOTALL)

    @property
    def start(self) -> str:
        """What every name that matches begins with, as far as the pattern says it literally."""
        special = _SPECIAL.search(self.text)
        return self.text[: special.start()] if special else self.text

    def matches(self, name: str) -> bool:
        """Whether a name is one of those that are meant."""
        return self._regex.fullmatch(name) is not None


def starts(globs: Iterable[Glob]) -> list[str]:
    """What names begin with that match one of the globs, sorted; none begins with another."""
    found: list[str] = []
    for start in sorted({glob.start for glob in globs}):
        if not (found and start.startswith(found[-1])):
            found.append(start)
    return found


def _translated(text: str) -> str:
    """The glob as a regular expression, which never takes back what it need not.

    Whatever is followed by another star may match as early as it can, since that star takes the
    rest. Being told so (by an atomic group) saves the time that many stars would take otherwise.
    """
    segments = text.split("/")
    if len(segments) == 1:
        return _segment(text, star=".*", of=text)
    first, *others = _between_double_stars(segments)
    if not others:
        return "/".join(_each(first, text))
    *middle, last = others
    head = "".join(f"{segment}/" for segment in _each(first, text))
    body = "".join(
        f"(?>{_SEGMENTS}?{''.join(f'{segment}/' for segment in _each(group, text))})"
        for group in middle
        if group
    )
    return head + body + (_SEGMENTS + "/".join(_each(last, text)) if last else ".+")


def _between_double_stars(segments: list[str]) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    for segment in segments:
        if segment == "**":
            groups.append([])
        else:
            groups[-1].append(segment)
    return groups


def _each(segments: list[str], text: str) -> Iterator[str]:
    return (_segment(segment, star=_WITHIN, of=text) for segment in segments)


def _segment(segment: str, *, star: str, of: str) -> str:
    if star is _WITHIN and "**" in segment:
        raise ValueError(
            f"the pattern {of!r} has '**' beside other characters; it stands alone between "
            f"slashes, as in '**/*.json'"
        )
    first, *others = [_fixed(part, of) for part in _outside_brackets(segment)]
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>{star}?{part})" for part in middle if part) + star + last


def _outside_brackets(segment: str) -> Iterator[str]:
    """The parts between stars; a star in brackets is no star."""
    begun = at = 0
    while at < len(segment):
        if segment[at] == "[":
            at = _closing(segment, at) or len(segment)
        elif segment[at] == "*":
            yield segment[begun:at]
            stars = _STARS.match(segment, at)
            begun = at = stars.end() if stars else at
            continue
        at += 1
    yield segment[begun:]


def _closing(text: str, opening: int) -> int:
    """Where the brackets close that open here, or 0; one that comes first is itself meant."""
    first = opening + (2 if text.startswith("[!", opening) else 1)
    return max(0, text.find("]", first + 1))


def _fixed(part: str, of: str) -> str:
    """A part without stars."""
    made: list[str] = []
    at = 0
    while at < len(part):
        character = part[at]
        if character == "[":
            closing = _closing(part, at)
            if not closing:
                raise ValueError(
                    f"the pattern {of!r} has a '[' that is not closed before a slash or its end; "
                    f"write '[[]' for the character itself"
                )
            made.append(_choice(part[at + 1 : closing], of))
            at = closing
        else:
            made.append("[^/]" if character == "?" else re.escape(character))
        at += 1
    return "".join(made)


def _choice(inside: str, of: str) -> str:
    """What is in brackets: characters and ranges of them, or all but those."""
    negated = inside.startswith("!")
    characters = inside[negated:]
    made: list[str] = []
    at = 0
    while at < len(characters):
        low = high = characters[at]
        if characters[at + 1 : at + 2] == "-" and at + 2 < len(characters):
            high = characters[at + 2]
            at += 2
        if low > high:
            raise ValueError(f"the pattern {of!r} has the range '{low}-{high}', which is empty")
        made.append(f"{re.escape(low)}-{re.escape(high)}")
        at += 1
    return f"(?!/)[{'^' if negated else ''}{''.join(made)}]"
