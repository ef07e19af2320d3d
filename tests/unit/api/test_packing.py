"""Packing and unpacking: what comes back, and that members are cells as any other."""

from __future__ import annotations

import io
import pickle
import subprocess
import tarfile
import tracemalloc

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.archives import tar_of, zip_of
from tests.unit.api.support import KINDS, cells, table, text_of

import file_dataset
from file_dataset import (
    AllRowsFailedError,
    InvalidDatasetError,
    MemoryStore,
    NotFoundError,
    Options,
    Pipeline,
    Progress,
    UnsupportedError,
    UnsupportedSchemeError,
    Url,
    pack,
    reader,
    unpack,
    write_files,
)
from file_dataset.domain.packing import check_member_names
from file_dataset.testing import row_ids, rows

SHARD = "memory://bucket/packed/shard-000001.tar"


def can_be_packed(found):
    try:
        check_member_names(
            [row_id for row_id, _ in found], {n for _, files in found for n in files}
        )
    except InvalidDatasetError:
        return False
    return True


@given(
    found=st.lists(
        st.tuples(row_ids() | st.sampled_from(["1.2", "1.3", "1.2.3"]), rows()),
        unique_by=lambda row: str(row[0]),
        max_size=4,
    ).filter(can_be_packed),
    shard_bytes=st.integers(1, 5000),
)
def test_what_is_packed_is_read_and_unpacked_as_it_was(found, shard_bytes):
    store = MemoryStore()
    options = Options(stores={"memory://": store})
    items: list[dict[str, object]] = []
    for number, (row_id, files) in enumerate(found):
        items.append({"id": row_id})
        for name, data in files.items():
            source = Url("memory", "in", f"{number}/{name}")
            store.write(source, data)
            items[-1][name] = source
    packed = pack(items, "memory://bucket/packed", shard_bytes=shard_bytes, options=options)
    assert [item["id"] for item in packed] == [row_id for row_id, _ in found]
    for item, (row_id, files) in zip(packed, found, strict=True):
        for name, data in files.items():
            assert item[name].startswith(f"tar://{row_id}.{name}::memory://bucket/packed/shard-0")
            assert file_dataset.get(item[name], options=options) == data
    unpack(packed, "memory://bucket/unpacked", options=options)
    back = {
        info.url.key: store.read(info.url)
        for info in store.list(Url.parse("memory://bucket/unpacked"))
    }
    assert back == {
        f"unpacked/{row_id}/{name}": data for row_id, files in found for name, data in files.items()
    }


@pytest.mark.parametrize(("ids", "is_told"), [(["1.2", "1.3"], True), (["1.2", "7"], False)])
def test_ids_that_webdataset_would_take_for_one_are_told(ids, is_told, options, put, caplog):
    table = [{"id": row_id, "a.txt": f"memory://in/{row_id}"} for row_id in ids]
    for row_id in ids:
        put(f"memory://in/{row_id}", row_id.encode())
    packed = pack(table, "memory://bucket/packed", options=options)
    assert ("WebDataset" in caplog.text) is is_told
    found = [file_dataset.get(row["a.txt"], options=options) for row in packed]
    assert found == [row_id.encode() for row_id in ids]


def test_progress_is_told_of_both_ways(options, put):
    for row_id in (1, 2):
        put(f"memory://in/{row_id}.txt", b"x")
    table = [{"id": row_id, "a.txt": f"memory://in/{row_id}.txt"} for row_id in (1, 2)]
    told: list[Progress] = []
    packed = pack(table, "memory://bucket/packed", options=options, progress=told.append)
    unpack(packed, "memory://bucket/out", options=options, progress=told.append)
    assert [(each.total, each.done) for each in told] == [(2, 0), (2, 1), (2, 2)] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_table_that_went_in_comes_out(kind, options, put):
    columns = {"id": [7, 8], "a.txt": [put("memory://in/a", b"1"), put("memory://in/b", b"2")]}
    packed = pack(table(kind, columns), "memory://bucket/packed", options=options)
    assert isinstance(packed, KINDS[kind][1])
    assert cells(packed)["id"] == [7, 8]
    expected = [f"tar://{n}.a.txt::{SHARD}" for n in (7, 8)]
    assert list(map(text_of, cells(packed)["a.txt"])) == expected


@pytest.fixture
def packed(options, put):
    """A packed table of two rows, of which one has but one file."""
    frame = pd.DataFrame(
        {
            "id": [7, 8],
            "a.txt": [put("memory://in/7", b"seven"), put("memory://in/8", b"eight")],
            "b.txt": [put("memory://in/b", b"more"), None],
        }
    )
    return pack(frame, "memory://bucket/packed", options=options)


def test_a_shard_is_what_tar_and_python_read(packed, held, tmp_path):
    raw = held()[SHARD]
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        assert archive.getnames() == ["7.a.txt", "7.b.txt", "8.a.txt"]
    (tmp_path / "x.tar").write_bytes(raw)
    said = subprocess.run(
        ["tar", "-tf", tmp_path / "x.tar"], capture_output=True, check=True, text=True
    )
    assert said.stdout.split() == ["7.a.txt", "7.b.txt", "8.a.txt"]
    assert said.stderr == ""
    subprocess.run(["tar", "-xf", tmp_path / "x.tar", "-C", tmp_path], check=True)
    assert (tmp_path / "8.a.txt").read_bytes() == b"eight"


def test_a_row_of_members_is_staged(packed, options):
    staged = {
        row_id: {path.name: path.read_bytes() for path in directory.iterdir()}
        for row_id, directory in reader(dataframe=packed, options=options).into_temp_dir()
    }
    assert staged == {7: {"a.txt": b"seven", "b.txt": b"more"}, 8: {"a.txt": b"eight"}}


def test_sizes_and_contents_of_members_are_tables(packed, options):
    sizes = reader(dataframe=packed, options=options).into_size_table().to_pydict()
    assert sizes == {"id": ["7", "8"], "a.txt": [5, 5], "b.txt": [4, None]}
    blobs = reader(dataframe=packed, options=options).into_blob_table().to_pydict()
    assert blobs == {"id": ["7", "8"], "a.txt": [b"seven", b"eight"], "b.txt": [b"more", None]}


def upper(input_dir, output_dir):
    (output_dir / "c.txt").write_bytes((input_dir / "a.txt").read_bytes().upper())
    return {"c.txt": "c.txt"}


def test_a_pipeline_takes_members(packed, options, held):
    result = Pipeline(upper, into_path="memory://bucket/out", options=options)(packed)
    assert result["c.txt"].tolist() == [
        "memory://bucket/out/7/c.txt",
        "memory://bucket/out/8/c.txt",
    ]
    assert held()["memory://bucket/out/8/c.txt"] == b"EIGHT"


def test_packed_rows_are_packed_again_and_written_and_copied(packed, options, held, tmp_path):
    again = pack(packed, "memory://bucket/again", shard_rows=1, options=options)
    assert held()["memory://bucket/again/shard-000002.tar"]
    assert file_dataset.get(again["a.txt"][1], options=options) == b"eight"
    write_files(dataframe=again, into_path=tmp_path, options=options)
    assert (tmp_path / "7/b.txt").read_bytes() == b"more"
    file_dataset.copy(again["a.txt"][0], "memory://bucket/copied", options=options)
    assert held()["memory://bucket/copied"] == b"seven"


def test_single_members_are_objects_as_any_other(packed, options):
    member = f"tar://7.a.txt::{SHARD}"
    assert file_dataset.get_many([member, member], options=options) == [b"seven"] * 2
    assert file_dataset.get_range(member, 1, 2, options=options) == b"ev"
    assert file_dataset.stat(member, options=options).size == 5
    assert file_dataset.exists(member, options=options)
    assert not file_dataset.exists(f"tar://9.a.txt::{SHARD}", options=options)
    assert file_dataset.list(f"tar://::{SHARD}", options=options) == [
        f"tar://{name}::{SHARD}" for name in ("7.a.txt", "7.b.txt", "8.a.txt")
    ]
    files = file_dataset.list_files(f"tar://::{SHARD}", pattern="*.b.txt", options=options)
    assert files[["bucket", "path", "size"]].values.tolist() == [[SHARD, "7.b.txt", 4]]


def test_archives_of_others_are_read_too(options, put):
    put("memory://in/x.zip", zip_of({"d/a.txt": b"1"}))
    put("memory://in/x.tar", tar_of({"d/a.txt": b"2"}))
    frame = [
        {"id": n, "a.txt": f"{kind}://d/a.txt::memory://in/x.{kind}"}
        for n, kind in enumerate(("zip", "tar"))
    ]
    found = reader(dataframe=frame, options=options).into_blob_table()
    assert found["a.txt"].to_pylist() == [b"1", b"2"]


def test_what_is_known_of_archives_stays_here_and_a_pickled_pipeline_works(tmp_path):
    write_files({"a.txt": io_file(tmp_path, b"seven")}, into_path=tmp_path / "in", id=7)
    packed = pack([{"id": 7, "a.txt": tmp_path / "in/7/a.txt"}], tmp_path / "packed")
    pipeline = Pipeline(upper, into_path=tmp_path / "out")
    pipeline(packed)
    copy = pickle.loads(pickle.dumps(pipeline))
    (row,) = copy(packed)
    assert row["c.txt"].read_bytes() == b"SEVEN"
    assert len(pickle.dumps(pipeline)) < 10_000


def io_file(directory, data):
    path = directory / "source"
    path.write_bytes(data)
    return path


# What goes wrong.


def test_a_row_that_cannot_be_read_is_dropped_and_told(options, put, held, caplog):
    frame = pd.DataFrame({"id": [7, 8], "a.txt": [put("memory://in/7"), "memory://in/none"]})
    packed = pack(frame, "memory://bucket/packed", options=options)
    assert packed["id"].tolist() == [7]
    assert "Failed to process row 8" in caplog.text
    with pytest.raises(AllRowsFailedError, match="not found"):
        pack(frame[1:], "memory://bucket/none", options=options)
    assert not [url for url in held() if url.startswith("memory://bucket/none")]


def test_an_empty_table_is_an_empty_table(options, held):
    packed = pack(pd.DataFrame({"id": [], "a.txt": []}), "memory://bucket/packed", options=options)
    assert packed.columns.tolist() == ["id", "a.txt"]
    assert held() == {}


def test_shards_of_an_earlier_table_are_warned_of(options, put):
    frame = [{"id": n, "a.txt": put("memory://in/a")} for n in range(3)]
    pack(frame, "memory://bucket/packed", shard_rows=1, options=options)
    with pytest.warns(
        UserWarning, match="2 shards at memory://bucket/packed are not of this table"
    ):
        pack(frame[:1], "memory://bucket/packed", options=options)
    pack(frame, "memory://bucket/packed", shard_rows=1, options=options)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"shard_bytes": 0}, "shard_bytes"),
        ({"shard_rows": 0}, "shard_rows"),
        ({"shard_rows": True}, "shard_rows"),
        ({"format": "zip"}, "format"),
        ({"into": ""}, "no URL"),
        ({"into": "nowhere://x"}, "unsupported scheme"),
        ({"into": "tar://a::memory://bucket/x.tar"}, "never added to"),
        ({"frame": [{"id": 7, "a": "tar://a::nowhere://x/y"}]}, "unsupported scheme 'nowhere://'"),
        ({"frame": [{"id": 7, "a": "tar://../a::memory://x/y"}]}, "leads elsewhere"),
        ({"frame": [{"id": "a::b", "a": "memory://x/y"}]}, "colon"),
        ({"frame": [{"a": "memory://x/y"}]}, "'id' column"),
        ({"frame": [{"id": "a", "b.c": "x"}, {"id": "a.b", "c": "x"}]}, "a.b.c"),
    ],
)
def test_what_breaks_the_rules_is_refused_before_anything_is_done(said, why, options, store):
    asked = {"frame": [{"id": 7, "a.txt": "memory://in/a"}], "into": "memory://x/y", **said}
    with pytest.raises(ValueError, match=why):
        pack(**asked, options=options)
    assert store.requests == []


def test_every_row_has_a_scheme_of_its_archive_that_is_known(options):
    frame = [
        {"id": 1, "a.txt": "tar://a::memory://x/y.tar"},
        {"id": 2, "a.txt": "tar://a::nowhere://x/y.tar"},
    ]
    with pytest.raises(UnsupportedSchemeError, match=r"row 2.*nowhere"):
        reader(dataframe=frame, options=options)


WRITES = {
    "put": lambda member, options: file_dataset.put(member, b"1", options=options),
    "delete": lambda member, options: file_dataset.delete(member, options=options),
    "copy": lambda member, options: file_dataset.copy("README.md", member, options=options),
}


@pytest.mark.parametrize("way", WRITES)
def test_a_member_cannot_be_written(way, options, packed):
    with pytest.raises(UnsupportedError):
        WRITES[way](f"tar://7.a.txt::{SHARD}", options)
    assert file_dataset.get(f"tar://7.a.txt::{SHARD}", options=options) == b"seven"


def test_rows_are_not_written_into_an_archive(options, packed):
    into = f"tar://::{SHARD}"
    with pytest.raises(InvalidDatasetError, match=r"never added to; pack\(\)"):
        write_files(dataframe=packed, into_path=into, options=options)
    with pytest.raises(InvalidDatasetError, match=r"never added to; pack\(\)"):
        Pipeline(upper, into_path=into, options=options)


def test_a_missing_archive_is_that_of_each_row(options, packed):
    missing = packed.replace("shard-000001", "shard-000009", regex=True)
    read = reader(dataframe=pd.concat([packed[:1], missing[1:]]), options=options)
    assert read.into_size_table()["id"].to_pylist() == ["7"]
    assert read.failures[0].causes[0].error == "NotFoundError"
    with pytest.raises(NotFoundError, match="shard-000009"):
        file_dataset.get(missing["a.txt"][1], options=options)


# Rows as one archive each.


def test_rows_are_written_as_one_archive_each_and_read_again(options, put, held):
    frame = pd.DataFrame(
        {
            "id": [7, 8],
            "a.txt": [put("memory://in/7", b"seven"), put("memory://in/8", b"eight")],
            "b.txt": [put("memory://in/b", b"more"), None],
        }
    )
    written = write_files(
        dataframe=frame, into_path="memory://bucket/out", archive="tar", options=options
    )
    assert [url for url in held() if "/out/" in url] == [
        "memory://bucket/out/7.tar",
        "memory://bucket/out/8.tar",
    ]
    assert written["b.txt"].tolist() == ["tar://b.txt::memory://bucket/out/7.tar", None]
    found = reader(dataframe=written, options=options).into_blob_table()
    assert found["a.txt"].to_pylist() == [b"seven", b"eight"]


def test_a_single_row_is_written_as_an_archive(tmp_path):
    written = write_files(
        {"a.txt": io_file(tmp_path, b"1")}, into_path=tmp_path / "out", id=7, archive="tar"
    )
    assert written == {"a.txt": f"tar://a.txt::{tmp_path}/out/7.tar"}
    with reader(row=written).into_temp_dir() as directory:
        assert (directory / "a.txt").read_bytes() == b"1"


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_pipeline_publishes_rows_as_archives(isolation, tmp_path):
    source = io_file(tmp_path, b"seven")
    into = tmp_path / "out"
    pipeline = Pipeline(upper, into_path=into, archive="tar", isolation=isolation)
    (row,) = pickle.loads(pickle.dumps(pipeline))([{"id": 7, "a.txt": source}])
    assert row["c.txt"] == f"tar://c.txt::{into}/7.tar"
    assert file_dataset.get(row["c.txt"]) == b"SEVEN"
    assert sorted(path.name for path in into.iterdir()) == ["7.tar"]
    again = Pipeline(upper, into_path=into, archive="tar", if_exists="error")
    result = again.run([{"id": 7, "a.txt": source}])
    assert [failure["error"] for failure in result.failures] == ["AlreadyExistsError"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"archive": "zip"}, "archive"),
        ({"archive": "tar", "if_exists": "skip"}, "records"),
        ({"archive": "tar", "version": "1"}, "records"),
    ],
)
def test_what_an_archive_has_no_records_for_is_refused(said, why):
    with pytest.raises(ValueError, match=why):
        Pipeline(upper, into_path="memory://bucket/out", **said)


def test_a_table_of_members_takes_few_requests(options, store, put):
    frame = [{"id": n, "a.bin": put(f"memory://in/{n}", bytes(4096))} for n in range(3000)]
    packed = pack(frame, "memory://bucket/packed", options=options)
    store.requests.clear()
    found = reader(dataframe=packed, options=options).into_blob_table()
    assert found["a.bin"].to_pylist() == [bytes(4096)] * 3000
    # The archive is looked at, its index is read, and then it is, 1 MiB at a time.
    assert len(store.requests) == 2 + 14


def test_packing_takes_the_memory_of_what_is_read_at_a_time(tmp_path):
    size, count = 2**14, 2048
    for number in range(count):
        with (tmp_path / str(number)).open("wb") as file:
            file.truncate(size)
    rows = [{"id": number, "a.bin": str(tmp_path / str(number))} for number in range(count)]
    pack(rows[:1], tmp_path / "first")
    tracemalloc.start()
    packed = pack(rows, tmp_path / "packed")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(packed) == count
    # 256 files, and as many again while those are packed; of 32 MiB in all, and in one shard.
    assert peak < 1.5 * 2 * 256 * size
