"""docs/promises.md: every promise is shown by a test, and every test that is named exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_, *SECTIONS = re.split(r"^## (?=P\d)", (ROOT / "docs/promises.md").read_text(), flags=re.MULTILINE)
NAMED = [
    (section.partition(".")[0], *found)
    for section in SECTIONS
    for found in re.findall(r"\[`([^`]+)`\]\(\.\./([^)]+)\)", section)
]


def written_in(path: str) -> set[str]:
    """What pytest would call the tests of a module, but for their parameters."""
    found, scope = set(), ""
    for indent, kind, name in re.findall(
        r"^( {4})?(class|def) (\w+)", (ROOT / path).read_text(), re.MULTILINE
    ):
        if not indent:
            scope = f"{name}::" if kind == "class" else ""
        if kind == "def" and name.startswith("test_"):
            found.add(f"{path}::{scope}{name}")
    return found


def test_there_are_ten_promises():
    assert [section.partition(".")[0] for section in SECTIONS] == [f"P{n}" for n in range(1, 11)]


@pytest.mark.parametrize("promise", [f"P{n}" for n in range(1, 11)])
def test_every_promise_is_shown_by_a_test(promise):
    assert [test for section, test, _ in NAMED if section == promise]


@pytest.mark.parametrize(("promise", "test", "link"), NAMED)
def test_every_test_that_is_named_exists(promise, test, link):
    assert test.startswith(f"{link}::")
    assert test in written_in(link), f"{promise} names a test that there is not"
