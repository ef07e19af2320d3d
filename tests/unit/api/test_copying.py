"""Copies of all that is below a place: the same names elsewhere, and each object accounted for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset import MemoryStore, NotFoundError, Options, Progress, Url
from file_dataset.adapters.layers.faulty import Faults, Faulty
from file_dataset.api.copying import copy_below
from file_dataset.domain.errors import PermissionDeniedError
from file_dataset.domain.requests import Read, Upload

NAMES = st.sets(st.text("ab/", min_size=1, max_size=5).map(lambda name: f"{name}x"), max_size=8)


def store_of(names) -> MemoryStore:
    store = MemoryStore()
    for name in names:
        store.write(Url("memory", "from", f"p/{name}"), name.encode())
    store.write(Url.parse("memory://from/pq"), b"beside")
    return store


@given(NAMES)
def test_everything_below_a_prefix_is_there_under_the_same_names(names):
    store = store_of(names)
    options = Options(stores={"memory://": store})
    told: list[Progress] = []
    if not names:
        with pytest.raises(NotFoundError, match="nothing is below it"):
            copy_below("memory://from/p", "memory://to/q/", options=options)
        return
    copied = copy_below("memory://from/p/", "memory://to/q", options=options, progress=told.append)
    there = {url.key: each.data for url, each in store._objects.items() if url.authority == "to"}
    assert there == {f"q/{name}": name.encode() for name in names}
    assert {each.target.key: each.size for each in copied.objects} == {
        key: len(data) for key, data in there.items()
    }
    assert told[0] == Progress(len(names))
    assert told[-1] == Progress(len(names), len(names))


def test_what_cannot_be_copied_keeps_nothing_else_from_it():
    store = store_of(["a", "b", "c"])
    faults = Faults(before=0.5, seed=3, error=PermissionDeniedError, verbs=None)
    faulty = Faulty(store, faults)
    copied = copy_below(
        "memory://from/p", "memory://to", options=Options(stores={"memory://": faulty})
    )
    there = {url.key for url in store._objects if url.authority == "to"}
    assert {each.target.key for each in copied.objects if each.error is None} == there
    assert {each.source.key for each in copied.objects} == {"p/a", "p/b", "p/c"}
    assert 0 < len(copied.failed) < 3
    assert {type(each.error) for each in copied.failed} == {PermissionDeniedError}
    assert str(copied) == f"{len(there)} files copied, {len(there)} bytes; {3 - len(there)} failed"


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/out", "a//b", "."])
def test_names_that_lead_elsewhere_are_no_files_here(name, tmp_path):
    options = Options(stores={"memory://": store_of([name, "good"])})
    copied = copy_below("memory://from/p", tmp_path / "into", options=options)
    assert [each.source.key for each in copied.failed] == [f"p/{name}"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["good"]


def test_links_are_not_followed_out_of_the_place(tmp_path):
    (tmp_path / "into").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "into/a").symlink_to(tmp_path / "elsewhere")
    options = Options(stores={"memory://": store_of(["a/b", "good"])})
    copied = copy_below("memory://from/p", tmp_path / "into", options=options)
    assert len(copied.failed) == 1
    assert not any((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("target", ["memory://from/p", "memory://from/p/deep"])
def test_a_place_is_not_copied_into_itself(target):
    options = Options(stores={"memory://": store_of(["a"])})
    with pytest.raises(ValueError, match="into itself"):
        copy_below("memory://from/p", target, options=options)


def test_one_store_copies_by_itself():
    store = store_of(["a"])
    # Nothing is read, and nothing is uploaded.
    faulty = Faulty(store, Faults(before=1.0, verbs={Read, Upload}))
    copied = copy_below(
        "memory://from/p", "memory://to", options=Options(stores={"memory://": faulty})
    )
    assert not copied.failed
