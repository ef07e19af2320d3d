"""A plan, and the run after it as it goes over the wire: they agree."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import pandas as pd
import pytest
from boto3.s3.transfer import TransferConfig
from tests.integration.relay import relay

from file_dataset import Options, Pipeline, Plan

SIZE = 500_000


One = TypedDict("One", {"b.txt": Path})
Two = TypedDict("Two", {"b.txt": Path, "c.txt": Path})


def one(inside: Path, out: Path) -> One:
    (out / "b.txt").write_text("b")
    return {"b.txt": out / "b.txt"}


def two(inside: Path, out: Path) -> Two:
    for name in ("b.txt", "c.txt"):
        (out / name).write_text(name)
    return {"b.txt": out / "b.txt", "c.txt": out / "c.txt"}


BOTH_SERVERS = pytest.mark.parametrize("server", ["moto_s3", "rclone_s3"], indirect=True)
BOTH_ENGINES = pytest.mark.parametrize("options", ["auto", "boto3"], indirect=True)


@pytest.fixture(params=["moto_s3"])
def server(request):
    """One that keeps to conditions on writes, as S3 does, unless another is asked for."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def wire(server):
    with relay(server.endpoint) as wire:
        yield wire


@pytest.fixture(params=["auto"])
def options(server, wire, request):
    given = server.options(client_kwargs={"endpoint_url": wire.endpoint})
    return Options(given.session_kwargs, given.client_kwargs, engine=request.param)


@pytest.fixture
def bucket(server):
    return server.make_bucket(*(f"out/{n}" for n in range(6)))


@pytest.fixture
def frame(server, bucket):
    client = server.options().client
    for n in range(12):
        body = bytes([n]) * (SIZE + n)
        client.put_object(Bucket=bucket.authority, Key=f"in/{n}", Body=body)
    urls = [str(bucket.joined(f"in/{n}")) for n in range(12)]
    return pd.DataFrame({"id": range(6), "a.bin": urls[:6], "z.bin": urls[6:]})


def check_agrees(pipeline: Pipeline, frame: pd.DataFrame, wire) -> Plan:
    """Plan, run, and compare what was said with what was sent."""
    plan = pipeline.plan(frame)
    # What a client does once is not what a run takes.
    wire.forget()
    result = pipeline.run(frame)
    assert plan.rows == result.stats.rows
    assert [*plan.skipped] == result.skipped["id"].tolist()
    assert set(plan.problems["id"]) == set(result.failures["id"])
    assert plan.requests.total is not None
    assert plan.requests.total == pytest.approx(wire.requests, rel=0.01), wire.methods
    assert plan.bytes <= wire.received <= plan.bytes * 1.01
    return plan


@BOTH_SERVERS
@BOTH_ENGINES
def test_a_run_that_makes_one_file_a_row_sends_what_was_planned(options, frame, bucket, wire):
    pipeline = Pipeline(one, into_path=str(bucket.joined("out")), options=options)
    plan = check_agrees(pipeline, frame, wire)
    assert (plan.files, plan.bytes) == (12, 12 * SIZE + 66)
    assert (plan.requests.reading, plan.requests.publishing) == (12, 7)


@BOTH_SERVERS
def test_files_that_are_published_as_they_come_take_what_was_planned(options, frame, bucket, wire):
    into = str(bucket.joined("out"))
    check_agrees(Pipeline(two, into_path=into, options=options, commit="plain"), frame, wire)
    with_sizes = Pipeline(
        two, into_path=into, options=options, commit="plain", max_staging_bytes=2 * 10**6
    )
    assert check_agrees(with_sizes, frame, wire).requests.looking == 12


def test_a_missing_file_costs_its_row_and_its_request(options, frame, bucket, wire):
    frame.loc[2, "a.bin"] = str(bucket.joined("in/gone"))
    pipeline = Pipeline(one, into_path=str(bucket.joined("out")), options=options)
    plan = check_agrees(pipeline, frame, wire)
    assert plan.rows == 5
    assert plan.problems["url"].tolist() == [str(bucket.joined("in/gone"))]


def test_a_plan_changes_nothing(options, frame, bucket, server):
    client = server.options().client

    def held():
        listed = client.list_objects_v2(Bucket=bucket.authority)["Contents"]
        return [(each["Key"], each["LastModified"]) for each in listed]

    before = held()
    for how in ({}, {"if_exists": "skip"}, {"if_exists": "error"}, {"archive": "tar"}):
        Pipeline(two, into_path=str(bucket), options=options, **how).plan(frame)  # type: ignore[arg-type]
    assert held() == before
    assert not client.list_multipart_uploads(Bucket=bucket.authority).get("Uploads")


@BOTH_ENGINES
def test_rows_of_several_files_take_what_was_planned_also_over_others(options, frame, bucket, wire):
    into = str(bucket.joined("out"))
    fresh = check_agrees(Pipeline(two, into_path=into, options=options), frame, wire)
    # One says what the records are, and that conditions hold; then each row has its record, and
    # each file is begun, sent and completed.
    assert fresh.requests.publishing == 2 + 6 * (1 + 2 * 3)
    over = check_agrees(Pipeline(two, into_path=into, options=options), frame, wire)
    # Each record is found to be there, read with its version, and its files are seen to be whole.
    assert over.requests.publishing == 1 + 6 * (2 + 2 * 3 + 2 + 2)


def test_rows_that_are_done_are_seen_before_they_are_skipped(options, frame, bucket, wire):
    into = str(bucket.joined("out"))
    pipeline = Pipeline(two, into_path=into, options=options, if_exists="skip", version="1")
    pipeline.run(frame.iloc[:4])
    plan = check_agrees(pipeline, frame, wire)
    assert [*plan.skipped] == [0, 1, 2, 3]
    assert (plan.rows, plan.files) == (2, 4)
    # The record, two inputs and two outputs of those that are done; the others have no record.
    assert plan.requests.looking == 4 * (1 + 2 + 2) + 2


def test_rows_that_are_there_already_are_problems_where_that_is_an_error(
    options, frame, bucket, wire
):
    into = str(bucket.joined("out"))
    pipeline = Pipeline(two, into_path=into, options=options, if_exists="error")
    pipeline.run(frame.iloc[:2])
    plan = check_agrees(pipeline, frame, wire)
    assert plan.problems["id"].tolist() == [0, 1]
    assert set(plan.problems["error"]) == {"AlreadyExistsError"}


def test_a_row_as_an_archive_is_one_request(options, frame, bucket, wire):
    into = str(bucket.joined("out"))
    plan = check_agrees(Pipeline(two, into_path=into, options=options, archive="tar"), frame, wire)
    assert plan.requests.publishing == 6


@pytest.mark.parametrize("options", ["boto3"], indirect=True)
def test_large_files_come_in_parts(server, wire, bucket, frame, options):
    parted = Options(
        options.session_kwargs,
        options.s3_client_kwargs,
        TransferConfig(multipart_threshold=200_000, multipart_chunksize=200_000),
        engine="boto3",
    )
    pipeline = Pipeline(one, into_path=str(bucket), options=parted)
    plan = pipeline.plan(frame)
    wire.forget()
    assert pipeline.run(frame).stats.failed == 0
    assert plan.requests.reading == 12 * 3
    assert plan.requests.total == wire.requests
