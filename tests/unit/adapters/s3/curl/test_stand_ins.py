from __future__ import annotations

import functools
import io
from unittest import mock

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.stub import Stubber
from moto import mock_aws
from tests.unit.adapters.s3.wire import KEYS

from file_dataset.adapters.s3 import S3Options
from file_dataset.adapters.s3.curl.stand_ins import stand_in


def client_of(*, keys=KEYS, **config):
    return boto3.client("s3", **keys, region_name="us-east-1", config=Config(**config))


@pytest.fixture
def client():
    return client_of()


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_nobody_stands_in_for_a_client_as_it_is_made(mode):
    assert stand_in(client_of(retries={"mode": mode})) is None


def test_nobody_stands_in_for_the_client_of_this_library():
    assert stand_in(S3Options({**KEYS, "region_name": "us-east-1"}).client) is None


def test_a_transfer_of_boto3_leaves_nobody_behind(client):
    with mock_aws():
        client.create_bucket(Bucket="bucket")
        client.upload_fileobj(io.BytesIO(b"body"), "bucket", "key")

    assert stand_in(client) is None


def test_moto_stands_in_from_its_start_to_its_end(client):
    aws = mock_aws()

    for _ in range(2):
        assert stand_in(client) is None
        aws.start()
        assert stand_in(client) == "moto answers in place of the network"
        aws.stop()
    assert stand_in(client) is None


def test_a_client_made_under_moto_is_free_afterwards():
    with mock_aws():
        client = client_of()
        assert stand_in(client) == "moto answers in place of the network"

    assert stand_in(client) is None


def test_a_stubber_stands_in_while_it_is_active_and_keeps_its_answers(client):
    stubber = Stubber(client)
    stubber.add_response("head_object", {"ContentLength": 7})

    assert stand_in(client) is None
    with stubber:
        assert stand_in(client) == "a botocore Stubber answers in place of the network"
        assert client.head_object(Bucket="bucket", Key="key")["ContentLength"] == 7
        stubber.assert_no_pending_responses()
        assert stand_in(client) == "a botocore Stubber answers in place of the network"
    assert stand_in(client) is None


@pytest.mark.parametrize(
    "fake",
    [
        mock.Mock,
        lambda: mock.MagicMock(spec=BaseClient),
        lambda: mock.create_autospec(client_of(), instance=True),
        object,
    ],
    ids=["mock", "with a specification", "autospec", "something else"],
)
def test_a_fake_client_stands_in(fake):
    assert str(stand_in(fake())).startswith("the client is a ")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("botocore.client.BaseClient._make_api_call", "_make_api_call"),
        ("botocore.endpoint.Endpoint.make_request", "make_request"),
        ("botocore.httpsession.URLLib3Session.send", "send"),
    ],
)
@pytest.mark.parametrize("kind", [mock.MagicMock, lambda: hook], ids=["mock", "function"])
def test_a_patched_engine_stands_in(client, target, name, kind):
    with mock.patch(target, kind()):
        assert str(stand_in(client)).startswith(f"{name} is patched with a ")

    assert stand_in(client) is None


@pytest.mark.parametrize(
    "method",
    [
        "get_object",
        "head_object",
        "put_object",
        "upload_part",
        "create_multipart_upload",
        "complete_multipart_upload",
        "abort_multipart_upload",
    ],
)
def test_a_patched_method_stands_in(client, method):
    with mock.patch.object(client, method):
        assert stand_in(client) == f"{method} is patched with a unittest.mock.MagicMock"

    assert stand_in(client) is None


def hook(**_):
    return None


class Hook:
    def __call__(self, **_):
        return None

    def method(self, **_):
        return None


@pytest.mark.parametrize(
    ("one", "name"),
    [
        (hook, "test_stand_ins.hook"),
        (functools.partial(hook), "functools.partial"),
        (lambda **_: None, "test_stand_ins.<lambda>"),
        (Hook(), "test_stand_ins.Hook"),
        (Hook().method, "test_stand_ins.Hook.method"),
        (mock.Mock(return_value=None), "unittest.mock.Mock"),
    ],
    ids=["function", "partial", "lambda", "object", "method", "mock"],
)
@pytest.mark.parametrize(
    ("event", "stage"),
    [
        ("*", "provide-client-params"),
        ("provide-client-params.s3.PutObject", "provide-client-params"),
        ("provide-client-params.s3.CreateMultipartUpload", "provide-client-params"),
        ("before-parameter-build.*.*", "before-parameter-build"),
        ("before-endpoint-resolution.s3", "before-endpoint-resolution"),
        ("before-call.s3.UploadPart", "before-call"),
        ("before-call.s3.AbortMultipartUpload", "before-call"),
        ("request-created", "request-created"),
        ("choose-signer.s3", "choose-signer"),
        ("before-sign.s3.GetObject", "before-sign"),
        ("before-send", "before-send"),
        ("before-send.s3.HeadObject", "before-send"),
        ("before-send.s3.CompleteMultipartUpload", "before-send"),
        ("response-received.s3", "response-received"),
        ("needs-retry.s3.GetObject", "needs-retry"),
        ("before-parse.s3.GetObject", "before-parse"),
        ("after-call.s3", "after-call"),
        ("after-call-error.s3.GetObject", "after-call-error"),
    ],
)
def test_a_hook_stands_in_while_it_is_registered_and_is_not_called(client, event, stage, one, name):
    assert stand_in(client) is None

    client.meta.events.register(event, one)
    assert str(stand_in(client)).endswith(f"{name} takes part in {stage}")
    if isinstance(one, mock.Mock):
        one.assert_not_called()

    client.meta.events.unregister(event, one)
    assert stand_in(client) is None


def test_hooks_of_other_operations_and_services_do_not_matter(client):
    client.meta.events.register("before-send.s3.ListObjectsV2", hook)
    client.meta.events.register("before-call.ec2", hook)

    assert stand_in(client) is None


def test_a_hook_of_one_client_does_not_matter_for_another(client):
    other = client_of()
    client.meta.events.register("before-send", hook)

    assert stand_in(client) is not None
    assert stand_in(other) is None


def test_a_botocore_that_does_not_tell_its_hooks_is_left_alone(client, monkeypatch):
    monkeypatch.setattr(client.meta, "events", object())

    assert str(stand_in(client)).startswith("this botocore does not tell")
