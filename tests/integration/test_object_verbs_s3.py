"""The verbs of single objects on S3: on moto, on moto's server and on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import os

import boto3
import pytest
from moto import mock_aws

import file_dataset
from file_dataset import (
    FileDatasetError,
    NotFoundError,
    Options,
    PermissionDeniedError,
    RangeNotSatisfiableError,
    Url,
    create_async_loader,
    create_dataset,
)

KEYS = ["a b.bin", "a+b%20.bin", "d/ü#?.bin", "d/e/f"]


def reached(server, **more) -> Options:
    """Options that reach a server."""
    known = server.options()
    return Options(known.session_kwargs, known.client_kwargs, **more)


@contextlib.contextmanager
def on(name, request):
    """A new bucket on moto, on moto's server or on rclone's, and options that reach it."""
    if name == "moto":
        with mock_aws():
            os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
            boto3.client("s3").create_bucket(Bucket="bucket")
            yield "s3://bucket", Options()
    else:
        server = request.getfixturevalue(name)
        yield str(server.make_bucket()), reached(server)


@pytest.fixture(params=["moto", "moto_s3", "rclone_s3"])
def s3(request, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with on(request.param, request) as (bucket, options):
        yield bucket, options


def seen(options, url):
    """The back door: an object as boto3 reads it."""
    where = Url.parse(url)
    answer = options.s3_client.get_object(Bucket=where.authority, Key=where.key)
    return answer["Body"].read()


@pytest.mark.parametrize("key", KEYS)
def test_what_was_put_is_got_in_every_way(key, s3):
    bucket, options = s3
    url = f"{bucket}/{key}"
    assert not file_dataset.exists(url, options=options)
    file_dataset.put(url, b"0123456789", options=options)
    assert seen(options, url) == file_dataset.get(url, options=options) == b"0123456789"
    assert file_dataset.get_range(url, 4, 3, options=options) == b"456"
    assert file_dataset.get_range(url, 8, 100, options=options) == b"89"
    assert file_dataset.get_range(url, 9, options=options) == b"9"
    with pytest.raises(RangeNotSatisfiableError):
        file_dataset.get_range(url, 10, options=options)
    assert file_dataset.stat(url, options=options).size == 10
    assert file_dataset.exists(url, options=options)
    file_dataset.delete(url, options=options)
    file_dataset.delete(url, options=options)
    assert not file_dataset.exists(url, options=options)


@pytest.mark.parametrize("verb", ["get", "stat"])
def test_what_is_missing_is_not_found(verb, s3):
    bucket, options = s3
    with pytest.raises(NotFoundError, match="gone: not found"):
        getattr(file_dataset, verb)(f"{bucket}/gone", options=options)


def test_listings_have_full_urls_and_keys(s3):
    bucket, options = s3
    for key in KEYS:
        file_dataset.put(f"{bucket}/p/{key}", b"", options=options)
    file_dataset.put(f"{bucket}/p2", b"", options=options)
    keys = sorted(f"p/{key}" for key in KEYS)
    for prefix in (f"{bucket}/p", f"{bucket}/p/"):
        assert file_dataset.list(prefix, options=options) == [f"{bucket}/{key}" for key in keys]
        assert file_dataset.list_keys(prefix, options=options) == keys
    direct = file_dataset.list_keys(f"{bucket}/p", recursive=False, options=options)
    assert direct == ["p/a b.bin", "p/a+b%20.bin"]
    assert file_dataset.list(f"{bucket}/none", options=options) == []


def test_many_are_read_in_their_order(s3, tmp_path):
    bucket, options = s3
    (tmp_path / "local").write_bytes(b"local")
    urls = [f"{bucket}/{n}" for n in range(30)]
    for number, url in enumerate(urls):
        file_dataset.put(url, b"%d" % number, options=options)
    found = file_dataset.get_many([*reversed(urls), tmp_path / "local"], options=options)
    assert found == [*(b"%d" % n for n in reversed(range(30))), b"local"]
    with pytest.raises(FileDatasetError, match="2 of 3 objects") as caught:
        file_dataset.get_many([f"{bucket}/x", urls[0], f"{bucket}/y"], options=options)
    assert list(caught.value.file_errors) == [f"{bucket}/x", f"{bucket}/y"]


@pytest.mark.parametrize("large", [False, True])
def test_what_is_written_is_there_once_it_ends_well(large, s3, monkeypatch):
    bucket, options = s3
    # Larger than what is sent in parts, and than what waits in memory.
    pieces = [os.urandom(2**20) for _ in range(10 if large else 1)]
    url = f"{bucket}/deep/down/object"
    with file_dataset.open_writer(url, options=options) as writer:
        for piece in pieces:
            writer.write(piece)
        assert file_dataset.list(bucket, options=options) == []
    assert seen(options, url) == b"".join(pieces)


@pytest.mark.parametrize("large", [False, True])
def test_an_exception_leaves_what_was_there_before(large, s3):
    bucket, options = s3
    url = f"{bucket}/object"
    file_dataset.put(url, b"before", options=options)

    def interrupted():
        with file_dataset.create_s3_writer(url, options=options) as writer:
            for _ in range(10 if large else 1):
                writer.write(b"-" * 2**20)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert seen(options, url) == b"before"
    assert file_dataset.list(bucket, options=options) == [url]


def test_only_what_is_not_found_does_not_exist(rclone_s3):
    bucket = rclone_s3.make_bucket()
    stranger = reached(rclone_s3)
    session = {**stranger.session_kwargs, "aws_secret_access_key": "another"}
    stranger = Options(session, stranger.s3_client_kwargs)
    with pytest.raises(PermissionDeniedError):
        file_dataset.exists(f"{bucket}/a", options=stranger)


def test_datasets_and_loaders_read_them(s3):
    bucket, options = s3
    names = ["t/0.bin", "t/1.txt", "t/2.bin", "t/d/3.bin", "t2/4.bin"]
    for name in names:
        file_dataset.put(f"{bucket}/{name}", name.encode(), options=options)

    def found(source, **chosen):
        async def loaded():
            return [item async for item in create_async_loader(source, chosen, storage=options)]

        items = list(create_dataset(source, chosen, storage=options))
        assert asyncio.run(loaded()) == items
        return [item.decode() for item in items]

    assert found(f"{bucket}/t") == found(f"{bucket}/t/") == names[:4]
    assert found(f"{bucket}/t/*.bin", prefetch=2) == ["t/0.bin", "t/2.bin"]
    assert found(f"{bucket}/t/0.bin") == ["t/0.bin"]
    assert found(bucket, pattern="**/*.bin", part_size=3) == [n for n in names if "txt" not in n]
    with pytest.raises(NotFoundError, match="nothing below it"):
        found(f"{bucket}/none/")
    with pytest.raises(NotFoundError):
        found("s3://no-such-bucket-at-all/x")
