"""The session object: the module's functions, bound to one set of options."""

from __future__ import annotations

import uuid
from pathlib import Path

import pandas as pd
import pytest

from file_dataset import FileDataset, Options, Pipeline, RowFailure


@pytest.fixture
def session(options):
    return FileDataset(options)


def upper(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    (output_dir / "b.txt").write_bytes((input_dir / "a.txt").read_bytes().upper())
    return {"b.txt": output_dir / "b.txt"}


def test_a_row_is_read_through_its_options(session, put):
    row = {"a.txt": put("memory://in/a", b"data")}
    for read in (session.downloader(row), session.reader(row=row), session.reader(row)):
        with read.into_temp_dir() as directory:
            assert (directory / "a.txt").read_bytes() == b"data"


def test_a_table_is_read_through_its_options(session, put):
    frame = pd.DataFrame({"id": [1], "a.txt": put("memory://in/a", b"data")})
    for read in (session.downloader(frame), session.reader(dataframe=frame)):
        assert [row_id for row_id, _ in read.into_temp_dir()] == [1]
        assert read.into_blob_table()["a.txt"].to_pylist() == [b"data"]


def test_files_are_uploaded_under_a_fresh_uuid_that_the_result_shows(session, put, tmp_path, held):
    (tmp_path / "a.txt").write_bytes(b"data")
    files = {"a.txt": tmp_path / "a.txt", "b.txt": None}
    seen = set()
    for into, make in (("memory://out/", str), (tmp_path / "out", Path)):
        for _ in range(2):
            written = session.upload_files(files, into_path=into)
            assert list(written) == ["a.txt", "b.txt"]
            assert written["b.txt"] is None
            assert isinstance(written["a.txt"], make)
            into_text, row_id, name = str(written["a.txt"]).rsplit("/", 2)
            assert (into_text, name) == (str(into).rstrip("/"), "a.txt")
            assert str(uuid.UUID(row_id)) == row_id
            seen.add(row_id)
    assert len(seen) == 4
    assert len(held()) == 2


@pytest.mark.parametrize("row_id", [0, 7, "case"])
def test_files_are_uploaded_under_an_id_if_there_is_one(session, put, row_id, held):
    written = session.upload_files({"a": put("memory://in/a")}, "memory://out", row_id)
    assert written == {"a": f"memory://out/{row_id}/a"}
    assert f"memory://out/{row_id}/a" in held()


@pytest.mark.parametrize("row_id", ["", "..", "a/b"])
def test_an_id_that_is_none_is_refused_and_not_replaced(session, put, row_id):
    with pytest.raises(ValueError, match="the id"):
        session.upload_files({"a": put("memory://in/a")}, "memory://out", id=row_id)


def test_rows_and_tables_are_written_through_its_options(session, put):
    row = {"a": put("memory://in/a")}
    assert session.write_files(row, into_path="memory://out", id=1) == {"a": "memory://out/1/a"}
    frame = pd.DataFrame([{"id": 2, **row}])
    written = session.write_files(dataframe=frame, into_path="memory://out")
    assert written.to_dict("list") == {"id": [2], "a": ["memory://out/2/a"]}


def test_a_table_is_mapped(session, put, held):
    frame = pd.DataFrame({"id": [2, 1], "a.txt": put("memory://in/a", b"data")})
    mapped = session.map_batch(frame, fn=upper, upload_options={"into_path": "memory://out"})
    assert mapped.to_dict("list") == {
        "id": [2, 1],
        "b.txt": ["memory://out/2/b.txt", "memory://out/1/b.txt"],
    }
    assert held()["memory://out/1/b.txt"] == b"DATA"


def test_a_pipeline_takes_all_of_a_pipelines_arguments(session, put):
    pipeline = session.pipeline(upper, into_path="memory://out", workers=2, on_error="keep")
    assert isinstance(pipeline, Pipeline)
    frame = [{"id": 1, "a.txt": put("memory://in/a")}, {"id": 2, "a.txt": "memory://in/gone"}]
    assert [row["error"] is None for row in pipeline(frame)] == [True, False]
    with pytest.raises(TypeError, match="unknown"):
        session.pipeline(upper, into_path="memory://out", unknown=1)


def test_a_session_without_options_is_the_default_one(tmp_path):
    (tmp_path / "a").write_bytes(b"data")
    session = FileDataset()
    assert session.options is None
    with session.reader(row={"a": tmp_path / "a"}).into_temp_dir() as directory:
        assert (directory / "a").read_bytes() == b"data"
    assert repr(session) == "FileDataset(None)"
    assert repr(FileDataset(Options())).startswith("FileDataset(Options(")


def test_failures_of_a_reader_are_row_failures(session):
    read = session.downloader([{"id": 1, "a": "memory://in/gone"}, {"id": 2, "a": None}])
    read.into_size_table()
    assert [type(failure) for failure in read.failures] == [RowFailure]
