import importlib.metadata
import pickle
import sys
import threading
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.layers.fakes import in_forked_child

from file_dataset.adapters import memory, registry
from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.registry import GROUP, Registry, register_store
from file_dataset.domain.errors import (
    MissingDependencyError,
    NotFoundError,
    StoreError,
    UnsupportedError,
    UnsupportedSchemeError,
)
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

SCHEMES = st.from_regex(r"[a-z][a-z0-9+.-]*", fullmatch=True)
LOCAL = "file_dataset.adapters.local:LocalStore"


class Other(MemoryStore):
    pass


class Picky(MemoryStore):
    def __init__(self, argument):
        super().__init__()


def installed(place, **distributions):
    """The entry points of distributions that declare these stores, and how often they were read."""
    for name, stores in distributions.items():
        info = place / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{scheme} = {value}" for scheme, value in stores.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]))
    reads = []

    def read():
        reads.append(1)
        found = importlib.metadata.distributions(path=[str(place)])
        return [entry for each in found for entry in each.entry_points if entry.group == GROUP]

    return Registry(installed=read), reads


@given(st.dictionaries(SCHEMES, st.sampled_from([MemoryStore, LocalStore, Other]), max_size=5))
def test_what_is_registered_is_what_is_made(stores):
    known = Registry(installed=list)
    for scheme, store in stores.items():
        known.register(scheme, store, replace=True)
    assert known.schemes() == sorted({*Registry(installed=list).schemes(), *stores})
    for scheme, store in stores.items():
        assert type(known.create(scheme)) is store
        assert known.create(scheme) is not known.create(scheme)


@given(st.text() | SCHEMES)
def test_only_what_a_url_can_have_is_a_scheme(text):
    try:
        Url(text, "", "/")
    except ValueError:
        with pytest.raises(ValueError, match="no URL scheme"):
            Registry().register(text, MemoryStore)
    else:
        Registry().register(text, MemoryStore, replace=True)


def test_the_built_in_ones_are_there():
    known = Registry(installed=list)
    assert isinstance(known.create("file"), LocalStore)
    assert known.create("memory") is known.create("memory") is memory.shared()
    assert {"file", "memory", "s3", "ftp", "hdfs"} <= set(known.schemes())


def test_a_library_that_is_missing_is_told_by_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setattr(registry, "_is_installed", lambda module: module != "fsspec")
    known = Registry(installed=list)
    known.check_installed("s3")
    for use in (known.check_installed, known.create):
        with pytest.raises(MissingDependencyError, match=r"^ftp://.*'file-dataset\[fsspec\]'$"):
            use("ftp")
    known.register("ftp", MemoryStore, replace=True)
    known.check_installed("ftp")
    assert isinstance(known.create("ftp"), MemoryStore)
    assert known.built_in("ftp") is None


def test_each_extra_that_a_store_needs_is_one_of_the_distribution():
    known = Registry(installed=list)
    stores = [known.built_in(scheme) for scheme in known.schemes()]
    needed = {store.needs for store in stores if store is not None} - {""}
    extras = importlib.metadata.metadata("file-dataset").get_all("Provides-Extra")
    assert extras is not None
    assert needed <= set(extras)
    assert all(registry._is_installed(module) for module in needed)


def test_the_memory_of_a_process_refuses_in_its_forked_child():
    store = memory.shared()

    def in_child():
        assert memory.shared() is store
        with pytest.raises(UnsupportedError, match="lives in process"):
            memory.shared().read(Url("memory", "", "a"))
        return "refused"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert in_forked_child(in_child) == "refused"


def test_knowing_a_scheme_imports_nothing(tmp_path):
    known, _ = installed(tmp_path, attic={"attic": "no_such_module:Store"})
    assert {"attic", "file", "memory", "s3"} <= set(known.schemes())
    assert "no_such_module" not in sys.modules


def test_an_unknown_scheme_is_told_with_those_that_are_known(tmp_path):
    known, _ = installed(tmp_path, attic={"attic": LOCAL})
    known.register("cellar", MemoryStore)
    with pytest.raises(UnsupportedSchemeError) as caught:
        known.create("celar")
    words = (
        "unsupported scheme 'celar://' (did you mean 'cellar://'?)",
        ", ".join(known.schemes()),
    )
    for word in words:
        assert word in str(caught.value)


def test_a_call_comes_before_an_entry_point_and_that_is_read_once(tmp_path):
    known, reads = installed(tmp_path, attic={"attic": LOCAL}, more={"loft": LOCAL})
    known.register("attic", Other)
    assert isinstance(known.create("attic"), Other)
    assert reads == []
    assert isinstance(known.create("loft"), LocalStore)
    known.schemes()
    known.create("file")
    assert reads == [1]


def test_two_distributions_that_claim_one_scheme_are_named(tmp_path):
    stores = {"attic": LOCAL, "loft": LOCAL}
    known, _ = installed(tmp_path, first=stores, second={"attic": LOCAL})
    with pytest.raises(StoreError) as caught:
        known.create("attic")
    for word in ("'attic'", "'first'", "'second'", "register_store"):
        assert word in str(caught.value)
    assert isinstance(known.create("loft"), LocalStore)
    known.register("attic", Other)
    assert isinstance(known.create("attic"), Other)


@pytest.mark.parametrize("scheme", ["file", "memory", "s3", "tar", "zip"])
def test_built_in_schemes_are_taken_over_only_by_saying_so(tmp_path, scheme):
    known, _ = installed(tmp_path, thief={scheme: LOCAL})
    with pytest.raises(StoreError) as caught:
        known.create(scheme)
    for word in (repr(scheme), "'thief'", "built in", "replace=True"):
        assert word in str(caught.value)
    with pytest.raises(ValueError, match=r"built in.*replace=True"):
        known.register(scheme, Other)
    known.register(scheme, Other, replace=True)
    assert isinstance(known.create(scheme), Other)


def test_how_a_built_in_store_is_made_counts_only_where_it_is_the_one(tmp_path):
    own = {"s3": Other, "attic": Other}
    known, _ = installed(tmp_path, attic={"attic": LOCAL})
    assert type(known.create("s3", built_in=own)) is Other
    assert type(known.create("memory", built_in=own)) is MemoryStore
    assert type(known.create("attic", built_in=own)) is LocalStore
    known.register("s3", LocalStore, replace=True)
    assert type(known.create("s3", built_in=own)) is LocalStore
    (tmp_path / "more").mkdir()
    quarrel, _ = installed(tmp_path / "more", thief={"s3": LOCAL})
    with pytest.raises(StoreError, match="thief"):
        quarrel.create("s3", built_in=own)


def test_a_scheme_is_registered_once_unless_it_is_to_be_replaced():
    known = Registry(installed=list)
    known.register("attic", MemoryStore)
    for factory in (MemoryStore, Other):
        with pytest.raises(ValueError, match="registered already"):
            known.register("attic", factory)
    assert type(known.create("attic")) is MemoryStore
    known.register("attic", Other, replace=True)
    assert type(known.create("attic")) is Other


def test_of_threads_that_register_one_scheme_one_wins():
    known = Registry(installed=list)
    start = threading.Barrier(8)
    refused = []

    def register():
        start.wait(20)
        try:
            known.register("attic", MemoryStore)
        except ValueError as error:
            refused.append(error)

    threads = [threading.Thread(target=register) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(refused) == 7


@pytest.mark.parametrize(
    ("value", "kind", "cause"),
    [
        ("no_such_module:Store", MissingDependencyError, "no_such_module"),
        ("file_dataset.adapters.local:NoStore", StoreError, "NoStore"),
        ("tests.unit.adapters.test_registry:Picky", StoreError, "argument"),
        ("broken_module:Store", StoreError, "ZeroDivisionError"),
    ],
)
def test_an_entry_point_that_cannot_be_used_says_why(tmp_path, monkeypatch, value, kind, cause):
    (tmp_path / "broken_module.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    known, _ = installed(tmp_path, attic_stores={"attic": value})
    with pytest.raises(kind) as caught:
        known.create("attic")
    for word in ("attic://", "'attic_stores'", value, cause):
        assert word in str(caught.value)
    assert caught.value.__cause__ is not None


def fails():
    raise NotFoundError("the credentials file")


def test_an_error_of_ours_comes_through_as_it_is(tmp_path):
    value = "tests.unit.adapters.test_registry:fails"
    known, _ = installed(tmp_path, attic={"attic": value})
    with pytest.raises(NotFoundError, match=r"^the credentials file$"):
        known.create("attic")


def test_what_is_made_has_to_be_a_store(tmp_path):
    known, _ = installed(tmp_path, attic={"attic": "builtins:dict"})
    with pytest.raises(TypeError, match=r"builtins:dict.*'attic'.*attic://.*dict"):
        known.create("attic")
    known.register("loft", lambda: "a text")
    with pytest.raises(TypeError, match=r"loft://.*'a text'"):
        known.create("loft")
    with pytest.raises(TypeError, match=r"loft://.*called"):
        known.register("loft", MemoryStore(), replace=True)


def nothing_more():
    READS.append(1)
    return []


READS: list[int] = []


def test_it_pickles_with_what_was_registered_and_looks_itself_for_what_is_installed():
    known = Registry(installed=nothing_more)
    known.register("attic", LocalStore)
    known.schemes()
    create = pickle.loads(pickle.dumps(known.create))
    assert isinstance(create("attic"), LocalStore)
    reads = len(READS)
    assert isinstance(create("file"), Store)
    assert len(READS) == reads + 1


def test_the_registry_of_the_process_is_the_default_one(monkeypatch):
    monkeypatch.setattr(registry, "default", Registry())
    register_store("attic", Other)
    assert isinstance(registry.default.create("attic"), Other)
    with pytest.raises(ValueError, match="registered already"):
        register_store("attic", Other)
