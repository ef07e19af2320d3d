"""Credentials: static ones travel, expiring ones are named by where they come from."""

from __future__ import annotations

import json
import pickle
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials

from file_dataset import FileDataset, FileDatasetError, Options, Pipeline, reader

STATIC = {
    "aws_access_key_id": "AKIDENVIRONMENT",
    "aws_secret_access_key": "made-up-secret",
    "region_name": "eu-central-1",
}
FIELDS = ("access_key", "secret_key", "token")


def used_by(options: Options) -> tuple[str, str, str | None]:
    """The credentials that a client of the options signs with."""
    client: Any = options.s3_client
    return tuple(client._get_credentials().get_frozen_credentials())[:3]


def elsewhere(options: Options, monkeypatch: pytest.MonkeyPatch) -> Options:
    """The options as they arrive on a machine that has no settings of its own."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    return pickle.loads(pickle.dumps(options))


def refreshable(method: str = "assume-role", lasts: timedelta = timedelta(hours=1)) -> Any:
    metadata = {
        "access_key": "AKIDEXPIRES",
        "secret_key": "made-up-and-expires",
        "token": "token",
        "expiry_time": (datetime.now(UTC) + lasts).isoformat(),
    }
    return RefreshableCredentials.create_from_metadata(metadata, lambda: metadata, method)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write the file of profiles that the AWS tools share."""

    def write(text: str) -> None:
        (tmp_path / "config").write_text(text)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    return write


@pytest.fixture
def expiring_profile(config, tmp_path):
    """A profile ``temporary`` whose credentials come from a program and expire."""
    answer = {
        "Version": 1,
        "AccessKeyId": "AKIDEXPIRES",
        "SecretAccessKey": "made-up-and-expires",
        "SessionToken": "token",
        "Expiration": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }
    (tmp_path / "answer.py").write_text(f"print({json.dumps(json.dumps(answer))})")
    process = f"{sys.executable} {tmp_path / 'answer.py'}"
    config(f"[profile temporary]\nregion = eu-west-3\ncredential_process = {process}\n")


# Options.default().


def test_static_credentials_and_the_region_are_taken_along(keys, monkeypatch):
    options = Options.default()
    assert options.session_kwargs == STATIC
    there = elsewhere(options, monkeypatch)
    assert used_by(there) == ("AKIDENVIRONMENT", "made-up-secret", None)
    assert there.s3_client.meta.region_name == "eu-central-1"


def test_a_token_is_taken_along(keys, monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    options = elsewhere(Options.default(), monkeypatch)
    assert used_by(options) == ("AKIDENVIRONMENT", "made-up-secret", "token")


def test_without_credentials_nothing_is_taken_along_and_the_first_call_says_so():
    options = Options.default()
    assert options.session_kwargs == {}
    with pytest.raises(FileDatasetError) as caught:
        reader(row={"a": "s3://bucket/key"}, options=options).into_size_table()
    assert "UnauthenticatedError" in str(caught.value)
    assert "credentials" in caught.value.file_errors["a"]


def test_static_credentials_of_a_profile_are_taken_along(config, monkeypatch):
    config(
        "[profile work]\nregion = eu-west-2\n"
        "aws_access_key_id = AKIDPROFILE\naws_secret_access_key = made-up\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "work")
    options = Options.default()
    assert options.session_kwargs["region_name"] == "eu-west-2"
    monkeypatch.delenv("AWS_PROFILE")
    config("")
    assert used_by(elsewhere(options, monkeypatch)) == ("AKIDPROFILE", "made-up", None)


def test_of_expiring_credentials_the_profile_is_taken_along_and_no_secret(
    expiring_profile, monkeypatch
):
    monkeypatch.setenv("AWS_PROFILE", "temporary")
    options = Options.default()
    assert options.session_kwargs == {"profile_name": "temporary", "region_name": "eu-west-3"}
    assert b"made-up-and-expires" not in pickle.dumps(options)
    monkeypatch.delenv("AWS_PROFILE")
    assert used_by(elsewhere(options, monkeypatch))[0] == "AKIDEXPIRES"


def test_of_expiring_credentials_of_the_machine_nothing_is_taken_along(monkeypatch):
    monkeypatch.setattr(boto3.Session, "get_credentials", lambda _: refreshable("iam-role"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert Options.default().session_kwargs == {"region_name": "eu-west-1"}


def test_an_assumed_role_is_named_by_its_profile(config, monkeypatch):
    config(
        "[profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = made-up\n"
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "role")
    assert Options.default().session_kwargs == {"profile_name": "role"}


# Options.from_credentials() and FileDataset(credentials=...).

GIVEN = {
    "plain": Credentials("key", "made up", "token"),
    "frozen": Credentials("key", "made up", "token").get_frozen_credentials(),
    "read-only": ReadOnlyCredentials("key", "made up", "token"),
    "frozen of expiring": refreshable().get_frozen_credentials(),
}


@pytest.mark.parametrize("credentials", GIVEN.values(), ids=GIVEN)
def test_static_credentials_are_used_as_given_here_and_elsewhere(credentials, keys, monkeypatch):
    for options in (
        Options.from_credentials(credentials),
        FileDataset(None, credentials=credentials).options,
    ):
        assert options is not None
        expected = tuple(getattr(credentials, name) for name in FIELDS)
        assert used_by(options) == expected
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        assert used_by(elsewhere(options, monkeypatch)) == expected


def test_the_credentials_of_a_session_make_a_file_dataset(keys, bucket):
    bucket.put_object(Bucket="bucket", Key="key", Body=b"data")
    credentials = boto3.Session().get_credentials()
    assert credentials is not None
    for each in (credentials, credentials.get_frozen_credentials()):
        with (
            FileDataset(credentials=each).reader(row={"a": "s3://bucket/key"}).into_temp_dir() as d
        ):
            assert (d / "a").read_bytes() == b"data"


def test_options_from_credentials_say_where():
    options = Options.from_credentials(
        GIVEN["plain"], region_name="eu-west-1", endpoint_url="http://localhost:1"
    )
    meta = options.s3_client.meta
    assert (meta.region_name, meta.endpoint_url) == ("eu-west-1", "http://localhost:1")


def test_expiring_credentials_of_the_default_session_are_named_by_where_they_come_from(
    expiring_profile, monkeypatch
):
    monkeypatch.setenv("AWS_PROFILE", "temporary")
    credentials = boto3.Session().get_credentials()
    assert isinstance(credentials, RefreshableCredentials)
    options = Options.from_credentials(credentials, region_name="eu-west-1")
    assert options.session_kwargs == {"profile_name": "temporary", "region_name": "eu-west-1"}


def test_expiring_credentials_from_elsewhere_are_refused_with_a_remedy(keys):
    with pytest.raises(ValueError, match=r"expire .* Options\(session_kwargs="):
        Options.from_credentials(refreshable("sts-assume-role"))
    with pytest.raises(ValueError, match="expire"):
        FileDataset(credentials=refreshable("sts-assume-role"))


@pytest.mark.parametrize("garbage", [None, "AKID", ("key", "secret"), {"token": "secret"}, 7])
def test_what_are_no_credentials_is_refused_without_showing_it(garbage):
    with pytest.raises(TypeError, match="credentials must be as") as caught:
        Options.from_credentials(garbage)
    assert "secret" not in str(caught.value)


def test_a_session_without_credentials_makes_a_file_dataset_that_finds_its_own():
    credentials = boto3.Session().get_credentials()
    assert credentials is None
    assert FileDataset(credentials=credentials).options is None


def test_options_and_credentials_are_not_given_both():
    with pytest.raises(ValueError, match="Cannot specify both 'options' and 'credentials'"):
        FileDataset(Options(), credentials=GIVEN["plain"])


def nothing(_: Path) -> dict[str, Path]:
    return {}


def test_a_pipeline_that_was_used_takes_along_no_secret_that_it_was_not_given(keys, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "found-and-secret")
    options = Options()
    assert used_by(options)[1] == "found-and-secret"
    pickled = pickle.dumps(Pipeline(nothing, into_path="s3://bucket/out", options=options))
    assert b"found-and-secret" not in pickled
    assert b"AKIDENVIRONMENT" not in pickled
