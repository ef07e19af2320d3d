"""Each layer is a store and keeps the laws of one, around each kind of store and each other."""

from functools import partial
from typing import Any

import pytest

from file_dataset.adapters.layers.faulty import Faults, Faulty
from file_dataset.adapters.layers.limited import Limited
from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.adapters.layers.routed import Routed
from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.registry import Registry
from file_dataset.domain.url import Url
from file_dataset.testing import check_store

LAYERS: dict[str, Any] = {
    "faulty": lambda store: Faulty(store, Faults()),
    "limited": partial(Limited, max_concurrent=3),
    "retrying": Retrying,
    "routed": lambda store: Routed({Url("memory", "", ""): store, Url.local("/"): store}, broken),
    "all": lambda store: routed(Retrying(Limited(Faulty(store, Faults()), 8))),
}


def broken(scheme):
    raise AssertionError(scheme)


def routed(store):
    return Routed({Url("memory", "", ""): store, Url.local("/"): store}, Registry().create)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_around_files_keeps_the_laws(layer, tmp_path):
    check_store(lambda: LAYERS[layer](LocalStore()), Url.local(tmp_path / "root"))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_around_a_memory_keeps_the_laws(layer):
    store = LAYERS[layer](MemoryStore())
    check_store(lambda: store, Url("memory", "bucket", "root"))


def test_stores_that_are_made_when_needed_keep_the_laws(tmp_path):
    check_store(lambda: Routed({}, Registry().create), Url.local(tmp_path / "root"))


def test_a_place_inside_another_keeps_the_laws(tmp_path):
    def make():
        mounts = {Url.local(tmp_path): LocalStore(), Url.local(tmp_path / "a/b"): LocalStore()}
        return Routed(mounts, broken)

    check_store(make, Url.local(tmp_path / "a/b/root"))
