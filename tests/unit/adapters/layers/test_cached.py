"""What was read once comes from the disk: whole, of this version, and within its bounds."""

import errno
import functools
import logging
import multiprocessing
import os
import pickle
import random
import resource
import signal
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.killing import killed_at
from tests.noted import Noted
from tests.unit.adapters.layers.fakes import Watched, in_forked_child, key

from file_dataset.adapters.layers import _sealed
from file_dataset.adapters.layers._layer import Layer
from file_dataset.adapters.layers.cached import Cached, Entries
from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.scratch import sweep
from file_dataset.domain.errors import (
    IntegrityError,
    NotFoundError,
    RangeNotSatisfiableError,
    StoreError,
)
from file_dataset.domain.objects import ObjectInfo, Span
from file_dataset.domain.outcomes import Done
from file_dataset.domain.requests import Complete, Download, Prepare, Read, Stat
from file_dataset.domain.url import Url

LIMIT = 1 << 20
URL = key("a")


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def inside():
    store = Watched()
    store.write(URL, b"data")
    store.batches.clear()
    return store


@pytest.fixture
def store(inside, directory):
    return Cached(inside, Entries(directory, LIMIT))


def asked(store):
    """The verbs that a store was asked for since this was called last."""
    verbs = [request.operation for batch in store.batches for request in batch]
    store.batches.clear()
    return verbs


def files(directory):
    """What is kept, by a back door: each entry and what is on its way in."""
    below = directory / "file_dataset-cache-1"
    return [path for path in below.rglob("*") if path.is_file() and path.name != "total"]


def kept_bytes(directory):
    return sum(path.stat().st_size for path in files(directory))


def noted(directory):
    return int((directory / "file_dataset-cache-1/total").read_bytes())


# How often the store is asked.


def test_what_is_read_again_costs_a_look_and_no_body(store, inside, tmp_path):
    assert store.read(URL) == b"data"
    assert asked(inside) == ["Download"]
    assert store.read(URL) == b"data"
    assert store.read(URL, span=Span(1, 2)) == b"at"
    assert store.read(URL, span=Span(3, 10)) == b"a"
    info = store.download(URL, tmp_path / "copy")
    assert asked(inside) == ["Stat"] * 4
    assert info == inside.stat(URL)
    assert (tmp_path / "copy").read_bytes() == b"data"


def test_what_is_downloaded_is_kept_and_brought_once(store, inside, tmp_path):
    store.download(URL, tmp_path / "one")
    assert asked(inside) == ["Download"]
    (tmp_path / "one").write_bytes(b"changed by its owner")
    assert store.read(URL) == b"data"
    assert asked(inside) == ["Stat"]


def test_a_batch_is_looked_at_together_and_each_object_once(store, inside):
    urls = [key(str(number)) for number in range(5)]
    for url in urls:
        inside.write(url, url.key.encode())
    list(store.run([Read(url) for url in urls[:3]]))
    inside.batches.clear()
    requests = [*map(Read, urls), *map(Read, urls), Read(urls[0], Span(0, 1))]
    values = {o.index: o.value for o in store.run(requests) if isinstance(o, Done)}
    assert [values[n] for n in range(11)] == [b"0", b"1", b"2", b"3", b"4"] * 2 + [b"0"]
    looks, reads = inside.batches
    assert looks == [Stat(url) for url in urls[:3]]
    assert sorted(each.url.key for each in reads) == ["3", "3", "4", "4"]


def test_a_span_of_what_is_not_here_is_read_alone_and_not_kept(store, inside, directory):
    assert store.read(URL, span=Span(1, 2)) == b"at"
    assert asked(inside) == ["Read"]
    assert files(directory) == []


def test_what_the_store_says_of_spans_past_the_end_is_said_here_too(store):
    store.read(URL)
    with pytest.raises(RangeNotSatisfiableError):
        store.read(URL, span=Span(4, 1))


def test_a_changed_object_is_seen(store, inside, directory):
    store.read(URL)
    inside.write(URL, b"new!")
    asked(inside)
    assert store.read(URL) == b"new!"
    assert asked(inside) == ["Stat", "Download"]
    assert store.read(URL) == b"new!"
    assert asked(inside) == ["Stat"]
    assert noted(directory) == kept_bytes(directory)
    store.delete(URL)
    assert noted(directory) == 0


def test_what_was_deleted_is_not_found(store, inside, tmp_path):
    store.read(URL)
    inside.delete(URL)
    for request in (Read(URL), Download(URL, tmp_path / "x"), Read(URL, Span(0, 1)), Stat(URL)):
        with pytest.raises(NotFoundError) as caught:
            store.do(request)
        assert caught.value.url == URL
    with pytest.raises(NotFoundError) as caught:
        store.read(URL)
    assert caught.value.operation == "Read"


WRITERS = {
    "write": lambda store, path: store.write(URL, b"new"),
    "upload": lambda store, path: store.upload(path, URL),
    "copy": lambda store, path: store.copy(key("b"), URL),
    "delete": lambda store, path: store.delete(URL),
    "complete": lambda store, path: store.do(
        Complete(store.do(Prepare(Url.local(path), URL, None)))
    ),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_what_is_written_here_is_dropped(store, inside, directory, tmp_path, write):
    inside.write(key("b"), b"other")
    (tmp_path / "file").write_bytes(b"of a file")
    store.read(URL)
    assert len(files(directory)) == 1
    write(store, tmp_path / "file")
    assert files(directory) == []
    asked(inside)
    if inside.exists(URL):
        assert store.read(URL) == inside.read(URL)


# A store that tells no etags, or lies about sizes.


@attrs.frozen(eq=False)
class Saying(Layer):
    """Tells other etags or sizes of what it downloads."""

    changes: dict

    def run(self, requests, /):
        for outcome in self.store.run(requests):
            if isinstance(outcome, Done) and isinstance(outcome.value, ObjectInfo):
                value = attrs.evolve(outcome.value, **self.changes)
                yield Done(outcome.index, value)
            else:
                yield outcome


@pytest.mark.parametrize("changes", [{"etag": None}, {"size": 5}], ids=str)
def test_what_cannot_be_told_apart_or_is_not_whole_is_not_kept(
    inside, directory, tmp_path, changes
):
    store = Cached(Saying(inside, changes), Entries(directory, LIMIT))
    assert store.read(URL) == b"data"
    store.download(URL, tmp_path / "copy")
    assert files(directory) == []


def test_an_entry_of_another_size_is_of_another_object(store, inside, directory):
    store.read(URL)
    asked(inside)
    lying = Cached(Saying(inside, {"size": 5}), Entries(directory, LIMIT))
    assert lying.read(URL) == b"data"
    assert asked(inside) == ["Stat", "Download"]


def test_one_url_at_several_servers_is_several_objects(directory):
    for number in (1, 2):
        inside = MemoryStore()
        inside.write(URL, b"data%d" % number)
        same = Saying(inside, {"etag": "same"})
        store = Cached(same, Entries(directory, LIMIT, f"server {number}"))
        assert store.read(URL) == store.read(URL) == b"data%d" % number
    assert len(files(directory)) == 2


# Damage.


@given(st.data())
def test_no_part_is_given_that_is_not_what_was_sealed(tmp_path_factory, data):
    block = _sealed.BLOCK
    size = data.draw(st.sampled_from([0, 1, 100, block - 1, block, block + 1, 2 * block + 7]))
    content = random.Random(size).randbytes(size)
    path = tmp_path_factory.mktemp("sealed") / "file"
    path.write_bytes(content)
    assert _sealed.seal(path, b"n" * 32) == content
    whole = path.read_bytes()
    damage = data.draw(st.sampled_from(["flip", "cut", "grow", "none"]))
    at = data.draw(st.integers(0, len(whole) - 1))
    if damage == "flip":
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    elif damage == "cut":
        path.write_bytes(whole[:at])
    elif damage == "grow":
        path.write_bytes(whole + b"x")
    start = data.draw(st.integers(0, max(0, size - 1)))
    stop = data.draw(st.integers(start, size))
    copy = path.with_name("copy")
    with path.open("rb") as file:
        try:
            sealed = _sealed.Sealed.of(file.fileno(), b"n" * 32)
            assert sealed is not None
            part = sealed.read(start, stop)
            assert part == content[start:stop]
            sealed.copy_to(copy)
        except IntegrityError:
            assert damage != "none"
        else:
            assert damage == "none"
            assert copy.read_bytes() == content
    path.unlink()
    copy.unlink(missing_ok=True)


def test_a_file_is_sealed_as_its_copy_is(tmp_path):
    (tmp_path / "a").write_bytes(random.Random(1).randbytes(3 * _sealed.BLOCK + 5))
    assert _sealed.sealed_copy(tmp_path / "a", tmp_path / "b", b"n" * 32) == 3 * _sealed.BLOCK + 5
    _sealed.seal(tmp_path / "a", b"n" * 32)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("at", [0, -1, -20], ids=["content", "seal", "name"])
def test_bit_rot_is_read_anew(store, directory, tmp_path, caplog, at):
    inside = store.store
    for way in (lambda: store.read(URL), lambda: store.download(URL, tmp_path / "copy")):
        store.read(URL)
        (entry,) = files(directory)
        rotten = bytearray(entry.read_bytes())
        rotten[at] ^= 1
        entry.write_bytes(rotten)
        asked(inside)
        way()
        assert asked(inside) == ["Stat", "Download"]
        assert store.read(URL) == b"data"
        assert asked(inside) == ["Stat"]
    assert (tmp_path / "copy").read_bytes() == b"data"
    assert "memory:///a is read anew" in caplog.text
    (entry,) = files(directory)
    entry.write_bytes(b"rotten")
    assert store.read(URL, span=Span(0, 2)) == b"da"
    assert files(directory) == []


def test_an_entry_that_is_a_link_is_not_followed(store, inside, directory, tmp_path):
    store.read(URL)
    (entry,) = files(directory)
    entry.rename(tmp_path / "elsewhere")
    entry.symlink_to(tmp_path / "elsewhere")
    asked(inside)
    assert store.read(URL) == b"data"
    assert asked(inside) == ["Stat", "Download"]
    assert not entry.is_symlink()


# Bounds.


@pytest.mark.parametrize("by", ["read", "download"])
def test_what_was_used_longest_ago_goes_first_and_the_limit_holds(directory, tmp_path, by):
    inside = Watched()
    store = Cached(inside, Entries(directory, 10_000))
    rng = random.Random(7)
    for number in range(40):
        inside.write(key(str(number)), rng.randbytes(rng.randrange(1500)))
    for number in [*range(40), *range(5)]:
        url = key(str(number))
        if by == "read":
            store.read(url)
        else:
            store.download(url, tmp_path / "file")
        store.read(key("0"))
        assert kept_bytes(directory) <= 10_000
    downloads = [r.url for batch in inside.batches for r in batch if isinstance(r, Download)]
    assert downloads.count(key("0")) == 1, "it was used all the time"
    assert noted(directory) == kept_bytes(directory)
    asked(inside)
    store.read(key("20"))
    assert asked(inside) == ["Download"]
    # A tenth more than needs to go makes room for the next ones.
    assert kept_bytes(directory) > 5_000


def test_what_is_larger_than_the_limit_is_given_and_not_kept(inside, directory, tmp_path):
    store = Cached(inside, Entries(directory, 10))
    assert store.read(URL) == b"data"
    store.download(URL, tmp_path / "copy")
    assert files(directory) == []


@pytest.mark.parametrize("said", [b"", b"rubbish", b"0", None])
def test_what_is_noted_about_the_total_may_be_lost(directory, said):
    inside = MemoryStore()
    store = Cached(inside, Entries(directory, 5000))
    for number in range(20):
        inside.write(key(str(number)), bytes(900))
        store.read(key(str(number)))
        total = directory / "file_dataset-cache-1/total"
        if said is None:
            total.unlink()
        elif said != b"0":
            total.write_bytes(said)
        assert kept_bytes(directory) <= 5000


# Where nothing can be kept.


def test_a_directory_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(StoreError, match="cannot be used as a cache"):
            Entries(path, LIMIT).prepare()


def test_where_it_cannot_be_it_goes_on_without(inside, tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    store = Cached(inside, Entries(tmp_path / "file", LIMIT))
    assert [store.read(URL), store.read(URL)] == [b"data", b"data"]
    store.download(URL, tmp_path / "copy")
    store.write(URL, b"new")
    assert asked(inside) == ["Read", "Read", "Download", "Write"]
    (record,) = caplog.records
    assert "nothing is added to the cache" in record.message
    assert record.levelno == logging.WARNING


def _with_files_of(size, work):
    """What work gives where files can be no larger, as on a disk that is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        return work()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def test_on_a_full_disk_it_goes_on_without(directory, tmp_path):
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"data")
    large.write_bytes(bytes(5000))
    inside = Noted(LocalStore())
    store = Cached(inside, Entries(directory, LIMIT))
    assert store.read(Url.local(small)) == b"data"

    def work():
        inside.requests.clear()
        given = [store.read(Url.local(path)) for path in (large, large, small)]
        return given, [request.operation for request in inside.requests]

    given, verbs = in_forked_child(functools.partial(_with_files_of, 4096, work))
    assert given == [bytes(5000), bytes(5000), b"data"]
    # The first tells that there is no room; what is there is still read from here.
    assert verbs == ["Download", "Read", "Read", "Stat"]
    assert len(files(directory)) == 1


def test_where_there_is_no_room_for_the_seal_the_bytes_are_given(directory, tmp_path):
    (tmp_path / "large").write_bytes(bytes(4090))
    store = Cached(LocalStore(), Entries(directory, LIMIT))
    work = functools.partial(store.read, Url.local(tmp_path / "large"))
    assert in_forked_child(functools.partial(_with_files_of, 4096, work)) == bytes(4090)
    assert files(directory) == []


def test_a_store_that_is_local_has_its_own_errors(directory, tmp_path):
    store = Cached(LocalStore(), Entries(directory, LIMIT))
    with pytest.raises(NotFoundError):
        store.read(Url.local(tmp_path / "missing"))


def test_a_path_where_nothing_can_be_is_told_as_without_a_cache(store, inside, tmp_path):
    store.read(URL)
    with pytest.raises(StoreError) as caught:
        store.download(URL, tmp_path / "missing/copy")
    with pytest.raises(StoreError) as without:
        inside.download(URL, tmp_path / "missing/copy")
    assert str(caught.value) == str(without.value)


# Processes.


def _local(tmp_path, size=2000):
    source = tmp_path / "source"
    source.write_bytes(random.Random(1).randbytes(size))
    return Url.local(source), Cached(LocalStore(), Entries(tmp_path / "cache", 10_000))


@pytest.mark.parametrize("by", ["read", "download"])
def test_whenever_it_is_killed_nothing_half_filled_is_seen(tmp_path, by):
    url, store = _local(tmp_path)
    data = Path(url.path).read_bytes()
    other = tmp_path / "other"
    other.write_bytes(b"x" * 7000)

    def work():
        store.read(Url.local(other))
        if by == "read":
            store.read(url)
        else:
            store.download(url, tmp_path / f"copy-{os.getpid()}")

    number = 0
    while killed_at(number, work):
        number += 1
        left = [path for path in files(tmp_path / "cache") if path.suffix != ".tmp"]
        whole = [path for path in left if len(path.parent.name) == 2]
        for path in whole:
            content = path.read_bytes()
            assert content.startswith((data, b"x" * 7000))
        assert sum(path.stat().st_size for path in whole) <= 10_000
        assert store.read(url) == data
        assert store.read(Url.local(other)) == b"x" * 7000
        store.write(url, data)
        sweep(tmp_path / "cache/file_dataset-cache-1", age=0)
        assert kept_bytes(tmp_path / "cache") <= 10_000
    assert number > 20


def _read_all(store, urls, seed):
    rng = random.Random(seed)
    seen: dict[str, set[bytes]] = {}
    for _ in range(4):
        rng.shuffle(urls)
        for outcome in store.run([Read(url) for url in urls]):
            assert isinstance(outcome, Done), outcome
            seen.setdefault(str(urls[outcome.index]), set()).add(outcome.value)
    return seen


def test_processes_that_race_for_the_same_objects_share_one_cache(tmp_path):
    urls = []
    for number in range(30):
        path = tmp_path / str(number)
        path.write_bytes(random.Random(number).randbytes(1000))
        urls.append(Url.local(path))
    store = Cached(LocalStore(), Entries(tmp_path / "cache", 20_000))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.starmap(_read_all, [(store, urls, seed) for seed in range(4)])
    for seen in found:
        assert seen == {str(url): {Path(url.path).read_bytes()} for url in urls}
    entries = files(tmp_path / "cache")
    assert 10 <= len(entries) <= 19
    assert kept_bytes(tmp_path / "cache") <= 20_000
    assert noted(tmp_path / "cache") == kept_bytes(tmp_path / "cache")


def test_it_travels_and_forks(tmp_path):
    url, store = _local(tmp_path)
    data = store.read(url)
    assert in_forked_child(lambda: (store.read(url), store.read(Url.local(__file__)))) == (
        data,
        Path(__file__).read_bytes(),
    )
    assert pickle.loads(pickle.dumps(store)).read(url) == data


def test_only_its_user_may_look_into_it(store, directory):
    store.read(URL)
    assert (directory / "file_dataset-cache-1").stat().st_mode & 0o077 == 0


def test_what_is_on_its_way_in_is_gone_in_the_end(store, directory):
    store.read(URL)
    root = directory / "file_dataset-cache-1"
    assert sorted(len(path.name) for path in root.iterdir()) == [2, 5]


def test_errno_of_locks_is_no_error(store, inside, directory, monkeypatch):
    """As on network file systems without locks."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    assert [store.read(URL), store.read(URL)] == [b"data", b"data"]
