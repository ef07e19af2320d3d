"""The rows of a table: looked at all at once, and made one by one."""

from __future__ import annotations

import tracemalloc

import pandas as pd
import pytest

from file_dataset import Url, reader
from file_dataset.api.cells import CellRows, sound_cells
from file_dataset.api.frames import RowTable
from file_dataset.domain.rows import Row


def unchecked(url: Url, where: str) -> None:
    """Whoever serves it, and wherever it stands."""


def test_rows_are_a_sequence_of_what_the_cells_spell():
    kept = Url.parse("s3://bucket/kept")
    rows = CellRows(["x", "y", "z"], {"a": ["s3://bucket/a", None, kept], "b": [None, "/b", None]})
    wanted = [
        Row("x", {"a": Url.parse("s3://bucket/a"), "b": None}),
        Row("y", {"a": None, "b": Url.local("/b")}),
        Row("z", {"a": kept, "b": None}),
    ]
    assert list(rows) == wanted == [rows[0], rows[1], rows[-1]]
    assert list(rows[1:]) == wanted[1:]
    assert list(rows.only({"x", "z"})) == [wanted[0], wanted[2]]
    assert len(rows) == 3
    assert len(rows[5:]) == 0


def test_a_text_is_kept_and_what_has_to_be_mended_is_made_absolute_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spelled = ["s3://bucket/a b#c", "/data/x", "relative", "/data//x/.", "S3://bucket/k"]
    cells = sound_cells({"a": spelled}, range(5), unchecked)["a"]
    assert cells[:2] == spelled[:2]
    monkeypatch.chdir("/")
    assert cells[2:] == [
        Url.local(tmp_path / "relative"),
        Url.local("/data/x"),
        Url.parse("s3://bucket/k"),
    ]


def test_each_scheme_is_looked_at_once_and_where_it_first_stands():
    asked: list[tuple[str, str]] = []
    cells: dict[str, list[object]] = {
        "a": [None, "s3://b/k", "/x"],
        "b": ["s3://b/l", "memory://c", "y"],
    }
    sound_cells(cells, [1, 2, 3], lambda url, where: asked.append((str(url), where)))
    assert asked == [
        ("s3://b/k", "row 2, file 'a'"),
        ("/x", "row 3, file 'a'"),
        ("memory://c", "row 2, file 'b'"),
    ]


def test_names_that_clash_in_some_row_are_refused_before_a_row_is_asked_for(options):
    frame = pd.DataFrame({"id": [1, 2], "a": ["memory://a", "memory://a"], "a/b": [None, "/b"]})
    with pytest.raises(ValueError, match="row 2: 'a' would be a file and a directory at once"):
        reader(dataframe=frame, options=options)


def test_a_table_holds_texts_and_no_rows_while_these_are_made_and_let_go():
    count = 10_000
    frame = pd.DataFrame(
        {"id": range(count), "a.bin": [f"s3://bucket/{n:09}/a.bin" for n in range(count)]}
    )
    tracemalloc.start()
    try:
        table = RowTable.parse(frame, check=unchecked)
        assert sum(1 for _ in table.rows) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Of each row an id, a text of 75 bytes, where they are, and where the row stands; a Row
    # with a Url is 600 bytes more.
    assert peak / count < 400
