import contextlib
import os
import pickle
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.adapters.layers.fakes import (
    Watched,
    by_index,
    close,
    error,
    in_forked_child,
    mounted,
    value,
)

from file_dataset.adapters.layers.faulty import Faults, Faulty
from file_dataset.adapters.layers.routed import Routed
from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.scratch import TempScratch
from file_dataset.domain.errors import (
    AlreadyExistsError,
    InvalidUrlError,
    NoSpaceError,
    NotFoundError,
    PreconditionFailedError,
    StoreError,
    TransientError,
    UnsupportedError,
    UnsupportedSchemeError,
)
from file_dataset.domain.files import temporary_name
from file_dataset.domain.objects import CREATE, OVERWRITE, IfMatch, Prefix
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
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.url import Url

LONG = 20


def create(scheme):
    if scheme == "file":
        return LocalStore()
    raise UnsupportedSchemeError(scheme, known=["file", "m", "n"])


class Places:
    """Two memories and a directory, and a store in front of them."""

    def __init__(self, directory, **stores):
        self.m = stores.get("m") or Watched()
        self.n = stores.get("n") or Watched()
        self.local = Url.local(directory / "local")
        self.temporary = directory / "temporary"
        self.temporary.mkdir()
        mounts = {Url("m", "", ""): self.m, Url("n", "", ""): self.n}
        self.store = Routed(mounts, create, scratch=TempScratch(self.temporary))

    def url(self, place, name):
        return self.local.joined(name) if place == "local" else Url(place, "bucket", name)

    def files(self):
        """All local files and directories."""
        top = Path(self.local.path)
        return sorted(str(path.relative_to(top)) for path in top.rglob("*"))


@pytest.fixture
def places(tmp_path):
    there = Places(tmp_path)
    yield there
    assert list(there.temporary.iterdir()) == []


PLACES = ["m", "n", "local"]


# Which store.

SEGMENTS = st.lists(st.sampled_from(["a", "ab", "b", ""]), max_size=4)


@given(
    st.lists(st.tuples(st.sampled_from(["x", "y"]), SEGMENTS), max_size=6), SEGMENTS, st.booleans()
)
def test_the_longest_mount_wins_segment_by_segment(prefixes, segments, scheme_first):
    mounts: dict[Url, Store] = {}
    for bucket, prefix in prefixes:
        url = Url("m", bucket, "/".join(prefix))
        if not any(url.authority == u.authority and url.stem == u.stem for u in mounts):
            mounts[url] = MemoryStore()
    everything = MemoryStore()
    scheme: dict[Url, Store] = {Url("m", "", ""): everything}
    routed = Routed({**scheme, **mounts} if scheme_first else {**mounts, **scheme}, create)
    url = Url("m", "x", "/".join([*segments, "object"]))

    def fits(mount):
        wanted = mount.stem.split("/")[:-1]
        return mount.authority == "x" and url.key.split("/")[: len(wanted)] == wanted

    fitting = max(filter(fits, mounts), key=lambda mount: len(mount.stem), default=None)
    expected = everything if fitting is None else mounts[fitting]
    routed.write(url, b"here")
    assert [s.exists(url) for s in (*mounts.values(), everything)].count(True) == 1
    assert expected.exists(url)


def test_a_mount_counts_for_its_bucket_only_and_a_listing_may_begin_at_it():
    inner, outer = MemoryStore(), MemoryStore()
    routed = Routed({Url("m", "b", "a/b"): inner, Url("m", "", ""): outer}, create)
    for bucket, key in [("b", "a/b/c"), ("b", "a/bc"), ("c", "a/b/c")]:
        routed.write(Url("m", bucket, key), b"")
    assert [item.url.key for item in inner.list(Url("m", "b", ""))] == ["a/b/c"]
    assert [item.url.key for item in routed.list(Url("m", "b", "a/b"))] == ["a/b/c"]
    assert [item.url.key for item in routed.list(Url("m", "b", "a/b/"))] == ["a/b/c"]
    assert list(routed.list(Url("m", "b", ""), recursive=False)) == [Prefix(Url("m", "b", "a"))]


def test_a_directory_can_be_mounted(tmp_path):
    inside = Watched()
    routed = Routed({Url.local(tmp_path / "in"): inside, Url.local("/"): LocalStore()}, create)
    routed.write(Url.local(tmp_path / "in" / "a"), b"")
    routed.write(Url.local(tmp_path / "inner"), b"")
    assert inside.asked == 1
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


def test_two_mounts_of_one_place_are_refused():
    mounts = {Url("m", "b", "a"): MemoryStore(), Url("m", "b", "a/"): MemoryStore()}
    with pytest.raises(ValueError, match="same place"):
        Routed(mounts, create)
    with pytest.raises(TypeError):
        Routed({"m://b": MemoryStore()}, create)  # type: ignore[dict-item] # that is the point
    with pytest.raises(TypeError):
        Routed({Url("m", "b", ""): "no store"}, create)  # type: ignore[dict-item] # as above


def test_stores_are_made_when_needed_and_once():
    made = []
    both_make_one = threading.Barrier(2)

    def make(scheme):
        made.append(scheme)
        with contextlib.suppress(threading.BrokenBarrierError):
            both_make_one.wait(0.1)
        return MemoryStore()

    routed = Routed({}, make)
    assert made == []
    start = threading.Barrier(8)

    def write(number):
        start.wait(LONG)
        routed.write(Url("x", "", str(number)), b"")

    threads = [threading.Thread(target=write, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert made == ["x"]
    assert len(list(routed.list(Url("x", "", "")))) == 8
    routed.exists(Url("y", "", "a"))
    assert made == ["x", "y"]


def test_a_store_may_ask_for_another_while_it_is_made():
    def make(scheme):
        if scheme == "chained":
            routed.write(Url("base", "", "a"), b"")
        return MemoryStore()

    routed = Routed({}, make)
    assert not routed.exists(Url("chained", "", "a"))
    assert routed.exists(Url("base", "", "a"))


def test_a_store_that_cannot_be_made_is_the_failure_of_who_asked(places):
    url, unknown = places.url("m", "a"), Url("gs", "b", "a")
    requests = [
        Write(url, b""),
        Read(unknown),
        Copy(unknown, url),
        Copy(url, unknown),
        Prepare(unknown, url),
        Stat(places.url("m", "missing")),
    ]
    outcomes = by_index(places.store.run(requests))
    assert len(outcomes) == len(requests)
    assert isinstance(outcomes[0], Done)
    for outcome in outcomes[1:5]:
        assert isinstance(error(outcome), UnsupportedSchemeError)
    assert isinstance(error(outcomes[5]), NotFoundError)
    assert not places.store.can(Read, unknown)
    with pytest.raises(UnsupportedSchemeError):
        places.store.list(unknown)


def test_a_store_error_of_create_is_told_with_the_request(places):
    def broken(scheme):
        raise StoreError(f"the store for {scheme}:// is broken")

    (outcome,) = Routed({}, broken).run([Read(Url("x", "b", "a"))])
    assert (error(outcome).url, error(outcome).operation) == (Url("x", "b", "a"), "Read")


def test_a_bug_of_create_is_no_outcome():
    def broken(scheme):
        raise KeyError(scheme)

    routed = Routed({}, broken)
    with pytest.raises(KeyError):
        list(routed.run([Read(Url("x", "b", "a"))]))


# Batches.


def test_one_store_is_asked_once_and_by_the_caller_itself():
    class Threads(MemoryStore):
        def run(self, requests, /):
            seen.append((len(requests), threading.current_thread()))
            return super().run(requests)

    seen: list[tuple[int, threading.Thread]] = []
    routed = Routed(mounted(Threads()), create)
    threads = set(threading.enumerate())
    requests = [Write(Url("memory", "", str(number)), b"") for number in range(50)]
    outcomes = routed.run(requests)
    assert isinstance(next(outcomes), Done)
    assert set(threading.enumerate()) <= threads
    assert len(list(outcomes)) == 49
    assert seen == [(50, threading.current_thread())]
    assert list(routed.run([])) == []


def test_several_stores_work_at_the_same_time(tmp_path):
    meeting = threading.Barrier(2)

    class Meeting(MemoryStore):
        def run(self, requests, /):
            meeting.wait(LONG)
            yield from super().run(requests)

    places = Places(tmp_path, m=Meeting(), n=Meeting())
    requests = [Write(places.url(place, "a"), b"") for place in "mn"]
    assert [value(outcome) for outcome in by_index(places.store.run(requests))] == [None, None]


def test_closing_leaves_nothing_running(places):
    for number in range(20):
        places.m.write(places.url("m", str(number)), b"")
        places.n.write(places.url("n", str(number)), b"")
    requests: list[Request[object]]
    requests = [Read(places.url(place, str(n))) for place in "mn" for n in range(20)]
    requests += [Copy(places.url("m", str(n)), places.url("n", f"copy/{n}")) for n in range(20)]
    requests += [Copy(places.url("m", str(n)), places.url("local", f"c/{n}")) for n in range(20)]
    before = set(threading.enumerate())
    for taken in (1, 5, 30, 79):
        outcomes = places.store.run(requests)
        for _ in range(taken):
            next(outcomes)
        close(outcomes)
        assert set(threading.enumerate()) <= before
        assert (places.m._inside, places.n._inside) == (0, 0)
        assert list(places.temporary.iterdir()) == []
        assert not [name for name in places.files() if ".tmp" in name]


# Copies.


@pytest.mark.parametrize("mode", [OVERWRITE, CREATE])
@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("source", PLACES)
def test_copies_have_the_bytes_from_anywhere_to_anywhere(places, source, target, mode):
    there, here = places.url(source, "some/where"), places.url(target, "else/where")
    data = os.urandom(100_000)
    places.store.write(there, data)
    places.store.copy(there, here, mode=mode)
    assert places.store.read(here) == data
    assert places.store.read(there) == data
    assert places.store.can(Copy, here)


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("source", PLACES)
def test_copies_keep_their_modes(places, source, target):
    there, here = places.url(source, "a"), places.url(target, "b")
    places.store.write(there, b"new")
    with pytest.raises(PreconditionFailedError):
        places.store.copy(there, here, mode=IfMatch("stale"))
    places.store.write(here, b"old")
    with pytest.raises(AlreadyExistsError):
        places.store.copy(there, here, mode=CREATE)
    with pytest.raises(PreconditionFailedError):
        places.store.copy(there, here, mode=IfMatch("stale"))
    assert places.store.read(here) == b"old"
    places.store.copy(there, here, mode=IfMatch(places.store.stat(here).etag))
    assert places.store.read(here) == b"new"
    places.store.write(there, b"newer")
    before = places.store.stat(here).etag
    places.store.copy(there, here)
    assert places.store.read(here) == b"newer"
    assert places.store.stat(here).etag != before


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("source", PLACES)
def test_a_missing_source_is_told_as_such_and_leaves_nothing(places, source, target):
    there, here = places.url(source, "missing"), places.url(target, "deep/er/b")
    with pytest.raises(NotFoundError) as caught:
        places.store.copy(there, here)
    assert (caught.value.url, caught.value.operation) == (there, "Copy")
    assert not places.store.exists(here)
    assert places.files() == []


ACTIONS = st.tuples(
    st.sampled_from([Stat, Read, Write, Download, Upload, Copy, Delete, Prepare]),
    st.sampled_from(["m", "n", "local", "unknown"]),
    st.sampled_from(["m", "n", "local", "unknown"]),
    st.booleans(),
    st.sampled_from([OVERWRITE, CREATE, IfMatch("stale")]),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.lists(ACTIONS, max_size=25), st.integers(), st.sampled_from([0.0, 0.3]))
def test_any_mix_gives_one_right_outcome_each(actions, seed, rate):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        faults = Faults(seed=seed, before=rate)
        stores = {"m": Faulty(MemoryStore(), faults), "n": Faulty(MemoryStore(), faults)}
        places = Places(directory, **stores)
        (directory / "file").write_bytes(b"of the user")
        for place in PLACES:
            store = stores[place].store if place in stores else LocalStore()
            store.write(places.url(place, "there"), place.encode())
        requests: list[Request[object]] = []
        for number, (verb, source, target, there, mode) in enumerate(actions):
            url = places.url(source, "there" if there else "missing")
            new = places.url(target, f"new/{number}")
            made: dict[Verb, Callable[[], Request[object]]] = {
                Stat: partial(Stat, url),
                Read: partial(Read, url),
                Write: partial(Write, new, b"written", mode),
                Download: partial(Download, url, directory / str(number)),
                Upload: partial(Upload, directory / "file", new, mode),
                Copy: partial(Copy, url, new, mode),
                Delete: partial(Delete, new),
                Prepare: partial(Prepare, url, new),
            }
            requests.append(made[verb]())
        outcomes = by_index(places.store.run(requests))
        assert len(outcomes) == len(requests)
        for action, request, outcome in zip(actions, requests, outcomes, strict=True):
            check(places, stores, action, request, outcome)
        assert list(places.temporary.iterdir()) == []
        assert sum(".tmp" in name for name in places.files()) == sum(
            isinstance(outcome, Done) and type(request) is Prepare and request.url.is_local
            for request, outcome in zip(requests, outcomes, strict=True)
        )


def check(places, stores, action, request, outcome):
    _, source, target, there, mode = action
    reads = isinstance(request, Stat | Read | Download | Copy | Prepare)
    makes = isinstance(request, Write | Upload | Copy)
    touched = {source} if reads else set()
    touched |= {target} if makes or isinstance(request, Delete | Prepare) else set()
    if "unknown" in touched:
        assert isinstance(error(outcome), UnsupportedSchemeError)
    elif isinstance(outcome, Failed) and isinstance(outcome.error, TransientError):
        assert outcome.error.operation == request.operation
        assert outcome.error.url in (request.url, getattr(request, "source", None))
    elif reads and not there:
        failure = error(outcome)
        if makes and isinstance(mode, IfMatch) and isinstance(failure, PreconditionFailedError):
            assert source == target
        else:
            assert isinstance(failure, NotFoundError)
            assert failure.url == getattr(request, "source", request.url)
        assert failure.operation == request.operation
    elif makes and isinstance(mode, IfMatch):
        assert isinstance(error(outcome), PreconditionFailedError)
    else:
        assert isinstance(outcome, Done)
        data = source.encode()
        if isinstance(request, Read):
            assert outcome.value == data
        elif isinstance(request, Download):
            assert request.path.read_bytes() == data
        elif isinstance(request, Prepare):
            assert isinstance(outcome.value, Prepared)
        elif makes:
            store = stores[target].store if target in stores else LocalStore()
            expected = {Write: b"written", Upload: b"of the user", Copy: data}[type(request)]
            assert store.read(request.url) == expected


def test_copies_go_in_batches_with_a_bound_on_the_disk(tmp_path):
    most = []

    class Target(Watched):
        def run(self, requests, /):
            if isinstance(requests[0], Upload):
                most.append(len(list(requests[0].path.parent.iterdir())))
            return super().run(requests)

    places = Places(tmp_path, n=Target())
    number = 74
    for n in range(number):
        places.m.write(places.url("m", str(n)), b"%d" % n)
    places.m.batches.clear()
    copies = [Copy(places.url("m", str(n)), places.url("n", f"to/{n}")) for n in range(number)]
    outcomes = by_index(places.store.run(copies))
    assert [value(outcome) for outcome in outcomes] == [None] * number
    assert [len(batch) for batch in places.m.batches] == [64, 10]
    assert [len(batch) for batch in places.n.batches] == [64, 10]
    assert most == [64, 10]
    assert places.store.read(places.url("n", "to/70")) == b"70"


def test_what_is_uploaded_leaves_the_disk_at_once(places):
    for n in range(3):
        places.m.write(places.url("m", str(n)), b"")
    copies = [Copy(places.url("m", str(n)), places.url("n", f"to/{n}")) for n in range(3)]
    outcomes = places.store.run(copies)
    left = [len([f for f in places.temporary.rglob("*") if f.is_file()]) for _ in outcomes]
    assert left == [2, 1, 0]


# Copies to local files.


def test_downloads_to_a_place_are_one_batch_and_keep_nothing_half(tmp_path):
    class Half(Watched):
        """Writes half of what is at `bad` and fails."""

        def _download(self, url, path):
            assert path.parent.is_dir()
            if url.key == "bad":
                path.write_bytes(b"ha")
                raise TransientError("reset")
            return super()._download(url, path)

    places = Places(tmp_path, m=Half())
    places.m.write(places.url("m", "good"), b"good")
    places.m.batches.clear()
    for name in ("both/old", "bad/old"):
        places.store.write(places.url("local", name), b"old")
    copies = [
        Copy(places.url("m", source), places.url("local", target))
        for source, target in [
            ("good", "both/a"),
            ("bad", "both/b"),
            ("bad", "bad/old"),
            ("bad", "bad/new/b"),
            ("good", "both/old"),
            ("good", "deep/er/a"),
        ]
    ]
    outcomes = by_index(places.store.run(copies))
    assert [type(outcome) for outcome in outcomes] == [Done, Failed, Failed, Failed, Done, Done]
    assert error(outcomes[1]).url == copies[1].source or error(outcomes[1]).url == copies[1].url
    assert len(places.m.batches) == 1
    assert places.files() == [
        "bad", "bad/old", "both", "both/a", "both/old", "deep", "deep/er", "deep/er/a",
    ]  # fmt: skip
    assert places.store.read(places.url("local", "bad/old")) == b"old"
    assert places.store.read(places.url("local", "both/old")) == b"good"


def test_what_is_placed_has_a_stamp_finer_than_the_systems(places, monkeypatch):
    places.m.write(places.url("m", "a"), b"")
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_456_789)
    places.store.copy(places.url("m", "a"), places.url("local", "a"))
    stamp = Path(places.url("local", "a").path).stat().st_mtime_ns
    assert stamp == 1_700_000_000_123_456_789


def test_what_is_replaced_is_replaced_as_a_whole(places):
    target = places.url("local", "a")
    etags = set()
    for number in range(30):
        places.m.write(places.url("m", "a"), b"%02d" % number)
        places.store.copy(places.url("m", "a"), target)
        etags.add(places.store.stat(target).etag)
    assert len(etags) == 30
    before = places.url("local", "another name of it")
    os.link(target.path, before.path)
    places.m.write(places.url("m", "a"), b"new")
    places.store.copy(places.url("m", "a"), target)
    assert (places.store.read(target), places.store.read(before)) == (b"new", b"29")


def test_a_place_that_cannot_be_is_told_and_the_others_are_filled(places):
    places.m.write(places.url("m", "a"), b"a")
    places.store.write(places.url("local", "file"), b"")
    places.store.write(places.url("local", "directory/file"), b"")
    names = ["file/b", "directory", "x" * 300, "x" * 300 + "/b", "good", "file/c/d"]
    names.append(temporary_name())
    copies = [Copy(places.url("m", "a"), places.url("local", name)) for name in names]
    outcomes = by_index(places.store.run(copies))
    kinds = [type(o.error) if isinstance(o, Failed) else Done for o in outcomes]
    assert kinds == [
        NotFoundError,
        UnsupportedError,
        InvalidUrlError,
        InvalidUrlError,
        Done,
        NotFoundError,
        InvalidUrlError,
    ]
    assert places.files() == ["directory", "directory/file", "file", "good"]


def test_who_fails_does_not_take_the_directory_from_who_is_at_work(tmp_path):
    at_work, failed = threading.Event(), threading.Event()

    class Slow(MemoryStore):
        def _download(self, url, path):
            at_work.set()
            assert failed.wait(LONG)
            return super()._download(url, path)

    places = Places(tmp_path, m=Slow())
    places.m.write(places.url("m", "a"), b"a")
    copying = threading.Thread(
        target=places.store.copy, args=[places.url("m", "a"), places.url("local", "new/a")]
    )

    class Beside(MemoryStore):
        def _download(self, url, path):
            copying.start()
            assert at_work.wait(LONG)
            return super()._download(url, path)

    another = Routed({Url("n", "", ""): Beside()}, create)
    with pytest.raises(NotFoundError):
        another.copy(places.url("n", "missing"), places.url("local", "new/b"))
    failed.set()
    copying.join(LONG)
    assert places.files() == ["new", "new/a"]


# Preparations.


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("source", PLACES)
def test_preparations_work_from_anywhere_to_anywhere(places, source, target):
    there, here = places.url(source, "a"), places.url(target, "into/b")
    places.store.write(there, b"data")
    first, second = by_index(places.store.run([Prepare(there, here), Prepare(there, here)]))
    assert not places.store.exists(here)
    places.store.delete(there)
    assert value(first).url == here
    places.store.do(Abort(value(first)))
    places.store.do(Complete(value(second)))
    assert places.store.read(here) == b"data"
    with pytest.raises(NotFoundError) as caught:
        places.store.do(Prepare(there, here))
    assert (caught.value.url, caught.value.operation) == (there, "Prepare")


# Stores that cannot do everything.


class ReadOnly(PerObjectStore):
    def __init__(self, inside):
        self.inside = inside

    def _stat(self, url):
        return self.inside.stat(url)

    def _read(self, url, span):
        return self.inside.read(url, span=span)

    def list(self, prefix, /, *, recursive=True):
        return self.inside.list(prefix, recursive=recursive)


class WithoutCopy(MemoryStore):
    verbs = MemoryStore.verbs - {Copy}


def test_what_a_store_cannot_do_is_refused_and_known_before(tmp_path):
    inside = MemoryStore()
    places = Places(tmp_path, m=ReadOnly(inside))
    url = places.url("m", "a")
    inside.write(url, b"a")
    places.n.write(places.url("n", "a"), b"a")
    refused = [
        Write(url, b""),
        Delete(url),
        Copy(url, places.url("m", "b")),
        Copy(places.url("n", "a"), url),
        Copy(places.url("local", "a"), url),
        Prepare(places.url("n", "a"), url),
        Prepare(url, url),
    ]
    places.n.batches.clear()
    for request, outcome in zip(refused, by_index(places.store.run(refused)), strict=True):
        assert isinstance(error(outcome), UnsupportedError)
        assert (error(outcome).url, error(outcome).operation) == (url, request.operation) or (
            error(outcome).url == request.url
        )
        assert not places.store.can(type(request), request.url)
    assert places.n.batches == []
    places.store.copy(url, places.url("n", "b"))
    assert places.store.read(places.url("n", "b")) == b"a"


def test_a_store_that_cannot_copy_is_helped(tmp_path):
    places = Places(tmp_path, m=WithoutCopy())
    places.store.write(places.url("m", "a"), b"a")
    assert places.store.can(Copy, places.url("m", "b"))
    places.store.copy(places.url("m", "a"), places.url("m", "b"))
    assert places.store.read(places.url("m", "b")) == b"a"


def test_an_error_about_the_file_on_its_way_is_one_about_the_target(tmp_path):
    class Full(MemoryStore):
        def _download(self, url, path):
            raise NoSpaceError("no space", url=Url.local(path))

    class Unreadable(MemoryStore):
        def _upload(self, path, url, mode):
            raise StoreError("unreadable", url=Url.local(path))

    places = Places(tmp_path, m=Full(), n=Unreadable())
    places.store.write(places.url("local", "a"), b"")
    places.store.write(places.url("n", "a"), b"")
    third = Routed({Url("o", "", ""): Unreadable(), **places.store.mounts}, create)
    for source, target in [
        (places.url("m", "a"), places.url("local", "b")),
        (places.url("m", "a"), places.url("n", "b")),
        (places.url("n", "a"), Url("o", "bucket", "b")),
    ]:
        (outcome,) = third.run([Copy(source, target)])
        assert (error(outcome).url, error(outcome).operation) == (target, "Copy")


def test_without_scratch_all_works_that_needs_none(places):
    places.temporary.rmdir()
    m, n, local = (places.url(place, "a") for place in PLACES)
    places.store.write(m, b"data")
    for source, target in [(m, local), (local, n), (m, places.url("m", "b"))]:
        places.store.copy(source, target)
        assert places.store.read(target) == b"data"
    for source, target in [(m, m), (local, m), (local, local)]:
        places.store.do(Complete(places.store.do(Prepare(source, target))))
    places.temporary.mkdir()


def test_no_scratch_is_the_failure_of_what_needs_it(places):
    store = places.store
    places.temporary.rmdir()
    places.m.write(places.url("m", "a"), b"a")
    places.m.write(places.url("m", "b"), b"a")
    copies = [
        Copy(places.url("m", "a"), places.url("n", "a")),
        Copy(places.url("m", "a"), places.url("m", "c")),
        Copy(places.url("m", "b"), places.url("n", "b")),
    ]
    first, second, third = by_index(store.run(copies))
    assert isinstance(error(first), StoreError)
    assert isinstance(second, Done)
    assert error(first) is not error(third)
    places.temporary.mkdir()


# Other processes.


def make_local(scheme):
    return Counted()


class Counted(LocalStore):
    made = 0

    def __init__(self):
        Counted.made += 1


def test_it_pickles_with_its_mounts_and_makes_the_others_anew(tmp_path):
    url = Url.local(tmp_path / "in" / "a")
    routed = Routed({Url.local(tmp_path / "in"): LocalStore()}, make_local)
    routed.write(url, b"a")
    assert not routed.exists(Url.local(tmp_path / "b"))
    made = Counted.made
    again = pickle.loads(pickle.dumps(routed))
    assert Counted.made == made
    assert again.read(url) == b"a"
    again.copy(url, Url.local(tmp_path / "out" / "b"))
    assert Counted.made == made + 1
    with pytest.raises(TypeError, match="MemoryStore"):
        pickle.dumps(Routed(mounted(MemoryStore()), create))


def test_a_forked_child_makes_its_own_even_while_the_lock_is_held(tmp_path):
    url = Url.local(tmp_path / "a")
    routed = Routed({}, make_local)
    routed.write(url, b"a")
    made = Counted.made
    with routed._made()._lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert in_forked_child(lambda: (routed.read(url), Counted.made)) == (b"a", made + 1)


def test_a_child_that_is_forked_in_the_middle_takes_nothing_away(places):
    for n in range(3):
        places.m.write(places.url("m", str(n)), b"%d" % n)
    copies = [Copy(places.url("m", str(n)), places.url("n", f"to/{n}")) for n in range(3)]
    copies += [Copy(places.url("m", str(n)), places.url("local", f"to-{n}/a")) for n in range(3)]
    for batch in (copies[:3], copies[3:]):
        outcomes = places.store.run(batch)
        first = next(outcomes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            in_forked_child(partial(close, outcomes))
        assert {first.index, *(o.index for o in outcomes if isinstance(o, Done))} == {0, 1, 2}


# The rest of a store.


def test_it_closes_and_tells_of_all_its_stores(tmp_path):
    class Odd(Watched):
        deviations = MappingProxyType({7: "the last one wins"})

    class Odder(Watched):
        deviations = MappingProxyType({7: "nobody wins", 8: "etags are ignored"})

    made = Odder()
    mounts = {Url("m", "", ""): Odd(), Url("n", "", ""): Odd()}
    routed = Routed(mounts, lambda scheme: made)
    assert routed.deviations == {7: "the last one wins"}
    routed.exists(Url("x", "", "a"))
    assert routed.deviations == {
        7: "the last one wins; nobody wins",
        8: "etags are ignored",
    }
    with routed:
        pass
    assert [store.closed for store in (*mounts.values(), made)] == [1, 1, 1]
    assert routed.verbs >= MemoryStore.verbs
