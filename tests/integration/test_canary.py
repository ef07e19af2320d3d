"""Secrets through whole runs that fail in many ways: none comes out anywhere."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest

from file_dataset import (
    FileDatasetError,
    NotFoundError,
    Options,
    PerObjectStore,
    Pipeline,
    Url,
    reader,
    write_files,
)
from file_dataset.cli import main
from file_dataset.domain.objects import ObjectInfo, Prefix, Span

CANARY = "c4n4ry"
KEYS: dict[str, Any] = {
    "aws_access_key_id": f"AKIA{CANARY}",
    "aws_secret_access_key": f"secret{CANARY}",
    "aws_session_token": f"token{CANARY}",
}
SIGNED = f"https://user:{CANARY}@host/a.txt?X-Amz-Signature={CANARY}&X-Amz-Security-Token={CANARY}"


@pytest.fixture
def bucket(moto_s3) -> str:
    """A bucket of its own, with one object in it."""
    name = f"canary-{uuid.uuid4().hex}"
    client = boto3.client("s3", endpoint_url=moto_s3.endpoint, region_name="us-east-1", **KEYS)
    client.create_bucket(Bucket=name)
    client.put_object(Bucket=name, Key="in/good", Body=b"data")
    return name


@pytest.fixture(autouse=True)
def logged(caplog) -> Iterator[None]:
    """All that this library logs is looked at; boto3 has a log of its own, with tokens in it."""
    with caplog.at_level(logging.DEBUG, "file_dataset"):
        yield
    ours = caplog.get_records("call")
    assert ours
    assert CANARY not in str([(record.getMessage(), record.__dict__) for record in ours])


def rows(bucket: str) -> list[dict[str, Any]]:
    return [
        {"id": "good", "a.txt": f"s3://{bucket}/in/good"},
        {"id": "fn", "a.txt": f"s3://{bucket}/in/good"},
        {"id": "key", "a.txt": f"s3://{bucket}/in/none"},
        {"id": "bucket", "a.txt": f"s3://{bucket}-none/in/good"},
        {"id": "file", "a.txt": "/no/such/file"},
    ]


class Web(PerObjectStore):
    """Has nothing, whatever one is allowed to see."""

    def _read(self, url: Url, span: Span | None) -> bytes:
        raise NotFoundError(f"{url.redacted}: not found", url=url)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        return iter(())


def work(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    if output_dir.parent.exists() and (input_dir / "a.txt").read_bytes() != b"data":
        raise AssertionError
    (output_dir / "b.txt").write_bytes(b"done")
    return {"b.txt": output_dir / "b.txt"}


def shown(thing: object) -> str:
    """All that a thing says of itself."""
    html = getattr(thing, "_repr_html_", lambda: "")()
    return f"{thing!r} {thing} {html}"


@pytest.mark.parametrize(
    ("engine", "endpoint"),
    [("curl", "real"), ("boto3", "real"), ("curl", "with a password"), ("curl", "gone")],
)
def test_no_secret_comes_out_of_a_run(engine, endpoint, moto_s3, bucket, tmp_path):
    url = moto_s3.endpoint
    if endpoint != "real":
        url = url.replace("http://", f"http://user:{CANARY}@")
    if endpoint == "gone":
        url = url.rpartition(":")[0] + ":9"
    options = Options(
        {**KEYS, "region_name": "us-east-1"},
        {"endpoint_url": url},
        stores={"https://": Web()},
        engine=engine,
    )
    pipeline = Pipeline(work, into_path=f"s3://{bucket}/out", options=options)
    table = pd.DataFrame([*rows(bucket), {"id": "web", "a.txt": SIGNED}])
    plan = pipeline.plan(table)
    assert {"key", "bucket", "file", "web"} <= {*plan.problems["id"]}
    result = pipeline.run(table)
    assert {"key", "bucket", "file", "web"} <= {*result.failures["id"]}
    result.report(tmp_path / "run.html")
    said = [shown(each) for each in (options, pipeline, result, result.failures, result.stopped)]
    said += [shown(plan), json.dumps(plan.to_dict()), (tmp_path / "run.html").read_text()]
    said += [
        result.failures.to_json(),
        str(result.failures.to_dict()),
        str(pickle.dumps(result.rows)),
    ]
    for fail in (
        lambda: Pipeline(work, into_path=f"s3://{bucket}/out", options=options, on_error="raise")(
            rows(bucket)[2:]
        ),
        lambda: reader(row={"a": f"s3://{bucket}/in/none"}, options=options).into_size_table(),
        lambda: write_files(
            {"a": __file__}, into_path=f"s3://{bucket}-none", id=1, options=options
        ),
        lambda: reader(row={"a": SIGNED}, options=options).into_size_table(),
        lambda: reader(row={"a": SIGNED}),
        lambda: write_files({"a": __file__}, into_path=SIGNED, id=1, options=options),
    ):
        with pytest.raises(FileDatasetError) as caught:
            fail()
        said += traceback.format_exception(caught.value)
        said += [repr(caught.value), repr(caught.value.__dict__)]
        said += [str(pickle.dumps(caught.value))]
    assert CANARY not in "\n".join(said)
    for name, data in published(moto_s3.endpoint, bucket).items():
        assert CANARY.encode() not in data, name


def published(endpoint: str, bucket: str) -> dict[str, bytes]:
    """All objects of a bucket, records too, with their metadata."""
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **KEYS)
    found = client.list_objects_v2(Bucket=bucket)
    objects = {}
    for each in found.get("Contents", []):
        answer = client.get_object(Bucket=bucket, Key=each["Key"])
        objects[each["Key"]] = answer["Body"].read() + json.dumps(answer["Metadata"]).encode()
    return objects


def test_a_pipeline_that_was_given_no_secret_takes_none_along(bucket, moto_s3, monkeypatch, caplog):
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto_s3.endpoint)
    pipeline = Pipeline(work, into_path=f"s3://{bucket}/out")
    assert pipeline.run(rows(bucket)).stats.rows == 2
    # Used before or not, it knows where to get them, and no more.
    assert CANARY.encode() not in pickle.dumps(pipeline)


@pytest.fixture
def in_a_shell(moto_s3, tmp_path, monkeypatch, what_the_command_takes_is_given_back) -> None:
    """The settings of somebody who calls the command in a directory of his own."""
    monkeypatch.chdir(tmp_path)
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto_s3.endpoint.replace("//", f"//u:{CANARY}@"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


FUNCTION = """
def work(input_dir, output_dir):
    (output_dir / "b.txt").write_bytes(b"done")
    return {"b.txt": output_dir / "b.txt"}
"""


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_no_secret_comes_out_of_the_command(kind, bucket, in_a_shell, tmp_path, capfd):
    (tmp_path / "functions.py").write_text(FUNCTION)
    pd.DataFrame(rows(bucket)).to_csv("table.csv", index=False)
    pd.DataFrame([*rows(bucket), {"id": "web", "a.txt": SIGNED}]).to_csv("web.csv", index=False)
    into = ["--into", f"s3://{bucket}/out"]
    report = ["--failures", f"failures.{kind}", "--results", f"results.{kind}"]
    commands = [
        ["run", "functions.py:work", "table.csv", *into, *report],
        ["run", "functions.py:work", "table.csv", *into, "--json", "--no-progress"],
        ["run", "functions.py:work", "web.csv", *into],
        ["run", "functions.py:work", "table.csv", "--into", SIGNED],
        ["retry", f"failures.{kind}", *into, "--function", "functions.py:work"],
        ["get", SIGNED, "here"],
        ["get", f"s3://{bucket}/in/none", "here"],
        ["put", "table.csv", SIGNED],
        ["sizes", "web.csv"],
        ["ls", f"s3://{bucket}-none/"],
        ["stores"],
    ]
    for arguments in commands:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capfd.readouterr()
        assert ended.value.code in (None, 0, 1, 2, 3), arguments
        assert out + err, arguments
        assert CANARY not in out + err, arguments
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "web.csv":
            assert CANARY.encode() not in path.read_bytes(), path
