"""What the API asks of S3: which requests, how many, and no more; and copies between all places."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections import Counter
from pathlib import Path

import pytest

from file_dataset import MemoryStore, Options, Pipeline, Url, reader, write_files


@pytest.fixture
def options(rclone_s3):
    """Options that reach the server, and a memory beside it."""
    given = rclone_s3.options()
    return Options(given.session_kwargs, given.client_kwargs, stores={"memory://": MemoryStore()})


@pytest.fixture
def bucket(rclone_s3):
    return rclone_s3.make_bucket("1", *(f"out/{n}" for n in range(4)))


@pytest.fixture
def put(rclone_s3, bucket):
    """Put objects into the bucket by the back door; gives their URLs."""

    def put(*names: str) -> list[str]:
        for name in names:
            path = rclone_s3.path_of(bucket.joined(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        return [str(bucket.joined(name)) for name in names]

    return put


@pytest.fixture
def held(rclone_s3, bucket):
    """What is in the bucket, seen by the back door."""

    def held(prefix: str = "") -> dict[str, bytes]:
        root = rclone_s3.path_of(bucket.joined(prefix)) if prefix else rclone_s3.path_of(bucket)
        files = [path for path in root.rglob("*") if path.is_file()]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    return held


@contextlib.contextmanager
def requests(options: Options):
    """The HTTP requests that are sent, by their operation, and the bytes of their bodies."""
    counts: Counter[str] = Counter()

    # Adding to a counter takes more than one step, and several threads come here.
    counting = threading.Lock()

    def note(request, event_name, **_):
        with counting:
            counts[event_name.rpartition(".")[2]] += 1
            counts["bytes"] += int(request.headers.get("Content-Length", 0))

    events = options.s3_client.meta.events
    events.register("before-send.s3", note)
    yield counts
    events.unregister("before-send.s3", note)


NAMES = [f"in/{n}/{name}" for n in range(4) for name in ("a.txt", "b.txt")]


@pytest.fixture
def frame(put):
    urls = iter(put(*NAMES))
    return [{"id": n, "a.txt": next(urls), "b.txt": next(urls)} for n in range(4)]


def test_reading_costs_one_get_per_file_and_no_head(options, frame):
    with requests(options) as counts:
        assert len(list(reader(dataframe=frame, options=options).into_temp_dir())) == 4
    assert counts == {"GetObject": 8, "bytes": 0}
    with requests(options) as counts:
        reader(dataframe=frame, options=options).into_blob_table()
    assert counts == {"GetObject": 8, "bytes": 0}


def test_sizes_cost_one_head_per_file_and_no_body(options, frame):
    with requests(options) as counts:
        sizes = reader(dataframe=frame, options=options).into_size_table()
    assert counts == {"HeadObject": 8, "bytes": 0}
    assert sizes.column("a.txt").to_pylist() == [len("in/0/a.txt")] * 4


def test_what_is_too_large_costs_no_body(options, frame):
    with requests(options) as counts, pytest.raises(ValueError, match="max_bytes"):
        reader(dataframe=frame, options=options).into_blob_table(max_bytes=1)
    assert counts == {"HeadObject": 8, "bytes": 0}


def test_copies_within_s3_are_made_by_the_server(options, frame, bucket, held):
    with requests(options) as counts:
        write_files(frame, into_path=str(bucket.joined("out")), options=options)
    assert counts["CopyObject"] == 8
    assert set(counts) <= {"CopyObject", "HeadObject", "bytes"}
    assert counts["bytes"] == 0
    assert held("out") == {name.removeprefix("in/"): name.encode() for name in NAMES}


def test_writing_costs_one_put_per_file(options, tmp_path, bucket, held):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 10)
    row = {name: tmp_path / name for name in ("a", "b")}
    with requests(options) as counts:
        write_files(row, into_path=str(bucket), id=1, options=options)
    assert counts["PutObject"] == 2
    assert set(counts) == {"PutObject", "bytes"}
    assert held() == {"1/a": b"a" * 10, "1/b": b"b" * 10}


def upper(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    (output_dir / "c.txt").write_bytes((input_dir / "a.txt").read_bytes().upper())
    return {"c.txt": output_dir / "c.txt"}


def test_a_pipeline_costs_a_get_per_input_and_a_put_per_output(options, frame, bucket, held):
    into = str(bucket.joined("out"))
    with requests(options) as counts:
        result = Pipeline(upper, into_path=into, options=options).run(frame)
    assert result.stats.failed == 0
    assert (counts["GetObject"], counts["PutObject"]) == (8, 4)
    # Whether the rows there have records.
    assert counts["HeadObject"] == 1
    assert set(counts) == {"GetObject", "PutObject", "HeadObject", "bytes"}
    assert held("out") == {f"{n}/c.txt": f"IN/{n}/A.TXT".encode() for n in range(4)}


def test_a_pipeline_works_in_another_process_with_the_options_of_this_one(
    rclone_s3, frame, bucket, held
):
    given = rclone_s3.options()
    options = Options(given.session_kwargs, given.client_kwargs)
    pipeline = Pipeline(upper, into_path=str(bucket.joined("out")), options=options)
    here = pipeline(frame)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(pipeline, (frame,)) == here
    assert len(held("out")) == 4


# Every place to every place.


def test_of_a_row_with_a_missing_source_nothing_is_written(options, put, bucket, held, tmp_path):
    (good,) = put("good")
    bad = {
        "s3": str(bucket.joined("gone")),
        "local": tmp_path / "gone",
        "memory": "memory://x/gone",
    }
    before = held()
    with pytest.raises(Exception, match="row 1") as caught:
        write_files({"good": good, **bad}, into_path=str(bucket), id=1, options=options)
    assert set(caught.value.file_errors) == set(bad)  # type: ignore[attr-defined]
    assert held() == before


@pytest.fixture
def places(bucket, held, tmp_path, options):
    """Destinations, and how to see by the back door what is there."""

    def on_disk():
        files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        return {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in files}

    def in_memory():
        objects = options.stores["memory://"]._objects.items()
        found = {str(url).partition("/out/"): each.data for url, each in objects}
        return {name: data for (_, out, name), data in found.items() if out}

    return {
        "s3": (f"{bucket}/out", lambda: held("out")),
        "local": (f"{tmp_path}/out", on_disk),
        "memory": ("memory://bucket/out", in_memory),
    }


@pytest.mark.parametrize("into", ["s3", "local", "memory"])
def test_rows_of_sources_from_everywhere_go_anywhere(into, options, put, places, tmp_path):
    (in_s3,) = put("s3.txt")
    (tmp_path / "local.txt").write_bytes(b"local.txt")
    memory = options.stores["memory://"]
    memory.write(Url.parse("memory://in/memory.txt"), b"memory.txt")
    row = {
        "s3.txt": in_s3,
        "local.txt": tmp_path / "local.txt",
        "memory.txt": "memory://in/memory.txt",
        "none.txt": None,
    }
    place, see = places[into]
    written = write_files([{"id": 1, **row}, {"id": 2, **row}], into_path=place, options=options)
    names = ["s3.txt", "local.txt", "memory.txt"]
    assert see() == {f"{n}/{name}": name.encode() for n in (1, 2) for name in names}
    assert [{name: str(each[name]) for name in row} for each in written] == [
        {**{name: f"{place}/{n}/{name}" for name in names}, "none.txt": "None"} for n in (1, 2)
    ]
