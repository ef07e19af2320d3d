"""The examples: scripts and a notebook that run by themselves, each script within 40 seconds.

The seconds are the processor's, of which a busy machine gives each script few.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "how-to" / "loaders.md").read_text()

# What each says at its end.
SAID = {
    "load_sequence": r"epoch 1: 45 bytes, beginning with .*\.bin",
    "load_async": r"8 objects, 8000 bytes\n4 objects, 4000 bytes",
    "train_iterable": r"epoch 2: 128 items, loss 0\.\d+",
    "train_map": r"epoch 4: 128 of 128 right",
    "train_resumed": r"40 items, then 60\neach once: True",
    "dicom_volumes": (
        r"ann (\(64, 48, 20\) \(1\.0, 1\.0, 1\.0\))\nben \1\n"
        r"failed: cal only 3 of 4 files are slices of one series"
    ),
    "thumbnails": r"size \(64, 48\)\nfailed: 5 UnidentifiedImageError\n5 thumbnails",
    "with_a_program": (
        r"unpacked: 300 lines\n0 0\n1 100\n2 200\n3 300\nfailed: broken CommandError True"
    ),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SAID)
def test_an_example_runs_by_itself(name, tmp_path):
    script = ROOT / "examples" / f"{name}.py"
    said = subprocess.run(
        ["sh", "-c", 'ulimit -t 40 && exec "$@"', "sh", sys.executable, "-W", "error", script],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=tmp_path,
        check=False,
    )
    # What is logged of rows that are made to fail, and nothing else.
    logged = [line for line in said.stderr.splitlines() if "Failed to process row" not in line]
    assert (said.returncode, logged) == (0, [])
    assert re.search(rf"{SAID[name]}\n$", said.stdout)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.xdist_group("ray")  # of which there is one cluster, and not one more elsewhere
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
def test_the_example_of_ray_runs_on_a_cluster(capfd):
    runpy.run_path(str(ROOT / "examples" / "on_ray.py"), run_name="__main__")
    said = [line for line in capfd.readouterr().out.splitlines() if not line.startswith("\x1b")]
    assert said == [
        "run: 8 rows, 1 failed",
        "again: RunResult(rows=0, failed=1, skipped=0)",
        "job: 9 lines, 1 failed",
        "actors: 8 lines",
        "contents: 8 rows, 140 bytes",
    ]


NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(
    notebook, timeout=200, startup_timeout=200, kernel_name="python3"
).execute()
for cell in notebook.cells:
    for output in cell.get("outputs", []):
        print(output.get("text") or output["data"]["text/plain"])
"""


@pytest.mark.timeout(300)
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path):
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", EXECUTE, NOTEBOOK],
        env={**environment, "TMPDIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=280,
        cwd=tmp_path,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert "RunResult(rows=5, failed=1, skipped=0)" in said.stdout
    assert re.search(r"6 +text.txt +read +NotFoundError", said.stdout)
    assert "RunResult(rows=1, failed=0, skipped=0)" in said.stdout
    assert "b'6 words'" in said.stdout


def test_the_notebook_is_kept_without_its_outputs():
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if "outputs" in cell]
    assert len(cells) == 5
    assert [(cell["outputs"], cell["execution_count"]) for cell in cells] == [([], None)] * 5


def test_every_example_is_run():
    elsewhere = {"on_ray", "resample"}  # above, and as the demo of the command
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == {*SAID, *elsewhere}


def test_an_example_takes_a_url(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"abc")
    script = ROOT / "examples" / "load_sequence.py"
    said = subprocess.check_output([sys.executable, script, tmp_path], text=True)
    assert said.startswith("1 objects, 3 bytes in the first")


def test_the_page_of_ray_shows_what_its_example_does():
    page = (ROOT / "docs" / "how-to" / "ray.md").read_text()
    lines = {line.strip() for line in (ROOT / "examples/on_ray.py").read_text().splitlines()}
    shown = "".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)).splitlines()
    assert shown
    assert {line.strip() for line in shown} - lines == set()


@pytest.mark.parametrize("name", [name for name in SAID if name.startswith(("load", "train"))])
def test_the_docs_show_what_the_examples_do(name):
    lines = [line.strip() for line in (ROOT / "examples" / f"{name}.py").read_text().splitlines()]
    after = DOCS.partition(f"examples/{name}.py)")[2].partition("examples/")[0]
    shown = re.findall(r"```python\n(.*?)```", after, re.DOTALL) if "train" in name else []
    assert after
    for line in "".join(shown).splitlines():
        assert line.strip() in lines
