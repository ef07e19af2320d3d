"""Pipelines in other processes: pickled, spawned, interrupted, and where there is no boto3."""

from __future__ import annotations

import functools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.unit.api.support import cells, table

from file_dataset import AllRowsFailedError, MemoryStore, Options, Pipeline


def upper(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    text = (input_dir / "a.txt").read_text()
    if text == "bad":
        raise ValueError(text)
    (output_dir / "b.txt").write_text(text.upper())
    return {"b.txt": output_dir / "b.txt"}


@pytest.fixture
def frame(tmp_path):
    for text in ("one", "two", "bad"):
        (tmp_path / text).write_text(text)
    paths = [str(tmp_path / text) for text in ("one", "bad", "two", "gone")]
    return pd.DataFrame({"id": [3, 1, 2, 4], "a.txt": paths})


def copy_of(pipeline: Pipeline) -> Pipeline:
    return pickle.loads(pickle.dumps(pipeline))


# Pickled.


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_pipeline_does_the_same(protocol, frame, tmp_path):
    pipeline = Pipeline(upper, into_path=tmp_path / "out", workers=2)
    again = pickle.loads(pickle.dumps(pipeline, protocol))
    pd.testing.assert_frame_equal(again(frame), pipeline(frame))


def test_a_pipeline_that_was_used_pickles_without_its_client(frame, tmp_path):
    options = Options({"aws_access_key_id": "key", "aws_secret_access_key": "made up"})
    pipeline = Pipeline(upper, into_path=tmp_path / "out", options=options)
    before = len(pickle.dumps(pipeline))
    pipeline(frame)
    assert options.s3_client is not None
    assert len(pickle.dumps(pipeline)) == before


@pytest.mark.parametrize("kind", ["pandas", "list"])
def test_a_spawned_process_gives_the_same_rows_and_failures(kind, frame, tmp_path):
    given = table(kind, frame.to_dict("list"))
    pipeline = Pipeline(upper, into_path=tmp_path / "out", prefetch=2)
    here = pipeline.run(given)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(pipeline.run, (given,))
    assert cells(there.rows) == cells(here.rows)
    assert cells(there.failures) == cells(here.failures)
    assert there.stats.rows == 2


def test_a_copy_works_on_a_part_of_the_data_and_may_lose_all_of_it(frame, tmp_path):
    bad = frame[frame["id"].isin([1, 4])]
    pipeline = Pipeline(upper, into_path=tmp_path / "out")
    with pytest.raises(AllRowsFailedError):
        pipeline(bad)
    for copied in (copy_of(pipeline), copy_of(copy_of(pipeline))):
        made = copied(bad)
        assert (len(made), made["id"].dtype) == (0, "int64")
    with pytest.raises(AllRowsFailedError):
        pipeline(bad)


def test_a_copy_does_as_it_was_told(frame, tmp_path):
    bad = frame[frame["id"].isin([1, 4])]
    make = functools.partial(Pipeline, upper, into_path=tmp_path / "out")
    with pytest.raises(AllRowsFailedError):
        copy_of(make(if_all_fail="raise"))(bad)
    assert len(copy_of(make(if_all_fail="empty"))(bad)) == 0
    assert len(copy_of(make(on_error="keep"))(bad)) == 2


def test_what_cannot_be_pickled_is_told_in_pickles_own_words(tmp_path):
    pipeline = Pipeline(lambda directory: {}, into_path=tmp_path)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(pipeline)


def test_a_store_of_this_process_alone_says_so_when_it_is_to_travel():
    options = Options(stores={"memory://": MemoryStore()})
    with pytest.raises(TypeError, match="MemoryStore lives in the process that made it"):
        pickle.dumps(Pipeline(upper, into_path="memory://out", options=options))


# Local files need nothing of S3.

LOCAL = """
import os, sys
for name in list(os.environ):
    if name.startswith("AWS_"):
        del os.environ[name]
for name in ("boto3", "botocore", "s3transfer"):
    sys.modules[name] = None
from pathlib import Path
from file_dataset import Pipeline, reader, write_files

def fn(directory: Path) -> dict[str, Path]:
    return {"b.txt": directory / "a.txt"}

os.chdir(sys.argv[1])
Path("a").write_text("data")
frame = [{"id": 1, "a.txt": "a"}]
rows = Pipeline(fn, into_path="out")(frame)
write_files(rows, into_path="again")
with reader(row={"a": "again/1/b.txt"}).into_temp_dir() as directory:
    print((directory / "a").read_text(), Pipeline(fn, into_path="out").run(frame).stats.failed)
"""


def test_local_work_needs_no_aws_settings_and_not_even_boto3(tmp_path):
    command = [sys.executable, "-W", "error", "-c", LOCAL, str(tmp_path)]
    assert subprocess.check_output(command, text=True).split() == ["data", "0"]


# Ctrl-C.

INTERRUPTED = """
import sys
from pathlib import Path
from file_dataset import Pipeline

place, workers = Path(sys.argv[1]), int(sys.argv[2])

def fn(input_dir, output_dir):
    for name in ("b.txt", "c.txt"):
        (output_dir / name).write_text("x" * 100_000)
    if (input_dir / "a.txt").read_text() == "3":
        print("in the middle", flush=True)
        sys.stdin.readline()
    return {name: output_dir / name for name in ("b.txt", "c.txt")}

rows = [{"id": n, "a.txt": str(place / "in" / str(n))} for n in range(9)]
Pipeline(fn, into_path=place / "out", workers=workers).run(rows)
print("not interrupted")
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_no_temporary_directory_and_no_half_row(workers, tmp_path):
    for name in ("in", "out", "tmp"):
        (tmp_path / name).mkdir()
    for number in range(9):
        (tmp_path / "in" / str(number)).write_text(str(number))
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path), str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        assert list((tmp_path / "tmp").iterdir())
        process.send_signal(signal.SIGINT)
        # A thread cannot be interrupted; it ends what it is at.
        output, errors = process.communicate("go on\n", timeout=60)
    assert process.returncode == -signal.SIGINT
    assert errors.endswith("KeyboardInterrupt\n")
    assert output == ""
    assert list((tmp_path / "tmp").iterdir()) == []
    for row in (tmp_path / "out").glob("[0-9]"):
        assert sorted(path.name for path in row.iterdir()) == ["b.txt", "c.txt"]
        assert {path.stat().st_size for path in row.iterdir()} == {100_000}
