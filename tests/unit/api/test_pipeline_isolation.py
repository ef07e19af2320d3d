"""Pipelines whose function runs in processes of its own, as a user meets them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle  # type: ignore[import-untyped]  # it has no stubs either
import pandas as pd
import pytest
from tests.unit.adapters.processes.support import Leash
from tests.unit.api.support import cells

from file_dataset import Pipeline

ROOT = str(Path(__file__).parents[3])


@pytest.fixture
def frame(tmp_path):
    words = ["one", "two", "bad", "die", "hang", "six"]
    for word in words:
        (tmp_path / word).write_text(word)
    paths = [str(tmp_path / word) for word in words]
    return pd.DataFrame({"id": range(1, 7), "a.txt": paths})


def misbehave(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    text = (input_dir / "a.txt").read_text()
    (output_dir / "b.txt").write_text(text.upper())
    (input_dir / "a.txt").write_text("spoiled")
    if text == "bad":
        raise ValueError(text)
    if text == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "hang":
        time.sleep(1000)
    return {"b.txt": output_dir / "b.txt"}


def isolated(fn, directory: Path, **options) -> Pipeline:
    return Pipeline(fn, into_path=directory / "out", isolation="process", **options)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_row_ends_once_whatever_the_function_does(workers, frame, tmp_path):
    keep = tmp_path / "keep"
    result = isolated(misbehave, tmp_path, workers=workers, timeout=3, keep_failed=keep).run(frame)

    assert result.rows["id"].tolist() == [1, 2, 6]
    assert [Path(path).read_text() for path in result.rows["b.txt"]] == ["ONE", "TWO", "SIX"]
    failures = cells(result.failures[["id", "stage", "error", "retryable"]])
    assert failures == {
        "id": [3, 4, 5],
        "stage": ["call"] * 3,
        "error": ["ValueError", "ProcessDiedError", "TimeoutError"],
        "retryable": [False, True, True],
    }
    assert "SIGKILL" in result.failures["message"][1]
    assert "raise ValueError(text)" in result.failures["traceback"][0]
    # What the function did to its input stays in the row's own directory, which is kept.
    assert [Path(path).read_text() for path in frame["a.txt"]][2:5] == ["bad", "die", "hang"]
    for row_id, word in ((3, "BAD"), (4, "DIE"), (5, "HANG")):
        assert (keep / f"{row_id}/input/a.txt").read_text() == "spoiled"
        assert (keep / f"{row_id}/output/b.txt").read_text() == word
    assert multiprocessing.active_children() == []


def test_a_retry_is_isolated_too(frame, tmp_path):
    result = isolated(misbehave, tmp_path, timeout=60).run(frame[frame["id"] == 4])
    again = result.retry()
    assert again.failures["error"].tolist() == ["ProcessDiedError"]


def test_a_copy_does_the_same_in_processes_of_its_own(frame, tmp_path):
    good = frame[frame["id"] < 3]
    pipeline = isolated(misbehave, tmp_path, workers=2, timeout=60)
    copied = pickle.loads(pickle.dumps(pipeline))
    pd.testing.assert_frame_equal(copied(good), pipeline(good))


def test_a_lambda_goes_where_the_pipeline_is_pickled_by_value_as_ray_does(frame, tmp_path):
    pipeline = isolated(lambda d: {"b.txt": d / "a.txt"}, tmp_path)
    copied = pickle.loads(cloudpickle.dumps(pipeline))
    assert copied(frame)["id"].tolist() == [1, 2, 3, 4, 5, 6]


def test_what_cannot_be_sent_is_told_before_anything_is_read(frame, tmp_path):
    lock = multiprocessing.get_context("spawn").Lock()
    pipeline = isolated(lambda d: {"b.txt": lock}, tmp_path)
    with pytest.raises(TypeError, match="fn cannot be sent to another process"):
        pipeline(frame)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seconds", [0, -1, "1", True, float("nan")], ids=repr)
def test_a_timeout_is_a_number_of_seconds(seconds, tmp_path):
    with pytest.raises(ValueError, match="timeout must be a number of seconds above 0"):
        isolated(misbehave, tmp_path, timeout=seconds)


def test_a_timeout_needs_processes_and_says_so(tmp_path):
    with pytest.raises(ValueError, match='timeout needs isolation="process"'):
        Pipeline(misbehave, into_path=tmp_path, timeout=1)


def test_there_is_no_other_isolation(tmp_path):
    with pytest.raises(ValueError, match="isolation must be one of"):
        Pipeline(misbehave, into_path=tmp_path, isolation="container")  # type: ignore[arg-type]


# A script as users write it: nothing is importable, and nothing stands under an `if`.

SCRIPT = """
import sys
from pathlib import Path
from file_dataset import Pipeline

print("the script", flush=True)
place = Path(sys.argv[1])
suffix = "!"

class Shout:
    def __call__(self, text):
        return text.upper() + suffix

shout = Shout()

def fn(input_dir, output_dir):
    print("a row", file=sys.stderr)
    (output_dir / "b.txt").write_text(shout((input_dir / "a.txt").read_text()))
    return {"b.txt": "b.txt"}

rows = [{"id": n, "a.txt": str(place / name)} for n, name in enumerate(("one", "two", "bad"))]
for row in Pipeline(fn, into_path=place / "out", workers=2, isolation="process")(rows):
    print(Path(row["b.txt"]).read_text())
"""


def test_functions_of_a_script_go_and_the_script_runs_once(frame, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split("\n") == ["the script", "ONE!", "TWO!", "BAD!", ""]
    # What a function prints is not lost with its worker.
    assert ran.stderr.count("a row\n") == 3


# Ctrl-C.

INTERRUPTED = """
import sys
from pathlib import Path
from file_dataset import Pipeline
from tests.unit.adapters.processes.support import start_child

place, workers, leash = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

def fn(input_dir, output_dir):
    (output_dir / "b.txt").write_text("b")
    if (input_dir / "a.txt").read_text() == "die":
        child = start_child(leash)
        child.wait()
    return {"b.txt": "b.txt"}

names = ("one", "two", "bad", "die", "hang", "six")
rows = [{"id": n, "a.txt": str(place / name)} for n, name in enumerate(names)]
Pipeline(fn, into_path=place / "out", workers=workers, isolation="process").run(rows)
print("not interrupted")
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_the_workers_and_leaves_nothing(workers, frame, tmp_path):
    (tmp_path / "tmp").mkdir()
    leash = Leash(tmp_path / "leash")
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path), str(workers), str(leash.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    ) as process:
        leash.wait_for_begin()
        process.send_signal(signal.SIGINT)
        # These pipes, too, are held until the last of the processes has ended.
        output, errors = process.communicate(timeout=60)
    leash.wait_for_end()
    leash.close()
    assert process.returncode == -signal.SIGINT
    assert errors.endswith("KeyboardInterrupt\n")
    assert output == ""
    assert list((tmp_path / "tmp").iterdir()) == []
    assert {path.name for path in (tmp_path / "out").glob("*")} <= {"0", "1", "2", "4", "5"}


# The budget.


def test_a_row_that_needs_more_than_may_be_staged_fails_and_says_so(frame, tmp_path):
    (tmp_path / "two").write_bytes(bytes(1000))
    pipeline = Pipeline(
        lambda d: {"b.txt": d / "a.txt"}, into_path=tmp_path / "out", max_staging_bytes=10
    )
    result = pipeline.run(frame)
    assert result.failures[["id", "stage", "error"]].values.tolist() == [
        [2, "read", "NoSpaceError"]
    ]
    assert "needs 1000 bytes" in result.failures["message"][0]
    assert len(result.rows) == 5


@pytest.mark.parametrize("least", [0, -1, 1.5, True, "10"], ids=repr)
def test_a_budget_is_a_number_of_bytes(least, tmp_path):
    with pytest.raises(ValueError, match="max_staging_bytes must be a whole number"):
        Pipeline(misbehave, into_path=tmp_path, max_staging_bytes=least)
