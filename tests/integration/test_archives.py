"""The members of archives keep the laws of a store, wherever the archives are."""

import functools
import random
from collections.abc import Callable

import pytest
from tests.archives import tar_of, zip_of

from file_dataset.adapters.archive import ArchiveStore
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
