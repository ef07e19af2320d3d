"""Cells of a table: sources of every make, every kind of nothing, and what is neither."""

from __future__ import annotations

import decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.unit.api.support import WAYS

from file_dataset import UnsupportedSchemeError, Url, reader, write_files

ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@ways
@pytest.mark.parametrize(
    "cell", [b"memory://a", 7, 1.5, True, ["memory://a"], {}, Ellipsis, "", "s3:/b/k", "nul\0"]
)
def test_a_cell_of_another_kind_is_refused_with_its_place(way, cell, options):
    frame = [{"id": "case", "a.txt": None, "b.txt": cell}]
    with pytest.raises(ValueError, match=r"row 'case', file 'b.txt': "):
        way(frame, options)


def test_all_bad_cells_of_all_columns_are_listed_before_any_io(store, options):
    frame = pd.DataFrame({"id": [1, 2, 3], "a": [5, "memory://in", b""], "b": [None, 1.5, ""]})
    with pytest.raises(ValueError, match="row 1, file 'a'") as caught:
        reader(dataframe=frame, options=options)
    for where in ("row 3, file 'a'", "row 2, file 'b'", "row 3, file 'b'"):
        assert where in str(caught.value)
    assert "row 1, file 'b'" not in str(caught.value)
    assert store.requests == []


@pytest.mark.parametrize(
    "absent",
    [None, float("nan"), pd.NA, pd.NaT, np.float32("nan"), decimal.Decimal("NaN")],
    ids=lambda value: f"{type(value).__name__}",
)
def test_every_kind_of_nothing_is_an_absent_file(absent, options, put):
    put("memory://in/a")
    frame = pd.DataFrame({"id": ["x"], "a": ["memory://in/a"], "b": [absent]}, dtype=object)
    with reader(dataframe=frame, options=options).into_temp_dir() as rows:
        assert [[path.name for path in Path(row).iterdir()] for row in rows] == [["a"]]
    written = write_files(dataframe=frame, into_path="memory://out", options=options)
    assert written["b"].tolist() == [None]


@pytest.mark.parametrize("make", [str, Path, Url.local, lambda path: path.as_uri()])
def test_a_source_is_a_text_a_path_or_a_url(make, tmp_path):
    path = tmp_path / "with space, é, # and %41.txt"
    path.write_bytes(b"data")
    with reader(row={"a": make(path)}).into_temp_dir() as directory:
        assert (directory / "a").read_bytes() == b"data"


@ways
def test_an_unknown_scheme_is_refused_with_its_place_and_those_that_are_known(way, options, store):
    frame = pd.DataFrame({"id": [1, 2], "a.txt": ["memory://in", "gopher://in"]})
    with pytest.raises(UnsupportedSchemeError, match="unsupported scheme 'gopher://'") as caught:
        way(frame, options)
    for words in ("row 2", "file 'a.txt'", "file", "memory", "s3"):
        assert words in str(caught.value)
    assert store.requests == []


def test_an_unknown_scheme_of_a_single_row_is_refused_with_its_file(options):
    with pytest.raises(UnsupportedSchemeError, match=r"file 'a.txt': unsupported scheme"):
        reader(row={"a.txt": "gopher://in"}, options=options)
