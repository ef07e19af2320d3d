"""Members of archives by fsspec: pandas and whoever opens files by it read them, few bytes each."""

from __future__ import annotations

import csv
import importlib
import io
import pickle
import random
import subprocess
import sys
from importlib.util import find_spec

import fsspec
import pandas as pd
import pytest
from fsspec.implementations.tar import TarFileSystem as FsspecTar
from tests.archives import zip_of
from tests.noted import Noted
from tests.support import not_here

import file_dataset.fsspec as ours
from file_dataset import IntegrityError, LocalStore, Options, UnsupportedError, Url, pack

CSV = "a,b\n1,x\n2,y\n"


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    known = dict(fsspec.registry)
    monkeypatch.setattr(sys.modules["fsspec.registry"], "_registry", known)
    monkeypatch.setattr(sys.modules["fsspec.registry"], "registry", known)
    ours.register()


@pytest.fixture
def packed(tmp_path):
    """A shard with three rows, and its path."""
    large = random.Random(1).randbytes(9 << 20)
    rows = []
    for number in range(3):
        for name, data in {"t.csv": CSV.encode(), "d/x.bin": b"x", "large": large}.items():
            path = tmp_path / f"in/{number}/{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        rows.append({"id": number, "t.csv": f"{tmp_path}/in/{number}/t.csv"})
    rows[1]["large"] = f"{tmp_path}/in/1/large"
    rows[0]["large"] = rows[2]["large"] = None
    return pack(rows, f"{tmp_path}/packed", shard_bytes=1 << 30), tmp_path / "packed", large


def ours_of(cell):
    return "fd" + str(cell)


def test_pandas_reads_a_table_that_is_a_member(packed):
    table, _, _ = packed
    found = pd.read_csv(ours_of(table[1]["t.csv"]))
    pd.testing.assert_frame_equal(found, pd.read_csv(io.StringIO(CSV)))


def test_pandas_reads_parquet_that_is_a_member(tmp_path):
    frame = pd.DataFrame({"a": range(1000), "b": [str(n) for n in range(1000)]})
    frame.to_parquet(tmp_path / "t.parquet")
    (row,) = pack([{"id": 1, "t.parquet": f"{tmp_path}/t.parquet"}], f"{tmp_path}/packed")
    pd.testing.assert_frame_equal(pd.read_parquet(ours_of(row["t.parquet"])), frame)
    some = pd.read_parquet(ours_of(row["t.parquet"]), columns=["a"])
    assert list(some.columns) == ["a"]


def test_dask_reads_tables_that_are_members(packed):
    if find_spec("dask") is None:
        not_here("dask is not installed")
    dask = importlib.import_module("dask")
    dataframe = importlib.import_module("dask.dataframe")
    table, directory, _ = packed
    shard = f"{directory}/shard-000001.tar"
    options = Options(max_in_flight=7)
    for named in ([ours_of(row["t.csv"]) for row in table], f"fdtar://*.t.csv::{shard}"):
        with dask.config.set(scheduler="synchronous"):
            lazy = dataframe.read_csv(named, storage_options={"options": options})
            found = lazy.compute().to_dict("list")
        assert found == {"a": [1, 2] * 3, "b": ["x", "y"] * 3}


def test_a_large_member_is_read_range_by_range(packed):
    table, _, large = packed
    store = Noted(LocalStore())
    options = Options(stores={"file:///": store})
    fs, path = fsspec.url_to_fs(ours_of(table[1]["large"]), options=options)
    with fs.open(path, block_size=4096) as file:
        file.seek(5 << 20)
        assert file.read(100) == large[5 << 20 :][:100]
        file.seek(-7, 2)
        assert file.read() == large[-7:]
    read = sum(request.span.length for request in store.requests[2:] if hasattr(request, "span"))
    assert read < 64 << 10


def test_it_is_a_file_system_to_look_around_in(packed):
    _, directory, large = packed
    fs = fsspec.filesystem("fdtar", fo=f"{directory}/shard-000001.tar")
    names = ["0.t.csv", "1.large", "1.t.csv", "2.t.csv"]
    assert fs.ls("", detail=False) == fs.find("") == fs.glob("*") == names
    assert fs.glob("1.*") == ["1.large", "1.t.csv"]
    assert fs.info("1.large")["size"] == fs.size("1.large") == len(large)
    assert fs.isfile("0.t.csv")
    assert fs.isdir("")
    assert not fs.exists("absent")
    assert fs.cat(["0.t.csv", "2.t.csv"]) == dict.fromkeys(["0.t.csv", "2.t.csv"], CSV.encode())
    assert fs.cat_file("0.t.csv", 4, 7) == CSV.encode()[4:7]
    assert fs.cat_file("0.t.csv", -4) == CSV.encode()[-4:]
    assert fs.cat_file("0.t.csv", 3, 3) == fs.cat_file("0.t.csv", 100, 200) == b""
    with pytest.raises(FileNotFoundError):
        fs.open("absent")


def test_a_zip_with_directories_is_walked(tmp_path):
    (tmp_path / "x.zip").write_bytes(zip_of({"a/b/c.csv": CSV.encode(), "a/d": b"2", "e": b"3"}))
    fs = fsspec.filesystem("fdzip", fo=f"{tmp_path}/x.zip")
    assert fs.ls("a", detail=False) == ["a/b", "a/d"]
    assert fs.ls("a/d", detail=False) == ["a/d"]
    assert [each["type"] for each in fs.ls("")] == ["directory", "file"]
    assert sorted(fs.find("")) == ["a/b/c.csv", "a/d", "e"]
    assert fs.info("a/b")["type"] == "directory"
    with pytest.raises(IsADirectoryError):
        fs.open("a/b")
    with fsspec.open(f"fdzip://a/b/c.csv::{tmp_path}/x.zip", "rt") as file:
        assert list(csv.reader(file))[2] == ["2", "y"]


def test_fsspecs_own_is_left_alone_unless_that_is_asked_for(packed):
    table, _, _ = packed
    cell = str(table[0]["t.csv"])
    with fsspec.open(cell) as file:
        assert file.read() == CSV.encode()
    assert fsspec.get_filesystem_class("tar") is FsspecTar
    ours.register(clobber=True)
    assert fsspec.get_filesystem_class("tar") is ours.TarFileSystem
    assert len(pd.read_csv(cell)) == 2


def test_damage_is_told_and_nothing_is_written(packed):
    table, directory, _ = packed
    shard = directory / "shard-000001.tar"
    data = bytearray(shard.read_bytes())
    data[data.index(CSV.encode())] ^= 1
    shard.write_bytes(data)
    with pytest.raises(IntegrityError), fsspec.open(ours_of(table[0]["t.csv"])) as file:
        file.read()
    with pytest.raises(UnsupportedError), fsspec.open(ours_of(table[0]["t.csv"]), "wb"):
        pass


def test_an_archive_is_opened_once_for_all_of_its_members(packed):
    table, directory, _ = packed
    store = Noted(LocalStore())
    options = Options(stores={"file:///": store})
    for row in table:
        assert len(pd.read_csv(ours_of(row["t.csv"]), storage_options={"options": options})) == 2
    index = Url.local(directory / "shard-000001.tar.index.json")
    assert [request.url for request in store.requests].count(index) == 1
    assert len(store.requests) == 2 + 2 * 3 - 1


@pytest.mark.parametrize("told", [{"key": "k"}, {"target_protocol": "s3"}], ids=str)
def test_what_only_fsspec_could_do_to_reach_an_archive_is_refused(told):
    with pytest.raises(ValueError, match=r"options=file_dataset\.Options"):
        fsspec.filesystem("fdtar", fo="b/x.tar", target_protocol="s3", target_options=told)


def test_it_travels_with_its_options(packed):
    _, directory, _ = packed
    options = Options(max_in_flight=7)
    fs = fsspec.filesystem("fdtar", fo=f"{directory}/shard-000001.tar", options=options)
    other = pickle.loads(pickle.dumps(fs))
    assert other._options == options
    assert other.cat_file("0.t.csv") == CSV.encode()


def test_without_fsspec_it_says_what_to_install():
    code = "import sys; sys.modules['fsspec'] = None; import file_dataset.fsspec"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingDependencyError" in done.stderr
    assert "pip install 'file-dataset[fsspec]'" in done.stderr
