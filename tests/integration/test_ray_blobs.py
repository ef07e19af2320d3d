"""The contents of files as a Ray dataset: tasks, sizes, blocks, limits, and rows that fail."""

from __future__ import annotations

import functools
import pickle
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import attrs
import pandas as pd
import pyarrow as pa
import pytest
import ray
from ray.data import DataContext, ReadTask
from tests.integration.clusters import ON_A_CLUSTER

from file_dataset import FileDatasetError, Options
from file_dataset.api import arrow
from file_dataset.ray import blob_reader, read_file_dataset

pytestmark = ON_A_CLUSTER
MIB = 2**20


def rows_of(tmp_path: Path, sizes, *, bad=()):
    """A table of files of these sizes; the bad ones are not there."""
    for number, size in enumerate(sizes):
        if number not in bad:
            with (tmp_path / f"{number}.bin").open("wb") as file:
                file.write(str(number).encode()[:size])
                file.truncate(size)
    files = [str(tmp_path / f"{number}.bin") for number in range(len(sizes))]
    return pd.DataFrame({"id": range(len(sizes)), "a.bin": files, "note": "x"})


def read(*args, **kwargs):
    return ray.data.read_datasource(blob_reader(*args, **kwargs))


def schema_of(**kinds: pa.DataType):
    fields = {"id": pa.string(), "a.bin": pa.binary(), **kinds}
    return pa.schema([pa.field(name, kind) for name, kind in fields.items()])


def context(block_bytes):
    changed = DataContext.get_current().copy()
    changed.target_max_block_size = block_bytes
    return changed


def test_five_rows_in_batches_of_two_are_three_tasks(tmp_path):
    source = blob_reader(rows_of(tmp_path, [10] * 5), batch_size=2)
    assert [len(source.get_read_tasks(parallelism)) for parallelism in (1, 3, 200)] == [3, 3, 3]
    assert source.get_read_tasks(1) is source.get_read_tasks(7)
    table = ray.data.read_datasource(source).to_pandas().sort_values("id")
    assert table.columns.tolist() == ["id", "a.bin"]
    assert table["id"].tolist() == ["0", "1", "2", "3", "4"]
    assert [cell[:1] for cell in table["a.bin"]] == [b"0", b"1", b"2", b"3", b"4"]
    assert {len(cell) for cell in table["a.bin"]} == {10}


def test_the_schema_is_known_before_anything_is_read(tmp_path):
    schema = read(rows_of(tmp_path, [10] * 2), on_error="keep").schema(fetch_if_missing=False)
    assert schema.base_schema == schema_of(error=pa.string())


@pytest.mark.parametrize("size", [0, 10, 1000, 300_000])
def test_the_size_is_estimated_within_a_tenth(size, tmp_path):
    source = blob_reader(rows_of(tmp_path, [size] * 23), batch_size=5)
    estimate = source.estimate_inmemory_data_size()
    assert type(estimate) is int
    blocks = [block for task in source.get_read_tasks(1) for block in task()]
    assert estimate == pytest.approx(sum(block.nbytes for block in blocks), rel=0.1)
    told = [task.metadata.size_bytes for task in source.get_read_tasks(1)]
    assert {type(each) for each in told} == {int}
    assert sum(filter(None, told)) == pytest.approx(estimate, rel=0.02)


def test_sizes_are_asked_once_and_of_the_first_task_only(rclone_s3):
    bucket = rclone_s3.make_bucket()
    given = rclone_s3.options()
    options = Options(given.session_kwargs, given.client_kwargs, engine="boto3")
    urls = [bucket.joined(f"{number}.bin") for number in range(7)]
    for url in urls:
        rclone_s3.path_of(url).write_bytes(b"0123456789")
    asked: list[str] = []
    events = options.s3_client.meta.events
    events.register("before-send.s3", lambda event_name, **_: asked.append(event_name))
    frame = pd.DataFrame({"id": range(7), "a.bin": map(str, urls)})
    source = blob_reader(frame, 2, options)
    dataset = ray.data.read_datasource(source)
    dataset.schema()
    assert source.estimate_inmemory_data_size() == source.estimate_inmemory_data_size()
    assert asked == ["before-send.s3.HeadObject"] * 2
    assert dataset.count() == 7


def test_how_many_rows_there_are_is_told_where_it_is_known(tmp_path):
    frame = rows_of(tmp_path, [10] * 5, bad=[3])
    dropping, keeping = blob_reader(frame, 2), blob_reader(frame, 2, on_error="keep")
    assert [task.metadata.num_rows for task in dropping.get_read_tasks(1)] == [None] * 3
    assert [task.metadata.num_rows for task in keeping.get_read_tasks(1)] == [2, 2, 1]
    assert ray.data.read_datasource(dropping).count() == 4
    assert ray.data.read_datasource(keeping).count() == 5
    assert len(ray.data.read_datasource(keeping).to_pandas()) == 5


def test_rows_that_cannot_be_read_are_kept_with_an_error(tmp_path):
    table = read(rows_of(tmp_path, [10] * 5, bad=[1, 3]), 2, on_error="keep").to_pandas()
    table = table.sort_values("id")
    assert table["a.bin"].isna().tolist() == [False, True, False, True, False]
    assert table["error"].isna().tolist() == [True, False, True, False, True]
    assert table["error"].str.contains("NotFoundError").sum() == 2


def test_a_task_of_which_no_row_can_be_read_gives_an_empty_table(tmp_path):
    tasks = blob_reader(rows_of(tmp_path, [10] * 4, bad=[2, 3]), 2).get_read_tasks(1)
    blocks = list(tasks[1]())
    assert [block.num_rows for block in blocks] == [0]
    assert blocks[0].schema == schema_of()


@pytest.mark.parametrize("on_error", ["drop", "keep"])
def test_a_limit_reads_no_more_than_it_has_to(on_error, tmp_path):
    frame = rows_of(tmp_path, [10] * 100, bad=[1])
    assert read(frame, 100, on_error=on_error).limit(3).count() == 3
    (task,) = blob_reader(frame, 100, on_error=on_error).get_read_tasks(1, per_task_row_limit=3)
    assert sum(block.num_rows for block in task()) == 3
    for number in range(4, 100):
        (tmp_path / f"{number}.bin").unlink()
    assert sum(block.num_rows for block in task()) == 3
    assert len(read(frame, 100, on_error=on_error).take(3)) == 3


def test_a_table_is_in_the_object_store_once_and_in_no_task(tmp_path):
    tasks = blob_reader(rows_of(tmp_path, [1] * 2000), 4).get_read_tasks(1)
    assert len(tasks) == 500
    work: list[Any] = [task.read_fn for task in tasks]
    assert len({each.urls for each in work}) == 1
    assert attrs.evolve(work[0], begin=0) == attrs.evolve(work[-1], begin=0)
    # References are replaced: a plain pickle does not take them.
    alone = [attrs.evolve(each, urls=None, blobs=None) for each in work]
    assert max(len(pickle.dumps(each)) for each in alone) < 300


def test_blocks_are_about_as_large_as_ray_wants_them(tmp_path):
    frame = rows_of(tmp_path, [100_000] * 100)
    (task,) = blob_reader(frame, 100).get_read_tasks(1, None, context(MIB))
    blocks = list(task())
    assert sum(block.num_rows for block in blocks) == 100
    assert all(MIB <= block.nbytes <= 1.2 * MIB for block in blocks[:-1])
    assert all(block[name].num_chunks == 1 for block in blocks for name in block.column_names)


def test_a_block_that_was_handed_on_is_not_kept(tmp_path):
    frame = rows_of(tmp_path, [500_000] * 6)
    (task,) = blob_reader(frame, 6).get_read_tasks(1, None, context(MIB))
    blocks = iter(task())
    first = weakref.ref(next(blocks))
    assert first() is None
    assert len(list(blocks)) == 1


def in_shared_memory(address: int) -> bool:
    """Whether an address is in the memory that Ray's processes share."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(number, 16) for number in line.split()[0].split("-"))
        if begin <= address < end:
            return "plasma" in line or "/dev/shm" in line or "/tmp" in line
    return False


class Watched(ray.data.Datasource):
    """A source whose task leaves in a file what its process grew by, in bytes.

    Args:
        source: What is read.
        first: What is read before, with which the worker imports what it and Ray need.
        path: The file.
    """

    def __init__(self, source, first, path):
        self._source = source
        self._first = first
        self._path = path

    def get_name(self):
        return "Watched"

    def estimate_inmemory_data_size(self):
        return self._source.estimate_inmemory_data_size()

    def get_read_tasks(self, parallelism, per_task_row_limit=None, data_context=None):
        (task,) = self._source.get_read_tasks(parallelism, per_task_row_limit, data_context)
        (first,) = self._first.get_read_tasks(1)
        return [ReadTask(functools.partial(watched, first, task, self._path), task.metadata)]


def watched(first, task, path):
    """The blocks of a task; Ray goes on with each before it asks for the next, or for the end."""
    yield from first()
    before, peak, is_over = own_memory(), 0, threading.Event()

    def watch():
        nonlocal peak
        while not is_over.wait(0.001):
            peak = max(peak, own_memory())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield from task()
    finally:
        is_over.set()
        thread.join()
    path.write_text(str(peak - before))


def own_memory():
    """Bytes of this process that are neither files nor shared, as the object store is."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


def test_a_task_of_one_block_takes_half_a_block_more_within_ray(rclone_s3, tmp_path):
    bucket = rclone_s3.make_bucket()
    names = [f"{number}.bin" for number in range(1920)]
    for name in names:
        rclone_s3.path_of(bucket.joined(name)).write_bytes(bytes(MIB // 16))
    frame = pd.DataFrame({"id": names, "a.bin": [str(bucket.joined(name)) for name in names]})
    given = rclone_s3.options()
    options = Options(given.session_kwargs, given.client_kwargs)
    whole = blob_reader(frame, batch_size=len(names), options=options)
    first = blob_reader(frame[:200], batch_size=200, options=options)
    source = Watched(whole, first, tmp_path / "grown")
    read = ray.data.read_datasource(source, override_num_blocks=1)
    size = max(block.nbytes for block in ray.get(read.to_arrow_refs()))
    assert size > 120 * MIB
    grown = int((tmp_path / "grown").read_text()) / size
    sys.stdout.write(f"the peak is {grown:.2f} of a block\n")
    assert 0.5 < grown <= 1.5


def test_batches_are_views_of_the_object_store(tmp_path):
    def look(batch):
        buffers = batch["a.bin"].chunk(0).buffers()
        return {
            "id": batch["id"],
            "shared": pa.array([in_shared_memory(buffers[2].address)] * len(batch)),
            "chunks": pa.array([batch["a.bin"].num_chunks] * len(batch)),
        }

    read_there = read(rows_of(tmp_path, [300_000] * 4), 4).materialize()
    looks = read_there.map_batches(
        look, batch_format="pyarrow", batch_size=None, zero_copy_batch=True
    ).to_pandas()
    assert looks["shared"].all()
    assert set(looks["chunks"]) == {1}


def test_more_than_two_gib_in_a_batch(tmp_path):
    frame = rows_of(tmp_path, [1100 * MIB] * 2)
    (task,) = blob_reader(frame, 2).get_read_tasks(1)
    total = 0
    for block in task():
        assert block.schema.field("a.bin").type == pa.binary()
        total += block["a.bin"].nbytes
    assert total > 2**31


def test_a_block_that_binary_cannot_reach_is_large_binary(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow, "_REACH", 1000)
    frame = rows_of(tmp_path, [500] * 3)
    (task,) = blob_reader(frame, 3).get_read_tasks(1, None, context(None))
    (block,) = task()
    assert block.schema.field("a.bin").type == pa.large_binary()
    assert block.num_rows == 3


def test_wrong_input_is_told_before_a_task_is_begun(tmp_path):
    frame = rows_of(tmp_path, [1] * 2)
    wrong = {
        "DataFrame must have an 'id' column": frame.drop(columns="id"),
        "No valid file columns found in DataFrame": frame.drop(columns="a.bin"),
        "'id' column must have unique values": frame.assign(id=1),
        "unsupported scheme 'nowhere://'": frame.assign(**{"a.bin": "nowhere://x"}),
    }
    for message, table in wrong.items():
        with pytest.raises(ValueError, match=message):
            blob_reader(table)
    with pytest.raises(ValueError, match="batch_size"):
        blob_reader(frame, 0)
    with pytest.raises(ValueError, match="on_error"):
        blob_reader(frame, on_error="ignore")  # type: ignore[arg-type]


def test_an_empty_table_is_an_empty_dataset(tmp_path):
    source = read_file_dataset(rows_of(tmp_path, [1])[:0])
    assert source.estimate_inmemory_data_size() == 0
    assert ray.data.read_datasource(source).count() == 0


def test_what_keeps_every_row_from_being_read_is_an_error_on_the_driver(rclone_s3):
    no_credentials = Options({}, {"endpoint_url": rclone_s3.endpoint})
    frame = pd.DataFrame({"id": [1], "a.bin": ["s3://bucket/key"]})
    with pytest.raises(FileDatasetError, match="UnauthenticatedError"):
        read(frame, options=no_credentials)
