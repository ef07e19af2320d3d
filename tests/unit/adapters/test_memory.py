import os
import pickle
import threading
from collections.abc import Callable
from typing import ClassVar

import pytest
from tests.unit.adapters.layers.fakes import in_forked_child

from file_dataset.adapters import memory
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.errors import NotFoundError, UnsupportedError
from file_dataset.domain.requests import Complete, Prepare, Prepared
from file_dataset.domain.url import Url

ROOT = Url.parse("memory://bucket")
URL = ROOT.joined("key")


@pytest.fixture
def store():
    return MemoryStore()


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_what_is_written_is_what_it_was_at_that_moment(store, kind):
    source = bytearray(b"before")
    store.write(URL, kind(source) if kind is memoryview else source)
    source[:] = b"after!"
    assert store.read(URL) == b"before"
    assert type(store.read(URL)) is bytes


def test_an_etag_tells_contents_apart_and_not_occasions(store):
    store.write(URL, b"one")
    one = store.stat(URL)
    store.write(URL, b"two")
    two = store.stat(URL)
    store.write(URL, b"one")
    assert one.etag == store.stat(URL).etag != two.etag
    assert one.modified <= two.modified
    assert one.modified.tzinfo is not None


def test_authorities_and_schemes_are_apart(store):
    store.write(URL, b"data")
    for other in ("memory://other/key", "mem://bucket/key", "memory:///key"):
        assert not store.exists(Url.parse(other))
    assert list(store.list(Url.parse("memory://other"))) == []


def test_a_listing_is_sorted_by_key(store):
    for key in ("b", "a/b", "a", "a/a/c", "a.b"):
        store.write(ROOT.joined(key), b"")
    assert [info.url.key for info in store.list(ROOT)] == ["a", "a.b", "a/a/c", "a/b", "b"]


class Meddling(Url):
    """A prefix during whose listing somebody else does something to the store."""

    def contains(self, other):
        if self.meddlers:
            meddler = threading.Thread(target=self.meddlers.pop(), daemon=True)
            meddler.start()
            # It has to wait for the listing, so this wait is in vain; without a lock it is not.
            meddler.join(0.1)
        return Url.contains(self, other)

    meddlers: ClassVar[list[Callable[[], None]]] = []


@pytest.mark.parametrize("what", ["write", "delete", "complete"])
def test_a_listing_is_of_one_moment(store, what):
    for number in range(5):
        store.write(ROOT.joined(f"{number}"), b"data")
    prepared = store.do(Prepare(ROOT.joined("0"), ROOT.joined("new")))
    Meddling.meddlers.append(
        {
            "write": lambda: store.write(ROOT.joined("new"), b""),
            "delete": lambda: store.delete(ROOT.joined("0")),
            "complete": lambda: store.do(Complete(prepared)),
        }[what]
    )
    names = [info.url.name for info in store.list(Meddling("memory", "bucket", ""))]
    assert names == ["0", "1", "2", "3", "4"]
    assert Meddling.meddlers == []


def test_a_preparation_is_of_an_object_or_of_a_file(store, tmp_path):
    (tmp_path / "file").write_bytes(b"of a file")
    store.write(ROOT.joined("source"), b"of an object")
    for source in (Url.local(tmp_path / "file"), ROOT.joined("source")):
        prepared = store.do(Prepare(source, URL))
        store.do(Complete(prepared))
        assert store.read(URL).startswith(b"of a")
        with pytest.raises(NotFoundError):
            store.do(Complete(prepared))
    for missing in (Url.local(tmp_path / "missing"), ROOT.joined("missing")):
        with pytest.raises(NotFoundError, match="not found"):
            store.do(Prepare(missing, URL))
    with pytest.raises(NotFoundError):
        store.do(Complete(Prepared(URL, "no token")))


def test_it_refuses_to_be_pickled_in_words(store):
    with pytest.raises(TypeError, match="cannot be pickled; use a directory or a bucket"):
        pickle.dumps(store)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_refuses_in_words_in_a_forked_child(store, tmp_path):
    store.write(URL, b"data")
    prepared = store.do(Prepare(URL, URL))
    asks = [
        lambda: store.read(URL),
        lambda: store.stat(URL),
        lambda: store.write(URL, b""),
        lambda: store.delete(URL),
        lambda: store.download(URL, tmp_path / "file"),
        lambda: store.copy(URL, URL),
        lambda: store.do(Prepare(URL, URL)),
        lambda: store.do(Complete(prepared)),
        lambda: list(store.list(ROOT)),
    ]

    def refusals():
        return [_refusal(ask) for ask in asks]

    assert [
        text.count(f"lives in process {os.getpid()}") for text in in_forked_child(refusals)
    ] == [1] * len(asks)
    assert store.read(URL) == b"data"


def _refusal(ask):
    try:
        return f"gave {ask()!r}"
    except UnsupportedError as error:
        return str(error)


def test_one_store_is_shared_by_who_names_only_the_scheme():
    assert memory.shared() is memory.shared()
