"""Hypothesis strategies for what this library names and keeps."""

from __future__ import annotations

from hypothesis import reject
from hypothesis import strategies as st

from file_dataset.domain.errors import InvalidUrlError
from file_dataset.domain.names import RECORDS, clashing_names, segment_fault
from file_dataset.domain.url import Url
from file_dataset.testing._keys import NASTY_KEYS, below

_NASTY_NAMES = tuple(key for key in NASTY_KEYS if not segment_fault(key))

_REFUSED_NAMES = (
    "",
    ".",
    "..",
    "/absolute",
    "a//b",
    "a/",
    "a/../b",
    "a/./b",
    "back\\slash",
    "nul\0byte",
    "line\nbreak",
    "half\ud800pair",
    "x" * 256,
    "\u00e9" * 128,
)


def nasty_names() -> st.SearchStrategy[str]:
    """Names that are good and have caused trouble all the same: ``50%``, ``#``, ``~``."""
    return st.sampled_from(_NASTY_NAMES)


def refused_names() -> st.SearchStrategy[str]:
    """Names that neither a row nor a file may have: ``..``, ``a//b``, one of 256 bytes."""
    return st.sampled_from(_REFUSED_NAMES)


def _names() -> st.SearchStrategy[str]:
    letters = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\")
    made = st.text(letters, min_size=1, max_size=40)
    return (made | nasty_names()).filter(lambda name: not segment_fault(name))


def row_ids() -> st.SearchStrategy[int | str]:
    """Ids that a row may have."""
    return st.integers() | _names().filter(lambda name: name != RECORDS)


def file_names() -> st.SearchStrategy[str]:
    """Names that a row's file may have, some of them in directories."""
    name = _names()
    plain = st.from_regex(r"[a-z]{1,8}\.[a-z0-9]{1,4}", fullmatch=True)
    return plain | name | st.lists(plain | name, min_size=2, max_size=3).map("/".join)


def rows() -> st.SearchStrategy[dict[str, bytes]]:
    """The files of a row, name by name, none of which is another's directory."""
    files = st.dictionaries(file_names(), st.binary(max_size=200), min_size=1, max_size=4)
    return files.filter(lambda row: not clashing_names(row))


def keys() -> st.SearchStrategy[str]:
    """Keys below a prefix; not every store takes each of them."""
    segment = st.text(max_size=12) | nasty_names()
    paths = st.lists(segment, min_size=1, max_size=4).map("/".join)
    return (paths | st.sampled_from(NASTY_KEYS)).filter(lambda key: bool(key.rpartition("/")[2]))


@st.composite
def urls(draw: st.DrawFn, root: Url) -> Url:
    """URLs of objects below a prefix, as far as such a URL can be written.

    Args:
        draw: Given by Hypothesis.
        root: The prefix.
    """
    try:
        return below(root, draw(keys()))
    except InvalidUrlError:
        return reject()
