"""Stores of one's own: which of them serves a URL, and how far they travel."""

from __future__ import annotations

import pickle
import uuid
from pathlib import Path

import fsspec
import pytest
from tests.noted import Noted
from tests.unit.api.support import headers_sent

from file_dataset import (
    FileDatasetError,
    FsspecStore,
    LocalStore,
    MemoryStore,
    MissingDependencyError,
    Options,
    Pipeline,
    UnsupportedSchemeError,
    Url,
    get,
    mount,
    put,
    reader,
    register_store,
    write_files,
)
from file_dataset.adapters import registry as registries
from file_dataset.adapters.registry import default as registry
from file_dataset.api import _wiring


@pytest.fixture(autouse=True)
def no_mounts(monkeypatch):
    monkeypatch.setattr(_wiring.stores, "_mounted", {})


def holding(text: bytes, *urls: str) -> MemoryStore:
    store = MemoryStore()
    for url in urls:
        store.write(Url.parse(url), text)
    return store


def read(url: str, options: Options | None = None) -> bytes:
    return reader(row={"a": url}, options=options).into_blob_table()["a"][0].as_py()


URLS = ["x://b/k", "x://b/p/k", "x://b/p/q/k", "x://b/pp/k", "x://c/k"]
MOUNTS = {
    "x://": holding(b"scheme", *URLS),
    "x://b": holding(b"bucket", *URLS),
    "x://b/p/": holding(b"prefix", *URLS),
    "x://b/p/q/k": holding(b"object", *URLS),
}


@pytest.mark.parametrize("turn", [list, reversed])
def test_the_longest_prefix_wins_segment_by_segment_in_whatever_order(turn):
    options = Options(stores=dict(turn(list(MOUNTS.items()))))
    assert [read(url, options) for url in URLS] == [
        b"bucket",
        b"prefix",
        b"object",
        b"bucket",
        b"scheme",
    ]


def test_a_scheme_of_ones_own_is_known_by_its_mount_alone():
    options = Options(stores={"x://b/": MOUNTS["x://"]})
    assert read("x://b/k", options) == b"scheme"
    with pytest.raises(UnsupportedSchemeError, match=r"unsupported scheme 'x://'"):
        read("x://b/k")
    with pytest.raises(FileDatasetError, match=r"UnsupportedSchemeError.*'x://'"):
        read("x://other/k", options)


def test_both_ends_of_a_copy_are_routed():
    source, target = holding(b"data", "x://b/k"), MemoryStore()
    options = Options(stores={"x://b": source, "x://c": target})
    write_files({"a": "x://b/k"}, into_path="x://c/out", id=1, options=options)
    assert target.read(Url.parse("x://c/out/1/a")) == b"data"
    assert len(source._objects) == 1


def test_files_of_this_machine_can_be_mounted_too(tmp_path):
    (tmp_path / "a").write_bytes(b"data")
    local = Noted(LocalStore())
    assert read(str(tmp_path / "a"), Options(stores={"file:///": local})) == b"data"
    assert local.verbs_used() == ["Read"]


def test_options_can_be_mounted_so_that_each_bucket_has_its_own(bucket):
    bucket.create_bucket(Bucket="public")
    for name in ("bucket", "public"):
        bucket.put_object(Bucket=name, Key="k", Body=name.encode(), ACL="public-read")
    public = Options.anonymous(region_name="us-east-1")
    options = Options(stores={"s3://public/": public})
    with headers_sent(options.s3_client) as signed, headers_sent(public.s3_client) as unsigned:
        assert read("s3://bucket/k", options) == b"bucket"
        assert read("s3://public/k", options) == b"public"
    assert ["Authorization" in headers for headers in signed] == [True]
    assert ["Authorization" in headers for headers in unsigned] == [False]


@pytest.mark.parametrize("store", [MemoryStore, "memory", None, {}])
def test_what_is_neither_a_store_nor_options_is_refused(store):
    with pytest.raises(TypeError, match="stores maps URL prefixes to a Store or Options, not"):
        Options(stores={"x://": store})


@pytest.mark.parametrize("prefix", [7, None, b"x://"])
def test_a_prefix_is_a_text(prefix):
    with pytest.raises(TypeError, match="stores"):
        Options(stores={prefix: MemoryStore()})


@pytest.mark.parametrize("prefix", ["xy:/b", "", "a\0b"])
def test_a_prefix_that_is_no_place_is_refused_before_any_io(prefix):
    with pytest.raises(ValueError, match="URL"):
        read("x://b/k", Options(stores={prefix: MOUNTS["x://"]}))


# mount().


def test_what_is_mounted_serves_this_process():
    mount("x://b/", MOUNTS["x://"])
    assert read("x://b/k") == b"scheme"
    mount("x://b/", MOUNTS["x://b"])
    assert read("x://b/k") == b"bucket"


def test_options_come_before_what_is_mounted_at_the_same_place():
    mount("x://b", MOUNTS["x://"])
    mount("x://c", MOUNTS["x://"])
    options = Options(stores={"x://b": MOUNTS["x://b"]})
    assert read("x://b/k", options) == b"bucket"
    assert read("x://c/k", options) == b"scheme"


def test_options_come_before_what_is_mounted_however_the_place_is_spelled():
    mount("x://b", MOUNTS["x://"])
    assert read("x://b/k", Options(stores={"x://b/": MOUNTS["x://b"]})) == b"bucket"


@pytest.mark.parametrize("prefix", ["", "xy:/b", "a\0b"])
def test_a_place_that_is_none_cannot_be_mounted(prefix):
    with pytest.raises(ValueError, match="URL"):
        mount(prefix, MemoryStore())
    assert _wiring.stores._mounted == {}


# Elsewhere.


def as_it_is(directory):
    return {"b.txt": directory / "a.txt"}


def test_a_pickled_pipeline_takes_its_mounts_along(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"data")
    mount("file:///", Noted(LocalStore()))
    pickled = pickle.dumps(Pipeline(as_it_is, into_path=tmp_path / "out"))
    monkeypatch.setattr(_wiring.stores, "_mounted", {})
    again = pickle.loads(pickled)
    again([{"id": 1, "a.txt": tmp_path / "a"}])
    (served,) = [store.store for store in again._execution.store.mounts.values()]
    assert "Download" in served.verbs_used()


ATTIC = MemoryStore()


def attic() -> MemoryStore:
    return ATTIC


def test_a_pickled_pipeline_takes_registered_schemes_along(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    register_store("attic", attic)
    ATTIC.write(Url.parse("attic://in/a"), b"data")
    pickled = pickle.dumps(Pipeline(as_it_is, into_path="attic://out"))
    monkeypatch.setattr(registry, "_registered", {})
    with pytest.raises(UnsupportedSchemeError):
        Pipeline(as_it_is, into_path="attic://out")
    pickle.loads(pickled)([{"id": 1, "a.txt": "attic://in/a"}])
    assert ATTIC.read(Url.parse("attic://out/1/b.txt")) == b"data"


def test_what_is_no_store_cannot_be_mounted():
    with pytest.raises(TypeError, match="a Store or Options, not int"):
        mount("memory://nowhere/", 7)  # type: ignore[arg-type]


def test_a_table_whose_scheme_needs_an_extra_is_refused_with_its_name(monkeypatch):
    monkeypatch.setattr(registries, "_is_installed", lambda module: module != "fsspec")
    place = "row 1, file 'a.txt': ftp:// needs fsspec: pip install 'file-dataset[fsspec]'"
    with pytest.raises(MissingDependencyError) as caught:
        reader(dataframe=[{"id": 1, "a.txt": "ftp://host/a.txt"}])
    assert str(caught.value) == place
    with pytest.raises(MissingDependencyError, match=r"^url: ftp://"):
        get("ftp://host/a.txt")


def test_what_is_mounted_needs_no_extra(monkeypatch):
    monkeypatch.setattr(registries, "_is_installed", lambda module: False)
    options = Options(stores={"ftp://host/": MemoryStore()})
    put("ftp://host/a.txt", b"text", options=options)
    assert get("ftp://host/a.txt", options=options) == b"text"


def test_what_fsspec_serves_takes_part_in_tables(tmp_path):
    name = f"memory://{uuid.uuid4().hex}"
    options = Options(stores={name: FsspecStore("memory")})
    rows = write_files([{"id": 1, "a.txt": __file__}], into_path=f"{name}/out", options=options)
    assert rows == [{"id": 1, "a.txt": f"{name}/out/1/a.txt"}]
    assert fsspec.open(f"{name}/out/1/a.txt").open().read() == Path(__file__).read_bytes()
    with reader(dataframe=rows, options=options).into_temp_dir() as staged:
        assert [(path / "a.txt").read_bytes() for _, path in staged] == [
            Path(__file__).read_bytes()
        ]
