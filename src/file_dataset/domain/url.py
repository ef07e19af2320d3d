"""The name of an object, a prefix or a local file, as one value."""

from __future__ import annotations

import functools
import os
import re
from urllib.parse import unquote

import attrs

from file_dataset.domain.errors import InvalidUrlError
from file_dataset.domain.names import member_name_fault
from file_dataset.domain.spelling import (
    RemotePath,
    absolute,
    check_spelling,
    is_plain,
    is_plainly_plain,
    text_of,
)

ARCHIVES = ("tar", "zip")
"""The schemes of members of archives; which archive follows the member's name, after ``::``."""

_is_scheme = functools.lru_cache(re.compile(r"[a-z][a-z0-9+.-]*").fullmatch)
_scheme = re.compile(r"([a-z][a-z0-9+.-]*)://").match
_ONE_SLASH = re.compile(r"[a-z][a-z0-9+.-]+:/[^/]")
_HTTP = ("http", "https")


@attrs.frozen(order=True, repr=False)
class Url:
    """The name of an object or a prefix: scheme, authority and key, each verbatim.

    Nothing in a key is decoded or collapsed, so ``#``, ``?``, ``%`` and ``//`` mean themselves.
    A local file has the scheme ``file``, no authority, and an absolute path as its key. A member of
    an archive has the scheme ``tar`` or ``zip``, the archive's URL as its authority, and its name
    as its key; it is spelled as fsspec chains URLs.

    Args:
        scheme: Which store serves it, in lower case, such as ``s3``.
        authority: The bucket, container or host; of a member, the archive.
        key: Everything after the authority's slash; a local file's absolute path; a member's name.

    Raises:
        InvalidUrlError: If the parts do not make a URL that reads back as itself.

    >>> url = Url.parse("s3://bucket/cases/7/image.mha")
    >>> url.authority, url.key, url.name
    ('bucket', 'cases/7/image.mha', 'image.mha')
    >>> str(Url.parse("s3://bucket/out/").joined("7", "mask.mha"))
    's3://bucket/out/7/mask.mha'
    >>> member = Url.parse("tar://7.image.mha::s3://bucket/shard-000001.tar")
    >>> member.key, str(member.archive)
    ('7.image.mha', 's3://bucket/shard-000001.tar')
    """

    scheme: str
    authority: str
    key: str

    def __attrs_post_init__(self) -> None:
        # One check, and not one for each field: there are several of these values for each file.
        scheme, authority, key = self.scheme, self.authority, self.key
        if not _is_scheme(scheme):
            raise InvalidUrlError(f"{scheme!r} is no URL scheme")
        if scheme in ARCHIVES:
            _check_member(scheme, authority, key)
            return
        is_local = scheme == "file"
        if not (authority.isascii() and key.isascii()) or "\0" in key or "\0" in authority:
            check_spelling(authority, local=is_local)
            check_spelling(key, local=is_local)
        if "/" in authority:
            raise InvalidUrlError(f"{authority!r} is no authority of a URL: it has a slash")
        if is_local and (authority or not is_plain(key)):
            raise InvalidUrlError(
                f"{self.key!r} is not an absolute path in its plain spelling "
                f"(no '//', no '.' or '..', no slash at the end)"
            )

    @classmethod
    def parse(cls, text: str | os.PathLike[str] | RemotePath) -> Url:
        """The URL that a text or a path spells; text without ``://`` is a local path.

        Raises:
            InvalidUrlError: If it is empty, has a NUL, is a URL with a slash missing, or a path of
                universal_pathlib that says how it is reached.
        """
        # Most are texts, of which there may be millions, and isinstance() is slow about PathLike.
        if type(text) is not str:
            if not isinstance(text, str | os.PathLike):
                if isinstance(text, RemotePath):
                    return cls.parse(text_of(text))
            elif isinstance(text, os.PathLike) and isinstance(os.fspath(text), str):
                return cls.local(text)
        spelled = os.fspath(text)
        if not isinstance(spelled, str) or not spelled:
            raise InvalidUrlError(f"{spelled!r} is no URL and no path")
        scheme, separator, rest = spelled.partition("://")
        if not separator or "/" in scheme:
            if _ONE_SLASH.match(spelled):
                # Only its beginning is told: the rest may hold a secret, as the query of a URL may.
                start = spelled.partition(":")[0]
                raise InvalidUrlError(
                    f"'{start}:/...' looks like a URL with a slash missing after the colon; "
                    f"write './{start}:/...' if it is a local path"
                )
            return cls.local(spelled)
        scheme = scheme.lower()
        if scheme in ARCHIVES:
            return cls._member(scheme, rest)
        authority, _, key = rest.partition("/")
        if scheme != "file":
            return cls(scheme, authority, key)
        if authority not in ("", "localhost"):
            raise InvalidUrlError(f"{spelled!r} names another host; a file URL is local")
        return cls.local("/" + unquote(key, errors="surrogateescape"))

    @classmethod
    def local(cls, path: str | os.PathLike[str]) -> Url:
        """The URL of a local path, made absolute."""
        return cls("file", "", absolute(os.fspath(path)))

    @classmethod
    def _member(cls, scheme: str, rest: str) -> Url:
        name, chain, archive = rest.partition("::")
        if not rest:
            return cls(scheme, "", "")
        if not chain or not archive:
            raise InvalidUrlError(
                f"'{scheme}://{name}' names no archive; a member is spelled as "
                f"'{scheme}://image.mha::s3://bucket/shard-000001.{scheme}'"
            )
        # What is no absolute name of an archive means another one in another directory.
        is_plain = archive.isascii() and _is_plain_archive(archive)
        return cls(scheme, archive if is_plain else str(cls.parse(archive)), name)

    @property
    def is_member(self) -> bool:
        """Whether this names a member of an archive, or a prefix of members."""
        return self.scheme in ARCHIVES and bool(self.authority)

    @property
    def archive(self) -> Url:
        """The archive that a member is in. Raises InvalidUrlError for what is no member."""
        if not self.is_member:
            raise InvalidUrlError(f"{self.redacted} is no member of an archive")
        return _archive(self.authority)

    @property
    def schemes(self) -> str:
        """Its scheme; of a member of an archive, that and the archive's, as ``tar::s3``."""
        return f"{self.scheme}::{self.archive.scheme}" if self.is_member else self.scheme

    @property
    def is_local(self) -> bool:
        """Whether this names a file of this machine."""
        return self.scheme == "file"

    @property
    def path(self) -> str:
        """The local path. Raises InvalidUrlError for a URL that is not local."""
        if not self.is_local:
            raise InvalidUrlError(f"{self.redacted} is no local path")
        return self.key

    @property
    def name(self) -> str:
        """The last segment of the key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> Url:
        """The prefix that this is directly below; the slash at its end stays, as in ``a//b``."""
        directory, slash, _ = self.key.rpartition("/")
        key = (directory or slash) if self.is_local else directory + slash
        return Url(self.scheme, self.authority, key)

    def joined(self, *names: str) -> Url:
        """The URL below this one; a slash at the end of this one makes no difference."""
        parts = "/".join(names)
        stem = self.key.rstrip("/")
        key = f"{stem}/{parts}" if stem or self.is_local else parts
        return Url(self.scheme, self.authority, key)

    @property
    def stem(self) -> str:
        """What the keys of all objects below this prefix begin with: the key and one slash."""
        return self.key if not self.key or self.key.endswith("/") else self.key + "/"

    def contains(self, other: Url) -> bool:
        """Whether the other is below this one, segment-wise: ``a`` does not contain ``ab/c``."""
        return (
            (self.scheme, self.authority) == (other.scheme, other.authority)
            and other.key.startswith(self.stem)
            and other.key != self.stem
        )

    def child(self, name: str) -> Url:
        """The prefix one segment below this one; the segment may be empty, as in ``a//b``."""
        return Url(self.scheme, self.authority, self.stem + (name or "/"))

    @property
    def redacted(self) -> str:
        """The text with what may be secret left out: passwords, and the query of a web URL."""
        if self.is_member:
            return self._spell(self.archive.redacted, self.key)
        userinfo, at, host = self.authority.rpartition("@")
        authority = f"***@{host}" if at and userinfo else self.authority
        key, query, _ = self.key.partition("?") if self.scheme in _HTTP else (self.key, "", "")
        return self._spell(authority, f"{key}?***" if query else key)

    def _spell(self, authority: str, key: str) -> str:
        if self.is_local:
            return key
        if self.scheme in ARCHIVES:
            return f"{self.scheme}://{key}::{authority}" if authority else f"{self.scheme}://"
        return f"{self.scheme}://{authority}/{key}" if key else f"{self.scheme}://{authority}"

    def __str__(self) -> str:
        return self._spell(self.authority, self.key)

    def __repr__(self) -> str:
        return f"Url({self.redacted!r})"


def scheme_of(text: str) -> str:
    """The schemes of a text that Url.parse() takes as it is; empty if that has to look at it.

    Many texts are looked at long before they are needed, and as texts they take less memory.

    >>> scheme_of("s3://bucket/cases/7/image.mha"), scheme_of("/data/image.mha"), scheme_of("a//b")
    ('s3', 'file', '')
    >>> scheme_of("tar://7.image.mha::s3://bucket/shard-000001.tar")
    'tar::s3'
    """
    if not text.isascii() or "\0" in text:
        return ""
    if text.startswith("/"):
        return "file" if is_plainly_plain(text) else ""
    found = _scheme(text)
    if found is None or found[1] == "file":
        return ""
    return _schemes_of_member(text, found[1]) if found[1] in ARCHIVES else found[1]


def _schemes_of_member(text: str, scheme: str) -> str:
    name, _, archive = text[len(scheme) + 3 :].partition("::")
    if not _is_plain_archive(archive) or _member_fault(name):
        return ""
    return f"{scheme}::{_archive(archive).scheme}"


@functools.lru_cache(maxsize=4096)  # a table asks for the same archives of many members
def _archive(text: str) -> Url:
    """The archive of a text. Raises InvalidUrlError if it can be none."""
    archive = Url.parse(text)
    if archive.scheme in ARCHIVES:
        raise InvalidUrlError(
            f"{archive.redacted} is a member of an archive; archives in archives are not read"
        )
    if not archive.name:
        raise InvalidUrlError(f"{archive.redacted!r} names no archive: its key ends in a slash")
    return archive


@functools.lru_cache(maxsize=4096)
def _is_plain_archive(text: str) -> bool:
    """Whether a text spells an archive as its URL is written out."""
    try:
        return str(_archive(text)) == text
    except InvalidUrlError:
        return False


def _member_fault(name: str) -> str:
    """What keeps a text from naming a member, a prefix of members, or all of them."""
    return member_name_fault(name.removesuffix("/")) if name else ""


def _check_member(scheme: str, archive: str, name: str) -> None:
    if not archive and not name:
        return  # the scheme alone, as a mount has it
    if not _is_plain_archive(archive):
        found = _archive(archive)  # or what is wrong with it
        raise InvalidUrlError(f"{archive!r} is not the plain spelling of {found!r}")
    if fault := _member_fault(name):
        raise InvalidUrlError(
            f"{name!r} cannot be a member of the {scheme} archive "
            f"{_archive(archive).redacted}: it {fault}"
        )
