"""Whole runs, of whose requests a share fails in any way: what survives, and what is left.

A server in front of moto's loses requests before they are carried out and answers after it, and
sends other bytes than it has, so that what S3 keeps can be looked at by the back door.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from tests.integration.fault_server import Asked, Said, fault_server, forwarded, said
from tests.integration.servers import S3Server
from tests.soak import times

from file_dataset import Options, Pipeline, RunResult, recover, verify
from file_dataset.adapters.layers.retrying import Retrying

ROWS = range(times(8, most=300))
NAMES = ("b.txt", "c.txt")
PERCENTS = [0, 10, 50, 90]

SLOW_DOWN = said("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")
UNASKED = [said("500 Oops"), SLOW_DOWN, Said(b"", "reset")]
UNTOLD: list[Callable[[Said], Said]] = [
    lambda _: Said(b"", "reset"),
    lambda answer: Said(answer.data[: len(answer.data) * 7 // 8], "close"),
]


def other_bytes(answer: Said) -> Said:
    """One wrong bit, in the last byte."""
    return Said(answer.data[:-1] + bytes([answer.data[-1] ^ 1]))


def in_front_of(server: S3Server, *, percent: int) -> Callable[[Asked], Said]:
    """Answers as a server does, but for a share of the requests."""
    chance, drawing = Random(percent), threading.Lock()
    address = server.endpoint.partition("://")[2]

    def answer(asked: Asked) -> Said:
        with drawing:
            fails = chance.random() * 100 < percent
            fate = chance.randrange(6)
            before, after = chance.choice(UNASKED), chance.choice(UNTOLD)
        if fails and fate < 3:
            return before
        is_bytes = asked.method == "GET" and "?" not in asked.path
        given = forwarded(address, asked, is_summed=is_bytes and "range" not in asked.headers)
        if not fails:
            return given
        return other_bytes(given) if fate == 3 and is_bytes else after(given)

    return answer


def text_of(number: int) -> str:
    return f"the row {number}, " * 60


def work(inside: Path, out: Path) -> dict[str, Path]:
    text = (inside / "a.txt").read_text()
    for name in NAMES:
        (out / name).write_text(f"{name} of {text}")
    return {name: out / name for name in NAMES}


EXPECTED = {
    f"{number}/{name}": f"{name} of {text_of(number)}".encode() for number in ROWS for name in NAMES
}


class Kept:
    """What a bucket has, by the back door."""

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.client = server.options().client
        self.bucket = server.make_bucket().authority
        for number in ROWS:
            self.client.put_object(
                Bucket=self.bucket, Key=f"in/{number}", Body=text_of(number).encode()
            )

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [{"id": number, "a.txt": f"s3://{self.bucket}/in/{number}"} for number in ROWS]

    @property
    def uploads(self) -> Sequence[object]:
        return self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])

    @property
    def names(self) -> set[str]:
        """The files below the destination."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        keys = [each["Key"] for page in pages for each in page["Contents"]]
        is_file = re.compile(r"out/(?!\.file_dataset/)")
        return {key.removeprefix("out/") for key in keys if is_file.match(key)}

    @property
    def files(self) -> dict[str, bytes]:
        get = partial(self.client.get_object, Bucket=self.bucket)
        return {name: get(Key=f"out/{name}")["Body"].read() for name in self.names}


@pytest.fixture
def kept(moto_s3) -> Kept:
    return Kept(moto_s3)


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    directory: Path = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


def options_on(server: S3Server, engine: str) -> Options:
    """By way of a server, without the pauses between attempts."""
    config = Config(connect_timeout=30, read_timeout=30, s3={"addressing_style": "path"})
    threads = TransferConfig(max_concurrency=4)
    store = server.store(engine=engine, client_kwargs={"config": config}, transfer_config=threads)
    return Options(stores={"s3://": Retrying(store, base=0.0)})


def check_accounts(result: RunResult, *, percent: int) -> set[int]:
    """Each row is in one of the tables; those that came through are given."""
    done = {line["id"] for line in result.rows}
    failed = {line["id"] for line in result.failures}
    skipped = {line["id"] for line in result.skipped}
    assert sorted([*done, *failed, *skipped]) == [*ROWS]
    assert result.stats.rows + result.stats.failed + result.stats.skipped == len(ROWS)
    # Bytes that were wrong twice are taken for what the store has.
    assert all(line["retryable"] or line["error"] == "IntegrityError" for line in result.failures)
    # At most shares between these, luck decides whether attempts are enough.
    if percent in {0, 90}:
        assert bool(failed) == (percent == 90)
    return done


@pytest.mark.parametrize("percent", PERCENTS)
@pytest.mark.parametrize("commit", ["plain", "atomic"])
@pytest.mark.parametrize("engine", ["curl", "boto3"])
def test_of_a_run_to_s3(engine, commit, percent, kept, temporary):
    into = f"s3://{kept.bucket}/out"
    with fault_server(in_front_of(kept.server, percent=percent)) as (server, _):
        options = options_on(server, engine)
        result = Pipeline(work, into_path=into, options=options, commit=commit).run(kept.rows)
    done = check_accounts(result, percent=percent)
    reported = {f"{number}/{name}" for number in done for name in NAMES}
    seen = kept.files
    # What is there is right, and what was reported is there.
    assert seen.items() <= EXPECTED.items()
    assert reported <= seen.keys()
    assert {line[name] for line in result.rows for name in NAMES} == {
        f"{into}/{name}" for name in reported
    }
    assert list(temporary.iterdir()) == []

    sound = options_on(kept.server, engine)
    assert not recover(into, options=sound).errors
    assert kept.uploads == []
    if commit == "atomic":
        # A row that failed may have been committed, its answer lost; then it is there whole.
        there = kept.names
        assert there == {f"{name.split('/')[0]}/{each}" for name in there for each in NAMES}
        assert verify(into, options=sound).problems.empty
    again = Pipeline(work, into_path=into, options=sound, commit=commit).run(result.failed_rows())
    assert again.stats.failed == 0
    assert kept.files == EXPECTED
    assert kept.uploads == []


@pytest.mark.parametrize(("commit", "percent"), [("plain", 50), ("atomic", 50), ("atomic", 90)])
def test_of_a_run_to_a_disk(commit, percent, kept, temporary, tmp_path):
    into = tmp_path / "out"
    with fault_server(in_front_of(kept.server, percent=percent)) as (server, _):
        options = options_on(server, "curl")
        result = Pipeline(work, into_path=into, options=options, commit=commit).run(kept.rows)
    done = check_accounts(result, percent=percent)
    there = {
        path.relative_to(into).as_posix(): path.read_bytes()
        for path in into.rglob("*")
        if path.is_file() and ".file_dataset" not in path.parts
    }
    assert there == {
        name: data for name, data in EXPECTED.items() if int(name.split("/")[0]) in done
    }
    assert list(into.glob(".file_dataset/stage/*")) == []
    assert list(temporary.iterdir()) == []
