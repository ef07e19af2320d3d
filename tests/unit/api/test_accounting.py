"""Every id of the input is in one table of a run's result, whatever happens on the way."""

from __future__ import annotations

import functools
import os
import pickle
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.api.support import KINDS, cells, table

from file_dataset import (
    AllRowsFailedError,
    MemoryStore,
    NoSpaceError,
    NotFoundError,
    Options,
    PermissionDeniedError,
    Pipeline,
    RunResult,
    RunStoppedError,
    StoreError,
    TransientError,
    UnauthenticatedError,
    Url,
)
from file_dataset.adapters.layers.faulty import Faults, Faulty
from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.domain.requests import Complete, Download, Prepare, Request, Write
from file_dataset.domain.stopping import FIRST


def words_in(words, faults=None) -> tuple[MemoryStore, Options]:
    """A store with a file for each word, behind faults; retries do not wait."""
    store = MemoryStore()
    for word in {*words}:
        store.write(Url.parse(f"memory://in/{word}"), word.encode())
    faulty = store if faults is None else Faulty(store, faults)
    retrying = Retrying(faulty, attempts=2, base=0.0, cap=1e-9)
    return store, Options(stores={"memory://": retrying})


def items_of(words) -> list[dict[str, Any]]:
    return [{"id": n, "a.txt": f"memory://in/{word}"} for n, word in enumerate(words)]


class Work:
    """A function that does what a row's file says, and knows how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, inside: Path, out: Path) -> Any:
        self.calls += 1
        word = (inside / "a.txt").read_text()
        if word == "raise":
            raise ValueError(word)
        for name in ("b.txt", "c.txt"):
            (out / name).write_text(word)
        return {"b.txt": out / ("lost" if word == "lose" else "b.txt"), "c.txt": out / "c.txt"}


def ids_of(result: RunResult) -> tuple[list[int], list[int], list[int]]:
    """The ids of the rows, of the failures and of the skipped rows, each as often as it counts."""
    failed = [*dict.fromkeys(line["id"] for line in result.failures)]
    return [row["id"] for row in result.rows], failed, [row["id"] for row in result.skipped]


def check_accounts(result: RunResult, ids, store: MemoryStore) -> None:
    """Every id is in one of the tables, in its place, and what is reported is there."""
    parts = ids_of(result)
    assert sorted(id for part in parts for id in part) == sorted(ids)
    assert all(part == sorted(part) for part in parts)
    stats = result.stats
    assert (stats.rows, stats.failed, stats.skipped) == tuple(map(len, parts))
    assert stats.not_run == sum(line["attempts"] == 0 for line in result.failures)
    if result.stopped is None:
        assert stats.not_run == 0
    for line in result.failures:
        if not line["attempts"]:
            assert (line["error"], line["retryable"]) == ("RunStoppedError", True)
            assert str(result.stopped) in line["message"]
    for row in result.rows:
        files = [url for name, url in row.items() if name != "id"]
        assert [store.read(Url.parse(url)) for url in files] == [b"work"] * len(files)


WORDS = st.lists(st.sampled_from(["work"] * 6 + ["raise", "lose"]), max_size=3 * FIRST)
ERRORS = [TransientError, PermissionDeniedError, NotFoundError, NoSpaceError, UnauthenticatedError]
VERBS = st.sets(st.sampled_from([Download, Prepare, Write, Complete]), min_size=1)
SHARES = st.sampled_from([0.0, 0.1, 0.5])
FAULTS = st.builds(
    lambda seed, before, after, error, verbs: Faults(
        seed=seed,
        # Of what was prepared nobody has the token if the reply is lost: that one is spared.
        before=before if after == 0 or Prepare in verbs else 0.5,
        after=0.0 if Prepare in verbs else after,
        error=error,
        verbs=verbs,
    ),
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    SHARES,
    st.sampled_from(ERRORS),
    VERBS,
)
LIMITS = st.one_of(st.none(), st.integers(0, 5), st.sampled_from([0.0, 0.1, 0.5, 1.0]))


@settings(deadline=None, max_examples=80)
@given(
    words=WORDS,
    faults=FAULTS,
    limit=LIMITS,
    how=st.fixed_dictionaries(
        {
            "workers": st.sampled_from([1, 3]),
            "prefetch": st.sampled_from([0, 1, 5, 128]),
            "on_error": st.sampled_from(["drop", "keep"]),
        }
    ),
)
def test_the_tables_of_a_result_are_a_partition_of_the_input(words, faults, limit, how):
    store, options = words_in(words, faults)
    work = Work()
    pipeline = Pipeline(work, into_path="memory://out", options=options, max_failures=limit, **how)
    result = pipeline.run(items_of(words))
    check_accounts(result, range(len(words)), store)
    # Whoever had no turn was not in the function.
    assert work.calls <= result.stats.rows + result.stats.failed - result.stats.not_run
    if limit is not None and result.stopped is None:
        assert result.stats.failed <= (limit if isinstance(limit, int) else limit * len(words))
    work.calls = 0
    again = result.retry()
    check_accounts(again, ids_of(result)[1], store)
    assert work.calls <= result.stats.failed


def die(inside: Path, out: Path) -> Any:
    word = (inside / "a.txt").read_text()
    if word == "raise":
        os._exit(3)
    return {"b.txt": inside / "a.txt"}


@pytest.mark.parametrize("limit", [None, 0])
def test_so_they_are_where_the_function_dies_in_processes_of_its_own(limit):
    words = ["work", "raise", "work", "raise", "work", "work"]
    store, options = words_in(words)
    result = Pipeline(
        die,
        into_path="memory://out",
        options=options,
        isolation="process",
        workers=2,
        max_failures=limit,
    ).run(items_of(words))
    check_accounts(result, range(len(words)), store)
    assert (result.stopped is None) == (limit is None)
    if limit is None:
        assert ids_of(result)[1] == [1, 3]


# Stops.


def pipeline_of(words, faults=None, **kwargs) -> tuple[MemoryStore, Work, Pipeline]:
    store, options = words_in(words, faults)
    work = Work()
    return store, work, Pipeline(work, into_path="memory://out", options=options, **kwargs)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_a_turn_are_failures_that_a_retry_runs(kind):
    words = ["raise"] + ["work"] * 9
    store, _, pipeline = pipeline_of(words, max_failures=0, prefetch=0)
    columns = {"id": range(10), "a.txt": [f"memory://in/{word}" for word in words]}
    result = pipeline.run(table(kind, columns))
    assert result.stopped is not None
    assert result.stopped.startswith("1 rows failed, allowed are 0 (max_failures); row 0: ValueErr")
    assert not result.is_systemic
    failures = cells(result.failures)
    assert failures["id"][0] == 0
    assert failures["error"] == ["ValueError"] + ["RunStoppedError"] * result.stats.not_run
    assert failures["attempts"] == [1] + [0] * result.stats.not_run
    assert result.stats.not_run >= 7  # one may have been in the function, and one on its way there
    assert sorted(cells(result.rows).get("id", []) + failures["id"]) == list(range(10))
    assert f"stopped={result.stopped!r}" in repr(result)
    assert "The run was stopped: 1 rows failed" in result._repr_html_()
    store.write(Url.parse("memory://in/raise"), b"work")
    assert cells(result.retry().rows)["id"] == failures["id"]


def test_a_stopped_run_is_an_error_for_who_wants_but_the_table():
    words = ["raise"] + ["work"] * 9
    _, _, pipeline = pipeline_of(words, max_failures=0, prefetch=0)
    with pytest.raises(RunStoppedError, match=r"^The run was stopped: 1 rows failed") as caught:
        pipeline(items_of(words))
    error = pickle.loads(pickle.dumps(caught.value))
    attempts = {each.row_id: each.causes[0].attempts for each in error.failures}
    not_run = len(attempts) - 1
    assert f"{9 - not_run} rows came through, 1 failed, {not_run} were not run" in str(error)
    assert attempts.pop(0) == 1
    assert set(attempts.values()) == {0}


def test_a_stopped_run_is_an_error_also_if_failed_rows_are_kept_or_all_have_failed():
    for kwargs in ({"on_error": "keep"}, {"if_all_fail": "empty"}, {"if_all_fail": "raise"}):
        _, _, pipeline = pipeline_of(["raise"], max_failures=0, **kwargs)
        with pytest.raises(RunStoppedError):
            pipeline(items_of(["raise"]))


def test_as_many_failures_as_are_allowed_do_not_stop_a_run():
    words = ["raise", "work", "lose", "work"]
    for limit in (2, 0.5):
        _, _, pipeline = pipeline_of(words, max_failures=limit)
        result = pipeline.run(items_of(words))
        assert (result.stopped, result.stats.rows, result.stats.not_run) == (None, 2, 0)


@pytest.mark.parametrize("limit", [-1, 1.5, -0.1, True, "5", float("nan")], ids=str)
def test_a_limit_that_makes_no_sense_is_refused(limit):
    with pytest.raises(ValueError, match="max_failures must be"):
        Pipeline(Work(), into_path="memory://out", max_failures=limit)


@pytest.mark.parametrize("workers", [1, 3])
def test_credentials_that_nobody_accepts_stop_a_run_at_the_first_row(workers):
    words = ["work"] * 50
    faults = Faults(before=1.0, error=UnauthenticatedError, verbs={Download})
    store, work, pipeline = pipeline_of(words, faults, prefetch=1, workers=workers)
    result = pipeline.run(items_of(words))
    check_accounts(result, range(50), store)
    assert result.is_systemic
    assert "no row can come through; row 0: a.txt: UnauthenticatedError" in str(result.stopped)
    assert work.calls == 0
    # Those that were under way came to their end.
    assert result.stats.not_run >= 50 - 2 * workers - 2


@pytest.mark.parametrize("error", [PermissionDeniedError, TransientError, NoSpaceError])
@pytest.mark.parametrize("verb", [Download, Prepare])
def test_the_first_rows_that_all_fail_alike_stop_a_run(error, verb):
    words = ["work"] * (3 * FIRST)
    faults = Faults(before=1.0, error=error, verbs={verb})
    store, _, pipeline = pipeline_of(words, faults, prefetch=1)
    result = pipeline.run(items_of(words))
    check_accounts(result, range(len(words)), store)
    assert result.is_systemic
    assert f"the first {FIRST} rows all failed with the same cause, {error.common_cause}" in str(
        result.stopped
    )
    assert FIRST <= result.stats.failed - result.stats.not_run <= FIRST + 3


@pytest.mark.parametrize("error", [NotFoundError, StoreError])
def test_files_that_are_missing_are_their_rows_own_fault(error):
    words = ["work"] * (2 * FIRST)
    _, _, pipeline = pipeline_of(words, Faults(before=1.0, error=error, verbs={Download}))
    result = pipeline.run(items_of(words))
    assert (result.stopped, result.stats.failed) == (None, 2 * FIRST)


def test_rows_too_large_for_the_space_they_may_take_are_no_full_disk():
    words = ["work"] * (2 * FIRST)
    _, _, pipeline = pipeline_of(words, max_staging_bytes=1)
    result = pipeline.run(items_of(words))
    assert (result.stopped, result.stats.failed) == (None, 2 * FIRST)


def test_one_row_that_may_not_be_read_is_no_reason_to_stop():
    _, _, pipeline = pipeline_of(["work"], Faults(before=1.0, error=PermissionDeniedError))
    with pytest.raises(AllRowsFailedError):
        pipeline(items_of(["work"]))


@pytest.mark.parametrize("kwargs", [{}, {"max_staging_bytes": 1000}], ids=str)
def test_without_a_place_for_temporary_files_no_row_can_come_through(kwargs, tmp_path, monkeypatch):
    store, _, pipeline = pipeline_of(["work"] * 3, **kwargs)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    result = pipeline.run(items_of(["work"] * 3))
    check_accounts(result, range(3), store)
    assert result.is_systemic
    assert f"{tmp_path / 'gone'}" in str(result.stopped)
    assert "not found" in str(result.stopped)


def test_failed_rows_are_in_the_failures_alone_also_where_a_call_would_keep_them():
    words = ["work", "raise"]
    _, _, pipeline = pipeline_of(words, on_error="keep")
    result = pipeline.run(items_of(words))
    assert ids_of(result) == ([0], [1], [])
    assert [row["id"] for row in pipeline(items_of(words))] == [0, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_table_of_skipped_rows_like_that_of_the_others(kind):
    _, _, pipeline = pipeline_of(["work"])
    result = pipeline.run(table(kind, {"id": [0], "a.txt": ["memory://in/work"]}))
    assert isinstance(result.skipped, KINDS[kind][1])
    assert not any(cells(result.skipped).values())
    if kind != "list":
        assert list(cells(result.skipped)) == list(cells(result.rows)) == ["id", "b.txt", "c.txt"]


def test_failed_rows_can_be_had_as_a_table_to_be_run_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"id": ["x", "y"], "a.txt": ["gone", None], "note": ["n", "n"]})
    result = Pipeline(lambda _: {}, into_path="memory://out").run(frame)
    failed = result.failed_rows()
    assert failed.to_dict("records") == [{"id": "x", "a.txt": str(tmp_path / "gone")}]


# Interrupts.


def interrupted(words, *, workers: int = 1, fn: Callable[..., Any], faults=None):
    store, options = words_in(words, faults)
    pipeline = Pipeline(fn, into_path="memory://out", options=options, workers=workers, prefetch=2)
    run = pipeline.begin(items_of(words))
    with pytest.raises(KeyboardInterrupt):
        run.finish()
    return store, run.result()


@pytest.mark.parametrize("workers", [1, 3])
def test_of_an_interrupted_run_it_is_known_what_was_done(workers):
    def work(inside: Path, out: Path) -> Any:
        if (inside / "a.txt").read_text() == "interrupt":
            raise KeyboardInterrupt
        return {"b.txt": inside / "a.txt"}

    words = ["work"] * 10 + ["interrupt"] + ["work"] * 10
    store, result = interrupted(words, workers=workers, fn=work)
    check_accounts(result, range(21), store)
    assert result.stopped == "interrupted by KeyboardInterrupt"
    published = {int(url.key.split("/")[0]) for url in store._objects if url.authority == "out"}
    assert published == set(ids_of(result)[0])
    assert 10 in ids_of(result)[1]


def test_a_row_that_is_being_published_when_the_interrupt_comes_is_among_those_done():
    publishing, interrupting = threading.Event(), threading.Event()

    def script(request: Request[object]) -> None:
        if isinstance(request, Complete):
            publishing.set()
            assert interrupting.wait(30)

    def work(inside: Path, out: Path) -> Any:
        if (inside / "a.txt").read_text() == "interrupt":
            assert publishing.wait(30)
            interrupting.set()
            raise KeyboardInterrupt
        return dict.fromkeys(("b.txt", "c.txt"), inside / "a.txt")

    words = ["work", "interrupt", "work"]
    store, result = interrupted(words, fn=work, faults=script)
    check_accounts(result, range(3), store)
    assert ids_of(result) == ([0], [1, 2], [])


def test_a_bug_of_a_store_is_raised_and_of_the_run_it_is_known_what_was_done():
    words = ["work"] * 9
    store, _ = words_in(words)
    called = threading.Event()

    class Broken(MemoryStore):
        def run(self, requests, /):
            if called.is_set() and any(isinstance(each, Download) for each in requests):
                raise ValueError("a bug")
            return store.run(requests)

    def work(inside: Path, out: Path) -> Any:
        called.set()
        return dict.fromkeys(("b.txt", "c.txt"), inside / "a.txt")

    pipeline = Pipeline(
        work, into_path="memory://out", options=Options(stores={"memory://": Broken()}), prefetch=0
    )
    run = pipeline.begin(items_of(words))
    with pytest.raises(ValueError, match="a bug"):
        run.finish()
    check_accounts(run.result(), range(9), store)
    assert run.result().stopped == "interrupted by ValueError"
    assert ids_of(run.result())[0]


def test_a_result_that_was_stopped_travels(tmp_path):
    pipeline = Pipeline(functools.partial(die), into_path=tmp_path / "out", max_failures=0)
    frame = pd.DataFrame({"id": [1, 2], "a.txt": [tmp_path / "gone", tmp_path / "gone"]})
    again = pickle.loads(pickle.dumps(pipeline.run(frame)))
    (tmp_path / "gone").write_text("work")
    assert again.retry().rows["id"].tolist() == [1, 2]
