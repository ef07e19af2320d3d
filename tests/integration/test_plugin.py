"""A distribution that is installed adds a store, without a line of code in the program."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from file_dataset.domain.url import Url
from file_dataset.testing import Finding, check_store

PLUGIN = Path(__file__).parents[2] / "examples/sqlite_store"
# Whoever imports it meanwhile writes there, under names that are gone at once.
COMPILED = shutil.ignore_patterns("__pycache__")
# A database on a disk waits for it at each of the kit's thousands of writes.
MEMORY = Path("/dev/shm")
PIP = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
OFFLINE = ["--no-build-isolation", "--no-deps", "--no-index"]

PROGRAM = """
import json, sys
from file_dataset.adapters.layers.routed import Routed
from file_dataset.adapters.registry import default
from file_dataset.domain.url import Url

said = {"known": "sqlite" in default.schemes(), "imported early": "sqlite_store" in sys.modules}
letter = Url.parse("sqlite://attic/letter.txt")
try:
    store = Routed({}, default.create)
    store.write(letter, b"Dear reader")
    store.copy(letter, Url.local(sys.argv[1]))
    said["read"] = store.read(letter).decode()
except Exception as error:
    said["error"] = [type(error).__name__, str(error)]
print(json.dumps(said))
"""


def test_the_store_of_the_how_to_keeps_the_laws(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(PLUGIN)
    # The other process of the kit looks for it, too.
    monkeypatch.setenv("PYTHONPATH", f"{PLUGIN}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    kind = importlib.import_module("sqlite_store").SqliteStore
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as place:
        report = check_store(lambda: kind(f"{place}/objects.db"), Url.parse("sqlite://attic/root"))
    assert {verdict.finding for verdict in report.verdicts} == {Finding.KEPT}


def install(source, place):
    """Install a distribution by pip, as any is installed, only offline and beside the others."""
    command = [sys.executable, *PIP, *OFFLINE, "--target", str(place), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory where the plug-in is installed."""
    directory = tmp_path_factory.mktemp("installed")
    shutil.copytree(PLUGIN, directory / "source", ignore=COMPILED)
    install(directory / "source", directory / "place")
    return directory / "place"


def run(tmp_path, *places):
    paths = [*map(str, places), os.environ.get("PYTHONPATH", "")]
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "copy"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "SQLITE_STORE": str(tmp_path / "objects.db"),
        },
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(ended.stdout)


def test_an_installed_store_works(place, tmp_path):
    said = run(tmp_path, place)
    assert said == {
        "known": True,
        "imported early": False,
        "read": "Dear reader",
    }
    assert (tmp_path / "copy").read_text() == "Dear reader"


def test_without_it_the_scheme_is_unknown(tmp_path):
    said = run(tmp_path)
    assert not said["known"]
    kind, text = said["error"]
    assert kind == "UnsupportedSchemeError"
    assert "sqlite://" in text


def test_a_second_claim_is_refused_with_both_names(place, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(PLUGIN, source, ignore=COMPILED)
    project = source / "pyproject.toml"
    project.write_text(project.read_text().replace("sqlite-for-file-dataset", "another-sqlite"))
    install(source, tmp_path / "place")
    kind, text = run(tmp_path, place, tmp_path / "place")["error"]
    assert kind == "StoreError"
    assert "'another-sqlite' and the distribution 'sqlite-for-file-dataset'" in text
