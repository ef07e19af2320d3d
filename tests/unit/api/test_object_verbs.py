"""Single objects by their URLs: read, written, listed, looked at, deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import file_dataset
from file_dataset import (
    FileDatasetError,
    InvalidUrlError,
    LocalStore,
    MemoryStore,
    NotFoundError,
    Options,
    PermissionDeniedError,
    PerObjectStore,
    RangeNotSatisfiableError,
    UnsupportedSchemeError,
    Url,
)


@pytest.fixture(params=["memory://objects", "{tmp_path}", "file://{tmp_path}"])
def root(request, tmp_path):
    return request.param.format(tmp_path=tmp_path)


def test_what_was_put_is_got_in_every_way(root, options):
    url = f"{root}/a/b.bin"
    file_dataset.put(url, b"0123456789", options=options)
    assert file_dataset.get(url, options=options) == b"0123456789"
    assert file_dataset.get_range(url, 4, 3, options=options) == b"456"
    assert file_dataset.get_range(url, start=8, length=100, options=options) == b"89"
    assert file_dataset.get_range(url, 9, options=options) == b"9"
    assert file_dataset.stat(url, options=options).size == 10
    assert file_dataset.exists(url, options=options)
    file_dataset.put(url, bytearray(b"new"), options=options)
    assert file_dataset.get(Url.parse(url), options=options) == b"new"
    file_dataset.delete(url, options=options)
    file_dataset.delete(url, options=options)
    assert not file_dataset.exists(url, options=options)


@pytest.mark.parametrize("verb", ["get", "stat"])
def test_what_is_missing_is_not_found(verb, root, options):
    with pytest.raises(NotFoundError, match="gone: not found"):
        getattr(file_dataset, verb)(f"{root}/gone", options=options)


def test_a_range_past_the_end_is_told(options, put):
    with pytest.raises(RangeNotSatisfiableError):
        file_dataset.get_range(put("memory://in/a", b"123"), 3, options=options)


@pytest.mark.parametrize(("start", "length"), [(-1, None), (0, 0), (0, -1)])
def test_no_range_is_refused_before_anything_is_asked(start, length, options, store):
    with pytest.raises(ValueError, match="must be >="):
        file_dataset.get_range("memory://in/a", start, length, options=options)
    assert store.requests == []


class Closed(PerObjectStore):
    """Lets nobody in."""

    def _stat(self, url):
        raise PermissionDeniedError(f"{url}: permission denied", url=url)

    def list(self, prefix, /, *, recursive=True):
        return iter(())


def test_only_what_is_not_found_does_not_exist():
    options = Options(stores={"closed://": Closed()})
    with pytest.raises(PermissionDeniedError):
        file_dataset.exists("closed://h/a", options=options)


def test_a_listing_has_full_urls_and_keys(root, options):
    names = ["d/b", "d/a", "d/e/c", "d2/a"]
    for name in names:
        file_dataset.put(f"{root}/{name}", b"", options=options)
    plain = root.removeprefix("file://")
    expected = [f"{plain}/d/a", f"{plain}/d/b", f"{plain}/d/e/c"]
    for spelled in (f"{root}/d", f"{root}/d/"):
        assert file_dataset.list(spelled, options=options) == expected
        assert file_dataset.list(spelled, recursive=False, options=options) == expected[:2]
    keys = file_dataset.list_keys(f"{root}/d", options=options)
    assert keys == [Url.parse(url).key for url in expected]
    assert file_dataset.list(f"{root}/none", options=options) == []


def test_listings_of_all_stores_are_in_one_order(root, options):
    for name in ("a/b", "a.b"):
        file_dataset.put(f"{root}/{name}", b"", options=options)
    listed = file_dataset.list(root, options=options)
    assert [url.removeprefix(f"{root.removeprefix('file://')}/") for url in listed] == [
        "a.b",
        "a/b",
    ]


def test_many_are_one_batch_in_the_order_of_their_urls(options, put, store, tmp_path):
    (tmp_path / "local").write_bytes(b"local")
    urls = [put(f"memory://in/{n}", bytes([n])) for n in range(9, -1, -1)]
    found = file_dataset.get_many([*urls, tmp_path / "local", urls[0]], options=options)
    assert found == [*(bytes([n]) for n in range(9, -1, -1)), b"local", b"\t"]
    assert store.verbs_used() == ["Read"] * 11
    assert file_dataset.get_many([], options=options) == []


def test_all_that_cannot_be_had_are_told_at_once(options, put):
    urls = ["memory://in/x", put("memory://in/a"), "memory://in/y"]
    with pytest.raises(FileDatasetError, match=r"2 of 3 objects cannot be read, .*in/x") as caught:
        file_dataset.get_many(urls, options=options)
    assert list(caught.value.file_errors) == ["memory://in/x", "memory://in/y"]


def test_many_are_refused_before_any_is_read(options, put, store):
    with pytest.raises(UnsupportedSchemeError, match="url 1: unsupported scheme 'gopher://'"):
        file_dataset.get_many([put("memory://in/a"), "gopher://h/a"], options=options)
    assert store.requests == []


ON_ONE = ["get", "stat", "exists", "delete", "list", "list_keys", "open_writer"]


@pytest.mark.parametrize("verb", ON_ONE)
def test_unknown_schemes_and_no_urls_are_refused(verb):
    with pytest.raises(UnsupportedSchemeError, match="url: unsupported scheme 'gopher://'"):
        getattr(file_dataset, verb)("gopher://h/a")
    with pytest.raises(InvalidUrlError):
        getattr(file_dataset, verb)("")


@pytest.mark.parametrize("verb", sorted({*ON_ONE} - {"list", "list_keys"}))
def test_a_place_is_no_object(verb, options):
    with pytest.raises(InvalidUrlError, match="names no object"):
        getattr(file_dataset, verb)("memory://in/", options=options)


# --- written piece by piece -------------------------------------------------------------------

pieces_of_sizes = st.lists(st.integers(0, 40).map(lambda size: bytes(range(size))))


@given(pieces=pieces_of_sizes, in_memory=st.integers(0, 60))
def test_what_is_written_in_pieces_is_there_as_one(pieces, in_memory):
    memory = MemoryStore()
    options = Options(stores={"memory://": memory})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("file_dataset.api.object_writer._IN_MEMORY", in_memory)
        with file_dataset.open_writer("memory://out/a", options=options) as writer:
            assert [writer.write(piece) for piece in pieces] == [len(piece) for piece in pieces]
            assert not memory.exists(Url.parse("memory://out/a"))
    assert memory.read(Url.parse("memory://out/a")) == b"".join(pieces)


@pytest.fixture(params=["in memory", "in a file"])
def scratch(request, monkeypatch, tmp_path_factory):
    """Where large objects wait; for half of the tests everything is large."""
    directory = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    if request.param == "in a file":
        monkeypatch.setattr("file_dataset.api.object_writer._IN_MEMORY", 10)
    return directory


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_what_was_there_before(error, root, scratch, options):
    url = f"{root}/new/a"

    def interrupted() -> None:
        with file_dataset.open_writer(url, options=options) as writer:
            writer.write(b"0" * 1000)
            raise error

    with pytest.raises(error):
        interrupted()
    assert file_dataset.list(root, options=options) == []
    file_dataset.put(url, b"old", options=options)
    with pytest.raises(error):
        interrupted()
    assert file_dataset.get(url, options=options) == b"old"
    assert list(scratch.iterdir()) == []


def test_a_write_that_fails_is_told_and_leaves_nothing(scratch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    writer = file_dataset.open_writer(tmp_path / "file" / "below")
    with pytest.raises(FileDatasetError), writer:
        writer.write(b"0" * 1000)
    assert list(scratch.iterdir()) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_large_object_waits_in_a_file(scratch, monkeypatch, options, held):
    monkeypatch.setattr("file_dataset.api.object_writer._IN_MEMORY", 10)
    with file_dataset.open_writer("memory://out/a", options=options) as writer:
        for _ in range(100):
            writer.write(b"0123456")
            assert len(writer._waiting) <= 10
        (spooled,) = scratch.rglob("object")
        assert spooled.stat().st_size + len(writer._waiting) == 700
    assert held()["memory://out/a"] == b"0123456" * 100
    assert list(scratch.iterdir()) == []


def test_a_writer_is_for_one_object(options, held):
    writer = file_dataset.open_writer("memory://out/a", options=options)
    with pytest.raises(ValueError, match="is not open"):
        writer.write(b"early")
    with writer:
        writer.write(memoryview(b"data"))
    with pytest.raises(ValueError, match="is not open"):
        writer.write(b"late")
    with pytest.raises(ValueError, match="is used already"):
        writer.__enter__()
    assert held() == {"memory://out/a": b"data"}


def test_writers_have_their_aliases():
    assert file_dataset.create_s3_writer is file_dataset.open_writer
    assert file_dataset.create_filesystem_writer is file_dataset.open_writer


def test_a_local_file_is_written_without_options(tmp_path):
    with file_dataset.open_writer(tmp_path / "d" / "a") as writer:
        writer.write(b"data")
    assert LocalStore().read(Url.local(tmp_path / "d" / "a")) == b"data"
    assert Path(file_dataset.list(tmp_path)[0]).read_bytes() == b"data"
