"""Command lines in the documentation are ones that the command takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from file_dataset.cli.main import command

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINES = [
    (page.relative_to(ROOT).as_posix(), re.sub(r"\\\n\s*", "", line).strip())
    for page in PAGES
    for block in re.findall(r"^```\w*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    for line in re.findall(r"^ *(file-dataset (?:.*\\\n)*.*)$", block, re.MULTILINE)
]


def test_there_are_some():
    assert len(LINES) > 25


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_command_line_that_is_shown_is_one(page, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("image.mha").touch()  # which `put` looks for at once
    words = shlex.split(line.partition(" <")[0].partition(" | ")[0], comments=True)[1:]
    name, *rest = words
    command.commands[name].make_context(name, rest)
