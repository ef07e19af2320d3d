"""Options from a file of secrets: for reading, or for reading and writing."""

from __future__ import annotations

import logging
import pickle

import attrs
import boto3
import pytest
from moto import mock_aws
from tests.integration.fault_server import fault_server, said

from file_dataset import (
    FileDatasetError,
    NotFoundError,
    Options,
    UnsupportedError,
    copy,
    delete,
    get,
    ingest,
    list_keys,
    put,
    write_files,
)

CANARY = "c4n4ry"
DOWNLOAD = {"S3_DOWNLOAD_ACCESS_KEY": "AKDOWN", "S3_DOWNLOAD_SECRET_KEY": f"{CANARY}-down"}
UPLOAD = {"S3_UPLOAD_ACCESS_KEY": "AKUP", "S3_UPLOAD_SECRET_KEY": f"{CANARY}-up"}
TYPES = ["download", "upload"]


@pytest.fixture
def told(tmp_path):
    """Writes a file of secrets; gives its directory."""

    def told(**values):
        lines = [f"{name}={value}\n" for name, value in values.items()]
        (tmp_path / "secrets.env").write_text("".join(lines))
        return tmp_path

    return told


def keys(options):
    session = dict(options.session_kwargs)
    return session.pop("aws_access_key_id"), session.pop("aws_secret_access_key"), session


def test_each_client_has_its_keys(told):
    place = told(S3_ENDPOINT="http://minio:9000", **DOWNLOAD, **UPLOAD)
    reads = Options.from_secrets(place, client_type="download")
    writes = Options.from_secrets(place, client_type="upload")
    assert keys(reads) == ("AKDOWN", f"{CANARY}-down", {})
    assert keys(writes) == ("AKUP", f"{CANARY}-up", {})
    assert (reads.read_only, writes.read_only) == (True, False)
    for options in (reads, writes):
        assert options.s3_client_kwargs == {"endpoint_url": "http://minio:9000"}


def test_who_says_nothing_downloads(told):
    assert keys(Options.from_secrets(told(**DOWNLOAD, **UPLOAD)))[0] == "AKDOWN"


@pytest.mark.parametrize("more", [{}, {"S3_UPLOAD_ACCESS_KEY": "", "S3_UPLOAD_SECRET_KEY": ""}])
def test_an_upload_falls_back_to_the_keys_for_downloads(more, told):
    options = Options.from_secrets(told(**DOWNLOAD, **more), "upload")
    assert keys(options)[:2] == ("AKDOWN", f"{CANARY}-down")
    assert not options.read_only


def test_region_and_token_and_no_endpoint(told):
    place = told(
        S3_REGION="eu-west-3", S3_DOWNLOAD_SESSION_TOKEN="t", UNRELATED="x", **DOWNLOAD, **UPLOAD
    )
    options = Options.from_secrets(place)
    assert keys(options)[2] == {"aws_session_token": "t", "region_name": "eu-west-3"}
    assert options.s3_client_kwargs == {}
    assert keys(Options.from_secrets(place, "upload"))[2] == {"region_name": "eu-west-3"}


def test_the_file_may_have_any_name_and_what_such_files_have(tmp_path):
    path = tmp_path / "my.env"
    path.write_text(
        "\ufeff# for the scanner\n\n"
        'export S3_DOWNLOAD_ACCESS_KEY="AK DOWN"  # of the project\n'
        "S3_DOWNLOAD_SECRET_KEY='a$b${HOME}#c=d'\n"
        "S3_ENDPOINT = https://store.example\n"
    )
    assert keys(Options.from_secrets(path))[:2] == ("AK DOWN", "a$b${HOME}#c=d")
    path.write_text("S3_DOWNLOAD_ACCESS_KEY=a\r\nS3_DOWNLOAD_SECRET_KEY=${HOME}$x\r\n")
    assert keys(Options.from_secrets(str(path)))[:2] == ("a", "${HOME}$x")


def test_the_environment_is_no_part_of_it(told, monkeypatch):
    for name, value in UPLOAD.items():
        monkeypatch.setenv(name, value)
    assert keys(Options.from_secrets(told(**DOWNLOAD), "upload"))[0] == "AKDOWN"


@pytest.mark.parametrize(
    ("values", "client_type", "said"),
    [
        ({}, "download", "lacks S3_DOWNLOAD_ACCESS_KEY and S3_DOWNLOAD_SECRET_KEY$"),
        ({}, "upload", "lacks S3_DOWNLOAD_ACCESS_KEY and S3_DOWNLOAD_SECRET_KEY$"),
        (UPLOAD, "download", "lacks S3_DOWNLOAD_ACCESS_KEY and"),
        ({"S3_DOWNLOAD_ACCESS_KEY": CANARY}, "download", "lacks S3_DOWNLOAD_SECRET_KEY$"),
        (DOWNLOAD | {"S3_UPLOAD_SECRET_KEY": CANARY}, "upload", "lacks S3_UPLOAD_ACCESS_KEY$"),
        (DOWNLOAD | {"S3_ENDPOINT": f"minio:9000/{CANARY}"}, "upload", "must begin with https://"),
        (DOWNLOAD, "admin", "client_type must be one of"),
    ],
)
def test_what_is_missing_is_named_and_nothing_else_is(values, client_type, said, told):
    with pytest.raises(ValueError, match=said) as raised:
        Options.from_secrets(told(**values), client_type)
    assert CANARY not in str(raised.value)
    if client_type != "admin":
        assert "secrets.env" in str(raised.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    for place in (tmp_path, tmp_path / "no.env"):
        with pytest.raises(NotFoundError, match=r"(secrets|no).env: not found"):
            Options.from_secrets(place)
    (tmp_path / "secrets.env").write_bytes(b"S3_DOWNLOAD_SECRET_KEY=\xff" + CANARY.encode())
    with pytest.raises(ValueError, match="is not UTF-8") as raised:
        Options.from_secrets(tmp_path)
    assert CANARY not in repr(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("client_type", TYPES)
def test_secrets_are_not_shown(client_type, told, caplog):
    with caplog.at_level(logging.DEBUG):
        options = Options.from_secrets(
            told(S3_ENDPOINT=f"https://u:{CANARY}@host", BROKEN=f'"{CANARY}', **DOWNLOAD),
            client_type,
        )
    for shown in (repr(options), str(options), repr(options.s3), caplog.text):
        assert CANARY not in shown
    with pytest.raises(ValueError, match="lacks") as raised:
        Options.from_secrets(told(S3_DOWNLOAD_SECRET_KEY=CANARY))
    assert CANARY not in str(raised.traceback[-1].frame.f_locals["self"])


def write_by_client(options):
    options.s3_client.put_object(Bucket="bucket", Key="a", Body=b"")


def delete_many_by_client(options):
    options.s3_client.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "a"}]})


def upload_by_client(options):
    options.s3_client.upload_file(__file__, "bucket", "a")


def presign(options):
    options.s3_client.generate_presigned_url("put_object", {"Bucket": "bucket", "Key": "a"})


WRITES = {
    "put": lambda options: put("s3://bucket/a", b"", options=options),
    "delete": lambda options: delete("s3://bucket/a", options=options),
    "upload": lambda options: copy(__file__, "s3://bucket/a", options=options),
    "copy": lambda options: copy("s3://bucket/b", "s3://bucket/a", options=options),
    "write_files": lambda options: write_files(
        {"a": __file__}, into_path="s3://bucket/out", id=1, options=options
    ),
    "client": write_by_client,
    "client deletes": delete_many_by_client,
    "client uploads": upload_by_client,
    "client presigns": presign,
}


@pytest.mark.parametrize("way", ["curl", "boto3", "pickled"])
def test_a_download_client_refuses_writes_before_anything_is_sent(way, told):
    with fault_server(lambda asked: said("200 OK", ETag='"x"')) as (server, asked):
        options = Options.from_secrets(told(S3_ENDPOINT=server.endpoint, S3_REGION="x", **DOWNLOAD))
        if way == "pickled":
            options = pickle.loads(pickle.dumps(options))
        else:
            options = attrs.evolve(options, engine=way)
        for name, write in WRITES.items():
            with pytest.raises(FileDatasetError) as raised:
                write(options)
            # A row that fails tells of it in words.
            refused = isinstance(raised.value, UnsupportedError)
            assert refused or "only to be read" in str(raised.value), name
        assert asked == []
        assert get("s3://bucket/a", options=options) == b""
        assert [each.method for each in asked] == ["GET"]
        assert options.s3.serving.partition(":")[0] == ("boto3" if way == "boto3" else "curl")


@mock_aws
def test_a_download_client_reads_all_that_there_is(told, tmp_path):
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="a", Body=b"data")
    options = Options.from_secrets(told(S3_REGION="us-east-1", **DOWNLOAD))
    assert get("s3://bucket/a", options=options) == b"data"
    assert list_keys("s3://bucket", options=options) == ["a"]
    assert ingest("s3://bucket", into=tmp_path / "x", options=options) == [tmp_path / "x/a"]
    assert copy("s3://bucket/a", tmp_path / "b", options=options) == str(tmp_path / "b")
    assert options.s3_client.get_object(Bucket="bucket", Key="a")["ContentLength"] == 4
    uploading = Options.from_secrets(told(S3_REGION="us-east-1", **DOWNLOAD), "upload")
    put("s3://bucket/b", b"more", options=uploading)
    assert get("s3://bucket/b", options=options) == b"more"


@mock_aws
def test_one_place_may_be_only_read_and_another_written(told):
    client = boto3.client("s3", region_name="us-east-1")
    for name in ("raw", "out"):
        client.create_bucket(Bucket=name)
    client.put_object(Bucket="raw", Key="a", Body=b"data")
    place = told(S3_REGION="us-east-1", **DOWNLOAD, **UPLOAD)
    both = Options(
        stores={
            "s3://raw/": Options.from_secrets(place),
            "s3://out/": Options.from_secrets(place, "upload"),
        }
    )
    assert copy("s3://raw/a", "s3://out/b", options=both) == "s3://out/b"
    assert get("s3://out/b", options=both) == b"data"
    with pytest.raises(UnsupportedError):
        copy("s3://out/b", "s3://raw/b", options=both)
