"""Tables that hand files on: exactly a bucket and a path, in files of every kind."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from tests.unit.api.support import KINDS, table

from file_dataset import (
    InvalidDatasetError,
    NotFoundError,
    Url,
    ingest,
    list_files,
    read_paths,
    save_paths,
)

SUFFIXES = [".jsonl", ".csv", ".parquet"]
ROWS = [{"bucket": "b", "path": "a,b.txt"}, {"bucket": "b", "path": "é #?.txt"}]


def rows(frame):
    return frame.to_dict("records")


def raw(data, suffix):
    """What is in a file, by other eyes than ours."""
    if suffix == ".parquet":
        return parquet.read_table(pa.BufferReader(data)).to_pylist()
    if suffix == ".csv":
        return pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False).to_dict("records")
    return [json.loads(line) for line in data.decode().splitlines()]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_listed_is_handed_on_as_buckets_and_paths(suffix, options, put, held):
    for name in ("x/a.txt", "x/é.txt", "b,c"):
        put(f"memory://bucket/raw/{name}")
    target = f"memory://out/tables/paths{suffix}"
    save_paths(list_files("memory://bucket/raw", options=options), target, options=options)
    expected = [
        {"bucket": "bucket", "path": f"raw/{name}"} for name in ("b,c", "x/a.txt", "x/é.txt")
    ]
    assert raw(held()[target], suffix) == expected
    frame = read_paths(target, options=options)
    assert rows(frame) == expected
    assert [str(dtype) for dtype in frame.dtypes] == ["object"] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_tables_of_every_kind_are_handed_on(kind, tmp_path):
    columns = {name: [row[name] for row in ROWS] for name in ("bucket", "path")}
    for frame in (
        table(kind, {"other": [1, 2], **columns}),
        table(kind, {"id": [7, 8], "url": [f"s3://b/{row['path']}" for row in ROWS]}),
    ):
        save_paths(frame, tmp_path / "paths.jsonl")
        assert rows(read_paths(tmp_path / "paths.jsonl")) == ROWS


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_files_are_an_empty_table(suffix, tmp_path, options):
    save_paths(list_files("memory://nobody", options=options), tmp_path / f"x{suffix}")
    frame = read_paths(tmp_path / f"x{suffix}")
    assert (frame.columns.tolist(), len(frame)) == (["bucket", "path"], 0)
    save_paths([], tmp_path / f"x{suffix}")
    assert len(read_paths(tmp_path / f"x{suffix}")) == 0


def test_lists_of_urls_and_paths_are_handed_on(tmp_path, options, put):
    put("memory://bucket/raw/a")
    paths = ingest("memory://bucket/raw", into=tmp_path / "in", options=options)
    save_paths([*paths, "s3://b/k", Url("s3", "c", "l")], tmp_path / "x.csv")
    assert rows(read_paths(tmp_path / "x.csv")) == [
        {"bucket": "", "path": str(tmp_path / "in/a")},
        {"bucket": "b", "path": "k"},
        {"bucket": "c", "path": "l"},
    ]


def test_a_client_is_given_its_path_and_the_rows():
    given = []

    class Client:
        def write_table(self, path, rows):
            given.append((path, rows))

    save_paths(pd.DataFrame(ROWS), "//home/tables/paths", client=Client())
    assert given == [("//home/tables/paths", ROWS)]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(TEXTS | st.sampled_from(["", "NA", "007", " "]), TEXTS), max_size=5),
    st.sampled_from(SUFFIXES),
)
def test_every_key_comes_back_as_it_was(tmp_path, pairs, suffix):
    expected = [{"bucket": bucket, "path": path} for bucket, path in pairs]
    save_paths(expected, tmp_path / f"x{suffix}")
    assert rows(read_paths(tmp_path / f"x{suffix}")) == expected


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({"bucket": ["b"]}), r"lacks \['path'\] and has \['bucket'\]"),
        (pd.DataFrame({"bucket": ["b"], "path": [""]}), "row 0: the path is empty"),
        (pd.DataFrame({"bucket": ["b", None], "path": ["p", "q"]}), "row 1: the bucket is "),
        (pd.DataFrame({"bucket": ["b"], "path": [7]}), "row 0: the path is 7, not a text"),
        (["s3://b/k", 7], "row 1: "),
        (["s3://b/k", ""], "row 1: "),
        (["s3://bucket"], "row 0: the path is empty"),
        ([Path("/a/\udcff")], "not UTF-8"),
        (7, "a table must be"),
    ],
)
def test_what_is_no_table_of_files_is_refused_before_anything_is_written(frame, said, tmp_path):
    with pytest.raises(InvalidDatasetError, match=said):
        save_paths(frame, tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["x.txt", "s3://bucket/x", ".CSV"])
def test_another_kind_of_file_is_refused(target):
    for refused in (lambda: save_paths([], target), lambda: read_paths(target)):
        with pytest.raises(ValueError, match=r"must end in one of .jsonl, .csv, .parquet"):
            refused()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.jsonl", b'{"bucket": "b", "path": "p"}\n{"bucket":', "line 2: "),
        ("x.jsonl", b"[]", "line 1: .* is no object"),
        ("x.jsonl", b"\xff\xff", "line 1: "),
        ("x.jsonl", b'\n{"bucket": "b"}', "row 0: the path is None"),
        ("x.csv", b"bucket,path\nb\n", "row 0: the path is None"),
        ("x.csv", b'bucket,path\nb,"p', "unexpected end"),
        ("x.csv", b"\xff,\xff", "decode"),
        ("x.parquet", b"PAR1", ""),
        ("x.parquet", b"", ""),
    ],
)
def test_what_is_no_such_table_is_told(name, data, said, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidDatasetError, match=f"{name} cannot be read: .*{said}"):
        read_paths(tmp_path / name)


def test_other_columns_and_a_mark_of_the_byte_order_do_not_matter(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfsize,path,bucket\r\n7,p,b\r\n")
    assert rows(read_paths(tmp_path / "x.csv")) == [{"bucket": "b", "path": "p"}]
    (tmp_path / "x.jsonl").write_text('{"path": "p", "bucket": "b", "size": 7}\n\n')
    assert rows(read_paths(tmp_path / "x.jsonl")) == [{"bucket": "b", "path": "p"}]


def test_a_table_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFoundError):
        read_paths(tmp_path / "x.csv")
