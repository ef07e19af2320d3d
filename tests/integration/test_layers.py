"""Ways to put a router together that test_kit.py does not have: each keeps the laws of a store."""

from file_dataset.adapters.layers.routed import Routed
from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.registry import Registry
from file_dataset.domain.url import Url
from file_dataset.testing import check_store


def broken(scheme):
    raise AssertionError(scheme)


def test_stores_that_are_made_when_needed_keep_the_laws(tmp_path):
    check_store(lambda: Routed({}, Registry().create), Url.local(tmp_path / "root"))


def test_a_place_inside_another_keeps_the_laws(tmp_path):
    def make():
        mounts = {Url.local(tmp_path): LocalStore(), Url.local(tmp_path / "a/b"): LocalStore()}
        return Routed(mounts, broken)

    check_store(make, Url.local(tmp_path / "a/b/root"))
