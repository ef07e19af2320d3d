"""The command on a Ray cluster, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest
from tests.commands import COMMAND, run_command
from tests.integration.clusters import ON_A_CLUSTER

pytestmark = ON_A_CLUSTER

FUNCTIONS = """
import os
import time

def double(input_dir, output_dir):
    text = (input_dir / "a.txt").read_text()
    if text == "bad":
        raise RuntimeError("cannot double bad")
    (output_dir / "b.txt").write_text(f"{text * 2} {os.environ['TMPDIR']}")
    return {"b.txt": output_dir / "b.txt"}

def dawdle(input_dir, output_dir):
    open("PLACE/begun", "w").close()
    time.sleep(0.2)
    return {}
"""


@pytest.fixture
def command(tmp_path, ray_cluster):
    """Runs the command in a directory with a function and a table."""
    (tmp_path / "functions.py").write_text(FUNCTIONS.replace("PLACE", str(tmp_path)))
    for name in ("one", "two", "bad"):
        (tmp_path / f"{name}.txt").write_text(name)
    lines = [f"{name},{name}.txt" for name in ("one", "two", "bad", "missing")]
    (tmp_path / "table.csv").write_text("\n".join(["id,a.txt", *lines]))

    def run(*arguments: str) -> tuple[int, str, str]:
        environment = {**os.environ, **ray_cluster.settings}
        return run_command(arguments, cwd=tmp_path, env=environment)

    return run


def test_rows_are_run_by_the_workers_of_the_cluster(command, tmp_path, ray_cluster):
    on_ray = ["--engine", "ray", "--address", ray_cluster.address]
    failed = ["--failures", "failed.parquet"]
    run = ["run", "functions.py:double", "table.csv", "--into", "out", "--json"]
    code, out, err = command(*run, *on_ray, *failed)
    assert code == 1, err
    said = json.loads(out)
    assert [row["id"] for row in said["rows"]] == ["one", "two"]
    assert [(row["id"], row["error"]) for row in said["failures"]] == [
        ("bad", "RuntimeError"),
        ("missing", "NotFoundError"),
    ]
    assert "4/4" in err
    # Only workers have it.
    assert (tmp_path / "out/two/b.txt").read_text() == f"twotwo {ray_cluster.workers_temp}"
    (tmp_path / "missing.txt").write_text("found")
    code, out, err = command("retry", "failed.parquet", "--json")
    assert code == 1, err
    assert [row["id"] for row in json.loads(out)["rows"]] == ["missing"]
    text = (tmp_path / "out/missing/b.txt").read_text()
    assert text == f"foundfound {ray_cluster.workers_temp}"


def test_an_interrupt_leaves_nothing_on_the_workers(command, tmp_path, ray_cluster):
    before = set(ray_cluster.workers_temp.iterdir())  # what workers left that others killed
    rows = [f"{number},one.txt" for number in range(400)]
    (tmp_path / "table.csv").write_text("\n".join(["id,a.txt", *rows]))
    on_ray = ["--engine", "ray", "--address", ray_cluster.address]
    process = subprocess.Popen(
        [COMMAND, "run", "functions.py:dawdle", "table.csv", "--into", "out", *on_ray],
        cwd=tmp_path,
        env={**os.environ, **ray_cluster.settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert "interrupted by SIGINT" in out
    assert set(ray_cluster.workers_temp.iterdir()) <= before
    assert "had not ended" not in err


def test_an_address_where_nobody_is(command):
    told = ["functions.py:double", "table.csv", "--into", "out", "--engine", "ray"]
    code, _, err = command("run", *told, "--address", "127.0.0.1:1")
    assert code == 2
    assert "there is no Ray cluster at 127.0.0.1:1: " in err
    code, _, err = command("run", *told, "--address", "ray://127.0.0.1:1")
    assert code == 2
    assert "as host:port, and not ray://" in err


def test_an_address_is_for_ray_only(command):
    told = ["functions.py:double", "table.csv", "--into", "out", "--address", "x:1"]
    code, _, err = command("run", *told)
    assert code == 2
    assert "it needs --engine ray" in err
