import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.errors import InvalidUrlError, NotFoundError, StoreError, UnsupportedError
from file_dataset.domain.objects import CREATE
from file_dataset.domain.outcomes import Done, Failed
from file_dataset.domain.per_object import PerObjectStore
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Copy,
    Delete,
    Download,
    Prepare,
    Prepared,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.url import Url
from file_dataset.testing import check_store

URL = Url.parse("memory://bucket/key")
SOURCE = Url.parse("memory://bucket/source")

METHODS = [
    "_stat",
    "_read",
    "_write",
    "_delete",
    "_download",
    "_upload",
    "_copy",
    "_prepare",
    "_complete",
    "_abort",
]


def nothing(self, *args):
    return None


def store_with(*methods, base=PerObjectStore, **more):
    return type("Store", (base,), {**dict.fromkeys([*methods, "list"], nothing), **more})


@given(st.sets(st.sampled_from(METHODS)))
def test_what_is_written_can_be_done(methods):
    settling = {"_prepare", "_complete", "_abort"} <= methods
    expected = {
        Stat: "_stat" in methods,
        Read: "_read" in methods,
        Write: "_write" in methods,
        Delete: "_delete" in methods,
        Download: bool({"_download", "_read"} & methods),
        Upload: bool({"_upload", "_write"} & methods),
        Copy: "_copy" in methods or {"_read", "_write"} <= methods,
        Prepare: settling,
        Complete: settling,
        Abort: settling,
    }
    assert store_with(*methods).verbs == {verb for verb, there in expected.items() if there}


def test_what_a_base_class_can_do_is_inherited():
    base = store_with("_read")
    assert store_with("_write", base=base).verbs == {Read, Download, Write, Upload, Copy}
    assert store_with("_read", verbs=frozenset()).verbs == frozenset()
    # Who names the verbs does so for one class, and not for those that add methods.
    assert store_with("_write", base=store_with("_read", verbs=frozenset())).verbs >= {Write, Read}


def test_what_is_not_written_is_refused_and_nothing_is_called():
    def never(self, *args):
        raise AssertionError("called")

    store = store_with(verbs=frozenset(), _write=never, _read=never, _copy=never, _prepare=never)()
    prepared = Prepared(URL, "token")
    requests: list[Request[object]] = [
        Stat(URL),
        Read(URL),
        Write(URL, b""),
        Download(URL, Path("nowhere")),
        Upload(Path("nowhere"), URL),
        Copy(SOURCE, URL),
        Delete(URL),
        Prepare(SOURCE, URL),
        Complete(prepared),
        Abort(prepared),
    ]
    outcomes = sorted(store.run(requests), key=lambda outcome: outcome.index)
    assert [outcome.index for outcome in outcomes] == list(range(10))
    for request, outcome in zip(requests, outcomes, strict=True):
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, UnsupportedError)
        assert outcome.error.url == URL
        assert outcome.error.operation == request.operation
        assert not store.can(type(request), URL)


def test_each_verb_calls_its_method_with_what_was_asked():
    calls = []

    def noting(name):
        return lambda self, *args: calls.append((name, *args))

    store = store_with(workers=1, **{name: noting(name) for name in METHODS})()
    prepared = Prepared(URL, "token")
    path = Path("file")
    list(
        store.run(
            [
                Stat(URL),
                Read(URL),
                Write(URL, b"data", CREATE),
                Delete(URL),
                Download(URL, path),
                Upload(path, URL, CREATE),
                Copy(SOURCE, URL, CREATE),
                Prepare(SOURCE, URL),
                Complete(prepared),
                Abort(prepared),
            ]
        )
    )
    assert calls == [
        ("_stat", URL),
        ("_read", URL, None),
        ("_write", URL, b"data", CREATE),
        ("_delete", URL),
        ("_download", URL, path),
        ("_upload", path, URL, CREATE),
        ("_copy", SOURCE, URL, CREATE),
        ("_prepare", SOURCE, URL, None),
        ("_complete", (prepared,)),
        ("_abort", (prepared,)),
    ]


@pytest.mark.parametrize(
    "error", [StoreError("x"), NotFoundError("x"), InvalidUrlError("x")], ids=repr
)
@pytest.mark.parametrize("requests", [1, 3])
def test_an_error_of_the_store_is_the_outcome(error, requests):
    def fail(self, url):
        raise type(error)("x")

    outcomes = list(store_with(_stat=fail)().run([Stat(URL)] * requests))
    assert len(outcomes) == requests
    for outcome in outcomes:
        assert type(outcome.error) is type(error)
        if isinstance(outcome.error, StoreError):
            assert (outcome.error.url, outcome.error.operation) == (URL, "Stat")


def test_what_an_error_says_of_itself_is_left_alone():
    def fail(self, source, url, mode):
        raise NotFoundError("x", url=source, operation="Head")

    (outcome,) = store_with(_copy=fail)().run([Copy(SOURCE, URL)])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, NotFoundError)
    assert (outcome.error.url, outcome.error.operation) == (SOURCE, "Head")


@pytest.mark.parametrize("error", [KeyError, OSError, StopIteration, AssertionError])
@pytest.mark.parametrize("requests", [1, 5])
def test_a_bug_is_raised(error, requests):
    def fail(self, url):
        raise error("bug")

    with pytest.raises((error, RuntimeError)):
        list(store_with(_stat=fail)().run([Stat(URL)] * requests))


@pytest.mark.parametrize("workers", [2, 5])
def test_as_many_work_at_once_as_there_are_workers(workers):
    together = threading.Barrier(workers)
    threads = set()

    def wait(self, url):
        threads.add(threading.current_thread())
        together.wait(20)

    store = store_with(_stat=wait, workers=workers)()
    assert len(list(store.run([Stat(URL)] * 4 * workers))) == 4 * workers
    assert len(threads) == workers


def test_no_more_threads_are_started_than_there_are_requests():
    threads = set()

    def note(self, url):
        threads.add(threading.current_thread())

    store = store_with(_stat=note, workers=50)()
    assert list(store.run([])) == []
    list(store.run([Stat(URL)]))
    assert threads == {threading.current_thread()}
    list(store.run([Stat(URL)] * 2))
    assert len(threads) <= 3


class Four(PerObjectStore):
    """What the template asks for at least; the rest goes by way of memory."""

    def __init__(self):
        self.inner = MemoryStore()

    def __reduce__(self):
        return self.inner.__reduce__()

    def list(self, prefix, /, *, recursive=True):
        return self.inner.list(prefix, recursive=recursive)

    def _stat(self, url):
        return self.inner._stat(url)

    def _read(self, url, span):
        return self.inner._read(url, span)

    def _write(self, url, data, mode):
        self.inner._write(url, data, mode)

    def _delete(self, url):
        self.inner._delete(url)


def test_four_methods_and_a_listing_make_a_store():
    store = Four()
    report = check_store(lambda: store, Url.parse("memory://kit/root"))
    assert "Prepare refused" in str(report)


def test_a_download_that_fails_leaves_no_file(tmp_path):
    def fail(self, url, span):
        raise NotFoundError("not found")

    store = store_with(_read=fail)()
    (outcome,) = store.run([Download(URL, tmp_path / "file")])
    assert isinstance(outcome, Failed)
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_read_or_written_are_told_by_their_name(tmp_path):
    store = store_with(_read=lambda *_: b"data", _write=nothing)()
    missing = tmp_path / "missing"
    for request in (Upload(missing, URL), Download(URL, missing / "file")):
        (outcome,) = store.run([request])
        assert isinstance(outcome.error, NotFoundError)
        assert str(missing) in str(outcome.error)
    (outcome,) = store.run([Upload(tmp_path, URL)])
    assert isinstance(outcome.error, UnsupportedError)
    assert isinstance(next(store.run([Download(URL, tmp_path / "file")])), Done)
