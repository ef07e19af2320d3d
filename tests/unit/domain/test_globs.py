"""Globs: they match what a slow and obvious matcher matches, and tell what names begin with."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from file_dataset.domain.globs import Glob, starts

PATTERNS = st.text(st.sampled_from("aab/**?[]!-.\n"), min_size=1, max_size=12)
NAMES = st.text(st.sampled_from("aab/.-]\n"), min_size=1, max_size=12)
TOKEN = re.compile(r"\*+|\?|\[!?[^/][^]/]*\]|.", re.DOTALL)


def glob_of(text: str) -> Glob | None:
    try:
        return Glob(text)
    except ValueError:
        return None


def is_match(pattern: str, name: str) -> bool:
    """The dialect once more, in other words than the code's."""
    if "/" not in pattern:
        return characters_match(TOKEN.findall(pattern), name)
    return segments_match(pattern.split("/"), name.split("/"))


def segments_match(patterns: list[str], names: list[str]) -> bool:
    if not patterns:
        return not names
    if patterns[0] == "**":
        if len(patterns) == 1:
            return "/".join(names) != ""
        return any(segments_match(patterns[1:], names[n:]) for n in range(len(names)))
    return (
        bool(names)
        and characters_match(TOKEN.findall(patterns[0]), names[0])
        and segments_match(patterns[1:], names[1:])
    )


def characters_match(tokens: list[str], name: str) -> bool:
    if not tokens:
        return not name
    if tokens[0].startswith("*"):
        return any(characters_match(tokens[1:], name[n:]) for n in range(len(name) + 1))
    if not name or (name[0] == "/" and tokens[0] != "/"):
        return False
    return fnmatch.fnmatchcase(name[0], tokens[0]) and characters_match(tokens[1:], name[1:])


@given(PATTERNS, NAMES)
@example("*a*b", "aab")
@example("**/a", "b/a/a")
@example("**/a/**/b", "a/a/b/a/b")
@example("a/**/**/b", "a/b")
@example("a/**", "a/")
@example("[!a]", "/")
@example("?", "/")
@example("[]a]", "]")
@example("[!]a]", "b")
@example("[a-]", "-")
@example("a*", "a\n")
def test_it_matches_what_the_dialect_says(text, name):
    glob = glob_of(text)
    if glob is not None:
        assert glob.matches(name) == is_match(text, name)


@given(st.lists(PATTERNS, min_size=1, max_size=5), NAMES)
def test_what_matches_begins_with_the_start(texts, name):
    globs = [glob for glob in map(glob_of, texts) if glob is not None]
    found = starts(globs)
    assert found == sorted(found)
    assert not any(a != b and a.startswith(b) for a in found for b in found)
    for glob in globs:
        if glob.matches(name):
            assert name.startswith(glob.start)
            assert sum(name.startswith(start) for start in found) == 1


@pytest.mark.parametrize(
    ("pattern", "start"),
    [
        ("2024/*.json", "2024/"),
        ("2024/scan-[0-9].mha", "2024/scan-"),
        ("scan?", "scan"),
        ("**/a", ""),
        ("exactly/this", "exactly/this"),
        ("{a,b}*", "{a,b}"),
    ],
)
def test_the_start_is_the_longest_that_is_literal(pattern, start):
    assert Glob(pattern).start == start


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "is empty"),
        ("/a", "begins with a slash"),
        ("a[", "not closed"),
        ("a[]", "not closed"),
        ("[a/b]", "not closed"),
        ("a/b**", "stands alone"),
        ("**b/c", "stands alone"),
        ("[c-a]", "'c-a', which is empty"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern, said):
    with pytest.raises(ValueError, match=said):
        Glob(pattern)


def test_what_is_no_text_is_refused():
    with pytest.raises(TypeError, match="a pattern is a text"):
        Glob(7)  # type: ignore[arg-type] # that is the point


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("*a" * 20 + "b", "a" * 1024), ("**/a/" * 20 + "b", "a/" * 512), ("*/" + "*a" * 9, "b/" * 9)],
)
@pytest.mark.timeout(10)
def test_many_stars_take_no_time(pattern, name):
    assert not Glob(pattern).matches(name)
