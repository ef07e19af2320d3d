"""Every block of code in the documentation is run, or is looked at by a test that is named here.

Lines with ``>>>`` in README.md and docs/ are run by pytest itself. Command lines are parsed by
tests/unit/cli/test_documented.py.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)

# Done from beginning to end by tests/integration/test_tutorial.py, with the files that they save.
DONE = ["README.md", "docs/tutorial/from-files-to-a-cluster.md"]
# Looked for in the examples, which are run, by tests/integration/test_examples.py.
QUOTED = ["docs/how-to/loaders.md", "docs/how-to/ray.md"]
# What is no code.
PICTURES = ["─►", "data/scans/7.mha  ->", '{"error": "ValueError"', "S3_ENDPOINT="]

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
TARGETS = re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text())
ENTRY_POINT = (ROOT / "examples/sqlite_store/pyproject.toml").read_text()


def pages() -> dict[str, str]:
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks/README.md"]
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}


BLOCKS = [
    pytest.param(page, before, kind, code, id=f"{page}:{before.count(chr(10)) + 1}")
    for page, text in pages().items()
    for found in FENCE.finditer(text)
    for before, kind, code in [(text[: found.start()], *found.groups())]
]


def test_no_fence_is_overlooked():
    fences = sum(len(re.findall(r"(?m)^ *(?:```|~~~)", text)) for text in pages().values())
    assert fences == 2 * len(BLOCKS) > 200


@pytest.mark.parametrize(("page", "before", "kind", "code"), BLOCKS)
def test_a_block_is_run_or_looked_at(page, before, kind, code):
    is_run = page == "README.md" or page.startswith("docs/")
    if kind == "python":
        saved = re.search(r"`[\w.]+`:\n\n$", before) and page in DONE
        assert (">>> " in code and is_run) or saved or page in QUOTED
    elif kind in ("sh", "text"):
        assert page in DONE
    elif kind == "toml":
        assert code in ENTRY_POINT
    elif kind == "console":
        assert all(is_of_set_up(line) for line in code.splitlines())
    elif kind:
        assert kind in ("{toctree}", "{eval-rst}")  # what `make docs` makes pages of
        assert is_run
    elif not any(picture in code for picture in PICTURES):
        joined = code.replace("\\\n", "")
        assert all(is_command(line) or is_of_set_up(line) for line in joined.splitlines())


def is_of_set_up(line: str) -> bool:
    """Whether it changes one's environment, of which the tests have one."""
    if installed := re.match(r"pip install '?file-dataset(?:\[(\w+)\])?", line):
        return installed[1] is None or installed[1] in EXTRAS
    return bool(re.match(r"python3 -m venv |\. \S+/bin/activate$|export AWS_\w+=", line))


def is_command(line: str) -> bool:
    if made := re.match(r"make (\w+)", line):
        return made[1] in TARGETS
    if module := re.match(r"\.venv-bench/bin/python -m ([\w.]+)", line):
        return (ROOT / f"{module[1].replace('.', '/')}.py").exists()
    return line.startswith("file-dataset ")
