"""Archives for tests, made by the standard library and not by what is under test."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from file_dataset.domain.archives import Contents, content_of


def tar_of(files: Mapping[str, bytes], *, style: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive of files."""
    return tar_with(*((name, data, {}) for name, data in files.items()), style=style)


def tar_with(
    *members: tuple[str, bytes, Mapping[str, Any]], style: int = tarfile.PAX_FORMAT
) -> bytes:
    """A tar archive of members, of which other things may be said than are true."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=style) as archive:
        for name, data, said in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for field, value in said.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(data))
    return raw.getvalue()


def zip_of(files: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of files."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return raw.getvalue()


def reading(raw: bytes) -> Callable[[int, int], bytes]:
    """Reads an archive that is in memory."""
    return lambda start, length: raw[start : start + length]


def unpacked(raw: bytes, contents: Contents) -> dict[str, bytes]:
    """The members that can be read."""
    return {
        name: content_of(name, member, raw[member.start : member.start + member.length])
        for name, member in contents.members.items()
    }
