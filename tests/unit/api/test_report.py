"""What has become of each row: the same tables in whatever order it is told."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.api.support import KINDS, cells, table

from file_dataset import Url
from file_dataset.api.frames import RowTable
from file_dataset.api.report import Report
from file_dataset.domain.plan import RowResult
from file_dataset.domain.rows import Cause, Row, RowDone, RowFailure
from file_dataset.domain.stopping import Stop

NAMES = ["a.txt", "b.txt", "c.txt"]
# Of a row: the files it was published with and if they are there, or how many things went wrong.
FATES = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), st.booleans(), max_size=3),
    st.integers(1, 3),
    st.none(),
)


def parsed(rows: int, kind: str = "list") -> RowTable:
    ids = range(100, 100 + rows)
    frame = table(kind, {"id": list(ids), "in.txt": ["memory://in" for _ in ids]})
    return RowTable.parse(frame, check=lambda *_: None)


def result_of(row: Row, fate: Any) -> RowResult[Url]:
    if isinstance(fate, int):
        causes = (Cause("Error", f"{row.id} {n}", traceback="at") for n in range(fate))
        return RowFailure(row.id, "call", tuple(causes))
    into = Url("memory", "out", str(row.id))
    return RowDone(
        row, {name: into.joined(name) if there else None for name, there in fate.items()}
    )


def tables_of(rows: RowTable, results, *, columns=()) -> dict[str, Any]:
    report = Report(rows, columns)
    for result in results:
        report.take(result)
    report.close(Stop("a reason"))
    return {
        "done": report.done_table(),
        "failures": report.failures_table(),
        "published": report.published_table(),
        "whole": report.whole_table(),
        "counts": (report.done, report.failed, report.skipped),
    }


@given(st.lists(FATES, max_size=8), st.randoms(use_true_random=False))
def test_the_order_in_which_rows_come_makes_no_difference(fates, random):
    rows = parsed(len(fates))
    known = [(row, fate) for row, fate in zip(rows.rows, fates, strict=True) if fate is not None]
    results = [result_of(row, fate) for row, fate in known]
    shuffled = random.sample(results, len(results))
    told = tables_of(rows, results)
    assert tables_of(rows, shuffled) == told
    # The columns too, which equality of mappings does not see.
    assert [list(row) for row in tables_of(rows, shuffled)["whole"]] == [
        list(row) for row in told["whole"]
    ]
    done = [(row.id, fate) for row, fate in known if isinstance(fate, dict)]
    names = dict.fromkeys(name for _, fate in done for name in fate)
    assert told["done"] == [
        {
            "id": row_id,
            **{name: f"memory://out/{row_id}/{name}" if fate.get(name) else None for name in names},
        }
        for row_id, fate in done
    ]
    lines = {100 + n: 1 if fate is None else fate for n, fate in enumerate(fates)}
    assert [line["id"] for line in told["failures"]] == [
        row_id for row_id, count in lines.items() if isinstance(count, int) for _ in range(count)
    ]
    assert [row["id"] for row in told["whole"]] == [row.id for row in rows.rows]
    assert told["counts"] == (len(done), len(fates) - len(done), 0)


def test_columns_stand_in_the_order_in_which_the_rows_bring_them():
    rows = parsed(3)
    results = [
        result_of(row, {name: True}) for row, name in zip(rows.rows, ["b", "a", "b"], strict=True)
    ]
    for order in (results, results[::-1]):
        assert list(tables_of(rows, order)["done"][0]) == ["id", "b", "a"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_on_a_part_of_a_table_knows_nothing_of_the_others(kind):
    rows = parsed(5, kind).only({101, 103})
    told = tables_of(rows, [result_of(rows.rows[0], {"b.txt": True})], columns=["a.txt"])
    assert told["counts"] == (1, 1, 0)
    assert cells(told["done"]) == {
        "id": [101],
        "a.txt": [None],
        "b.txt": ["memory://out/101/b.txt"],
    }
    assert cells(told["failures"])["id"] == [103]
    assert cells(told["whole"])["id"] == [101, 103]


def test_what_it_keeps_of_a_row_is_little_more_than_the_url():
    rows = parsed(10_000)
    tracemalloc.start()
    report = Report(rows)
    for row in rows.rows:
        report.take(result_of(row, {"b.txt": True}))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.done == 10_000
    assert kept / 10_000 < 120  # bytes; the text of a URL of 24 characters takes 73, with 8 for it


def test_tracebacks_that_rows_have_in_common_are_kept_once():
    rows = parsed(3)
    report = Report(rows)
    for row in rows.rows:
        trace = "a long traceback of each row"[:16]
        report.take(RowFailure(row.id, "call", (Cause("Error", "no", traceback=trace),)))
    assert len({id(failure.causes[0].traceback) for failure in report.failures}) == 1


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["a.mha", "b.png"], "b.png"),  # which everybody can look at
        (["a.txt", "b.NII.gz"], "b.NII.gz"),
        (["a.txt", "b.json"], None),
    ],
)
def test_pictures_are_shown_and_else_volumes(names, shown):
    rows = parsed(3)
    report = Report(rows)
    for row in rows.rows:
        report.take(result_of(row, dict.fromkeys(names, True)))
    assert {sample.name for sample in report.images()} == ({shown} if shown else set())
