"""Options: a value that is checked when it is made, travels, and has one client per process."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import boto3
import botocore
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from tests.unit.api.support import headers_sent

from file_dataset import Options, reader


def config_of(options: Options) -> Any:
    return options.s3_client.meta.config


def copy_of(options: Options) -> Options:
    return pickle.loads(pickle.dumps(options))


# The value.


def test_it_cannot_be_changed_neither_by_itself_nor_by_what_it_was_made_of():
    session, client = {"region_name": "eu-west-1"}, {"endpoint_url": "http://localhost:1"}
    options = Options(session, client)
    session["region_name"] = client["endpoint_url"] = "changed"
    assert options.session_kwargs == {"region_name": "eu-west-1"}
    assert options.s3_client_kwargs == {"endpoint_url": "http://localhost:1"}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        options.session_kwargs = {}  # type: ignore[misc]


@pytest.mark.parametrize("name", ["session_kwargs", "s3_client_kwargs", "stores"])
@pytest.mark.parametrize("value", [None, "text", 7, [("a", "b")]])
def test_arguments_are_mappings(name, value):
    with pytest.raises(TypeError, match=name):
        Options(**{name: value})


def test_it_pickles_to_an_equal_value():
    options = Options(
        {"region_name": "eu-west-1"},
        {"endpoint_url": "http://localhost:1"},
        stores={"s3://public/": Options({"profile_name": "other"})},
        verify_reads="etag",
        verify_writes="size",
        requester_pays=True,
    )
    assert copy_of(options) == options
    assert copy_of(copy_of(options)) == options


def test_what_is_set_of_a_transfer_survives_pickling():
    options = Options(s3_transfer_config=TransferConfig(multipart_chunksize=7 * 2**20))
    for each in (options, copy_of(options)):
        assert each.s3_transfer_config is not None
        assert each.s3_transfer_config.multipart_chunksize == 7 * 2**20


# The client.


def test_the_client_is_as_the_arguments_say():
    options = Options(
        {"region_name": "eu-west-1"},
        {"endpoint_url": "http://localhost:1", "config": Config(connect_timeout=7)},
    )
    for each in (options, copy_of(options)):
        meta, config = each.s3_client.meta, config_of(each)
        assert (meta.region_name, meta.endpoint_url) == ("eu-west-1", "http://localhost:1")
        assert config.connect_timeout == 7


def test_there_is_one_client_in_a_process_whoever_comes_first():
    options = Options({"region_name": "eu-west-1"})
    with ThreadPoolExecutor(8) as pool:
        clients = set(pool.map(lambda _: id(options.s3_client), range(32)))
    assert len(clients) == 1
    assert copy_of(options).s3_client is not options.s3_client


def test_making_options_makes_no_client(monkeypatch):
    def no_client(*_, **__):
        raise AssertionError("nobody asked for a client")

    monkeypatch.setattr(boto3.Session, "client", no_client)
    for options in (Options(), Options.default(), Options.anonymous()):
        pickle.dumps(options)
        repr(options)
        reader(row={}, options=options)
        with pytest.raises(AssertionError, match="nobody asked"):
            _ = options.s3_client


# Options.default().


def test_default_transfers_are_as_the_arguments_say():
    config = Options.default(
        multipart_threshold=1,
        multipart_chunksize=2,
        max_concurrency=3,
        use_threads=False,
        max_bandwidth=4,
    ).s3_transfer_config
    assert config is not None
    assert (config.multipart_threshold, config.multipart_chunksize) == (1, 2)
    assert (config.max_request_concurrency, config.use_threads) == (3, False)
    assert config.max_bandwidth == 4


def test_default_transfers_are_boto3s_unless_told_otherwise():
    config, theirs = Options.default().s3_transfer_config, TransferConfig()
    assert config is not None
    for name in ("multipart_threshold", "multipart_chunksize", "use_threads", "max_bandwidth"):
        assert getattr(config, name) == getattr(theirs, name)


def test_default_retries_are_three_adaptive_attempts(keys):
    for options in (Options.default(), copy_of(Options.default())):
        retries = config_of(options).retries
        assert retries == {"mode": "adaptive", "total_max_attempts": 3}


def test_default_retries_are_as_the_arguments_say(keys):
    options = Options.default(retry_mode="standard", max_attempts=7)
    retries = config_of(options).retries
    assert retries == {"mode": "standard", "total_max_attempts": 7}


def test_without_options_the_library_retries_and_not_boto3(keys):
    assert config_of(Options()).retries["total_max_attempts"] == 1


# Options.anonymous().


@pytest.mark.parametrize("travel", [lambda options: options, copy_of], ids=["here", "pickled"])
def test_anonymous_options_sign_nothing(travel, bucket):
    bucket.put_object(Bucket="bucket", Key="key", Body=b"data", ACL="public-read")
    options = travel(Options.anonymous(region_name="us-east-1"))
    with headers_sent(options.s3_client) as sent:
        reader(row={"a": "s3://bucket/key"}, options=options).into_blob_table()
    assert [headers.get("Authorization") for headers in sent] == [None]
    signing = Options()
    with headers_sent(signing.s3_client) as sent:
        reader(row={"a": "s3://bucket/key"}, options=signing).into_blob_table()
    (authorization,) = [headers["Authorization"] for headers in sent]
    assert "AWS4-HMAC-SHA256" in str(authorization)


def test_anonymous_options_say_where():
    options = Options.anonymous(region_name="eu-west-1", endpoint_url="http://localhost:1")
    meta = options.s3_client.meta
    assert (meta.region_name, meta.endpoint_url) == ("eu-west-1", "http://localhost:1")


def test_anonymous_options_are_unsigned_in_the_very_process_that_unpickles_them():
    dump = "import pickle, sys; from file_dataset import Options; "
    dump += "sys.stdout.buffer.write(pickle.dumps(Options.anonymous()))"
    load = "import pickle, sys; options = pickle.load(sys.stdin.buffer); import botocore; "
    load += "assert options.s3_client.meta.config.signature_version is botocore.UNSIGNED"
    pickled = subprocess.check_output([sys.executable, "-c", dump])
    subprocess.run([sys.executable, "-c", load], input=pickled, check=True)
    assert copy_of(Options.anonymous()).s3_client_kwargs["config"].signature_version is (
        botocore.UNSIGNED
    )
