"""The command on a Ray cluster, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)  # starting workers takes long where others work

COMMAND = str(Path(sys.executable).with_name("file-dataset"))
FUNCTIONS = """
import os

def double(input_dir, output_dir):
    text = (input_dir / "a.txt").read_text()
    if text == "bad":
        raise RuntimeError("cannot double bad")
    (output_dir / "b.txt").write_text(f"{text * 2} {os.environ['TMPDIR']}")
    return {"b.txt": output_dir / "b.txt"}
"""


@pytest.fixture
def command(tmp_path, ray_cluster):
    """Runs the command in a directory with a function and a table."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    for name in ("one", "two", "bad"):
        (tmp_path / f"{name}.txt").write_text(name)
    lines = [f"{name},{name}.txt" for name in ("one", "two", "bad", "missing")]
    (tmp_path / "table.csv").write_text("\n".join(["id,a.txt", *lines]))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=tmp_path,
            env={**os.environ, **ray_cluster.settings},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_rows_are_run_by_the_workers_of_the_cluster(command, tmp_path, ray_cluster):
    on_ray = ["--engine", "ray", "--address", ray_cluster.address]
    failed = ["--failures", "failed.parquet"]
    run = ["run", "functions.py:double", "table.csv", "--into", "out", "--json"]
    done = command(*run, *on_ray, *failed)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert [row["id"] for row in said["rows"]] == ["one", "two"]
    assert [(row["id"], row["error"]) for row in said["failures"]] == [
        ("bad", "RuntimeError"),
        ("missing", "NotFoundError"),
    ]
    # Only workers have it.
    assert (tmp_path / "out/two/b.txt").read_text() == f"twotwo {ray_cluster.workers_temp}"
    (tmp_path / "missing.txt").write_text("found")
    again = command("retry", "failed.parquet", "--json")
    assert again.returncode == 1, again.stderr
    assert [row["id"] for row in json.loads(again.stdout)["rows"]] == ["missing"]
    text = (tmp_path / "out/missing/b.txt").read_text()
    assert text == f"foundfound {ray_cluster.workers_temp}"


def test_an_address_is_for_ray_only(command):
    done = command("run", "functions.py:double", "table.csv", "--into", "out", "--address", "x:1")
    assert done.returncode == 2
    assert "it needs --engine ray" in done.stderr
