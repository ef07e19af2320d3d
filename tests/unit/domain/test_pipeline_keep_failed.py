"""Pipelines: what is kept of rows that failed, and what is not."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from tests.unit.domain.pipeline_support import Directories, files_in, run, table, work

from file_dataset.adapters.layers.faulty import Faulty
from file_dataset.domain.errors import TransientError
from file_dataset.domain.requests import Prepare, Request
from file_dataset.domain.rows import RowFailure


@pytest.fixture
def scratch(tmp_path) -> Directories:
    (tmp_path / "scratch").mkdir()
    return Directories(tmp_path / "scratch")


@pytest.fixture
def keep(tmp_path) -> Path:
    return tmp_path / "keep"


def results_of(words, scratch, **options):
    """The results of rows of which those that are to be lost on the way cannot be written."""
    store, rows = table(*words)
    unwritable = {f"into/{n}/out.txt" for n, word in enumerate(words) if word == "unwritable"}
    for number in (n for n, word in enumerate(words) if word == "unreadable"):
        store.delete(rows[number].sources["in.txt"])

    def script(request: Request) -> TransientError | None:
        is_bad = type(request) is Prepare and request.url.key in unwritable
        return TransientError("unwritable") if is_bad else None

    with run(Faulty(store, script), rows, scratch, **options) as results:
        return list(results)


@pytest.mark.parametrize(("workers", "prefetch"), [(1, 0), (1, 3), (2, 4)])
def test_directories_of_rows_that_failed_in_the_function_or_after_it_are_kept(
    workers, prefetch, scratch, keep
):
    words = ["work", "raise", "unreadable", "lose", "unwritable", "work"]
    results_of(words, scratch, keep=keep, workers=workers, prefetch=prefetch)
    assert files_in(keep) == {
        "1/input/in.txt": b"raise 1",
        "1/output/out.txt": b"1",
        "3/input/in.txt": b"lose 3",
        "3/output/out.txt": b"3",
        "4/input/in.txt": b"unwritable 4",
        "4/output/out.txt": b"4",
    }
    assert sorted(path.name for path in keep.iterdir()) == ["1", "3", "4"]
    assert scratch.left == set()


def test_a_function_of_one_directory_leaves_one(scratch, keep):
    def failing(d: Path):
        (d / "half").write_text("done")
        raise ValueError

    results_of(["work"], scratch, fn=failing, keep=keep)
    assert files_in(keep) == {"0/input/in.txt": b"work 0", "0/input/half": b"done"}


def test_nothing_is_kept_unless_it_is_asked_for(scratch, tmp_path):
    results_of(["raise"], scratch)
    assert list(tmp_path.rglob("*")) == [scratch.root]


def test_what_is_kept_is_replaced_by_the_next_run(scratch, keep):
    results_of(["raise", "raise"], scratch, keep=keep)
    (keep / "0" / "output" / "stale").write_text("stale")

    def one_directory(d: Path):
        raise ValueError

    results_of(["again", "work"], scratch, fn=one_directory, keep=keep)
    assert files_in(keep) == {"0/input/in.txt": b"again 0", "1/input/in.txt": b"work 1"}


def test_what_others_keep_in_the_same_place_stays(scratch, keep):
    (keep / "0").mkdir(parents=True)
    (keep / "0" / "image.mha").write_text("the only one")
    results_of(["raise"], scratch, keep=keep)
    assert files_in(keep)["0/image.mha"] == b"the only one"


def test_links_are_kept_as_links(scratch, keep):
    def failing(d: Path):
        (d / "link").symlink_to("/nowhere")
        raise ValueError

    results_of(["work"], scratch, fn=failing, keep=keep)
    assert (keep / "0" / "input" / "link").readlink() == Path("/nowhere")


def leaving_a_pipe(inside: Path, out: Path):
    os.mkfifo(out / "pipe")
    return work(inside, out)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("obstacle", ["a pipe among the files", "a file in the way"])
def test_what_cannot_be_kept_is_logged_and_loses_no_row(obstacle, scratch, keep, caplog):
    if obstacle == "a file in the way":
        keep.mkdir()
        (keep / "0").write_text("in the way")
    with caplog.at_level(logging.WARNING, "file_dataset"):
        failed, *done = results_of(["raise", "work", "work"], scratch, fn=leaving_a_pipe, keep=keep)
    assert isinstance(failed, RowFailure)
    assert failed.causes[0].error == "ValueError"
    assert len(done) == 2
    (record,) = caplog.records
    assert record.getMessage().startswith("Could not keep all that row 0 left")
    assert scratch.left == set()
