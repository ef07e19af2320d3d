"""Layouts: how keys are made of a row's id and a file's name, read backwards."""

from __future__ import annotations

import re
from string import Formatter
from typing import Final

import attrs

from file_dataset.domain.url import Url

_FIELDS: Final = ("id", "filename")


@attrs.frozen
class Layout:
    """A prefix, and what follows it for each file of a row.

    ``{id}`` and ``{filename}`` stand once each for one or more characters other than slashes; a
    ``{filename}`` that has the end of the key to itself also for those of directories. Of several
    ways to read a key, the one with the shortest first field counts.

    Args:
        prefix: What comes before the segment of the first field.
        start: What that segment begins with.
        pattern: What follows the prefix.

    >>> layout = Layout.parse("s3://bucket/raw/{id}/{filename}")
    >>> str(layout.prefix), layout.read("7/image.mha"), layout.read("README")
    ('s3://bucket/raw/', ('7', 'image.mha'), None)
    >>> Layout.parse("s3://bucket/scan-{id}_{filename}").read("scan-7_image.mha")
    ('7', 'image.mha')
    """

    prefix: Url
    start: str
    pattern: re.Pattern[str] = attrs.field(repr=False)

    @classmethod
    def parse(cls, template: str) -> Layout:
        """The layout that a URL with ``{id}`` and ``{filename}`` in its key describes.

        Raises:
            ValueError: If either field is missing or there twice, if there is another, or if one
                is not in the key.
        """
        parts = _parts(template)
        # With one more character it is a name, which has a parent.
        named = Url.parse(f"{parts[0][0]}_")
        if not named.key:
            raise ValueError(_told(template, "has a field before the key begins"))
        start = named.name[:-1]
        return cls(named.parent, start, _pattern(parts, start))

    def read(self, name: str) -> tuple[str, str] | None:
        """The id and the filename of a name below the prefix, or None if it does not fit."""
        found = self.pattern.fullmatch(name)
        return (found["id"], found["filename"]) if found else None


def _parts(template: str) -> list[tuple[str, str]]:
    """Each literal text with the field that follows it; after the last field there is none."""
    if not isinstance(template, str):
        raise TypeError(
            f"a layout is a text such as 's3://bucket/{{id}}/{{filename}}', not {template!r}"
        )
    try:
        parsed = [
            (text, field, spec, how) for text, field, spec, how in Formatter().parse(template)
        ]
    except ValueError as error:
        raise ValueError(_told(template, f"cannot be read: {error}")) from None
    fields = [field for _, field, _, _ in parsed if field is not None]
    if sorted(fields) != sorted(_FIELDS):
        raise ValueError(_told(template, f"has the fields {fields}"))
    if any(spec or how for _, _, spec, how in parsed):
        raise ValueError(_told(template, "has a field with a format, which means nothing here"))
    parts = []
    literal = ""
    for text, field, _, _ in parsed:
        # A doubled brace ends a text, with no field after it.
        literal += text
        if field is not None:
            parts.append((literal, field))
            literal = ""
    return [*parts, (literal, "")]


def _told(template: str, fault: str) -> str:
    return (
        f"the layout {template!r} {fault}; it has to have {{id}} and {{filename}} once each in its "
        f"key, as 's3://bucket/raw/{{id}}/{{filename}}' ({{{{ and }}}} are braces themselves)"
    )


def _pattern(parts: list[tuple[str, str]], start: str) -> re.Pattern[str]:
    made: list[str] = []
    for number, (text, field) in enumerate(parts):
        made.append(re.escape(text if number else start))
        if field:
            before = text if number else f"/{start}"
            ends_alone = parts[number + 1] == ("", "") and before.endswith("/")
            deep = field == "filename" and ends_alone
            made.append(f"(?P<{field}>{'.+' if deep else '[^/]+?'})")
    return re.compile("".join(made), re.DOTALL)
