"""What a store holds, and how it may be touched: infos, prefixes, spans, write modes."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import TypeAlias

import attrs
from attrs.validators import and_, ge, instance_of, optional

from file_dataset.domain.url import Url

_is_count = and_(instance_of(int), ge(0))


def _is_size(info: object, attribute: attrs.Attribute[int], value: int) -> None:
    # There is one for each object: what is well is seen at once, and what is not is told.
    if type(value) is not int or value < 0:
        _is_count(info, attribute, value)


@attrs.frozen
class ObjectInfo:
    """One object, as a store describes it.

    Args:
        url: Its name.
        size: Its length in bytes.
        etag: The store's opaque tag of this version, without quotes; None where there is none.
        modified: When it was last written, with a time zone; None where the store does not say.

    >>> import file_dataset
    >>> file_dataset.put("memory://described/a.txt", b"Dear reader")
    >>> file_dataset.stat("memory://described/a.txt").size
    11
    """

    url: Url
    size: int = attrs.field(validator=_is_size)
    etag: str | None = None
    modified: datetime | None = None


@attrs.frozen
class Prefix:
    """A common prefix of objects: what a directory is to files.

    Args:
        url: Its name, without a slash at the end.
    """

    url: Url


@attrs.frozen
class Span:
    """A range of bytes: from ``start``, at most ``length`` of them, or to the end.

    Args:
        start: Offset of the first byte.
        length: Number of bytes, at least one; None reads to the end.
    """

    start: int = attrs.field(validator=[instance_of(int), ge(0)])
    length: int | None = attrs.field(default=None, validator=optional([instance_of(int), ge(1)]))

    @property
    def stop(self) -> int | None:
        """Offset after the last byte, or None for the end."""
        return None if self.length is None else self.start + self.length


class Unconditional(enum.Enum):
    """The write modes that need no argument."""

    OVERWRITE = "overwrite"
    CREATE = "create"


@attrs.frozen
class IfMatch:
    """Write only over the version with this etag.

    Args:
        etag: The tag as an ObjectInfo gave it.
    """

    etag: str = attrs.field(validator=instance_of(str))


WriteMode: TypeAlias = Unconditional | IfMatch

OVERWRITE: WriteMode = Unconditional.OVERWRITE
"""Write whatever is there."""

CREATE: WriteMode = Unconditional.CREATE
"""Write only where nothing is; of several writers exactly one wins."""
