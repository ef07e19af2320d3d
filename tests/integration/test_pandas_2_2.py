"""The tests of the API once more, with the oldest pandas that is supported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Beside the other packages of the environment; `make` installs it there.
OLD = Path(sys.prefix) / "pandas-2.2"
ROOT = Path(__file__).parents[2]

# What has nothing to do with pandas.
LEFT_OUT = ["test_blob_memory", "test_options*", "test_pipeline_isolation", "test_secrets"]


@pytest.mark.timeout(600)  # a whole run of pytest
def test_the_api_works_with_pandas_2_2():
    left_out = [f"--ignore-glob=tests/unit/api/{name}.py" for name in LEFT_OUT]
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/api", *left_out]
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
