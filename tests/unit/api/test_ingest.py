"""From a bucket to local files: what is fetched, what is kept, and what is left alone."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from file_dataset import (
    AlreadyExistsError,
    FileDatasetError,
    InvalidDatasetError,
    MemoryStore,
    NotFoundError,
    ObjectInfo,
    Options,
    PerObjectStore,
    Progress,
    S3Ingester,
    TimestampToleranceError,
    Url,
    ingest,
    list_files,
)
from file_dataset.domain.errors import IntegrityError, StoreError
from file_dataset.domain.requests import Download, Read

SOURCE = "memory://bucket/raw"


@pytest.fixture
def into(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def fetch(options, into):
    def fetch(url=SOURCE, **more):
        return ingest(url, **{"into": into, "options": options} | more)

    return fetch


@pytest.fixture
def fill(put):
    def fill(*names, under=SOURCE, data=None):
        for name in names:
            put(f"{under}/{name}", name.encode() if data is None else data)

    return fill


@pytest.fixture
def bodies(store):
    """The objects whose bytes were asked for since the last time."""

    def bodies():
        urls = [str(each.url) for each in store.requests if isinstance(each, Download | Read)]
        store.requests.clear()
        return sorted(url.removeprefix(f"{SOURCE}/") for url in urls)

    return bodies


def seen(directory):
    """What a user sees: every file but what this library keeps for itself, and what is in it."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and ".file_dataset" not in path.parts
    }


def kept(directory):
    """What is in the hidden directory: the generations, and how many files each has."""
    return [
        sum(path.is_file() for path in (generation / "files").rglob("*"))
        for generation in directory.glob(".file_dataset/ingest/*/generation-*")
    ]


def test_files_keep_their_places_and_come_as_sorted_paths(fetch, fill, into):
    fill("b.txt", "a/x.mha", "a.txt")
    fill("c", under=f"{SOURCE}2")
    paths = fetch()
    assert paths == sorted(into / name for name in ("a.txt", "a/x.mha", "b.txt"))
    assert [path.read_bytes() for path in paths] == [
        str(path.relative_to(into)).encode() for path in paths
    ]
    assert fetch(f"{SOURCE}/") == paths


def test_relative_directories_give_absolute_paths(fetch, fill, tmp_path, monkeypatch):
    fill("a")
    monkeypatch.chdir(tmp_path)
    assert fetch(into="x/y") == [tmp_path / "x/y/a"]
    monkeypatch.chdir("/")
    assert (tmp_path / "x/y/a").read_bytes() == b"a"


def test_a_second_time_nothing_is_fetched(fetch, fill, into, bodies):
    fill("a", "b/c")
    paths = fetch()
    assert bodies() == ["a", "b/c"]
    assert fetch() == paths
    assert bodies() == []


def test_what_has_changed_is_fetched_and_nothing_else(fetch, fill, into, bodies):
    fill("a", "b/c", "d")
    fetch()
    inode = (into / "a").stat().st_ino
    bodies()
    fill("b/c", data=b"C!C")
    fetch()
    assert bodies() == ["b/c"]
    assert seen(into) == {"a": b"a", "b/c": b"C!C", "d": b"d"}
    assert (into / "a").stat().st_ino == inode
    assert kept(into) == [3]


@attrs.define(eq=False)
class Told(MemoryStore):
    """Tells of its objects what it is told to, as far as etags and times go."""

    about: dict = attrs.field(factory=dict)

    def __attrs_pre_init__(self):
        super().__init__()

    def _told(self, info):
        return attrs.evolve(info, **self.about)

    def _stat(self, url):
        return self._told(super()._stat(url))

    def list(self, prefix, /, *, recursive=True):
        return (self._told(each) for each in super().list(prefix, recursive=recursive))


TIMES = [datetime(2024, 7, day, 12, 30, 0, 123456, UTC) for day in (1, 2)]


@pytest.mark.parametrize(
    ("before", "after", "is_fetched"),
    [
        ({"etag": "1"}, {"etag": "2"}, True),
        ({"etag": "1", "modified": TIMES[0]}, {"etag": "1", "modified": TIMES[1]}, False),
        ({"etag": None, "modified": TIMES[0]}, {"etag": None, "modified": TIMES[1]}, True),
        ({"etag": None, "modified": TIMES[0]}, {"etag": None, "modified": TIMES[0]}, False),
        ({"etag": "1", "modified": TIMES[0]}, {"etag": None, "modified": TIMES[0]}, False),
        ({"etag": "1", "modified": TIMES[0]}, {"etag": None, "modified": TIMES[1]}, True),
        ({"etag": None, "modified": None}, {"etag": None, "modified": None}, True),
    ],
)
def test_a_change_is_told_by_etag_or_else_by_time(before, after, is_fetched, into):
    store = Told(before)
    store.write(Url.parse(f"{SOURCE}/a"), b"old")
    options = Options(stores={"memory://": store})
    ingest(SOURCE, into=into, options=options)
    store.about = after
    store.write(Url.parse(f"{SOURCE}/a"), b"new")
    (path,) = ingest(SOURCE, into=into, options=options)
    assert path.read_bytes() == (b"new" if is_fetched else b"old")


def test_files_have_the_times_of_their_objects(into):
    store = Told({"modified": TIMES[0]})
    store.write(Url.parse(f"{SOURCE}/a"), b"")
    (path,) = ingest(SOURCE, into=into, options=Options(stores={"memory://": store}))
    assert datetime.fromtimestamp(path.stat().st_mtime, UTC) == TIMES[0]


def test_progress_tells_what_is_here_and_what_comes(fetch, fill, into):
    told: list[Progress] = []
    fill("a", "b", "c")
    fetch(progress=told.append)
    assert [(each.total, each.done) for each in told] == [(3, 0), (3, 1), (3, 2), (3, 3)]
    told.clear()
    fill("b", "d", data=b"new")
    fetch(progress=told.append)
    assert [(each.total, each.done) for each in told] == [(4, 2), (4, 3), (4, 4)]
    told.clear()
    fetch(progress=told.append)
    assert [(each.total, each.done) for each in told] == [(4, 4)]


def test_force_fetches_everything(fetch, fill, bodies):
    fill("a", "b")
    fetch()
    bodies()
    fetch(force=True)
    assert bodies() == ["a", "b"]


def test_what_is_gone_at_the_source_goes_and_what_else_there_is_stays(fetch, fill, into, store):
    into.mkdir()
    (into / "a").mkdir()
    (into / "mine").write_bytes(b"mine")
    (into / "a/mine").write_bytes(b"mine")
    fill("a/b", "c/d/e", "f")
    fetch()
    store.store.delete(Url.parse(f"{SOURCE}/a/b"))
    store.store.delete(Url.parse(f"{SOURCE}/c/d/e"))
    assert fetch() == [into / "f"]
    assert seen(into) == {"a/mine": b"mine", "f": b"f", "mine": b"mine"}
    assert sorted(each.name for each in into.iterdir()) == [".file_dataset", "a", "f", "mine"]


def test_another_pattern_is_another_set(fetch, fill, into, bodies):
    fill("a.json", "b/c.json", "b/d.mha")
    assert fetch(pattern="*.json") == [into / "a.json", into / "b/c.json"]
    bodies()
    assert fetch(pattern=["b/*", "nothing"]) == [into / "b/c.json", into / "b/d.mha"]
    assert bodies() == ["b/d.mha"]
    assert seen(into).keys() == {"b/c.json", "b/d.mha"}


@pytest.mark.parametrize("pattern", ["*.txt", "[a-b]", None])
def test_nothing_that_matches_is_an_error_that_changes_nothing(pattern, fetch, fill, into):
    fill("x")
    fetch(pattern="x")
    source = SOURCE if pattern else "memory://bucket/nothing"
    with pytest.raises(NotFoundError, match=f"{source}: not found: nothing there matches"):
        fetch(source, pattern=pattern)
    assert seen(into) == {"x": b"x"}


def test_an_error_leaves_no_empty_directories(fetch, into, tmp_path):
    with pytest.raises(FileNotFoundError):
        fetch()
    assert list(tmp_path.iterdir()) == []


class TestDataSets:
    def test_two_sources_share_a_directory(self, fetch, fill, into, bodies):
        fill("a", "sub/b")
        fill("c", "sub/d", under="memory://bucket/other")
        fetch()
        fetch("memory://bucket/other")
        assert seen(into) == {"a": b"a", "c": b"c", "sub/b": b"sub/b", "sub/d": b"sub/d"}
        bodies()
        fetch()
        assert bodies() == []

    def test_two_sources_do_not_share_a_name(self, fetch, fill, into, bodies):
        fill("a", "b")
        fill("a", "c", under="memory://bucket/other", data=b"other")
        fetch()
        bodies()
        with pytest.raises(AlreadyExistsError, match=r"1 names below .* are taken .*: 'a'; move"):
            fetch("memory://bucket/other")
        assert bodies() == []
        assert seen(into) == {"a": b"a", "b": b"b"}

    def test_an_id_is_a_directory_whose_source_may_move(self, fetch, fill, into):
        fill("a", "b")
        fill("b", "c", under="memory://bucket/v2", data=b"new")
        assert fetch(dataset_id="scans") == [into / "scans/a", into / "scans/b"]
        fetch("memory://bucket/v2", dataset_id="scans")
        assert seen(into) == {"scans/b": b"new", "scans/c": b"new"}

    @pytest.mark.parametrize("dataset_id", ["", "..", "a/b", ".file_dataset", "a\n", 7])
    def test_an_id_that_leads_elsewhere_is_refused(self, dataset_id, fetch):
        with pytest.raises(ValueError, match="dataset_id"):
            fetch(dataset_id=dataset_id)


class TestWhatIsInTheWay:
    @pytest.mark.parametrize("made", ["file", "directory", "link"])
    def test_something_else_is_not_touched(self, made, fetch, fill, into, bodies):
        into.mkdir()
        path = into / "a"
        if made == "file":
            path.write_bytes(b"mine")
        elif made == "directory":
            path.mkdir()
            (path / "mine").write_bytes(b"mine")
        else:
            path.symlink_to("elsewhere")
        fill("a", "b")
        with pytest.raises(FileExistsError, match="'a'; move it away"):
            fetch()
        assert bodies() == []
        assert sorted(each.name for each in into.iterdir()) == ["a"]

    @pytest.mark.parametrize("made", ["file", "link"])
    def test_nothing_is_written_below_what_is_no_directory(self, made, fetch, fill, into, tmp_path):
        into.mkdir()
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        if made == "file":
            (into / "a").write_bytes(b"mine")
        else:
            (into / "a").symlink_to(elsewhere)
        fill("a/b/c")
        with pytest.raises(FileExistsError, match=r"1 names .* 'a'; move it away"):
            fetch()
        assert list(elsewhere.iterdir()) == []

    def test_an_empty_directory_gives_way(self, fetch, fill, into):
        (into / "a").mkdir(parents=True)
        fill("a")
        fetch()
        assert seen(into) == {"a": b"a"}

    def test_what_a_users_link_leads_to_is_left_alone(self, fetch, fill, into, tmp_path):
        fill("a")
        fetch()
        (tmp_path / "elsewhere/empty").mkdir(parents=True)
        (into / "a").unlink()
        (into / "a").symlink_to(tmp_path / "elsewhere")
        fill("a", "b")
        fetch()
        assert seen(into) == {"a": b"a", "b": b"b"}
        assert (tmp_path / "elsewhere/empty").is_dir()

    def test_a_file_may_become_a_directory_and_back(self, fetch, fill, into, store):
        fill("a", "x/y/z")
        fetch()
        for name in ("a", "x/y/z"):
            store.store.delete(Url.parse(f"{SOURCE}/{name}"))
        fill("a/b", "a/c", "x")
        assert fetch() == [into / "a/b", into / "a/c", into / "x"]
        assert seen(into) == {"a/b": b"a/b", "a/c": b"a/c", "x": b"x"}
        assert not (into / "a").is_symlink()
        assert fetch() == [into / "a/b", into / "a/c", into / "x"]

    def test_a_directory_with_something_else_in_it_does_not_give_way(
        self, fetch, fill, into, store
    ):
        fill("x/y", "b")
        fetch()
        (into / "x/mine").write_bytes(b"mine")
        store.store.delete(Url.parse(f"{SOURCE}/x/y"))
        fill("x")
        with pytest.raises(FileExistsError, match="'x'"):
            fetch()
        assert seen(into) == {"b": b"b", "x/mine": b"mine", "x/y": b"x/y"}

    def test_a_file_of_a_user_does_not_become_a_directory(self, fetch, fill, into, store):
        fill("a")
        fetch()
        (into / "a").unlink()
        (into / "a").write_bytes(b"mine")
        store.store.delete(Url.parse(f"{SOURCE}/a"))
        fill("a/b")
        with pytest.raises(FileExistsError, match="'a'"):
            fetch()
        assert seen(into) == {"a": b"mine"}


class TestWhatUsersDoToFiles:
    @pytest.mark.parametrize("how", ["write", "remove what it leads to"])
    def test_a_file_that_is_not_what_it_was_is_fetched_again(self, how, fetch, fill, into, bodies):
        fill("a", "b")
        fetch()
        bodies()
        if how == "write":
            (into / "a").write_bytes(b"A")
        else:
            (into / "a").resolve().unlink()
        fetch()
        assert bodies() == ["a"]
        assert seen(into) == {"a": b"a", "b": b"b"}

    @pytest.mark.parametrize("how", ["remove", "replace", "mv"])
    def test_a_link_that_is_gone_comes_back_without_a_download(
        self, how, fetch, fill, into, bodies
    ):
        fill("sub/a", "b")
        fetch()
        bodies()
        if how == "mv":
            (into / "sub").rename(into / "moved")
        else:
            (into / "sub/a").unlink()
        if how == "replace":
            (into / "sub/a").write_bytes(b"edited")
        fetch()
        assert bodies() == []
        assert seen(into)["sub/a"] == b"sub/a"

    def test_the_directory_can_be_moved(self, fetch, fill, into, bodies, tmp_path):
        fill("sub/a")
        fetch()
        into.rename(tmp_path / "moved")
        bodies()
        assert fetch(into=tmp_path / "moved") == [tmp_path / "moved/sub/a"]
        assert bodies() == []
        assert seen(tmp_path / "moved") == {"sub/a": b"sub/a"}

    def test_files_can_be_listed_like_any_others(self, fetch, fill, into):
        fill("sub/a", "b")
        paths = fetch()
        assert list_files(into)["url"].tolist() == sorted(map(str, paths))

    def test_what_is_kept_is_json_with_etag_size_and_time(self, fetch, fill, into, store):
        fill("sub/a")
        (path,) = fetch()
        (manifest,) = into.glob(".file_dataset/ingest/*/current/manifest.json")
        info = store.store.stat(Url.parse(f"{SOURCE}/sub/a"))
        assert json.loads(manifest.read_text()) == {
            "format": 1,
            "source": SOURCE,
            "manifest": None,
            "files": {
                "sub/a": {
                    "url": f"{SOURCE}/sub/a",
                    "size": 5,
                    "etag": info.etag,
                    "modified": info.modified.isoformat(),
                    "mtime": path.stat().st_mtime_ns,
                }
            },
        }

    @pytest.fixture
    def damage(self, into):
        def damage(part, other):
            (manifest,) = into.glob(".file_dataset/ingest/*/current/manifest.json")
            text = manifest.read_text()
            assert part in text
            manifest.write_text(text.replace(part, other, 1), encoding="latin-1")

        return damage

    @pytest.mark.parametrize(
        ("part", "other"),
        [
            ("{", ""),
            ("}}", ""),
            ('"format": 1', '"format": 2'),
            ('"size": 1', '"size": -1'),
            ('"size": 1', '"size": true'),
            ('"a":', '"../a":'),
            ('"etag"', '"tag"'),
            ('"source"', '"origin"'),
            ('"memory', '7, "memory'),
            ("{", "[" * 100_000),
            ("{", "\xff"),
        ],
    )
    def test_a_damaged_manifest_is_none_and_a_warning(self, part, other, fetch, fill, damage):
        fill("a", "b")
        paths = fetch()
        damage(part, other)
        paths[1].resolve().write_bytes(b"damaged too")
        with pytest.warns(UserWarning, match="is damaged, so that all files are fetched") as told:
            assert fetch() == paths
        assert told[0].filename == __file__
        assert [path.read_bytes() for path in paths] == [b"a", b"b"]
        assert fetch() == paths

    def test_what_is_gone_goes_also_if_the_manifest_is_damaged(
        self, fetch, fill, into, damage, store
    ):
        fill("a", "sub/b")
        fetch()
        damage("{", "")
        store.store.delete(Url.parse(f"{SOURCE}/sub/b"))
        with pytest.warns(UserWarning, match="is damaged"):
            fetch()
        assert seen(into) == {"a": b"a"}
        assert not (into / "sub").exists()


class TestSourceManifest:
    @pytest.fixture
    def list_in(self, put):
        def list_in(*entries, name="manifest"):
            put(f"{SOURCE}/{name}", json.dumps({"entries": entries}).encode())

        return list_in

    def test_only_what_it_lists_is_meant_and_of_that_what_matches(self, fetch, fill, list_in, into):
        fill("a.txt", "b.txt", "b.mha", "c.txt")
        list_in(
            {"url": f"{SOURCE}/a.txt"},
            {"url": f"{SOURCE}/b.txt", "mandatory": True, "meta": {"content_length": 5}},
            {"url": f"{SOURCE}/b.mha", "size": 5},
        )
        assert fetch() == [into / "a.txt", into / "b.mha", into / "b.txt"]
        assert fetch(pattern="*.txt") == [into / "a.txt", into / "b.txt"]

    def test_entries_may_be_names(self, fetch, fill, list_in, into):
        fill("a", "b/c", "d")
        list_in("b/c", {"url": "d"})
        assert fetch() == [into / "b/c", into / "d"]

    def test_it_is_read_once(self, fetch, fill, list_in, into, bodies):
        fill("a", "b")
        list_in("a")
        fetch()
        assert bodies() == ["a", "manifest"]
        fetch()
        assert bodies() == []
        list_in("a", {"url": f"{SOURCE}/b"})
        fetch()
        assert bodies() == ["b", "manifest"]
        fetch(force=True)
        assert bodies() == ["a", "b", "manifest"]

    def test_one_that_changes_and_lists_the_same_is_read_once_too(
        self, fetch, fill, list_in, bodies
    ):
        fill("a")
        list_in("a")
        fetch()
        list_in({"url": f"{SOURCE}/a"})
        bodies()
        fetch()
        assert bodies() == ["manifest"]
        fetch()
        assert bodies() == []

    def test_its_name_can_be_told(self, fetch, fill, list_in, into):
        fill("a", "b")
        list_in("a", name="meta/list.json")
        assert fetch(manifest="meta/list.json") == [into / "a"]
        assert fetch(manifest=None) == [into / "a", into / "b", into / "meta/list.json"]

    def test_a_file_that_is_listed_and_missing_is_an_error(self, fetch, fill, list_in, bodies):
        fill("a", "b")
        list_in("a", "lost", "lost2.txt")
        with pytest.raises(NotFoundError, match=r"2 of 3 files that .* not found: 'lost', 'lost2"):
            fetch(pattern="a")
        assert bodies() == ["manifest"]

    def test_a_file_of_another_size_than_listed_is_an_error(self, fetch, fill, list_in):
        fill("a")
        list_in({"url": f"{SOURCE}/a", "size": 7})
        with pytest.raises(IntegrityError, match=r"a: 1 bytes in the listing, but .* lists 7"):
            fetch()

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (b"", "JSONDecodeError"),
            (b"\xff", "UnicodeDecodeError"),
            (b"[]", "TypeError"),
            (b"{}", "KeyError: 'entries'"),
            (b'{"entries": {}}', "not a list"),
            (b'{"entries": [7]}', "TypeError"),
            (b'{"entries": [{"uri": "a"}]}', "KeyError: 'url'"),
            (b'{"entries": [{"url": 7}]}', "TypeError"),
            (b'{"entries": [{"url": "a", "size": "big"}]}', "size of 'big'"),
            (b'{"entries": [{"url": "a", "size": -1}]}', "size of -1"),
            (b'{"entries": [{"url": "a", "meta": 7}]}', "TypeError"),
            (b'{"entries": ["memory://bucket/raw2/a"]}', "which is not below memory://bucket/raw"),
            (b'{"entries": ["s3://bucket/raw/a"]}', "which is not below"),
            (b'{"entries": ["/etc/passwd"]}', "which is not below"),
            (b'{"entries": ["memory://bucket/raw/"]}', "which is not below"),
        ],
    )
    def test_one_that_is_none_is_refused(self, text, said, fetch, put, into):
        put(f"{SOURCE}/a")
        put(f"{SOURCE}/manifest", text)
        with pytest.raises(InvalidDatasetError, match="manifest: is no manifest") as raised:
            fetch()
        assert said in str(raised.value)
        assert not into.exists()


class TestTimes:
    @pytest.fixture
    def options(self):
        class Aged(MemoryStore):
            """Each object is as many hours old as its name says."""

            def list(self, prefix, /, *, recursive=True):
                for each in super().list(prefix, recursive=recursive):
                    assert isinstance(each, ObjectInfo)
                    age = timedelta(hours=float(each.url.name))
                    yield attrs.evolve(each, modified=TIMES[0] - age)

        store = Aged()
        for age in ("0", "1.5", "3"):
            store.write(Url.parse(f"{SOURCE}/{age}"), b"")
        return Options(stores={"memory://": store})

    @pytest.mark.parametrize("tolerance", [None, -1, -0.5, 3, 3.0, 100, float("inf")])
    def test_within_the_tolerance(self, tolerance, fetch):
        assert len(fetch(timestamp_tolerance=tolerance)) == 3

    @pytest.mark.parametrize("tolerance", [0, 1, 2.99])
    def test_beyond_it(self, tolerance, fetch, into):
        with pytest.raises(TimestampToleranceError, match="'0' was written 3 h after '3'") as told:
            fetch(timestamp_tolerance=tolerance)
        assert told.value.newest - told.value.oldest == timedelta(hours=3)
        assert not into.exists()

    def test_only_what_is_meant_counts(self, fetch):
        assert len(fetch(timestamp_tolerance=1.5, pattern=["0", "1.5"])) == 2

    @pytest.mark.parametrize("tolerance", [True, "1", float("nan")])
    def test_what_is_no_number_is_refused(self, tolerance, fetch):
        with pytest.raises((TypeError, ValueError), match="number of hours"):
            fetch(timestamp_tolerance=tolerance)


class TestFailures:
    @pytest.fixture
    def options(self, store):
        return Options(stores={"memory://": store})

    @pytest.mark.parametrize("names", [["a"], ["a", "b", "c", "d"]])
    def test_a_failure_in_the_middle_leaves_the_old_set_whole(self, names, into):
        store = Failing()
        options = Options(stores={"memory://": store})
        for name in (*names, "lost"):
            store.write(Url.parse(f"{SOURCE}/{name}"), b"old")
        ingest(SOURCE, into=into, options=options, pattern="?")
        before = seen(into)
        for name in names:
            store.write(Url.parse(f"{SOURCE}/{name}"), b"new")
        with pytest.raises(FileDatasetError, match="unchanged: the disk is on fire") as raised:
            ingest(SOURCE, into=into, options=options, max_concurrent_files=2)
        assert raised.value.file_errors == {"lost": "the disk is on fire"}
        assert isinstance(raised.value.__cause__, StoreError)
        assert seen(into) == before
        assert kept(into) == [len(names)]
        store.is_well = True
        ingest(SOURCE, into=into, options=options)
        assert seen(into) == {**dict.fromkeys(names, b"new"), "lost": b"old"}

    def test_a_body_that_is_shorter_than_listed_is_an_error(self, into):
        store = Told()
        store.write(Url.parse(f"{SOURCE}/a"), b"abc")
        store.about = {"size": 4}
        with pytest.raises(
            FileDatasetError, match="4 bytes in the listing, but what arrived has 3"
        ):
            ingest(SOURCE, into=into, options=Options(stores={"memory://": store}))
        assert not into.exists()

    @pytest.mark.parametrize("name", ["a//b", "a/../b", "a\\b", "x\ny", "n" * 256])
    def test_keys_that_cannot_be_files_are_refused(self, name, fetch, fill, bodies, tmp_path):
        fill(name, "ok")
        with pytest.raises(InvalidDatasetError, match=r"1 keys .* leave them out with pattern="):
            fetch()
        assert bodies() == []
        assert list(tmp_path.iterdir()) == []
        assert len(fetch(pattern="ok")) == 1

    def test_keys_that_would_be_file_and_directory_are_refused(self, fetch, fill):
        fill("a", "a/b")
        both = "'a' would have to be a file and, for 'a/b', a directory"
        with pytest.raises(InvalidDatasetError, match=both):
            fetch()

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"pattern": "["}, "not closed"),
            ({"pattern": []}, "empty list"),
            ({"manifest": "../m"}, "manifest '../m'"),
            ({"manifest": ""}, "manifest ''"),
            ({"max_concurrent_files": 0}, "max_concurrent_files must be"),
            ({"workers_per_file": 0}, "workers_per_file must be"),
            ({"into": "s3://bucket/x"}, "into is a local directory"),
            ({"into": "memory://bucket/x"}, "into is a local directory"),
            ({"url": "gopher://bucket"}, "unsupported scheme"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_before_anything_is_asked(
        self, more, said, fetch, store
    ):
        with pytest.raises(ValueError, match=said):
            fetch(**more)
        assert store.requests == []

    def test_the_source_is_not_its_own_destination(self, tmp_path):
        (tmp_path / "a").write_bytes(b"a")
        for into in (tmp_path, tmp_path / "data"):
            with pytest.raises(ValueError, match="which is in the source"):
                ingest(tmp_path, into=into)

    def test_a_local_source_is_as_good_as_any(self, tmp_path):
        source, into = tmp_path / "source", tmp_path / "data"
        (source / "sub").mkdir(parents=True)
        (source / "sub/a").write_bytes(b"old")
        ingest(source, into=into)
        (source / "sub/a").write_bytes(b"new")
        ingest(source, into=into)
        assert seen(into) == {"sub/a": b"new"}


class Failing(MemoryStore):
    """Cannot give one object, until it is well."""

    is_well = False

    def _download(self, url, path):
        if url.name == "lost" and not self.is_well:
            raise StoreError("the disk is on fire")
        return super()._download(url, path)


class Crowded(PerObjectStore):
    """Notes how many downloads are under way at once, of which it could do many."""

    workers = 32

    def __init__(self):
        self.inside = self.most = 0
        self.lock = threading.Lock()
        self.objects = MemoryStore()
        self.gate = threading.Barrier(4)

    def list(self, prefix, /, *, recursive=True):
        return self.objects.list(prefix, recursive=recursive)

    def _stat(self, url):
        return self.objects.stat(url)

    def _read(self, url, span):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        # Four have to be here at once for any to go on.
        self.gate.wait(20)
        with self.lock:
            self.inside -= 1
        return self.objects.read(url)


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_files_are_on_their_way_as_was_asked_for(workers, into):
    store = Crowded()
    for number in range(16):
        store.objects.write(Url.parse(f"{SOURCE}/{number}"), b"x")
    options = Options(stores={"memory://": store})
    ingest(SOURCE, into=into, options=options, max_concurrent_files=4, workers_per_file=workers)
    assert store.most == 4


def test_threads_that_want_the_same_fetch_it_once(fetch, fill, into, bodies):
    fill(*(f"{number}" for number in range(20)))
    found = []
    start = threading.Barrier(4)

    def run():
        start.wait(20)
        found.append(fetch())

    threads = [threading.Thread(target=run, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [sorted(into / f"{number}" for number in range(20))] * 4
    assert len(bodies()) == 20


NAMES = st.sampled_from(["a", "b", "a/b", "a/c", "d/e", "d/e/f", "g/h", "m"])
CONTENTS = st.dictionaries(NAMES, st.binary(max_size=2), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CONTENTS, min_size=1, max_size=4), st.sets(NAMES, max_size=2))
def test_after_any_changes_there_is_the_source_and_what_users_have(tmp_path, versions, mine):
    root = tmp_path / os.urandom(8).hex()
    for name in mine:
        (root / f"{name}.mine").parent.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.mine").write_bytes(b"mine")
    users = {f"{name}.mine": b"mine" for name in mine}
    before: dict[str, bytes] = {}
    for version in versions:
        store = MemoryStore()
        for name, data in version.items():
            store.write(Url.parse(f"{SOURCE}/{name}"), data)
        names = {*version, *users}
        is_sound = not any(f"{one}/" == other[: len(one) + 1] for one in names for other in names)
        try:
            ingest(SOURCE, into=root, options=Options(stores={"memory://": store}))
        except (InvalidDatasetError, AlreadyExistsError):
            assert not is_sound
        else:
            assert is_sound
            before = version
        assert seen(root) == users | before
        assert kept(root) == ([len(before)] if before else [])


class TestS3Ingester:
    def test_it_is_the_same_thing_with_its_arguments_kept(self, bucket, tmp_path):
        for key in ("raw/a.txt", "raw/b/c.txt", "raw/d.mha", "raw2/e.txt"):
            bucket.put_object(Bucket="bucket", Key=key, Body=key.encode())
        ingester = S3Ingester(
            "bucket", "raw", file_pattern="*.txt", destination_directory=tmp_path / "x"
        )
        paths = ingester.fetch_data()
        assert paths == [tmp_path / "x/a.txt", tmp_path / "x/b/c.txt"]
        assert paths[1].read_bytes() == b"raw/b/c.txt"
        bucket.put_object(Bucket="bucket", Key="raw/a.txt", Body=b"raw/A.txt")
        assert ingester.fetch_data() == ingester.fetch_data(force_recompute=True) == paths
        assert paths[0].read_bytes() == b"raw/A.txt"

    def test_its_defaults_are_these(self):
        assert attrs.asdict(S3Ingester("bucket", "raw/")) == {
            "s3_bucket_name": "bucket",
            "s3_key_prefix": "raw/",
            "file_pattern": "*",
            "dataset_id": None,
            "destination_directory": "data/s3-ingester",
            "aws_profile_name": None,
            "aws_region_name": "eu-west-1",
            "max_concurrent_files": 64,
            "workers_per_file": 1,
            "manifest_file_name": "manifest",
            "s3_timestamp_tolerance": -1,
        }

    def test_the_tolerance_is_off_unless_it_is_told(self, bucket, tmp_path):
        bucket.put_object(Bucket="bucket", Key="raw/a", Body=b"")
        told = S3Ingester("bucket", "raw", destination_directory=tmp_path, s3_timestamp_tolerance=0)
        assert told.fetch_data() == [tmp_path / "a"]

    def test_a_profile_is_named_to_boto3(self, keys, tmp_path):
        with pytest.raises(FileDatasetError, match="no-such-profile"):
            S3Ingester("bucket", "raw", aws_profile_name="no-such-profile").fetch_data()


def test_paths_are_paths(fetch, fill):
    fill("a")
    assert [type(path) for path in fetch()] == [type(Path())]
