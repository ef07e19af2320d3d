"""What a store can be asked: one frozen value per verb, each of which knows its result's type."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

import attrs
from attrs.validators import instance_of, optional

from file_dataset.domain.errors import InvalidUrlError
from file_dataset.domain.objects import (
    OVERWRITE,
    IfMatch,
    ObjectInfo,
    Span,
    Unconditional,
    WriteMode,
)
from file_dataset.domain.url import Url

T_co = TypeVar("T_co", covariant=True)

Data: TypeAlias = bytes | bytearray | memoryview


def _names_an_object(_: object, attribute: attrs.Attribute[Url], value: Url) -> None:
    instance_of(Url)(_, attribute, value)
    if not value.name:
        raise InvalidUrlError(
            f"{value.redacted!r} names no object: the key is empty or ends in a slash"
        )


def _as_path(path: str | os.PathLike[str]) -> Path:
    # One that is a Path already is not taken apart once more: there are many.
    return path if isinstance(path, Path) else Path(path)


_is_mode = instance_of((Unconditional, IfMatch))


class Request(Generic[T_co]):
    """One thing to do with one object; ``T_co`` is what comes back when it is done."""

    __slots__ = ()

    @property
    def url(self) -> Url:
        """The object that is asked about or changed."""
        raise NotImplementedError

    @property
    def operation(self) -> str:
        """The verb, as errors and logs name it."""
        return type(self).__name__

    @property
    def idempotent(self) -> bool:
        """Whether doing it twice gives what doing it once gives, so that it may be retried."""
        return True


class _Writing(Request[None]):
    """What the requests that make an object have in common: a mode."""

    __slots__ = ()
    mode: WriteMode

    @property
    def idempotent(self) -> bool:
        return self.mode is OVERWRITE


@attrs.frozen
class Stat(Request[ObjectInfo]):
    """Describe an object without reading it."""

    url: Url = attrs.field(validator=_names_an_object)


@attrs.frozen
class Read(Request[bytes]):
    """Read an object, or a span of it, into memory."""

    url: Url = attrs.field(validator=_names_an_object)
    span: Span | None = attrs.field(default=None, validator=optional(instance_of(Span)))


@attrs.frozen
class Write(_Writing):
    """Make an object of bytes, all of it or nothing."""

    url: Url = attrs.field(validator=_names_an_object)
    data: Data = attrs.field(validator=instance_of((bytes, bytearray, memoryview)), repr=False)
    mode: WriteMode = attrs.field(default=OVERWRITE, validator=_is_mode)


@attrs.frozen
class Download(Request[ObjectInfo]):
    """Put an object's bytes at a local path, whose directory is there; a whole file or none.

    It gives what was downloaded: the size that the file has, and the etag of that version where
    the store tells one. When it was written is told where that costs nothing.
    """

    url: Url = attrs.field(validator=_names_an_object)
    path: Path = attrs.field(converter=_as_path)


@attrs.frozen
class Upload(_Writing):
    """Make an object of a local file, all of it or nothing."""

    path: Path = attrs.field(converter=_as_path)
    url: Url = attrs.field(validator=_names_an_object)
    mode: WriteMode = attrs.field(default=OVERWRITE, validator=_is_mode)


@attrs.frozen
class Copy(_Writing):
    """Make an object of another one, without bringing its bytes here where that can be avoided."""

    source: Url = attrs.field(validator=_names_an_object)
    url: Url = attrs.field(validator=_names_an_object)
    mode: WriteMode = attrs.field(default=OVERWRITE, validator=_is_mode)


@attrs.frozen
class Delete(Request[None]):
    """Take an object away; one that is missing already is deleted."""

    url: Url = attrs.field(validator=_names_an_object)


@attrs.frozen
class Prepared:
    """An object that is written and not yet visible.

    Args:
        url: Where it will be once it is completed.
        token: The store's own handle, such as an upload id; a text that can be kept in a record.
    """

    url: Url = attrs.field(validator=_names_an_object)
    token: str = attrs.field(validator=instance_of(str))


@attrs.frozen
class Prepare(Request[Prepared]):
    """Write an object's bytes next to where it will be, invisible until it is completed."""

    source: Url = attrs.field(validator=_names_an_object)
    url: Url = attrs.field(validator=_names_an_object)


class _Settling(Request[None]):
    """What ends a preparation."""

    __slots__ = ()
    prepared: Prepared

    @property
    def url(self) -> Url:
        return self.prepared.url


@attrs.frozen
class Complete(_Settling):
    """Let a prepared object be seen, in place of what was there."""

    prepared: Prepared = attrs.field(validator=instance_of(Prepared))

    @property
    def idempotent(self) -> bool:
        """False: what is completed is no longer there to be completed."""
        return False


@attrs.frozen
class Abort(_Settling):
    """Take back what was prepared; what is gone already is taken back."""

    prepared: Prepared = attrs.field(validator=instance_of(Prepared))
