"""Which files a data set is made of: by a manifest at its source, and by one of what is here."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs.validators import and_, deep_mapping, ge, instance_of, optional

from file_dataset.domain.errors import InvalidDatasetError, InvalidUrlError
from file_dataset.domain.names import clashing_names, file_name_fault, first_below
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url

FORMAT: Final = 1
# What json says, and what is said of values that are not what they should be.
_DAMAGES: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)

_is_text = instance_of(str)


def _is_number(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if type(value) is not int:
        raise TypeError(f"{attribute.name} should be a whole number, not {value!r:.80}")


def _are_file_names(_: object, __: object, files: Mapping[str, object]) -> None:
    if faults := name_faults(files):
        raise ValueError(faults[0])


@attrs.frozen
class Entry:
    """One file as it was fetched.

    Args:
        url: Where it was, without secrets.
        size: Its length in bytes.
        etag: The tag of its version; None where the store has none.
        modified: When it was written there, in ISO format; None where the store does not say.
        mtime: What the local file says of when it was written, in nanoseconds.
    """

    url: str = attrs.field(validator=_is_text)
    size: int = attrs.field(validator=and_(_is_number, ge(0)))
    etag: str | None = attrs.field(validator=optional(_is_text))
    modified: str | None = attrs.field(validator=optional(_is_text))
    mtime: int = attrs.field(validator=_is_number)

    @classmethod
    def of(cls, info: ObjectInfo, status: os.stat_result) -> Entry:
        """What a store says of an object, and the system of the file that was made of it."""
        return cls(info.url.redacted, info.size, info.etag, _iso(info), status.st_mtime_ns)

    def is_version(self, info: ObjectInfo) -> bool:
        """Whether an object is this version still, as far as its store can tell."""
        if (self.url, self.size) != (info.url.redacted, info.size):
            return False
        if self.etag is not None and info.etag is not None:
            return self.etag == info.etag
        return self.modified is not None and self.modified == _iso(info)

    def is_intact(self, status: os.stat_result) -> bool:
        """Whether nobody has written to the local file since."""
        return (self.size, self.mtime) == (status.st_size, status.st_mtime_ns)


def _iso(info: ObjectInfo) -> str | None:
    return None if info.modified is None else info.modified.isoformat()


@attrs.frozen
class LocalManifest:
    """What is here of a data set.

    Args:
        source: The prefix that it comes from, without secrets.
        files: Its files, by their names.
        manifest: The manifest at the source, if there was one.
    """

    source: str = attrs.field(validator=_is_text)
    files: Mapping[str, Entry] = attrs.field(
        factory=dict,
        validator=[deep_mapping(_is_text, instance_of(Entry)), _are_file_names],
    )
    manifest: Entry | None = attrs.field(default=None, validator=optional(instance_of(Entry)))

    def to_json(self) -> bytes:
        """The manifest as it is kept."""
        return json.dumps({"format": FORMAT, **attrs.asdict(self)}).encode()

    @classmethod
    def parse(cls, data: bytes) -> LocalManifest:
        """The manifest that bytes say, each part of it checked.

        Raises:
            ValueError: If they say none.
        """
        try:
            found: Any = json.loads(data)
            if found["format"] != FORMAT:
                raise ValueError(f"its format is {found['format']!r:.80}, not {FORMAT}")
            return cls(
                found["source"],
                {name: Entry(**each) for name, each in found["files"].items()},
                None if found["manifest"] is None else Entry(**found["manifest"]),
            )
        except _DAMAGES as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


def name_faults(names: Mapping[str, object]) -> list[str]:
    """What keeps names from being those of files in one directory."""
    faults = [f"{name!r} {fault}" for name in names if (fault := file_name_fault(name))]
    if faults or not (clashes := clashing_names(names)):
        return faults
    ordered = sorted(names)
    return [
        f"{name!r} would have to be a file and, for {first_below(name, ordered)!r}, a directory"
        for name in clashes
    ]


def parse_source_manifest(data: bytes, url: Url, prefix: Url) -> dict[str, int | None]:
    """The files that a manifest at the source lists, by their names below the prefix.

    It is JSON, an object with ``entries``: each a URL, or an object with a ``url`` and, if it is
    known, a size in bytes as ``size``, as ``content_length``, or as either of them in ``meta``.
    That is what Redshift's UNLOAD writes, too. A URL without a scheme is a name below the prefix.

    Args:
        data: What was read.
        url: Where; for the error.
        prefix: What all files have to be below.

    Returns:
        The size of each, or None where the manifest does not say.

    Raises:
        InvalidDatasetError: If it is no manifest, or lists what is not below the prefix.
    """
    try:
        found: Any = json.loads(data)
        entries = found["entries"]
        if not isinstance(entries, list):
            raise TypeError(f"its entries are {entries!r:.80}, not a list")
        return dict(_listed(each, prefix) for each in entries)
    except (*_DAMAGES, InvalidUrlError) as error:
        raise InvalidDatasetError(
            f"{url.redacted}: is no manifest, or a damaged one ({type(error).__name__}: {error}); "
            f"pass manifest=None to go by what is there"
        ) from error


def _listed(entry: Any, prefix: Url) -> tuple[str, int | None]:  # noqa: ANN401 - any JSON
    fields: dict[str, Any] = {"url": entry} if isinstance(entry, str) else entry
    text = fields["url"]
    is_name = "://" not in text and not text.startswith("/")
    url = prefix.joined(text) if is_name else Url.parse(text)
    if not prefix.contains(url):
        raise ValueError(f"it lists {url.redacted}, which is not below {prefix.redacted}")
    return url.key.removeprefix(prefix.stem), _size({**(fields.get("meta") or {}), **fields})


def _size(fields: Mapping[str, object]) -> int | None:
    size = fields.get("size", fields.get("content_length"))
    if size is not None and (type(size) is not int or size < 0):
        raise ValueError(f"it lists a size of {size!r:.80}")
    return size
