"""The members of archives keep the laws of a store, wherever the archives are."""

import functools
import random
from collections.abc import Callable

import attrs
import pytest
from tests.archives import tar_of, zip_of
from tests.soak import times

from file_dataset import Options, get_many, pack, put, reader, unpack
from file_dataset.adapters.archive import ArchiveStore
from file_dataset.adapters.layers._layer import Layer
from file_dataset.adapters.layers.routed import Routed
from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.registry import Registry
from file_dataset.api import _wiring
from file_dataset.domain.requests import Copy, Delete, Prepare, Upload, Write
from file_dataset.domain.url import Url
from file_dataset.testing import LAWS, Finding, check_store

FILES = {
    "a/x": b"1" * 100,
    "a/d/y": b"",
    "ab": b"2" * 5000,
    "x y#?%+é": b"3",
    "a.b/z": random.Random(1).randbytes(300_000),
}
MAKERS: dict[str, Callable[..., bytes]] = {"tar": tar_of, "zip": zip_of}


def in_memory(archive, data, request):
    store = MemoryStore()
    store.write(archive, data)
    return lambda: ArchiveStore(store)


def on_disk(archive, data, request):
    LocalStore().write(archive, data)
    return lambda: ArchiveStore(LocalStore())


def in_front(archive, data, request):
    """As users have it: behind the router, which serves the archives' own places as well."""
    LocalStore().write(archive, data)
    return functools.partial(_wiring.store_for, None)


PLACES = {"memory": in_memory, "disk": on_disk, "in front of others": in_front}


@pytest.mark.parametrize("scheme", MAKERS)
@pytest.mark.parametrize("place", PLACES)
def test_the_laws_are_kept(scheme, place, request, tmp_path):
    archive = Url.parse(tmp_path / "x") if place != "memory" else Url.parse("memory://b/x")
    make = PLACES[place](archive, MAKERS[scheme](FILES), request)
    root = Url(scheme, str(archive), "")
    contents = {root.joined(name): data for name, data in FILES.items()}
    laws = LAWS if place != "in front of others" else set(LAWS) - {13}
    report = check_store(make, root, contents=contents, laws=laws)

    assert [verdict.law.number for verdict in report.verdicts] == sorted(laws)
    assert not [v for v in report.verdicts if v.finding is Finding.DEVIATES]


@pytest.mark.parametrize("verb", [Write, Upload, Copy, Delete, Prepare])
def test_a_member_cannot_be_changed(verb, tmp_path):
    member = Url.parse(f"tar://a::{tmp_path}/x.tar")
    store = _wiring.store_for(None)
    assert not store.can(verb, member)


def test_a_server_is_asked_for_an_archive_as_for_anything_else(moto_s3):
    place = moto_s3.make_bucket().joined("x.tar")
    store = moto_s3.store(engine="curl")
    store.write(place, tar_of(FILES))
    root = Url("tar", str(place), "")
    contents = {root.joined(name): data for name, data in FILES.items()}
    make = lambda: ArchiveStore(Routed({Url.parse("s3://"): store}, Registry().create))  # noqa: E731
    check_store(make, root, contents=contents)


def test_many_small_files_are_packed_and_unpacked_byte_for_byte():
    count = times(500, most=100_000)
    chance = random.Random(1)
    store = MemoryStore()
    options = Options(stores={"memory://": store})
    files = {f"memory://in/{number}": chance.randbytes(4096) for number in range(count)}
    for url, data in files.items():
        store.write(Url.parse(url), data)
    table = [{"id": number, "a.bin": url} for number, url in enumerate(files)]
    packed = pack(table, "memory://packed", shard_bytes=1 << 20, options=options)
    shards = [each for each in store.list(Url.parse("memory://packed")) if each.url.name[-1] == "r"]
    assert len(shards) == -(-count // 226)
    assert all(store.stat(shard.url).size <= 1 << 20 for shard in shards)
    found = reader(dataframe=packed, options=options).into_blob_table()["a.bin"]
    assert all(cell.as_py() == data for cell, data in zip(found, files.values(), strict=True))
    unpacked = unpack(packed, "memory://unpacked", options=options)
    assert [row["id"] for row in unpacked] == list(range(count))
    for row, data in zip(unpacked, files.values(), strict=True):
        assert store.read(Url.parse(row["a.bin"])) == data


def test_shards_on_a_server_are_made_and_read_with_few_requests(moto_s3):
    bucket = moto_s3.make_bucket()
    s3 = Counted(moto_s3.store(engine="curl"))
    options = Options(stores={"s3://": s3})
    bodies = [b"%d" % number * 100 for number in range(300)]
    for number, body in enumerate(bodies):
        put(f"memory://shards/{number}", body)
    table = [{"id": number, "a.bin": f"memory://shards/{number}"} for number in range(300)]
    packed = pack(table, str(bucket.joined("packed")), shard_rows=100, options=options)
    assert packed[299]["a.bin"] == f"tar://299.a.bin::{bucket}/packed/shard-000003.tar"
    s3.asked.clear()
    found = get_many([row["a.bin"] for row in packed], options=options)
    assert found == bodies
    # Of each shard: what it is, its index, and all of its members.
    assert len(s3.asked) == 9


@attrs.frozen(eq=False)
class Counted(Layer):
    """Hands everything on, and notes the requests."""

    asked: list[object] = attrs.field(factory=list, init=False)

    def run(self, requests):
        self.asked.extend(requests)
        return self.store.run(requests)
