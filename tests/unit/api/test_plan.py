"""What a plan tells: everything that is wrong at once, and what a run would take."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.noted import Noted
from tests.unit.api.support import KINDS, table

from file_dataset import MemoryStore, Options, Pipeline, Url
from file_dataset.adapters.layers.faulty import Faults, Faulty
from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.domain.errors import PermissionDeniedError, TransientError
from file_dataset.domain.requests import Read, Stat
from file_dataset.domain.stopping import FIRST


def both(inside: Path, out: Path) -> dict[str, Path]:
    return {"b.txt": inside / "a.txt", "c.txt": inside / "a.txt"}


@pytest.fixture
def store():
    store = MemoryStore()
    for n in range(4):
        store.write(Url.parse(f"memory://in/{n}"), b"x" * (10 + n))
    return store


@pytest.fixture
def noted(store):
    return Noted(store)


@pytest.fixture
def options(noted):
    return Options(stores={"memory://": noted})


def items(*names):
    return [{"id": n, "a.txt": f"memory://in/{name}"} for n, name in enumerate(names)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_of_a_table_of_any_kind_is_what_its_run_does(kind, options):
    pipeline = Pipeline(both, into_path="memory://out", options=options)
    frame = table(kind, {"id": [0, 1], "a.txt": ["memory://in/0", "memory://in/gone"]})
    plan = pipeline.plan(frame)
    result = pipeline.run(frame)
    assert (plan.total, plan.rows, plan.files, plan.bytes) == (2, result.stats.rows, 2, 10)
    assert plan.problems["id"].tolist() == [1]
    assert not plan.is_refused


def test_nothing_is_asked_but_what_is_there(options, noted):
    for how in ({}, {"commit": "plain"}, {"if_exists": "skip"}, {"if_exists": "error"}):
        pipeline = Pipeline(both, into_path="memory://out", options=options, **how)  # type: ignore[arg-type]
        pipeline.plan(items(0, 1), outputs=["b.txt", "c.txt"])
    assert {type(request) for request in noted.requests} <= {Stat, Read}
    assert not any(isinstance(each, Read) and each.url.authority == "in" for each in noted.requests)


BAD = [
    {"id": None, "a.txt": "memory://in/0"},
    {"id": "a/b", "a.txt": "memory://in/0"},
    {"id": "1", "a.txt": "memory://in/0"},
    {"id": "1", "a.txt": "memory://in/0"},
    {"id": "2", "a.txt": "ftpp://u:secret@x/y"},
    {"id": "3", "a.txt": 5},
    {"id": "4", "a.txt": "memory://in/gone", "b.txt": "memory://in/gone too"},
    {"id": "5", "a.txt": "memory://in/0", "../c.txt": "memory://in/0"},
    {"id": "6", "a.txt": "memory://in/0", "a.txt/b.txt": "memory://in/0"},
    {"id": "7", "a.txt": "memory://in/0"},
]


def test_all_that_is_wrong_is_told_at_once(options):
    pipeline = Pipeline(both, into_path="memory://out", options=options)
    plan = pipeline.plan(BAD)
    assert [tuple(line) for line in plan.problems[["id", "file", "stage"]].to_numpy()] == [
        (None, "../c.txt", "table"),
        (None, "", "table"),
        ("a/b", "", "table"),
        ("1", "", "table"),
        ("2", "a.txt", "table"),
        ("3", "a.txt", "table"),
        ("6", "", "table"),
        ("4", "a.txt", "read"),
        ("4", "b.txt", "read"),
    ]
    assert plan.is_refused
    assert (plan.total, plan.rows) == (10, 3)
    with pytest.raises(ValueError, match="'id' column"):
        pipeline.run(BAD)
    for told in (str(plan), plan._repr_html_(), repr(plan), json.dumps(plan.to_dict())):
        assert "secret" not in told
    assert "Refused" in str(plan)


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, "", "a", "b", "c/d", 1, 2, "x" * 300]),
            st.sampled_from(["memory://in/0", "memory://in/gone", "nope://x/y", None, 5, b"x"]),
        ),
        max_size=8,
    )
)
def test_a_table_is_refused_if_its_plan_says_so_and_only_then(cells):
    store = MemoryStore()
    store.write(Url.parse("memory://in/0"), b"0")
    options = Options(stores={"memory://": store})
    pipeline = Pipeline(both, into_path="memory://out", options=options)
    rows = [{"id": row_id, "a.txt": cell} for row_id, cell in cells]
    plan = pipeline.plan(rows)
    try:
        result = pipeline.run(rows)
    except ValueError:
        assert plan.is_refused
        return
    assert not plan.is_refused
    failed = {line["id"] for line in result.failures}
    # A row without a file fails in the function, of which a plan knows nothing.
    assert set(plan.problems["id"]) == failed - {row["id"] for row in rows if row["a.txt"] is None}


def test_a_table_without_ids_or_files_is_an_error_as_it_is_to_a_run(options):
    pipeline = Pipeline(both, into_path="memory://out", options=options)
    with pytest.raises(ValueError, match="'id' column"):
        pipeline.plan(pd.DataFrame({"a.txt": ["memory://in/0"]}))
    with pytest.raises(ValueError, match="No valid file columns"):
        pipeline.plan([{"id": 1, "a": "memory://in/0"}])
    with pytest.raises(ValueError, match="the output"):
        pipeline.plan(items(0), outputs=["../b"])
    assert pipeline.plan([]).total == 0


def test_rows_too_large_for_the_space_they_may_take_are_told(options):
    pipeline = Pipeline(both, into_path="memory://out", options=options, max_staging_bytes=11)
    plan = pipeline.plan(items(0, 1, 2))
    assert plan.problems["error"].tolist() == ["NoSpaceError"]
    assert (plan.rows, plan.files, plan.bytes, plan.staging_bytes) == (2, 2, 21, 11)
    assert pipeline.run(items(0, 1, 2)).stats.failed == 1


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_what_is_staged_is_never_more_than_was_planned(
    prefetch, workers, options, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    most: list[int] = []

    def measuring(inside: Path, out: Path) -> dict[str, Path]:
        held = 0
        for root, _, names in os.walk(tmp_path):
            # Others are released meanwhile.
            with contextlib.suppress(FileNotFoundError):
                held += sum((Path(root) / name).stat().st_size for name in names if name == "a.txt")
        most.append(held)
        return {"b.txt": inside / "a.txt"}

    pipeline = Pipeline(
        measuring, into_path="memory://out", options=options, prefetch=prefetch, workers=workers
    )
    rows = [{"id": n, "a.txt": f"memory://in/{n % 4}"} for n in range(40)]
    plan = pipeline.plan(rows)
    assert pipeline.run(rows).stats.failed == 0
    assert 0 < max(most) <= plan.staging_bytes < plan.bytes
    assert pipeline.plan(rows[:3]).staging_bytes == 33


def test_a_store_that_does_not_answer_is_found_out_soon(store):
    faulty = Faulty(store, Faults(before=1.0, error=TransientError, verbs={Stat}))
    noted = Noted(Retrying(faulty, attempts=1, base=0.0, cap=1e-9))
    options = Options(stores={"memory://": noted})
    plan = Pipeline(both, into_path="memory://out", options=options).plan(items(*[0] * 5000))
    assert plan.stopped is not None
    assert "same cause" in plan.stopped
    assert "Stopped" in str(plan)
    assert FIRST <= len(noted.requests) <= 100


@pytest.mark.parametrize("first", ["0", "1"])
def test_a_plan_stops_where_the_run_does_and_only_there(first, store):
    for n in range(2, 2 + FIRST):
        store.write(Url.parse(f"memory://in/{n}"), b"not yours")

    forbidden = Faults(before=1.0, keys=r"^[1-9]\d*$", error=PermissionDeniedError)
    options = Options(stores={"memory://": Faulty(store, forbidden)})
    pipeline = Pipeline(both, into_path="memory://out", options=options)
    rows = items(first, *range(2, 2 + FIRST))
    assert pipeline.run(rows).is_systemic == (first == "1")
    assert (pipeline.plan(rows).stopped is not None) == (first == "1")


def test_a_plan_says_what_it_does_not_know(options):
    pipeline = Pipeline(both, into_path="memory://out", options=options)
    assert pipeline.plan(items(0)).requests.total is None
    assert "unless it is said what the function makes" in str(pipeline.plan(items(0)))
    assert pipeline.plan(items(0), outputs=["b.txt"]).requests.total == 0


def test_a_plan_can_be_shown(options):
    rows = items(0, *["gone"] * 12)
    plan = Pipeline(both, into_path="memory://out", options=options).plan(rows)
    assert str(plan).splitlines()[:2] == [
        "Rows      1 of 13 to run, 12 that cannot come through",
        "Files     13 to read, 10 bytes",
    ]
    assert str(plan).endswith("and 2 more")
    assert "<table" in plan._repr_html_()
    told = json.loads(json.dumps(plan.to_dict()))
    assert (told["total"], told["rows"], len(told["problems"])) == (13, 1, 12)


def test_ids_that_are_markup_are_shown_as_text(options):
    frame = pd.DataFrame({"id": ["<script>alert(1)<"], "a.txt": ["memory://in/gone"]})
    plan = Pipeline(both, into_path="memory://out", options=options).plan(frame)
    assert "<script>" not in plan._repr_html_()
    assert "<script>" in str(plan)


def test_a_plan_leaves_nothing(options, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Pipeline(both, into_path=tmp_path / "out", options=options).plan(items(0), outputs=["b.txt"])
    assert not any(tmp_path.iterdir())
