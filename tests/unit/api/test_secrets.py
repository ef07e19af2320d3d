"""Secrets: none is shown by a repr, a log line, an error or a table of failures."""

from __future__ import annotations

import functools
import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.credentials import Credentials

from file_dataset import (
    FileDataset,
    FileDatasetError,
    NotFoundError,
    Options,
    PerObjectStore,
    Pipeline,
    TransientError,
    Url,
    copy,
    reader,
    write_files,
)
from file_dataset.api.secrets import Secrets
from file_dataset.domain.objects import ObjectInfo, Prefix

CANARY = "c4n4ry"
SIGNED = f"https://user:{CANARY}@host/{{}}?X-Amz-Signature={CANARY}&token={CANARY}#{CANARY}"


class Web(PerObjectStore):
    """Serves no object, and says so in the ways that stores do."""

    def _read(self, url, span=None):
        if "busy" in url.key:
            raise TransientError(f"{url.redacted}: busy", url=url)
        raise NotFoundError(f"{url.redacted}: not found", url=url)

    def _stat(self, url):
        raise self._read(url)

    def _write(self, url, data, mode):
        raise NotFoundError(f"{url.redacted}: not found", url=url)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def logged(caplog, monkeypatch):
    """All that this library logs in a test; none of it may be secret."""
    monkeypatch.setattr("file_dataset.adapters.clock.SystemClock.sleep", lambda *_: None)
    with caplog.at_level(logging.DEBUG, "file_dataset"):
        yield caplog
    # In its teardown, a fixture finds those of the test no longer where it would look first.
    records = caplog.get_records("call")
    assert CANARY not in str([(record.getMessage(), record.__dict__) for record in records])


def secret_options() -> Options:
    return Options(
        {
            "aws_access_key_id": f"AKID{CANARY}",
            "aws_secret_access_key": CANARY,
            "aws_session_token": CANARY,
            "region_name": "us-east-1",
        },
        {
            "endpoint_url": f"http://user:{CANARY}@localhost:9/",
            "aws_secret_access_key": CANARY,
            "config": Config(proxies={"http": f"http://{CANARY}@localhost:9"}),
        },
        stores={
            "https://": Web(),
            "s3://other/": Options({"aws_secret_access_key": CANARY}),
        },
    )


def work(directory, token=None):
    return {"b.txt": directory / "a.txt"}


OBJECTS: dict[str, Any] = {
    "Options": secret_options,
    "Options.default": Options.default,
    "Options.from_credentials": lambda: Options.from_credentials(Credentials(CANARY, CANARY)),
    "unpickled": lambda: pickle.loads(pickle.dumps(secret_options().stores["s3://other/"])),
    "S3Options": lambda: secret_options().s3,
    "Secrets": lambda: Secrets(Path("secrets.env"), {"S3_UPLOAD_SECRET_KEY": CANARY}),
    "FileDataset": lambda: FileDataset(secret_options()),
    "FileDataset of credentials": lambda: FileDataset(credentials=Credentials(CANARY, CANARY)),
    "Pipeline": lambda: Pipeline(work, into_path=SIGNED.format("out"), options=secret_options()),
    "Pipeline of a partial": lambda: Pipeline(
        functools.partial(work, token=CANARY), into_path="out"
    ),
    "store": lambda: Pipeline(work, into_path="out", options=secret_options())._execution.store,
    "row": lambda: reader(row={"a": SIGNED.format("a")}, options=secret_options()),
    "frame": lambda: reader([{"id": 1, "a": SIGNED.format("a")}], options=secret_options()),
    "Url": lambda: Url.parse(SIGNED.format("a")),
}


@pytest.mark.parametrize("make", OBJECTS.values(), ids=OBJECTS)
def test_no_secret_is_in_a_repr(make, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CANARY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    made = make()
    assert CANARY not in repr(made)
    if not isinstance(made, Url):  # whose text is the URL itself
        assert CANARY not in str(made)
        assert CANARY not in f"{made}"


def test_what_is_not_secret_is_shown():
    shown = repr(secret_options())
    for words in ("us-east-1", "localhost:9", "https://", "aws_secret_access_key", "***"):
        assert words in shown


# Errors.

ITEMS = [{"id": n, "a.txt": SIGNED.format(name)} for n, name in enumerate(("gone", "busy"))]
ROW = {"a.txt": SIGNED.format("gone")}
OUT = SIGNED.format("out")

FAILING: dict[str, Any] = {
    "row": lambda options: reader(row=ROW, options=options).into_temp_dir().__enter__(),
    "sizes": lambda options: reader(row=ROW, options=options).into_size_table(),
    "contents": lambda options: reader(ITEMS, options=options).into_blob_table(),
    "rows": lambda options: list(reader(dataframe=ITEMS, options=options).into_temp_dir()),
    "write": lambda options: write_files(ROW, into_path="out", id=1, options=options),
    "write to it": lambda options: write_files(
        {"a": __file__}, into_path=OUT, id=1, options=options
    ),
    "pipeline": lambda options: Pipeline(work, into_path="out", options=options)(ITEMS),
    "pipeline raises": lambda options: Pipeline(
        work, into_path="out", options=options, on_error="raise"
    )(ITEMS),
    "copy": lambda options: copy(ROW["a.txt"], OUT, options=options),
    "unknown scheme": lambda options: reader({"a": f"gopher://h?{CANARY}"}, options=options),
    "unknown destination": lambda options: Pipeline(work, into_path=f"gopher://h?{CANARY}"),
}


@pytest.mark.parametrize("fail", FAILING.values(), ids=FAILING)
def test_no_secret_is_in_an_error(fail, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileDatasetError) as caught:
        fail(secret_options())
    error: BaseException | None = caught.value
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    while error is not None:
        assert CANARY not in str(error)
        assert CANARY not in repr(error)
        assert CANARY not in str(getattr(error, "file_errors", ""))
        assert CANARY not in str(getattr(error, "failures", ""))
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("into", ["out", OUT])
def test_no_secret_is_in_a_table_of_failures(into, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_bytes(b"data")
    items = [*ITEMS, {"id": "local", "a.txt": "a"}]
    result = Pipeline(work, into_path=into, options=secret_options()).run(items)
    assert len(result.failures) == (2 if into == "out" else 3)
    for shown in (result.failures, result, result._repr_html_()):
        assert CANARY not in str(shown)
        assert CANARY not in repr(shown)
    assert "https://***@host/gone?***" in str(result.failures)


def test_no_secret_is_in_what_s3_says(bucket):
    options = Options({"aws_access_key_id": f"A{CANARY}", "aws_secret_access_key": CANARY})
    items = [{"id": 1, "a.txt": "s3://bucket/gone"}, {"id": 2, "a.txt": "s3://no-such-bucket/k"}]
    result = Pipeline(work, into_path="s3://bucket/out", options=options).run(items)
    assert result.stats.failed == 2
    assert CANARY not in str(result.failures)


def test_no_secret_is_in_an_error_of_a_server_that_cannot_be_reached():
    with pytest.raises(FileDatasetError) as caught:
        reader(row={"a": "s3://bucket/key"}, options=secret_options()).into_size_table()
    assert CANARY not in "".join(traceback.format_exception(caught.value))
