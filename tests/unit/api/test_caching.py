"""Options(cache=...): what was read once is on this machine, and the store is asked if it is so."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator

import attrs
import pytest
from tests.noted import Noted

import file_dataset
from file_dataset import (
    FsspecStore,
    LocalStore,
    MemoryStore,
    Options,
    StoreError,
    Url,
    create_dataset,
    get,
    get_range,
    pack,
    put,
    reader,
)
from file_dataset.adapters.layers.cached import Cached
from file_dataset.adapters.layers.routed import Routed
from file_dataset.api import _wiring


@pytest.fixture
def store():
    return Noted(MemoryStore())


@pytest.fixture
def options(store, tmp_path):
    return Options(stores={"far://": store}, cache=tmp_path / "cache")


def asked(store):
    verbs = [request.operation for request in store.requests]
    store.requests.clear()
    return verbs


def kept(tmp_path):
    root = tmp_path / "cache/file_dataset-cache-1"
    return [path for path in root.glob("??/*") if path.is_file()]


def mounted(options):
    """The stores that options mount, with their layers."""
    routed = _wiring.store_for(options)
    assert isinstance(routed, Routed)
    return list(routed.mounts.values())


def test_what_was_read_by_one_is_here_for_all_others(store, options, tmp_path):
    store.store.write(Url.parse("far://b/a.txt"), b"data")
    assert get("far://b/a.txt", options=options) == b"data"
    assert asked(store) == ["Download"]
    other = pickle.loads(pickle.dumps(attrs.evolve(options, stores={})))
    other = attrs.evolve(other, stores=options.stores)
    assert get("far://b/a.txt", options=other) == b"data"
    assert get_range("far://b/a.txt", 1, 2, options=other) == b"at"
    with reader(row={"a.txt": "far://b/a.txt"}, options=other).into_temp_dir() as directory:
        assert (directory / "a.txt").read_bytes() == b"data"
    assert list(create_dataset(["far://b/a.txt"], storage=other)) == [b"data"]
    assert asked(store) == ["Stat"] * 4
    put("far://b/a.txt", b"new", options=other)
    assert kept(tmp_path) == []
    assert get("far://b/a.txt", options=options) == b"new"


def test_a_member_is_kept_by_itself_and_its_archive_looked_at(store, options, tmp_path):
    for name in ("a", "b"):
        store.store.write(Url.parse(f"far://b/{name}"), name.encode() * 1000)
    table = pack([{"id": 1, "a": "far://b/a", "b": "far://b/b"}], "far://b/packed", options=options)
    before = len(kept(tmp_path))
    asked(store)
    assert get(table[0]["a"], options=options) == b"a" * 1000
    assert asked(store) == ["Stat", "Read", "Read"]
    assert len(kept(tmp_path)) == before + 1
    assert get(table[0]["a"], options=options) == b"a" * 1000
    # The archive and its index, of which what a member is depends; no body.
    assert asked(store) == ["Stat", "Read"]


def test_what_is_here_already_is_not_kept_once_more(tmp_path):
    (tmp_path / "a").write_bytes(b"data")
    stores = {"memory://": MemoryStore(), "near://": LocalStore(), "fs://": FsspecStore("memory")}
    options = Options(stores=stores, cache=tmp_path / "cache")
    get(str(tmp_path / "a"), options=options)
    for url in ("memory://b/a", "fs://b/a"):
        with contextlib.suppress(file_dataset.NotFoundError):
            get(url, options=options)
    assert not [each for each in mounted(options) if isinstance(each, Cached)]
    assert kept(tmp_path) == []


def test_options_that_are_mounted_have_their_own_cache(tmp_path):
    inner = Options(cache=tmp_path / "inner")
    outer = Options(stores={"s3://b/": inner}, cache=tmp_path / "outer")
    (store,) = mounted(outer)
    assert isinstance(store, Cached)
    assert store.entries.directory == tmp_path / "inner"


@contextlib.contextmanager
def sent(client) -> Iterator[list[str]]:
    """The methods of the requests that a boto3 client sends."""
    methods: list[str] = []

    def note(request, **_):
        methods.append(request.method)

    client.meta.events.register_first("before-send.s3", note)
    try:
        yield methods
    finally:
        client.meta.events.unregister("before-send.s3", note)


def test_s3_is_asked_for_a_head_and_no_body(bucket, tmp_path):
    bucket.put_object(Bucket="bucket", Key="k", Body=b"x" * 1000)
    options = Options(cache=tmp_path / "cache")
    with sent(options.s3_client) as methods:
        for expected in (["GET"], ["HEAD"]):
            assert get("s3://bucket/k", options=options) == b"x" * 1000
            assert methods == expected
            methods.clear()
        bucket.put_object(Bucket="bucket", Key="k", Body=b"y" * 1000)
        assert get("s3://bucket/k", options=options) == b"y" * 1000
        assert methods == ["HEAD", "GET"]


# What cannot be a cache.


@pytest.mark.parametrize("cache", ["", "s3://bucket/cache", "file:///tmp/x", "a\0b"])
def test_a_cache_that_is_no_local_path_is_refused(cache):
    with pytest.raises(ValueError, match="cache is the path of a local directory, not"):
        Options(cache=cache)


@pytest.mark.parametrize("cache", [7, b"/tmp/x", ["a"], True])
def test_a_cache_is_a_path(cache):
    with pytest.raises(TypeError):
        Options(cache=cache)


@pytest.mark.parametrize("size", [0, -1, "1GB", 1.5, None])
def test_how_much_it_may_take_is_a_number_of_bytes(size, tmp_path):
    with pytest.raises((TypeError, ValueError), match="cache_bytes"):
        Options(cache=tmp_path, cache_bytes=size)


def test_a_directory_that_cannot_be_used_is_told_before_anything_is_read(store, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    options = Options(stores={"far://": store}, cache=tmp_path / "file")
    with pytest.raises(StoreError, match=r"file cannot be used as a cache"):
        get("far://b/k", options=options)
    assert asked(store) == []


def test_a_relative_path_is_that_of_who_says_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = Options(cache="cache")
    monkeypatch.chdir("/")
    assert options.cache == tmp_path / "cache"
    assert pickle.loads(pickle.dumps(options)) == options
    assert not list(tmp_path.iterdir())
