"""Listings as tables: of files, and of rows by the layout of their keys."""

from __future__ import annotations

import logging
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from file_dataset import (
    MemoryStore,
    Options,
    UnsupportedSchemeError,
    Url,
    frame_from_layout,
    list_files,
    reader,
)
from file_dataset.domain.objects import ObjectInfo

DTYPES = {
    "url": "object",
    "bucket": "object",
    "path": "object",
    "name": "object",
    "size": "int64",
    "etag": "object",
    "last_modified": "datetime64[us, UTC]",
}


def dtypes(frame):
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def names(frame):
    return frame["path"].tolist()


class TestFiles:
    def test_each_is_a_line_sorted_by_url(self, options, put):
        before = datetime.now(UTC)
        for key in ("data/b.txt", "data/a/x.mha", "data/a.txt", "data2/c"):
            put(f"memory://bucket/{key}", key.encode())
        frame = list_files("memory://bucket/data", options=options)
        assert dtypes(frame) == DTYPES
        assert frame.index.tolist() == [0, 1, 2]
        assert frame["url"].tolist() == [
            "memory://bucket/data/a.txt",
            "memory://bucket/data/a/x.mha",
            "memory://bucket/data/b.txt",
        ]
        assert frame["bucket"].tolist() == ["bucket"] * 3
        assert names(frame) == ["data/a.txt", "data/a/x.mha", "data/b.txt"]
        assert frame["name"].tolist() == ["a.txt", "x.mha", "b.txt"]
        assert frame["size"].tolist() == [10, 12, 10]
        assert all(isinstance(etag, str) for etag in frame["etag"])
        assert all(before <= time <= datetime.now(UTC) for time in frame["last_modified"])

    def test_nothing_found_is_an_empty_typed_table(self, options):
        frame = list_files("memory://bucket/nothing/", options=options)
        assert (len(frame), dtypes(frame)) == (0, DTYPES)

    def test_a_prefix_is_the_same_with_a_slash_and_without(self, options, put):
        put("memory://bucket/data/a")
        put("memory://bucket/data2/b")
        for prefix in ("memory://bucket/data", "memory://bucket/data/"):
            assert names(list_files(prefix, options=options)) == ["data/a"]

    @pytest.mark.parametrize("prefix", ["memory://bucket", "memory://bucket/"])
    def test_an_empty_prefix_is_the_whole_bucket(self, prefix, options, put):
        put("memory://bucket/data/a")
        put("memory://bucket/b")
        put("memory://other/c")
        assert names(list_files(prefix, options=options)) == ["b", "data/a"]

    @pytest.mark.parametrize("extension", ["json", ".json"])
    def test_an_extension_may_have_its_dot(self, extension, options, put):
        for key in ("a.json", "b/c.json", "json", "d.jsonl", "e.JSON", "f.xjson"):
            put(f"memory://bucket/{key}")
        found = list_files("memory://bucket", extension=extension, options=options)
        assert names(found) == ["a.json", "b/c.json"]

    @pytest.mark.parametrize(
        ("more", "found"),
        [
            ({"pattern": "*.json"}, ["a.json", "b/c.json"]),
            ({"pattern": "b/*"}, ["b/c.json", "b/e"]),
            ({"pattern": ["b/?", "a.*"]}, ["a.json", "b/e"]),
            ({"pattern": "b/**"}, ["b/c.json", "b/d/f", "b/e"]),
            ({"recursive": False}, ["a.json"]),
            ({"recursive": False, "pattern": "b*"}, []),
            ({"pattern": "b/*", "extension": "json"}, ["b/c.json"]),
            ({"max_files": 2}, ["a.json", "b/c.json"]),
            ({"max_files": 0}, []),
            ({"pattern": "b/*", "max_files": 1}, ["b/c.json"]),
        ],
    )
    def test_what_is_not_meant_is_left_out(self, more, found, options, put):
        for key in ("a.json", "b/c.json", "b/d/f", "b/e"):
            put(f"memory://bucket/{key}")
        assert names(list_files("memory://bucket", options=options, **more)) == found

    def test_local_directories_are_listed(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "data/b").mkdir(parents=True)
        (tmp_path / "data/b/x y#%.txt").write_bytes(b"data")
        frame = list_files("data")
        (line,) = frame.to_dict("records")
        path = str(tmp_path / "data/b/x y#%.txt")
        assert (line["url"], line["path"], line["bucket"]) == (path, path, "")
        assert frame.equals(list_files(Path("data")))
        assert frame.equals(list_files(Url.local("data")))

    def test_what_a_store_lists_in_another_order_is_sorted(self, tmp_path):
        (tmp_path / "a").mkdir()
        for name in ("a/x", "a.txt"):
            (tmp_path / name).touch()
        assert list_files(tmp_path)["name"].tolist() == ["a.txt", "x"]

    def test_every_key_of_a_store_is_kept_as_it_is(self, options, put):
        odd = ["a b", "a#b", "a?b", "a%20b", "a+b", "ä/日", "a//b", "*", "[x]", "line\nbreak"]
        for key in odd:
            put(f"memory://bucket/odd/{key}")
        frame = list_files("memory://bucket/odd", options=options)
        assert names(frame) == sorted(f"odd/{key}" for key in odd)
        assert list_files("memory://bucket/odd", pattern="[*]", options=options)[
            "name"
        ].tolist() == ["*"]

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"pattern": "["}, "not closed"),
            ({"pattern": ""}, "is empty"),
            ({"pattern": []}, "empty list"),
            ({"pattern": ["*", "a/b**"]}, "stands alone"),
            ({"pattern": "a/b", "recursive": False}, "has a slash"),
            ({"extension": ""}, "extension must be"),
            ({"extension": "."}, "extension must be"),
            ({"extension": "a/b"}, "extension must be"),
            ({"max_files": -1}, "at least 0"),
            ({"max_files": 1.5}, "at least 0"),
            ({"max_files": True}, "at least 0"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_before_anything_is_asked(self, more, said):
        with pytest.raises(ValueError, match=said):
            list_files("memory://bucket", options=Options(stores={"memory://": Silent()}), **more)

    def test_an_unknown_scheme_is_refused(self):
        with pytest.raises(UnsupportedSchemeError, match="url: unsupported scheme 'gopher://'"):
            list_files("gopher://bucket/data")

    def test_memory_is_bounded_by_the_table(self):
        options = Options(stores={"memory://": Endless(50_000)})
        list_files("memory://bucket", max_files=1, options=options)
        tracemalloc.start()
        frame = list_files("memory://bucket/data", options=options)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(frame) == 50_000
        # Of a line there are its texts and numbers, once, and no objects that describe it.
        assert peak < 50_000 * 900

    def test_an_endless_bucket_is_listed_no_further_than_asked(self):
        endless = Endless(10**5)
        options = Options(stores={"memory://": endless})
        frame = list_files("memory://bucket", pattern="*00", max_files=5, options=options)
        assert len(frame) == 5
        assert endless.given == 401


class Silent(MemoryStore):
    """Is never asked for a listing."""

    def list(self, prefix, /, *, recursive=True):
        raise AssertionError("nothing was to be listed")


class Endless(MemoryStore):
    """Lists as many objects as one likes, and counts them."""

    def __init__(self, number):
        super().__init__()
        self.number = number
        self.given = 0

    def list(self, prefix, /, *, recursive=True):
        now = datetime.now(UTC)
        for number in range(self.number):
            self.given += 1
            key = f"{prefix.stem}{number:09}"
            yield ObjectInfo(Url("memory", prefix.authority, key), number, f"{number:032}", now)


class TestRows:
    LAYOUT = "memory://bucket/raw/{id}/{filename}"

    def test_keys_become_rows(self, options, put):
        for key in ("10/image.mha", "2/image.mha", "2/mask.mha", "10/mask.mha"):
            put(f"memory://bucket/raw/{key}", key.encode())
        put("memory://bucket/raw2/3/image.mha")
        frame = frame_from_layout(self.LAYOUT, options=options)
        assert frame.to_dict("list") == {
            "id": ["10", "2"],
            "image.mha": [f"memory://bucket/raw/{n}/image.mha" for n in (10, 2)],
            "mask.mha": [f"memory://bucket/raw/{n}/mask.mha" for n in (10, 2)],
        }
        contents = reader(dataframe=frame, options=options).into_blob_table()
        assert contents.column("mask.mha").to_pylist() == [b"10/mask.mha", b"2/mask.mha"]

    def test_other_shapes_are_read(self, options, put):
        put("memory://bucket/raw/7_image.mha")
        put("memory://bucket/raw/8_image.mha")
        frame = frame_from_layout("memory://bucket/raw/{id}_{filename}", options=options)
        assert frame.to_dict("list") == {
            "id": ["7", "8"],
            "image.mha": [f"memory://bucket/raw/{n}_image.mha" for n in (7, 8)],
        }

    def test_an_incomplete_row_has_none_and_a_warning_that_names_it(self, options, put):
        put("memory://bucket/raw/1/image.mha")
        put("memory://bucket/raw/2/image.mha")
        put("memory://bucket/raw/2/mask.mha")
        with pytest.warns(UserWarning, match=r"1 of 2 rows lack .*: '1' lacks \['mask.mha'\]") as w:
            frame = frame_from_layout(self.LAYOUT, options=options)
        assert w[0].filename == __file__
        assert frame["mask.mha"].tolist() == [None, "memory://bucket/raw/2/mask.mha"]
        assert len(reader(dataframe=frame, options=options).into_size_table()) == 2

    def test_keys_that_do_not_fit_are_logged(self, options, put, caplog):
        put("memory://bucket/raw/1/image.mha")
        put("memory://bucket/raw/README")
        with caplog.at_level(logging.WARNING, "file_dataset"):
            assert len(frame_from_layout(self.LAYOUT, options=options)) == 1
        assert "1 keys do not fit the layout and are left out, as 'README'" in caplog.text

    def test_nothing_found_is_an_empty_table_with_ids(self, options):
        frame = frame_from_layout(self.LAYOUT, options=options)
        assert (frame.columns.tolist(), len(frame), dtypes(frame)) == (["id"], 0, {"id": "object"})

    def test_only_what_the_layout_begins_with_is_listed(self):
        endless = Endless(100)
        found = frame_from_layout(
            "memory://bucket/0000000{id}{filename}", options=Options(stores={"memory://": endless})
        )
        assert found["id"].tolist() == [str(n) for n in range(10)]

    def test_a_file_called_id_is_refused(self, options, put):
        put("memory://bucket/raw/1/id")
        with pytest.raises(ValueError, match="makes 'id' a filename, as that of row '1'"):
            frame_from_layout(self.LAYOUT, options=options)

    @pytest.mark.parametrize("layout", ["memory://b/{id}", "gopher://b/{id}/{filename}"])
    def test_what_is_no_layout_is_refused_before_anything_is_asked(self, layout):
        with pytest.raises(ValueError, match=r"layout"):
            frame_from_layout(layout, options=Options(stores={"memory://": Silent()}))
