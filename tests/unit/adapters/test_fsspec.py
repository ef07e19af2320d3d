import datetime as dt
import pickle
import uuid
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow import fs as arrow

from file_dataset import Options, create_dataset
from file_dataset.adapters.fsspec import FsspecStore
from file_dataset.adapters.fsspec.systems import described
from file_dataset.adapters.registry import _BY_FSSPEC
from file_dataset.domain.errors import (
    AlreadyExistsError,
    IntegrityError,
    InvalidUrlError,
    MissingDependencyError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    StoreError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.objects import CREATE, IfMatch, ObjectInfo, Span
from file_dataset.domain.url import Url


@pytest.fixture
def root():
    return Url.parse(f"memory://{uuid.uuid4().hex}/root")


def test_others_find_what_was_written_by_their_own_names(root):
    store = FsspecStore("memory")
    store.write(root.joined("a b#?%20.txt"), b"text")
    with fsspec.open(f"{root}/a b#?%20.txt", "rb") as file:
        assert file.read() == b"text"
    with fsspec.open(f"{root}/other.txt", "wb") as file:
        file.write(b"theirs")
    assert store.read(root.joined("other.txt")) == b"theirs"


def test_without_a_protocol_the_scheme_of_each_url_counts(root, tmp_path):
    store = FsspecStore()
    file = Url.local(tmp_path / "file.txt")
    store.write(root.joined("a.txt"), b"memory")
    store.write(file, b"local")
    assert store.read(root.joined("a.txt")) == b"memory"
    assert (tmp_path / "file.txt").read_bytes() == store.read(file) == b"local"
    assert [each.name for each in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("key", ["a//b", "../b", "a/./b", "s3://inner"])
def test_what_fsspec_would_take_for_another_name_is_refused(root, key):
    store = FsspecStore("memory")
    url = Url(root.scheme, root.authority, f"root/{key}")
    if key == "s3://inner":
        url = Url("local", "", key)
        store = FsspecStore("local")
    with pytest.raises(InvalidUrlError, match="for another"):
        store.write(url, b"")


class Strange(MemoryFileSystem):  # type: ignore[misc] # fsspec does not say that it is typed
    """A file system that raises what it is told to."""

    made = 0
    error: Exception = RuntimeError("no words")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        type(self).made += 1

    def info(self, path, **kwargs):
        raise self.error


@pytest.fixture
def strange():
    protocol = f"strange{uuid.uuid4().hex}"
    kind = type("OneStrange", (Strange,), {"protocol": protocol})
    fsspec.register_implementation(protocol, kind)
    return FsspecStore(protocol), Url(protocol, "host", "a.txt"), kind


@pytest.mark.parametrize(
    ("error", "kind", "again"),
    [
        (FileNotFoundError("gone"), NotFoundError, 1),
        (PermissionError("no"), PermissionDeniedError, 1),
        (IsADirectoryError("dir"), UnsupportedError, 1),
        (NotImplementedError("no"), UnsupportedError, 2),
        (ConnectionResetError("bye"), TransientError, 2),
        (TimeoutError("slow"), TransientError, 2),
        (EOFError(), TransientError, 2),
        (OSError("Socket is closed"), StoreError, 2),
        (OSError(28, "no space"), StoreError, 1),
        (RuntimeError("no words"), StoreError, 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_whatever_is_raised_is_an_error_of_ours_with_the_words_of_theirs(
    strange, error, kind, again
):
    store, url, made = strange
    made.error = error
    for _ in range(2):
        with pytest.raises(kind) as caught:
            store.stat(url)
        assert str(url) in str(caught.value)
        assert type(caught.value.__cause__) is type(error)
    # A file system that may be in the middle of something is not used again.
    assert made.made == again


def test_file_systems_are_used_again_until_the_store_is_closed(strange):
    store, url, kind = strange
    kind.info = MemoryFileSystem.info
    for _ in range(3):
        store.write(url, b"x")
    assert kind.made == 1
    store.close()
    assert store.read(url) == b"x"
    assert kind.made == 2


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Clusters of HDFS as far as Arrow's file systems have them, which keep directories here."""
    made = []

    def connect(**told):
        made.append(told)
        place = tmp_path / f"{told['host']}-{told['port']}"
        place.mkdir(exist_ok=True)
        return arrow.SubTreeFileSystem(str(place), arrow.LocalFileSystem())

    monkeypatch.setattr(arrow, "HadoopFileSystem", connect)
    return made


def test_files_of_hdfs_are_those_of_the_cluster_that_the_url_names(cluster, tmp_path):
    store = FsspecStore("hdfs", {"user": "me"})
    url = Url.parse("hdfs://namenode:8020/data/set/a b.bin")
    store.write(url, b"0123456789")
    assert (tmp_path / "namenode-8020/data/set/a b.bin").read_bytes() == b"0123456789"
    store.write(url, b"abcdefghij")
    assert store.read(url, span=Span(3, 4)) == b"defg"
    assert store.stat(url).size == 10
    assert store.stat(url).modified is not None
    store.upload(tmp_path / "namenode-8020/data/set/a b.bin", url.parent.joined("deep/b.bin"))
    store.download(url, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"abcdefghij"
    root = Url.parse("hdfs://namenode:8020/data")
    assert [each.url.key for each in store.list(root)] == [
        "data/set/a b.bin",
        "data/set/deep/b.bin",
    ]
    assert [each.url.key for each in store.list(root, recursive=False)] == ["data/set"]
    with pytest.raises(AlreadyExistsError):
        store.write(url, b"", mode=CREATE)
    store.delete(url)
    store.delete(url)
    with pytest.raises(NotFoundError):
        store.read(url)
    with pytest.raises(NotFoundError):
        store.read(Url.parse("hdfs://other/data/set/deep/b.bin"))
    places = {(told["host"], told["port"], told["user"]) for told in cluster}
    assert places == {("namenode", 8020, "me"), ("other", 0, "me")}
    assert list(create_dataset(str(root), storage=Options(stores={"hdfs://": store}))) == [
        b"abcdefghij"
    ]


def test_the_time_of_a_file_has_a_zone():
    url = Url("ftp", "host", "a")
    info = {"type": "file", "size": 3}
    then = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    assert described(url, info) == ObjectInfo(url, 3)
    for found in (then, then.replace(tzinfo=None), then.timestamp()):
        assert described(url, {**info, "mtime": found}).modified == then
    with pytest.raises(UnsupportedError, match="size"):
        described(url, {**info, "size": None})


def test_what_is_downloaded_is_known_as_it_is_by_looking_at_it(tmp_path):
    store, url = FsspecStore("file"), Url.local(tmp_path / "there")
    (tmp_path / "there").write_bytes(b"data")
    found = store.download(url, tmp_path / "here")
    assert found == store.stat(url)
    assert found.modified is not None


def test_a_download_that_ends_early_leaves_nothing(strange, tmp_path):
    store, url, kind = strange
    kind.protocol, kind.async_impl = f"short{uuid.uuid4().hex}", False
    kind.info = lambda fs, path, **_: {"name": path, "size": 9, "type": "file"}
    kind.get_file = lambda fs, path, local, **_: Path(local).write_bytes(b"data")
    with pytest.raises(IntegrityError, match="truncated read: want 9, got 4 bytes") as caught:
        store.download(url, tmp_path / "here")
    assert caught.value.transient
    assert list(tmp_path.iterdir()) == []


def test_no_etag_matches_where_there_are_none(root):
    store = FsspecStore("memory")
    store.write(root.joined("a"), b"")
    assert store.stat(root.joined("a")).etag is None
    with pytest.raises(PreconditionFailedError):
        store.write(root.joined("a"), b"x", mode=IfMatch("tag"))


def test_memory_does_not_travel_and_secrets_are_not_shown(tmp_path):
    with pytest.raises(TypeError, match="lives in the process"):
        pickle.dumps(FsspecStore("memory"))
    store = FsspecStore("ftp", {"username": "me", "password": "hush"})
    assert "hush" not in repr(store)
    copy = pickle.loads(pickle.dumps(store))
    assert (copy.protocol, copy._options) == (store.protocol, store._options)


def test_what_is_not_installed_is_told_when_the_store_is_made():
    with pytest.raises(MissingDependencyError, match="smbprotocol"):
        FsspecStore("smb")
    with pytest.raises(ValueError, match="nonsense"):
        FsspecStore("nonsense")


def test_each_scheme_that_is_left_to_fsspec_is_known_to_it():
    assert set(_BY_FSSPEC.split()) <= {*fsspec.available_protocols()}
