"""One row: into a directory that is gone in the end, or all of its bad files by name."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from file_dataset import FileDatasetError, MemoryStore, NotFoundError, Options, Url, reader
from file_dataset.domain.names import clashing_names
from file_dataset.testing import file_names, rows


@given(files=rows(), absent=st.lists(file_names(), max_size=2))
def test_a_row_becomes_a_directory_with_its_files_and_no_other(files, absent):
    store = MemoryStore()
    row: dict[str, str | None] = dict.fromkeys(absent)
    for number, (name, data) in enumerate(files.items()):
        url = Url("memory", "", f"in/{number}")
        store.write(url, data)
        row[name] = str(url)
    options = Options(stores={"memory://": store})
    with reader(row=row, options=options).into_temp_dir() as directory:
        assert isinstance(directory, Path)
        found = {
            path.relative_to(directory).as_posix(): path.read_bytes()
            for path in directory.rglob("*")
            if path.is_file()
        }
        assert found == files
    assert not directory.exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    is_there=st.dictionaries(file_names(), st.booleans(), min_size=1, max_size=4).filter(
        lambda is_there: not clashing_names(is_there)  # which is refused as a whole
    )
)
def test_every_bad_file_is_named_and_no_good_one(is_there, options, put, tmp_path):
    put("memory://in/there")
    row = {
        name: f"memory://in/{'there' if there else 'missing'}" for name, there in is_there.items()
    }
    bad: dict[str, str] = {}
    try:
        with reader(row, options=options).into_temp_dir(dir=tmp_path) as directory:
            assert len([path for path in directory.rglob("*") if path.is_file()]) == len(row)
    except FileDatasetError as error:
        bad = error.file_errors
    assert set(bad) == {name for name, there in is_there.items() if not there}
    assert all("not found" in message for message in bad.values())
    assert list(tmp_path.iterdir()) == []


READ = {
    "into_temp_dir": lambda row: row.into_temp_dir().__enter__(),
    "into_size_table": lambda row: row.into_size_table(),
    "into_blob_table": lambda row: row.into_blob_table(),
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_every_way_to_read_names_every_bad_file(read, options, put, tmp_path):
    row = {
        "good": put("memory://in/a"),
        "gone": "memory://in/b",
        "directory": tmp_path,
        "no object": "memory://in/",
        "absent": None,
    }
    with pytest.raises(FileDatasetError, match="Failed to read the row") as caught:
        read(reader(row=row, options=options))
    assert {name: type(text) for name, text in caught.value.file_errors.items()} == {
        "gone": str,
        "directory": str,
        "no object": str,
    }
    assert "is a directory" in caught.value.file_errors["directory"]
    for name in caught.value.file_errors:
        assert name in str(caught.value)


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_the_directory_is_gone_after_an_exception_too(end, options, put, tmp_path):
    row = reader(row={"a": put("memory://in/a")}, options=options)
    with pytest.raises(end), row.into_temp_dir(dir=tmp_path) as directory:  # noqa: PT012
        assert [each.name for each in directory.iterdir()] == ["a"]
        (directory / "new").mkdir()
        raise end
    assert list(tmp_path.iterdir()) == []


def test_the_directory_is_private_and_where_it_was_wanted(options, put, tmp_path):
    row = reader(row={"a": put("memory://in/a")}, options=options)
    with row.into_temp_dir(dir=str(tmp_path)) as directory:
        assert directory.is_relative_to(tmp_path)
        assert directory.stat().st_mode & 0o077 == 0
    with row.into_temp_dir() as directory:
        assert directory.is_relative_to(tempfile.gettempdir())


def test_a_place_that_is_not_there_is_refused(options, tmp_path):
    row = reader(row={}, options=options)
    with pytest.raises(NotFoundError, match="not found"), row.into_temp_dir(dir=tmp_path / "x"):
        raise AssertionError


def test_a_row_can_be_read_again_and_a_copy_is_the_users_to_change(options, put, store):
    row = reader(row={"a": put("memory://in/a", b"as it was")}, options=options)
    for _ in range(2):
        with row.into_temp_dir() as directory:
            assert (directory / "a").read_bytes() == b"as it was"
            (directory / "a").write_bytes(b"edited")
    assert store.verbs_used() == ["Download", "Download"]


def test_a_local_source_is_copied_and_never_moved_or_linked(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"as it was")
    with reader(row={"a": source}).into_temp_dir() as directory:
        (directory / "a").write_bytes(b"edited")
    assert source.read_bytes() == b"as it was"


def test_absent_files_alone_make_an_empty_directory(options, store):
    row: Any = {"a": None, "b": float("nan")}
    with reader(row=row, options=options).into_temp_dir() as directory:
        assert list(directory.iterdir()) == []
    assert store.requests == []


def test_exactly_one_source_is_given(options):
    row = {"a": None}
    both = r"^Cannot specify both 'row' and 'dataframe'$"
    with pytest.raises(ValueError, match=both):
        reader(row=row, dataframe=[], options=options)
    with pytest.raises(ValueError, match=both):
        reader(row, dataframe=[], options=options)
    with pytest.raises(ValueError, match=both):
        reader(row, row=row, options=options)
    with pytest.raises(ValueError, match=r"^Must specify either 'row' or 'dataframe'$"):
        reader(options=options)


@pytest.mark.parametrize("row", [[], [{"id": 1}], "text", 7, [("a", None)]])
def test_what_is_no_mapping_is_no_row(row, options):
    with pytest.raises(ValueError, match=r"a row must be a mapping .*, not "):
        reader(row=row, options=options)


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "", ".", "a\nb", 7, None])
def test_names_that_lead_elsewhere_are_refused_before_any_io(name, options, store):
    with pytest.raises(ValueError, match="filename"):
        reader(row={name: "memory://in/a"}, options=options)
    assert store.requests == []


def test_a_file_cannot_be_a_directory_too(options):
    with pytest.raises(ValueError, match="a file and a directory at once"):
        reader(row={"a": "memory://in/a", "a/b": "memory://in/b"}, options=options)
