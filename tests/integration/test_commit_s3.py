"""What the commit of rows costs on S3, and what it leaves there, seen by the back door."""

from __future__ import annotations

import contextlib
import json
import pickle
import threading
from collections import Counter
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from file_dataset import Options, Pipeline, write_files

ROWS = 4


@contextlib.contextmanager
def requests(options: Options):
    """The HTTP requests that are sent, by their operation."""
    counts: Counter[str] = Counter()

    counting = threading.Lock()

    def note(event_name, **_):
        with counting:
            counts[event_name.rpartition(".")[2]] += 1

    events = options.s3_client.meta.events
    events.register("before-send.s3", note)
    yield counts
    events.unregister("before-send.s3", note)


@pytest.fixture
def options(moto_s3) -> Options:
    given = moto_s3.options()
    return Options(given.session_kwargs, given.client_kwargs)


@pytest.fixture
def bucket(moto_s3):
    return moto_s3.make_bucket()


@pytest.fixture
def held(options, bucket):
    """The objects of the bucket, but for the records; and no upload is open."""

    def held() -> dict[str, bytes]:
        client = options.s3_client
        listed = client.list_objects_v2(Bucket=bucket.authority).get("Contents", [])
        keys = [each["Key"] for each in listed if "/.file_dataset/" not in each["Key"]]
        assert not client.list_multipart_uploads(Bucket=bucket.authority).get("Uploads")
        return {
            key: client.get_object(Bucket=bucket.authority, Key=key)["Body"].read() for key in keys
        }

    return held


@pytest.fixture
def frame(tmp_path):
    rows = []
    for number in range(ROWS):
        path = tmp_path / f"{number}.txt"
        path.write_text(f"row {number}")
        rows.append({"id": number, "a.txt": path})
    return rows


def one(inside: Path, out: Path) -> dict[str, Path]:
    return {"b.txt": inside / "a.txt"}


def two(inside: Path, out: Path) -> dict[str, Path]:
    return {"b.txt": inside / "a.txt", "c.txt": inside / "a.txt"}


def test_plain_rows_cost_one_put_a_file(options, frame, bucket, held):
    pipeline = Pipeline(two, into_path=str(bucket.joined("out")), options=options, commit="plain")
    with requests(options) as counts:
        assert pipeline.run(frame).stats.rows == ROWS
    assert counts == {"PutObject": 2 * ROWS}
    assert len(held()) == 2 * ROWS


def test_atomic_rows_of_one_file_cost_one_put_and_no_record(options, frame, bucket, held):
    pipeline = Pipeline(one, into_path=str(bucket.joined("out")), options=options)
    with requests(options) as counts:
        assert pipeline.run(frame).stats.rows == ROWS
    assert counts == {"PutObject": ROWS, "HeadObject": 1}
    assert len(held()) == ROWS


def test_one_file_with_a_record_costs_what_two_would_each(options, frame, bucket, held):
    into = str(bucket.joined("out"))
    pipeline = Pipeline(one, into_path=into, options=options, if_exists="skip")
    with requests(options) as counts:
        assert pipeline.run(frame).stats.rows == ROWS
    assert counts == {
        "GetObject": ROWS,  # for a record that may be there
        "CreateMultipartUpload": ROWS,
        "UploadPart": ROWS,
        "PutObject": ROWS + 2,
        "CompleteMultipartUpload": ROWS,
    }
    assert len(held()) == ROWS


def test_atomic_rows_cost_three_requests_a_file_and_a_record(options, frame, bucket, held):
    pipeline = Pipeline(two, into_path=str(bucket.joined("out")), options=options)
    with requests(options) as counts:
        assert pipeline.run(frame).stats.rows == ROWS
    # Two more for the destination, of which it is found out whether conditions hold there.
    assert counts == {
        "CreateMultipartUpload": 2 * ROWS,
        "UploadPart": 2 * ROWS,
        "PutObject": ROWS + 2,
        "CompleteMultipartUpload": 2 * ROWS,
    }
    with requests(options) as counts:
        assert pipeline.run(frame).stats.rows == ROWS
    # The rows are another run's now: each record is read, and its files completed again.
    assert counts["PutObject"] == 2 * ROWS
    assert counts["GetObject"] == ROWS
    assert held() == {
        f"out/{n}/{name}": f"row {n}".encode() for n in range(ROWS) for name in ("b.txt", "c.txt")
    }


# What each of two runs asks once, and of each row, at a destination that has records.
BEGIN, PART, COMPLETE = "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"
PUT, GET, HEAD = "PutObject", "GetObject", "HeadObject"
DRAFT, DRAFTS = {BEGIN: 1, PART: 1, COMPLETE: 1}, {BEGIN: 2, PART: 2, COMPLETE: 2}
OVER = {BEGIN: 1, PART: 1, COMPLETE: 2, PUT: 2, HEAD: 1, GET: 1}
OVER_TWO = {BEGIN: 2, PART: 2, COMPLETE: 4, PUT: 2, HEAD: 1, GET: 1}
LEDGER = {PUT: 1}
Asked: TypeAlias = tuple[dict[str, int], dict[str, int]]
COSTS: dict[str, tuple[Any, dict[str, Any], Asked, Asked]] = {
    "plain": (two, {"commit": "plain"}, ({}, {PUT: 2}), ({}, {PUT: 2})),
    "plain, error": (
        two,
        {"commit": "plain", "if_exists": "error"},
        ({}, {HEAD: 2, PUT: 2}),
        ({}, {HEAD: 2}),
    ),
    "archive": (two, {"archive": "tar"}, ({}, {PUT: 1}), ({}, {PUT: 1})),
    "one": (one, {}, (LEDGER | {HEAD: 1}, DRAFT | {PUT: 1}), (LEDGER | {HEAD: 1}, OVER)),
    "one, version": (one, {"version": "1"}, (LEDGER, DRAFT | {PUT: 1}), (LEDGER, OVER)),
    "one, skip": (
        one,
        {"if_exists": "skip"},
        (LEDGER, DRAFT | {PUT: 1, GET: 1}),
        ({}, {GET: 1, HEAD: 1}),
    ),
    "two": (two, {}, (LEDGER, DRAFTS | {PUT: 1}), (LEDGER, OVER_TWO)),
    "two, error": (
        two,
        {"if_exists": "error"},
        (LEDGER, DRAFTS | {PUT: 1, GET: 1, HEAD: 3}),
        ({}, {GET: 1}),
    ),
    "two, skip": (
        two,
        {"if_exists": "skip"},
        (LEDGER, DRAFTS | {PUT: 1, GET: 1}),
        ({}, {GET: 1, HEAD: 2}),
    ),
}


@pytest.mark.parametrize("how", COSTS)
def test_what_a_row_costs(how, options, frame, bucket):
    fn, kwargs, *runs = COSTS[how]
    into = str(bucket.joined("out"))
    Pipeline(two, into_path=into, options=options).run([{**frame[0], "id": "another"}])
    for once, each in runs:
        with requests(options) as counts:
            Pipeline(fn, into_path=into, options=options, **kwargs).run(frame)
        names = once.keys() | each.keys()
        assert counts == {name: once.get(name, 0) + ROWS * each.get(name, 0) for name in names}


def test_a_committed_row_is_looked_at_with_a_read_and_a_head_a_file(options, frame, bucket, held):
    how = {"into_path": str(bucket.joined("out")), "options": options, "if_exists": "skip"}
    Pipeline(two, **how).run(frame)
    with requests(options) as counts:
        assert Pipeline(two, **how).run(frame).stats.skipped == ROWS
    assert counts == {"GetObject": ROWS, "HeadObject": 2 * ROWS}


def test_attempts_at_the_same_rows_at_the_same_time_leave_rows_of_one_attempt(
    options, bucket, held, tmp_path
):
    # Each attempt writes its own words; whatever is seen of a row must be of one of them.
    def attempt(number: int):
        def fn(inside: Path, out: Path) -> dict[str, Path]:
            for name in ("b.txt", "c.txt", "d.txt"):
                (out / name).write_text(f"{number} {(inside / 'a.txt').read_text()}")
            return {name: out / name for name in ("b.txt", "c.txt", "d.txt")}

        return fn

    (tmp_path / "a").write_text("x")
    rows = [{"id": number, "a.txt": tmp_path / "a"} for number in range(20)]
    into = str(bucket.joined("out"))
    results = []

    def run(number: int) -> None:
        results.append(Pipeline(attempt(number), into_path=into, options=options).run(rows))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = held()
    assert len(found) == 3 * len(rows)
    for row in rows:
        texts = {found[f"out/{row['id']}/{name}"] for name in ("b.txt", "c.txt", "d.txt")}
        assert len(texts) == 1
    reported = {line["id"] for result in results for line in result.rows}
    assert reported == set(range(20))


def test_copies_of_one_pipeline_at_the_same_rows_give_the_same_urls(options, bucket, held, frame):
    pickled = pickle.dumps(Pipeline(two, into_path=str(bucket.joined("out")), options=options))
    first = pickle.loads(pickled)(frame)
    before = held()
    with requests(options) as counts:
        assert pickle.loads(pickled)(frame) == first
    assert held() == before
    # The copy has a client of its own, so that nothing is counted here; what it wrote is gone.
    assert counts == {}


def test_a_server_without_conditions_is_found_out_and_told(rclone_s3, tmp_path, caplog):
    given = rclone_s3.options()
    options = Options(given.session_kwargs, given.client_kwargs)
    bucket = rclone_s3.make_bucket()
    (tmp_path / "a").write_text("x")
    row = dict.fromkeys(("a", "b"), tmp_path / "a")
    write_files(row, id=1, into_path=str(bucket), options=options, commit="atomic")
    told = [record.getMessage() for record in caplog.records if "If-None" in record.getMessage()]
    root = rclone_s3.path_of(bucket)
    assert (root / "1/a").read_text() == (root / "1/b").read_text() == "x"
    record = json.loads((root / ".file_dataset/rows/1.json").read_bytes())
    assert record["outputs"].keys() == {"a", "b"}
    assert len(told) <= 1
