"""The tests of the API that have to do with tables, with the oldest pandas that is supported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# Beside the other packages of the environment; `make` installs it there.
OLD = Path(sys.prefix) / "pandas-2.2"
ROOT = Path(__file__).parents[2]

TESTS = ROOT / "tests/unit/api"

# What names pandas, or takes tables of every kind, ...
CONCERNED = re.compile(r"pandas|\bpd\.|\bKINDS\b|\bWAYS\b")
# ... but for what is about processes, whose tables are those of the others.
LEFT_OUT = re.compile("accounting|command|mapper|pipeline_isolation|pipeline_processes")


def concerned() -> list[str]:
    """The modules of tests that another pandas may make a difference to."""
    named = {path: path.read_text() for path in TESTS.glob("test_*.py")}
    return sorted(
        str(path)
        for path, text in named.items()
        if CONCERNED.search(text) and not LEFT_OUT.search(path.stem)
    )


@pytest.mark.timeout(600)  # a whole run of pytest
def test_the_api_works_with_pandas_2_2():
    modules = concerned()
    assert len(modules) > 15
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not process", *modules]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(OLD), "FILE_DATASET_TEST_PANDAS": "2.2."},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
