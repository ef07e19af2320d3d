"""What a store can be asked: one frozen value per verb, each of which knows its result's type."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import attrs
from attrs.validators import deep_iterable, instance_of, matches_re, optional

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
_Validator: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], object]

_is_url = instance_of(Url)


def _names_an_object(request: object, attribute: attrs.Attribute[Url], value: Url) -> None:
    if type(value) is not Url:
        _is_url(request, attribute, value)
    if value.key[-1:] in {"", "/"}:
        raise InvalidUrlError(
            f"{value.redacted!r} names no object: the key is empty or ends in a slash"
        )


def _as_text(path: str | os.PathLike[str]) -> str:
    return os.fspath(path)


def _unless(usual: object, validator: _Validator) -> _Validator:
    """A validator that is not asked about what nearly every request has; there are many."""

    def check(request: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not usual:
            validator(request, attribute, value)

    return check


_is_mode = _unless(OVERWRITE, instance_of((Unconditional, IfMatch)))


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
    span: Span | None = attrs.field(default=None, validator=_unless(None, instance_of(Span)))


@attrs.frozen
class Write(_Writing):
    """Make an object of bytes, all of it or nothing.

    Args:
        url: The object.
        data: Its bytes.
        mode: What may be there.
        repeatable: Whether who asks can tell its own bytes from another's, and so does not mind
            being told that the object is there by a second attempt whose first had gone well.
    """

    url: Url = attrs.field(validator=_names_an_object)
    data: Data = attrs.field(validator=instance_of((bytes, bytearray, memoryview)), repr=False)
    mode: WriteMode = attrs.field(default=OVERWRITE, validator=_is_mode)
    repeatable: bool = attrs.field(default=False, kw_only=True)

    @property
    def idempotent(self) -> bool:
        """Whether it replaces whatever is there, or who asks does not mind."""
        return self.repeatable or self.mode is OVERWRITE


@attrs.frozen
class Download(Request[ObjectInfo]):
    """Put an object's bytes at a local path, whose directory is there; a whole file or none.

    It gives what was downloaded: the size that the file has, and the etag of that version where
    the store tells one. When it was written is told where that costs nothing.

    Attributes:
        local: The path as a text; there are many, and few are needed as a Path.
    """

    __match_args__ = ("url", "path")

    url: Url = attrs.field(validator=_names_an_object)
    local: str = attrs.field(converter=_as_text, alias="path")

    @property
    def path(self) -> Path:
        """Where the file will be."""
        return Path(self.local)


@attrs.frozen
class Upload(_Writing):
    """Make an object of a local file, all of it or nothing.

    Attributes:
        local: The path as a text, as ``Download`` has one.
    """

    __match_args__ = ("path", "url", "mode")

    local: str = attrs.field(converter=_as_text, alias="path")
    url: Url = attrs.field(validator=_names_an_object)
    mode: WriteMode = attrs.field(default=OVERWRITE, validator=_is_mode)

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.local)


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
class Draft:
    """Objects that are prepared together, to be seen together.

    Args:
        root: What they all lie below.
        attempt: A text that no other draft has, of letters, digits and hyphens.
    """

    root: Url = attrs.field(validator=_names_an_object)
    attempt: str = attrs.field(validator=matches_re("[A-Za-z0-9-]{1,64}"))


@attrs.frozen
class Prepared:
    """An object that is written and not yet visible.

    Args:
        url: Where it will be once it is completed.
        token: The store's own handle, such as an upload id; a text that can be kept in a record,
            and that no other draft has for the same URL.
        draft: What it is a part of; None if it stands alone.
        receipt: What else the store needs to complete it, such as the tags of its parts.
        size: Its length in bytes; None where that is not known.
    """

    url: Url = attrs.field(validator=_names_an_object)
    token: str = attrs.field(validator=instance_of(str))
    draft: Draft | None = attrs.field(default=None, validator=optional(instance_of(Draft)))
    receipt: str = attrs.field(default="", validator=instance_of(str))
    size: int | None = attrs.field(default=None, validator=optional(instance_of(int)))


@attrs.frozen
class Pending:
    """What was prepared, and neither completed nor aborted so far.

    Args:
        prepared: It, as far as the store knows; enough to abort it, and not to complete it.
        begun: When, with a time zone; None where the store does not say.
    """

    prepared: Prepared
    begun: datetime | None = None


@attrs.frozen
class Prepare(Request[Prepared]):
    """Write an object's bytes where they are invisible until they are completed.

    Args:
        source: What it is made of.
        url: Where it will be, below the draft's root if there is one.
        draft: What it is a part of.
    """

    source: Url = attrs.field(validator=_names_an_object)
    url: Url = attrs.field(validator=_names_an_object)
    draft: Draft | None = attrs.field(default=None, validator=optional(instance_of(Draft)))

    @draft.validator
    def _is_above(self, _: attrs.Attribute[Draft | None], value: Draft | None) -> None:
        if value is not None and not value.root.contains(self.url):
            raise InvalidUrlError(f"{self.url.redacted} is not below {value.root.redacted}")


def _all(prepared: Prepared | Iterable[Prepared]) -> tuple[Prepared, ...]:
    return (prepared,) if isinstance(prepared, Prepared) else tuple(prepared)


def _are_of_one_draft(
    _: object, attribute: attrs.Attribute[tuple[Prepared, ...]], value: tuple[Prepared, ...]
) -> None:
    deep_iterable(instance_of(Prepared))(_, attribute, value)
    drafts = {each.draft for each in value}
    if len(drafts) != 1 or (None in drafts and len(value) > 1):
        raise ValueError(f"what is settled together must be of one draft, not of {drafts}")


class _Settling(Request[None]):
    """What ends a preparation."""

    __slots__ = ()
    prepared: tuple[Prepared, ...]

    @property
    def url(self) -> Url:
        first = self.prepared[0]
        return first.url if first.draft is None else first.draft.root


@attrs.frozen
class Complete(_Settling):
    """Let a prepared object, or all those of one draft, be seen in place of what was there.

    Doing it again to a draft succeeds if it is complete already; if that cannot be, because it was
    aborted or others wrote there since, it is a PreconditionFailedError.
    """

    prepared: tuple[Prepared, ...] = attrs.field(converter=_all, validator=_are_of_one_draft)

    @property
    def idempotent(self) -> bool:
        """Whether it is a draft's; of one alone nobody can tell afterwards who completed it."""
        return self.prepared[0].draft is not None


@attrs.frozen
class Abort(_Settling):
    """Take back what was prepared; what is gone already is taken back."""

    prepared: tuple[Prepared, ...] = attrs.field(converter=_all, validator=_are_of_one_draft)
