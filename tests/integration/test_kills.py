"""Runs that are killed by SIGKILL, at every call of the system or at every request: what is seen.

A row that can be seen is whole, of one attempt, and committed; a run after the kill does not call
the function for rows that were committed, and completes all; after recover() nothing is left over.
"""

from __future__ import annotations

import functools
import os
import random
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import soak
from tests.integration.fault_server import Asked, Said, fault_server, forwarded
from tests.integration.servers import S3Server
from tests.killing import calls, killed_at, result_of, was_killed

from file_dataset import Options, Pipeline, recover, verify
from file_dataset.adapters.scratch import sweep

ROWS = soak.times(3, most=10)
ROWS_S3 = soak.times(3, most=6)
NAMES = ("b.txt", "c.txt")


@pytest.fixture(autouse=True)
def temporary(memory_path, monkeypatch) -> Path:
    """Where the dead leave what is temporary: elsewhere the next would have it all to look at."""
    directory: Path = memory_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


def rows_in(directory: Path, count: int) -> list[dict[str, Any]]:
    directory.mkdir()
    for number in range(count):
        (directory / str(number)).write_text(f"row {number}")
    return [{"id": number, "a.txt": directory / str(number)} for number in range(count)]


def ids(rows: list[dict[str, Any]]) -> set[str]:
    return {str(row["id"]) for row in rows}


class Attempt:
    """A function that writes who it is into its files, and its calls beside them."""

    def __init__(self, name: str, calls: Path) -> None:
        self.name = name
        self.calls = calls

    def __call__(self, inside: Path, out: Path) -> dict[str, Path]:
        text = (inside / "a.txt").read_text()
        with self.calls.open("a") as file:
            file.write(f"{text}\n")
        for name in NAMES:
            (out / name).write_text(f"{self.name} {text} {name}")
        return {name: out / name for name in NAMES}


def run(rows, into, attempt: str, calls: Path, **kwargs: Any) -> Any:
    return Pipeline(Attempt(attempt, calls), into_path=into, **kwargs).run(rows)


def check_seen(seen: dict[str, str], committed: set[str] | None) -> set[str]:
    """The rows that can be seen, each of which is whole, and of one attempt."""
    whole = {name.split("/")[0] for name in seen}
    for row in whole:
        texts = {name: seen.get(f"{row}/{name}") for name in NAMES}
        (attempt,) = {str(text).split()[0] for text in texts.values()}
        assert texts == {name: f"{attempt} row {row} {name}" for name in NAMES}
    if committed is not None:
        assert whole <= committed
    return whole


def seen_in(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): path.read_text()
        for path in out.rglob("*")
        if path.is_file() and ".file_dataset" not in path.parts
    }


def points(number: int, *, share: int) -> list[int]:
    """Where to kill: some of all places, and in a soak all of them."""
    every = range(number)
    return sorted(random.Random(number).sample(every, soak.times(number // share, most=number)))


@pytest.mark.parametrize("before", ["nothing", "another run", "half a run"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_to_a_local_disk_killed_at_any_call(
    before, workers, memory_path, temporary, record_property
):
    rows = rows_in(memory_path / "in", ROWS)
    log, out = memory_path / "calls", memory_path / "out"
    out.mkdir()
    if before != "nothing":
        run(rows[: ROWS if before == "another run" else 1], out, "old", log)
    shutil.copytree(out, memory_path / "saved")
    how = {"if_exists": "replace" if before == "another run" else "skip", "workers": workers}

    def work() -> object:
        return run(rows, out, "new", log, **how)

    kills = 0
    for point in points(len(calls(work)), share=12):
        shutil.rmtree(out)
        shutil.copytree(memory_path / "saved", out)
        if not killed_at(point, work):
            continue  # with two workers not every run makes as many calls
        kills += 1
        records = {path.stem for path in (out / ".file_dataset/rows").glob("*.json")}
        seen = check_seen(seen_in(out), records)
        if before == "another run":
            assert seen == ids(rows)
        log.write_text("")
        result = run(rows, out, "again", log, if_exists="skip")
        assert result.stats.failed == 0
        # Committed rows are not run again; those of which that could not be told are no such.
        called = {line.split()[1] for line in log.read_text().splitlines()}
        assert called == ids(rows) - ids(result.skipped)
        assert called.isdisjoint(records)
        assert check_seen(seen_in(out), None) == ids(rows)
        recovered = recover(out)
        assert not recovered.errors
        assert list((out / ".file_dataset").glob("stage/*")) == []
        assert verify(out).problems.empty
        left = [path for path in out.rglob("*") if path.name.endswith(".tmp")]
        assert left == []
        assert len(list(temporary.iterdir())) <= 1
        sweep(temporary, age=0)
        assert list(temporary.iterdir()) == []
    record_property(*soak.tried("SIGKILLs at a local disk", kills))


# S3.


class Wire:
    """The requests of a client that is made here, of which one may be the last thing one does."""

    def __init__(self, options: Options, kill_at: int | None) -> None:
        self.count = 0
        self.kill_at = kill_at
        self._counting = threading.Lock()
        events = options.s3_client.meta.events
        events.register_first("before-send.s3", self.note)
        events.register_last("needs-retry.s3", self.note)

    def note(self, **_: object) -> None:
        with self._counting:
            if self.count == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.count += 1


class Door:
    """A server in front of another one; who asks is killed before or after one of the requests."""

    def __init__(self, address: str, victim: Path, kill_at: int | None) -> None:
        self.count = 0
        self.kill_at = kill_at
        self.address = address
        self.victim = victim
        self._counting = threading.Lock()

    def __call__(self, asked: Asked) -> Said:
        if self.is_the_last():
            return Said(b"", "hang")
        answer = forwarded(self.address, asked)
        return Said(b"", "hang") if self.is_the_last() else answer

    def is_the_last(self) -> bool:
        with self._counting:
            at, self.count = self.count, self.count + 1
        if at == self.kill_at:
            os.kill(int(self.victim.read_text()), signal.SIGKILL)
        return at == self.kill_at


class AtS3:
    """Rows, and buckets that they are committed to, seen by the back door."""

    def __init__(self, server: S3Server, directory: Path) -> None:
        self.server = server
        self.rows = rows_in(directory / "in", ROWS_S3)
        self.log = directory / "calls"
        self.victim = directory / "victim"
        self.mine = self.options("boto3", server.endpoint)
        self.client = self.mine.s3_client

    def options(self, engine: Any, endpoint: str) -> Options:
        given = self.server.options(client_kwargs={"endpoint_url": endpoint})
        return Options(given.session_kwargs, given.client_kwargs, engine=engine)

    def begun(self, before: str) -> tuple[str, str]:
        bucket = self.server.make_bucket().authority
        if before == "another run":
            run(self.rows, f"s3://{bucket}/out", "old", self.log, options=self.mine)
        return bucket, f"s3://{bucket}/out"

    def killed_by_itself(self, into: str, point: int | None) -> Callable[[], int]:
        def work() -> int:
            own = self.options("boto3", self.server.endpoint)
            wire = Wire(own, point)
            run(self.rows, into, "new", self.log, options=own)
            return wire.count

        return work

    def killed_at_the_door(self, into: str, point: int | None) -> tuple[int, bool]:
        """How often the door was passed, and whether who did was killed before he had ended."""
        door = Door(self.server.endpoint.partition("://")[2], self.victim, point)
        with fault_server(door) as (front, _):

            def work() -> None:
                self.victim.write_text(str(os.getpid()))
                run(self.rows, into, "new", self.log, options=self.options("curl", front.endpoint))

            is_killed = was_killed(work)
        return door.count, is_killed

    def check_recovered(self, bucket: str) -> None:
        """A run goes on where the dead one ended, and nothing is left over."""
        into, options = f"s3://{bucket}/out", self.mine
        records = self.client.list_objects_v2(Bucket=bucket, Prefix="out/.file_dataset/rows/")
        committed = {Path(each["Key"]).stem for each in records.get("Contents", [])}
        self.log.write_text("")
        result = run(self.rows, into, "again", self.log, options=options, if_exists="skip")
        assert result.stats.failed == 0
        called = {line.split()[1] for line in self.log.read_text().splitlines()}
        assert called == ids(self.rows) - ids(result.skipped)
        assert called.isdisjoint(committed)
        assert not recover(into, options=options).errors
        assert verify(into, options=options).problems.empty
        assert not self.client.list_multipart_uploads(Bucket=bucket).get("Uploads")
        keys = [each["Key"] for each in self.client.list_objects_v2(Bucket=bucket)["Contents"]]
        get = functools.partial(self.client.get_object, Bucket=bucket)
        seen = {
            key.removeprefix("out/"): get(Key=key)["Body"].read().decode()
            for key in keys
            if "/.file_dataset/" not in key
        }
        assert check_seen(seen, None) == ids(self.rows)


@pytest.fixture
def at_s3(moto_s3, memory_path) -> AtS3:
    return AtS3(moto_s3, memory_path)


@pytest.mark.parametrize("before", ["nothing", "another run"])
def test_a_run_to_s3_killed_before_and_after_any_request(before, at_s3, record_property):
    kills = points(int(result_of(at_s3.killed_by_itself(at_s3.begun(before)[1], None))), share=8)
    for point in kills:
        bucket, into = at_s3.begun(before)
        assert was_killed(at_s3.killed_by_itself(into, point))
        at_s3.check_recovered(bucket)
    record_property(*soak.tried("SIGKILLs at S3", len(kills)))


@pytest.mark.parametrize("before", ["nothing", "another run"])
def test_a_run_to_s3_by_curl_killed_while_requests_are_under_way(before, at_s3, record_property):
    count, _ = at_s3.killed_at_the_door(at_s3.begun(before)[1], None)
    kills = 0
    for point in points(count, share=16):
        bucket, into = at_s3.begun(before)
        # Not every run makes as many requests: several are under way at a time.
        kills += at_s3.killed_at_the_door(into, point)[1]
        at_s3.check_recovered(bucket)
    assert kills
    record_property(*soak.tried("SIGKILLs at S3", kills))
