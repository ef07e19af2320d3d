from __future__ import annotations

import pytest
from moto import mock_aws
from tests.unit.adapters.s3.wire import KEYS
from tests.whole_moto import make_whole

from file_dataset.adapters.s3 import S3Options, S3Store
from file_dataset.domain.url import Url

make_whole()


@pytest.fixture
def options():
    return S3Options({**KEYS, "region_name": "us-east-1"}, max_concurrency=4)


@pytest.fixture
def aws():
    with mock_aws():
        yield


@pytest.fixture
def store(aws, options):
    with S3Store(options) as store:
        options.client.create_bucket(Bucket="bucket")
        yield store


@pytest.fixture
def url():
    return Url.parse("s3://bucket/dir/key.bin")
