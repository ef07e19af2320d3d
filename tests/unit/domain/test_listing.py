"""Listings: what is meant is found, and no more is asked of the store than that takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.globs import Glob
from file_dataset.domain.listing import Listing
from file_dataset.domain.url import Url

PREFIX = Url.parse("memory://bucket/data")
NAMES = st.text(st.sampled_from("ab/."), min_size=1, max_size=6).filter(lambda n: n[-1] != "/")
GLOBS = ["*", "*.a", "a*", "a/*", "**/b", "a/**", "b/a*", "a/b", "?", "[!a]*"]


class Asked(MemoryStore):
    """Notes which listings it is asked for."""

    def __init__(self, names=()):
        super().__init__()
        self.listings: list[tuple[str, str]] = []
        for name in names:
            self.write(Url(PREFIX.scheme, PREFIX.authority, PREFIX.stem + name), b"")

    def list_starting(self, prefix, start, /, *, recursive=True):
        self.listings.append((prefix.key, start))
        return super().list_starting(prefix, start, recursive=recursive)


def found(store, *globs, **more):
    listing = Listing(store, PREFIX, tuple(map(Glob, globs)), **more)
    return [listing.name(each.url) for each in listing.find()]


@given(
    st.sets(NAMES, max_size=12),
    st.lists(st.sampled_from(GLOBS), max_size=3),
    st.sampled_from(["", ".a", "b"]),
)
def test_what_is_found_is_what_is_meant_each_once(names, globs, extension):
    expected = [
        name
        for name in names
        if name.endswith(extension)
        and (not globs or any(Glob(glob).matches(name) for glob in globs))
    ]
    assert sorted(found(Asked(names), *globs, extension=extension)) == sorted(expected)


@pytest.mark.parametrize(
    ("globs", "listings"),
    [
        ([], [("data/", "")]),
        (["*.json"], [("data/", "")]),
        (["scan-*"], [("data/", "scan-")]),
        (["2024/07-*/x"], [("data/2024/", "07-")]),
        (["a/*", "b/*", "a/b*"], [("data/a/", ""), ("data/b/", "")]),
        (["a", "ab", "abc*"], [("data/", "a")]),
        ([f"2024/{n:02}" for n in range(17)], [("data/2024/", "")]),
    ],
)
def test_the_store_is_asked_for_what_the_globs_say_literally(globs, listings):
    store = Asked()
    assert found(store, *globs) == []
    assert store.listings == listings


def test_only_direct_children_are_found_where_that_is_asked_for():
    store = Asked(["a", "b/c"])
    assert found(store, recursive=False) == ["a"]
    assert found(store, "*", recursive=False) == ["a"]
    with pytest.raises(ValueError, match="has a slash, which no direct child"):
        found(store, "b/*", recursive=False)


def test_what_this_library_keeps_for_itself_is_not_found():
    store = Asked([".file_dataset/rows/1.json", "a/.file_dataset/x", "x.file_dataset", "a/b"])
    assert found(store) == ["a/b", "x.file_dataset"]
    below = Listing(store, PREFIX.joined(".file_dataset"))
    assert [below.name(each.url) for each in below.find()] == ["rows/1.json"]


def test_what_cannot_follow_a_local_prefix_is_refused(tmp_path):
    with pytest.raises(ValueError, match="plain spelling"):
        Listing(MemoryStore(), Url.local(tmp_path), (Glob("../*"),))
