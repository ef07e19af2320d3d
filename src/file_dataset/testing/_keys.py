"""Keys below a prefix, and keys that have caused trouble."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from file_dataset.domain.url import Url

NASTY_KEYS: tuple[str, ...] = (
    "plain",
    # What web software decodes, encodes or cuts off.
    "with space",
    "with+plus",
    "with%20space",
    "with%2520space",
    "50%",
    "%2F",
    "a%2Fb",
    "hash#tag",
    "#",
    "question?mark",
    "?versionId=null",
    "amp&er=sand;semi",
    "at@sign:colon,comma",
    "<a>&amp;</a>",
    "s3://inner/key",
    # What file systems and path libraries collapse.
    "double//slash",
    "triple///slash",
    "/leading",
    "dot/./dot",
    "dots/../dots",
    "../up",
    "./here",
    "...",
    "trailing.",
    " leading space",
    "trailing space ",
    "back\\slash",
    ".hidden",
    ".file_dataset-0123456789abcdef0123456789abcdef.tmp",
    # What shells, globs and other systems give a meaning.
    "-dash",
    "~",
    "star*[set]{a,b}!",
    '$HOME`id`|"quote"\'s',
    "con",
    "case",
    "CASE",
    # What is hard to spell.
    "tab\there",
    "line\nbreak",
    "return\r",
    "control\x01",
    "delete\x7f",
    "nul\0byte",
    "caf\u00e9",
    "cafe\u0301",
    "\u6f22\u5b57",
    "\U0001f600",
    "right\u202eleft",
    "zero\u200bwidth",
    "\ufeffmark",
    "half\ud800pair",
    # What is long.
    "x" * 255,
    "x" * 256,
    "\u00e9" * 128,
    "d" * 256 + "/x",
    "d/" * 40 + "x",
    ("k" * 200 + "/") * 6 + "k",
)
"""Keys that have caused trouble somewhere; none is a directory of another."""


MEETING_KEYS: tuple[str, ...] = (
    "a",
    "b",
    "a/b",
    "a/b/c",
    "ab",
    "x y",
    "x%20y",
    "x+y",
    "d//e",
    "caf\u00e9",
)
"""A few keys, so that requests meet, of the kinds that stores mix up."""


def below(prefix: Url, key: str) -> Url:
    """The URL of a key below a prefix, to the letter. Raises InvalidUrlError if there is none."""
    return attrs.evolve(prefix, key=prefix.stem + key)


def parent(url: Url) -> Url:
    """The prefix that an object is directly below."""
    stem = url.key.removesuffix(url.name)
    key = stem.removesuffix("/")
    # What ends in an empty segment, or is nothing but the root, keeps its slash.
    return attrs.evolve(url, key=stem if not key or key.endswith("/") else key)


def clash(key: str, others: Iterable[str]) -> bool:
    """Whether a key would have to be an object and a directory at once, as ``a`` by ``a/b``."""
    return any(
        longer.startswith(shorter + "/")
        for other in others
        for longer, shorter in ((key, other), (other, key))
    )
