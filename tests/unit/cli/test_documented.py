"""Command lines in the documentation are ones that the command takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from file_dataset.cli.main import command

ROOT = Path(__file__).parents[3]
PAGES = {
    page.relative_to(ROOT).as_posix(): page.read_text()
    for page in [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
}
FENCED = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^ {4}.+\n", re.MULTILINE)
INLINE = re.compile(r"`file-dataset\s([^`]+)`")


def blocks(page: str) -> list[str]:
    return [*FENCED.findall(page), "".join(INDENTED.findall(FENCED.sub("", page)))]


LINES = [
    (name, re.sub(r"\\\n\s*", "", line).strip())
    for name, page in PAGES.items()
    for block in blocks(page)
    for line in re.findall(r"^ *(file-dataset (?:.*\\\n)*.*)$", block, re.MULTILINE)
]
MENTIONED = sorted({(name, said) for name, page in PAGES.items() for said in INLINE.findall(page)})


def test_there_are_some():
    assert len(LINES) > 27
    assert len(MENTIONED) > 30


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_command_line_that_is_shown_is_one(page, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("image.mha").touch()  # which `put` looks for at once
    words = shlex.split(line.partition(" <")[0].partition(" | ")[0], comments=True)[1:]
    name, *rest = words
    command.commands[name].make_context(name, rest)


@pytest.mark.parametrize(("page", "said"), MENTIONED)
def test_what_is_mentioned_of_the_command_is_there(page, said):
    name, *rest = shlex.split(said)
    if name in ("-v", "COMMAND"):
        return
    known = {option for each in command.commands[name].params for option in each.opts}
    named = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", " ".join(rest)))
    assert named - known <= {"--help"}
