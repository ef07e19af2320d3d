"""What a release is made of: the version of its tag, the types, the command and the extras."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a commit with a tag."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__"))
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    for command in (
        [*git, "init", "--quiet"],
        [*git, "add", "."],
        [*git, "commit", "--quiet", "--no-gpg-sign", "-m", "All of it"],
        [*git, "tag", "v7.8.9"],
        [sys.executable, "-m", "hatchling", "build", "-d", "dist", "-t", "wheel"],
    ):
        subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (built,) = (tree / "dist").iterdir()
    assert built.name == "file_dataset-7.8.9-py3-none-any.whl"
    with zipfile.ZipFile(built) as opened:
        yield opened


def metadata_of(wheel: zipfile.ZipFile, name: str) -> str:
    return wheel.read(f"file_dataset-7.8.9.dist-info/{name}").decode()


def test_the_version_is_that_of_the_tag_and_the_extras_are_these(wheel):
    told = message_from_string(metadata_of(wheel, "METADATA"))
    assert told["Version"] == "7.8.9"
    assert told["License-Expression"] == "Apache-2.0"
    assert set(told.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    assert "Typing :: Typed" in told.get_all("Classifier", [])


def test_it_has_the_package_with_its_types_the_licence_and_the_command_alone(wheel):
    names = wheel.namelist()
    assert {name.partition("/")[0] for name in names} == {
        "file_dataset",
        "file_dataset-7.8.9.dist-info",
    }
    assert "file_dataset/py.typed" in names
    assert "file_dataset-7.8.9.dist-info/licenses/LICENSE" in names
    sources = {
        str(path.relative_to(ROOT / "src")) for path in (ROOT / "src/file_dataset").rglob("*.py")
    }
    assert sources <= set(names)
    assert "file-dataset = file_dataset.cli:main" in metadata_of(wheel, "entry_points.txt")


def test_the_readme_tells_of_every_extra():
    told = re.findall(r"file-dataset\[(\w+)\]", (ROOT / "README.md").read_text())
    assert set(told) == set(PROJECT["optional-dependencies"])
