from __future__ import annotations

import os

import boto3
import pandas as pd
import pytest
from moto import mock_aws
from tests.noted import Noted

from file_dataset import MemoryStore, Options, Url


@pytest.fixture(scope="session", autouse=True)
def the_right_pandas():
    """These tests are also run with another pandas, which has to be the one that was meant."""
    assert pd.__version__.startswith(os.environ.get("FILE_DATASET_TEST_PANDAS", ""))


@pytest.fixture
def store():
    """What ``memory://`` is in a test: empty, and it notes what it is asked."""
    return Noted(MemoryStore())


@pytest.fixture
def options(store):
    return Options(stores={"memory://": store})


@pytest.fixture
def put(store):
    """Put an object in by the back door; gives its URL."""

    def put(url: str, data: bytes = b"data") -> str:
        store.store.write(Url.parse(url), data)
        return url

    return put


@pytest.fixture
def held(store):
    """What is in the store, seen by the back door."""

    def held() -> dict[str, bytes]:
        return {str(url): each.data for url, each in store.store._objects.items()}

    return held


@pytest.fixture
def keys(monkeypatch):
    """Credentials and a region in the environment, as made up as can be."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.fixture
def bucket(keys):
    """A client of a make-believe AWS, with the bucket ``bucket`` in it."""
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        yield client
