"""What the members of archives cost in requests, and what becomes of archives that change."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import attrs
import pytest
from tests.archives import tar_of, tar_with, zip_of
from tests.noted import Noted

from file_dataset.adapters.archive import ArchiveStore, known
from file_dataset.adapters.layers._layer import Layer
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.errors import (
    IntegrityError,
    InvalidUrlError,
    NotFoundError,
    RangeNotSatisfiableError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.objects import Span
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import Delete, Download, Read, Request, Stat
from file_dataset.domain.shard_index import ShardIndex, index_of
from file_dataset.domain.tar_archives import scan
from file_dataset.domain.url import Url

T = TypeVar("T")

SHARD = Url.parse("memory://bucket/shard.tar")


@pytest.fixture
def inner():
    return Noted(MemoryStore())


@pytest.fixture
def store(inner):
    return ArchiveStore(inner)


def member(name: str, archive: Url = SHARD, scheme: str = "tar") -> Url:
    return Url(scheme, str(archive), name)


def indexed(raw: bytes) -> bytes:
    """The index of a tar archive, by what its headers say."""
    index = ShardIndex(archive_size=len(raw))
    for name, found in scan(lambda start, n: raw[start : start + n], len(raw)).members.items():
        start = found.start + found.skip
        index.add(name, start, found.size, zlib.crc32(raw[start : start + found.size]))
    return index.to_json()


def put(inner: Noted, raw: bytes, *, archive: Url = SHARD, index: bytes | None = None) -> None:
    inner.store.write(archive, raw)
    if index is not None:
        inner.store.write(index_of(archive), index)


def lengths(requests: Sequence[Request[Any]], archive: Url) -> list[int]:
    """How much each request reads of an archive."""
    spans = [r.span for r in requests if isinstance(r, Read) and r.url == archive]
    return [span.length or 0 for span in spans if span]


def values(store: ArchiveStore, requests: Sequence[Request[T]]) -> list[Any]:
    """Each request's value or error, in order."""
    found: list[Any] = [None] * len(requests)
    for outcome in store.run(requests):
        found[outcome.index] = outcome.value if isinstance(outcome, Done) else outcome.error
    return found


FILES = {f"{number}.bin": random.Random(number).randbytes(4096) for number in range(10_000)}


@pytest.mark.parametrize("has_index", [True, False])
def test_ten_thousand_members_take_at_most_one_request_for_fifty(inner, store, has_index):
    raw = tar_of(FILES)
    put(inner, raw, index=indexed(raw) if has_index else None)
    names = list(FILES)
    random.Random(1).shuffle(names)
    assert values(store, [Read(member(name)) for name in names]) == [FILES[n] for n in names]
    first = inner.taken()
    assert len(first) <= 10_000 / 50
    assert len(first) <= 3 + len(raw) / 1_000_000 + (0 if has_index else 20)
    # Once it is open, nothing but bytes is read.
    values(store, [Read(member(name)) for name in names])
    again = inner.taken()
    assert len(again) <= 1 + len(raw) / 1_000_000
    assert {request.url for request in again} == {SHARD}


def test_members_far_apart_are_read_apart_and_neighbours_together(inner, store):
    raw = tar_of({"a": b"1", "b": b"2", "between": bytes(600_000), "c": b"3"})
    put(inner, raw, index=indexed(raw))
    assert values(store, [Read(member(name)) for name in "abc"]) == [b"1", b"2", b"3"]
    assert sorted(lengths(inner.taken(), SHARD)) == [513, 1537]


def test_a_small_archive_without_an_index_is_read_once_and_no_part_of_it_again(inner, store):
    put(inner, tar_of({"a": b"1" * 1000, "b": b"2" * 1000}))
    values(store, [Read(member("a")), Read(member("b")), Stat(member("a"))])
    assert [type(request).__name__ for request in inner.taken()] == ["Stat", "Read", "Read"]


def test_many_archives_are_opened_together(inner, store):
    archives = [Url.parse(f"memory://bucket/{number}.tar") for number in range(100)]
    batches: list[int] = []
    for number, archive in enumerate(archives):
        put(inner, tar_of({"a.bin": b"%d" % number}), archive=archive)
    store = ArchiveStore(_Counting(inner, batches))
    found = values(store, [Read(member("a.bin", archive)) for archive in archives])
    assert found == [b"%d" % number for number in range(100)]
    assert len(batches) == 4


@attrs.frozen(eq=False)
class _Counting(Layer):
    batches: list[int]

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        self.batches.append(len(requests))
        return self.store.run(requests)


def test_a_large_archive_without_an_index_is_read_in_large_parts_and_past_large_members(
    inner, store
):
    put(inner, tar_of({f"{n}": bytes(4096) for n in range(5000)}), archive=SHARD)
    values(store, [Stat(member("4999"))])
    assert len(lengths(inner.taken(), SHARD)) <= 10
    sparse = Url.parse("memory://bucket/sparse.tar")
    put(inner, tar_of({f"{n}": bytes(5 << 20) for n in range(4)}), archive=sparse)
    values(store, [Stat(member("3", sparse))])
    assert sum(lengths(inner.taken(), sparse)) < 3 << 20


def test_only_what_is_asked_for_of_a_member_is_read(inner, store):
    raw = tar_of({"large": bytes(range(256)) * 40_000})
    put(inner, raw, index=indexed(raw))
    assert store.read(member("large"), span=Span(257, 3)) == b"\1\2\3"
    assert inner.taken()[-1] == Read(SHARD, Span(512 + 257, 3))
    with pytest.raises(RangeNotSatisfiableError, match="10240000"):
        store.read(member("large"), span=Span(10_240_000, 1))


@pytest.mark.parametrize("has_index", [True, False])
def test_a_large_member_is_downloaded_in_parts(inner, store, tmp_path, has_index):
    data = random.Random(1).randbytes(20 << 20)
    raw = tar_of({"large": data, "z": b"1"})
    put(inner, raw, index=indexed(raw) if has_index else None)
    store.download(member("large"), tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == data
    assert max(lengths(inner.taken(), SHARD)) <= 8 << 20
    broken = bytearray(raw)
    broken[15 << 20] ^= 1
    inner.store.write(SHARD, bytes(broken))
    if has_index:
        with pytest.raises(IntegrityError, match="not those that were packed"):
            store.download(member("large"), tmp_path / "broken")
        assert not (tmp_path / "broken").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["large"]


def test_a_flipped_bit_is_told_where_there_is_an_index(inner, store):
    raw = tar_of({"a": b"1" * 100, "b": b"2" * 100})
    broken = bytearray(raw)
    broken[520] ^= 4
    put(inner, bytes(broken), index=indexed(raw))
    bad, good = values(store, [Read(member("a")), Read(member("b"))])
    assert good == b"2" * 100
    assert isinstance(bad, IntegrityError)
    assert "CRC-32" in str(bad)
    assert bad.url == member("a")
    assert bad.operation == "Read"


@pytest.mark.parametrize("has_index", [True, False])
@pytest.mark.parametrize(
    "new",
    [
        {"b": b"3" * 700, "a": b"4" * 10, "c": b"5"},
        {"a": b"6" * 600, "b": b"7" * 5},
        {"b": b"8" * 5},
    ],
)
def test_a_later_read_sees_an_archive_that_was_replaced(inner, store, has_index, new, tmp_path):
    for number, files in enumerate(({"a": b"1" * 600, "b": b"2" * 5}, new)):
        raw = tar_of(files)
        put(inner, raw, index=indexed(raw) if has_index else None)
        for name in ("a", "b", "c"):
            path = tmp_path / f"{number}{name}"
            asked: list[Request[Any]] = [
                Read(member(name)),
                Read(member(name), Span(2)),
                Stat(member(name)),
                Download(member(name), path),
            ]
            whole, rest, info, down = values(store, asked)
            if name not in files:
                assert {type(each) for each in (whole, rest, info, down)} == {NotFoundError}
            else:
                assert whole == files[name]
                assert info.size == len(files[name])
                assert path.read_bytes() == files[name]
                if len(files[name]) > 2:
                    assert rest == files[name][2:]
        listed = [info.url.key for info in store.list(Url("tar", str(SHARD), ""))]
        assert listed == sorted(files)


def test_what_is_not_there_is_told_of_each(inner, store):
    put(inner, tar_of({"a": b"1"}))
    nowhere = Url.parse("memory://bucket/nowhere.tar")
    found = values(store, [Read(member("b")), Read(member("a", nowhere)), Stat(member("a"))])
    assert [type(each) for each in found[:2]] == [NotFoundError, NotFoundError]
    assert "tar://b::memory://bucket/shard.tar: not found in the archive" in str(found[0])
    assert "tar://a::memory://bucket/nowhere.tar: memory://bucket/nowhere.tar: not found" in str(
        found[1]
    )
    assert found[2].size == 1
    assert list(store.list(Url("tar", str(nowhere), ""))) == []


def test_what_keeps_a_member_from_being_read_is_told_of_it_alone(inner, store, caplog):
    raw = tar_with(
        ("good", b"1", {}),
        ("link", b"", {"type": b"2", "linkname": "/etc/passwd"}),
        ("../out", b"2", {}),
        ("twice", b"3", {}),
        ("twice", b"4", {}),
    )
    put(inner, raw)
    found = values(store, [Read(member(name)) for name in ("good", "link", "twice")])
    assert found[0] == b"1"
    assert isinstance(found[1], UnsupportedError)
    assert "symbolic link" in str(found[1])
    assert isinstance(found[2], IntegrityError)
    assert [info.url.key for info in store.list(Url("tar", str(SHARD), ""))] == ["good"]
    assert "'../out' is '..', which leads elsewhere" in caplog.text


def test_of_an_archive_that_is_cut_off_the_beginning_is_read(inner, store):
    put(inner, tar_of({"a": b"1", "b": bytes(10_000)})[:5000])
    found = values(store, [Read(member(name)) for name in "abc"])
    assert found[0] == b"1"
    assert [type(each) for each in found[1:]] == [IntegrityError, IntegrityError]
    assert "cut off" in str(found[1])
    assert "cut off" in str(found[2])
    listed = store.list(Url("tar", str(SHARD), ""))
    assert next(listed).url == member("a")
    with pytest.raises(IntegrityError, match="cut off"):
        next(listed)


@pytest.mark.parametrize("wrong", [b"", b"{}", b"\xff\xff"])
def test_an_index_that_is_none_is_told(inner, store, wrong):
    raw = tar_of({"a": b"1"})
    put(inner, raw, index=wrong)
    with pytest.raises(IntegrityError, match=r"shard\.tar\.index\.json is wrong"):
        store.read(member("a"))
    inner.store.delete(index_of(SHARD))
    assert store.read(member("a")) == b"1"


def test_of_an_index_of_another_archive_what_is_where_it_says_is_read(inner, store):
    now, before = (
        {"a": b"1", "b": b"2" * 600, "d": b"4"},
        {"a": b"1", "b": b"3", "c": bytes(50_000)},
    )
    put(inner, tar_of(now), index=indexed(tar_of({**before, "far": b"5"})))
    found = values(store, [Read(member(name)) for name in ("a", "b", "c", "d", "far")])
    assert found[0] == b"1"
    assert [type(each) for each in found[1:]] == [IntegrityError] * 4
    assert "its index is of" in str(found[3])
    assert "cut off" in str(found[4])


def test_an_index_that_points_elsewhere_in_its_archive_gives_no_other_member(inner, store):
    raw = tar_of({"a": b"1" * 100, "b": b"2" * 100})
    wrong = ShardIndex.from_json(indexed(raw))
    wrong.names.reverse()
    put(inner, raw, index=wrong.to_json())
    for found in values(store, [Read(member(name)) for name in "ab"]):
        assert isinstance(found, IntegrityError)
        assert "another member" in str(found)


def test_an_archive_that_is_empty_is_none(inner, store):
    put(inner, b"")
    with pytest.raises(IntegrityError, match="empty"):
        store.read(member("a"))


def test_an_error_of_the_archives_store_is_that_of_each_member(inner):
    raw = tar_of({"a": b"1", "b": b"2"})
    put(inner, raw, index=indexed(raw))
    found = values(ArchiveStore(Down(inner.store)), [Read(member("a")), Read(member("b"))])
    assert [type(each) for each in found] == [TransientError, TransientError]
    assert [each.url for each in found] == [member("a"), member("b")]
    assert {each.attempts for each in found} == {4}
    assert {each.transient for each in found} == {True}


@attrs.frozen(eq=False)
class Down(Layer):
    """Reads of the shard fail."""

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        for number, request in enumerate(requests):
            if request.url == SHARD and isinstance(request, Read):
                yield Failed(number, TransientError("is down", url=request.url, attempts=4))
            else:
                (outcome,) = self.store.run([request])
                yield attrs.evolve(outcome, index=number)


def test_what_is_written_is_refused_and_says_what_makes_archives(store):
    with pytest.raises(UnsupportedError, match=r"can only be read; pack\(\)"):
        store.write(member("a"), b"1")
    (outcome,) = store.run([Delete(member("a"))])
    assert isinstance(outcome, Failed)
    with pytest.raises(InvalidUrlError, match="names no archive"):
        list(store.list(Url("tar", "", "")))
    with pytest.raises(InvalidUrlError, match="in no archive"):
        store.read(SHARD)


def test_what_is_known_of_archives_is_bounded(inner, store, monkeypatch):
    monkeypatch.setattr(known, "_REMEMBERED", 5)
    archives = [Url.parse(f"memory://bucket/{number}.tar") for number in range(4)]
    for archive in archives:
        put(inner, tar_of({"a": b"1", "b": b"2"}), archive=archive)
        store.read(member("a", archive))
    assert len(store._known()._opened) == 1
    assert store._known()._members == 3


def test_zip_archives_are_read_too(inner, store):
    archive = Url.parse("memory://bucket/x.zip")
    files = {f"{number}.bin": bytes([number]) * 4096 for number in range(200)}
    inner.store.write(archive, zip_of(files))
    found = values(store, [Read(member(name, archive, "zip")) for name in files])
    assert found == list(files.values())
    assert len(inner.taken()) == 2
    assert store.read(member("7.bin", archive, "zip"), span=Span(4090, 10)) == b"\7" * 6
