"""Ids of a table: all that cannot name a row are told at once, before any I/O."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.api.support import KINDS, WAYS, table

from file_dataset import InvalidDatasetError, reader, write_files
from file_dataset.testing import refused_names, row_ids

# The fixtures only hold a store that no example may reach.
same_store = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)

ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
kinds = pytest.mark.parametrize("kind", KINDS)

BAD_IDS = st.one_of(
    refused_names(),
    st.sampled_from([None, float("nan"), pd.NA, pd.NaT, 1.0, True, b"x", (1,), ".file_dataset"]),
)


@same_store
@given(good=st.lists(row_ids(), max_size=3), bad=st.lists(BAD_IDS, min_size=1, max_size=7))
def test_all_bad_ids_are_listed_with_their_rows_before_any_io(store, options, good, bad):
    items = [{"id": row_id, "a.txt": "memory://in/a"} for row_id in [*good, *bad]]
    for way in WAYS.values():
        with pytest.raises(ValueError, match="'id' column") as caught:
            way(items, options)
        for position in range(len(good), len(items)):
            assert f"row {position}: the id " in str(caught.value)
        assert not any(f"row {n}: the id " in str(caught.value) for n in range(len(good)))
    assert store.requests == []


@same_store
@given(ids=st.lists(row_ids(), min_size=1, max_size=5), again=st.data())
def test_all_duplicates_are_listed_before_any_io(store, options, ids, again):
    twice = [*ids, *again.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3))]
    items = [{"id": row_id, "a.txt": "memory://in/a"} for row_id in twice]
    for way in WAYS.values():
        with pytest.raises(ValueError, match="'id' column must have unique values") as caught:
            way(items, options)
        for text, count in Counter(map(str, twice)).items():
            assert (repr(text) in str(caught.value)) or count == 1
    assert store.requests == []


@ways
def test_ids_are_the_same_if_their_texts_are(way, options):
    with pytest.raises(ValueError, match="unique values; duplicates: '1'"):
        way([{"id": 1, "a.txt": None}, {"id": "1", "a.txt": None}], options)


@ways
def test_bad_ids_and_duplicates_are_told_together(way, options):
    frame = [{"id": row_id, "a.txt": None} for row_id in ("x", "..", "x", None)]
    with pytest.raises(InvalidDatasetError) as caught:
        way(frame, options)
    for words in ("row 1: the id '..'", "row 3: the id is absent", "must have unique", "'x'"):
        assert words in str(caught.value)


def test_of_very_many_bad_ids_some_are_shown_and_the_others_counted(options):
    with pytest.raises(ValueError, match=r"row 9: .*; and 90 more$"):
        reader(dataframe=pd.DataFrame({"id": [""] * 100, "a": "memory://in"}), options=options)


@ways
@pytest.mark.parametrize("ids", [[1.0, 2.0], [1, None], ["1", 2.5]], ids=str)
def test_ids_that_are_numbers_with_a_point_are_refused_in_words(way, ids, options):
    with pytest.raises(ValueError, match="is of type float, neither int nor str"):
        way(pd.DataFrame({"id": ids, "a.txt": "memory://in"}), options)


@ways
@kinds
def test_a_table_has_ids(way, kind, options):
    words = "the id is absent" if kind == "list" else "DataFrame must have an 'id' column$"
    with pytest.raises(ValueError, match=words):
        way(table(kind, {"a.txt": ["memory://in"]}), options)


@pytest.mark.parametrize("row_id", [0, -1, np.int8(7), np.uint64(2**63), np.str_("x"), 10**30])
def test_whole_numbers_and_texts_of_every_make_are_ids(row_id, put, options):
    url = put("memory://in/a")
    with reader(dataframe=[{"id": row_id, "a": url}], options=options).into_temp_dir() as rows:
        ((found, _),) = rows
    assert found == row_id
    assert type(found) in (int, str)


def test_the_id_of_a_single_row_keeps_the_same_rules(store, options):
    bad: list[Any] = ["", "..", "a/b", 1.0, True, "x" * 256]
    for row_id in bad:
        with pytest.raises(ValueError, match=f"^the id {row_id!r} "):
            write_files({"a": "memory://in"}, into_path="memory://x", id=row_id, options=options)
    assert store.requests == []
