from __future__ import annotations

import logging
import sys
import threading
from unittest import mock

import pytest
from botocore.config import Config
from botocore.stub import Stubber
from moto import mock_aws
from tests.unit.adapters.s3.wire import KEYS

from file_dataset.adapters.s3 import S3Options, S3Store, engines
from file_dataset.adapters.s3.curl.carrier import Carrier
from file_dataset.domain.errors import MissingDependencyError, UnsupportedError
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.requests import Read
from file_dataset.domain.url import Url

LOCAL = "http://127.0.0.1:9"


def options_of(engine="auto", **config):
    return S3Options(
        {**KEYS, "region_name": "us-east-1"},
        {"endpoint_url": LOCAL, "config": Config(**config)},
        engine=engine,
    )


def carrier_of(options):
    """The carrier, which may be another one each time."""
    return options.carrier


@pytest.fixture
def told(caplog):
    """What the log says of engines."""
    caplog.set_level(logging.DEBUG, "file_dataset")
    return lambda: [text for text in caplog.messages if text.startswith("S3 is served by ")]


@pytest.fixture
def without_pycurl(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycurl", None)


@pytest.mark.parametrize("engine", ["auto", "curl"])
def test_libcurl_serves_where_it_can(engine, told):
    options = options_of(engine)

    assert isinstance(options.carrier, Carrier)
    assert options.carrier is options.carrier
    assert options.serving == "curl"
    assert told() == ["S3 is served by curl"]


def test_boto3_serves_whoever_asks_for_it(told, without_pycurl):
    options = options_of("boto3")

    assert options.carrier is None
    assert options.carrier is None
    assert options.serving == "boto3: it was asked for"
    assert told() == ["S3 is served by boto3: it was asked for"]


def test_nothing_is_said_before_anybody_serves(told):
    assert options_of().serving == "auto"
    assert options_of("curl").serving == "curl"
    assert not told()


def test_boto3_serves_between_the_beginning_and_the_end_of_a_mock_and_the_log_tells(told):
    options = options_of()
    for _ in range(2):
        assert isinstance(carrier_of(options), Carrier)
        with mock_aws():
            assert carrier_of(options) is None
            assert carrier_of(options) is None
            assert options.serving == "boto3: moto answers in place of the network"
        assert isinstance(carrier_of(options), Carrier)

    curl, moto = "curl", "boto3: moto answers in place of the network"
    assert told() == [f"S3 is served by {each}" for each in (curl, moto, curl, moto, curl)]


def test_boto3_serves_while_a_stubber_answers():
    options = options_of()
    with Stubber(options.client):
        assert options.carrier is None
        assert "Stubber" in options.serving
    assert isinstance(options.carrier, Carrier)


def test_who_asks_for_libcurl_has_it_whoever_stands_in():
    options = options_of("curl")
    with Stubber(options.client):
        assert isinstance(options.carrier, Carrier)


def test_without_pycurl_boto3_serves(without_pycurl, told):
    options = options_of()

    assert options.carrier is None
    assert options.carrier is None
    assert options.serving.startswith("boto3: pycurl cannot be imported: ")
    assert len(told()) == 1


def test_its_version_is_told_or_why_it_is_not_there(monkeypatch):
    version, reason = engines.curl()
    assert version.startswith("libcurl ")
    assert reason == ""

    monkeypatch.setitem(sys.modules, "pycurl", None)
    version, reason = engines.curl()
    assert version == ""
    assert reason.startswith("pycurl cannot be imported: ")


def test_who_asks_for_libcurl_without_pycurl_is_told(without_pycurl):
    options = options_of("curl")
    for _ in range(2):
        with pytest.raises(MissingDependencyError, match="engine='curl' cannot serve here: pycurl"):
            _ = options.carrier

    (outcome,) = S3Store(options).run([Read(url_of("key"))])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, MissingDependencyError)


def url_of(key):
    return Url.parse(f"s3://bucket/{key}")


UNSUITED = {"client_cert": "made-up.pem"}


def test_boto3_serves_a_client_whose_configuration_libcurl_cannot_follow():
    options = options_of(**UNSUITED)

    assert options.carrier is None
    assert options.serving == "boto3: a client certificate is configured"


def test_who_asks_for_libcurl_is_told_that_it_cannot_follow():
    options = options_of("curl", **UNSUITED)
    for _ in range(2):
        with pytest.raises(UnsupportedError, match=r"engine='curl' .*: a client certificate is"):
            _ = options.carrier


def test_the_repr_of_a_store_tells_which_engine_serves_and_why():
    store = S3Store(options_of())
    assert repr(store) == f"S3Store(engine='auto', endpoint='{LOCAL}')"

    with mock_aws():
        _ = store.options.carrier
        assert "engine='boto3: moto answers in place of the network'" in repr(store)
    _ = store.options.carrier
    assert "engine='curl'" in repr(store)


def test_threads_that_come_at_the_same_time_share_one_carrier(monkeypatch):
    options = options_of()
    assert options.client
    made = []
    make = engines._make

    def slowly(*arguments):
        made.append(threading.current_thread())
        if len(made) == 1:
            others = [threading.Thread(target=find) for _ in range(3)]
            threads.extend(others)
            for thread in others:
                thread.start()
            # Each of them either waits for this one, or has been here.
            for thread in others:
                thread.join(0.05)
        return make(*arguments)

    def find():
        found.append(options.carrier)

    found: list[object] = []
    threads: list[threading.Thread] = []
    monkeypatch.setattr(engines, "_make", slowly)
    find()
    for thread in threads:
        thread.join()

    assert len(made) == 1
    assert [carrier is found[0] for carrier in found] == [True] * 4
    assert isinstance(found[0], Carrier)


def test_closing_closes_the_connections_of_libcurl_too():
    options = options_of()
    carrier = options.carrier
    assert carrier is not None
    with mock.patch.object(carrier, "close") as close:
        options.close()

    close.assert_called_once_with()


@pytest.mark.parametrize("engine", ["auto", "curl", "boto3"])
@pytest.mark.parametrize("used", [True, False])
def test_what_was_closed_serves_again(engine, used):
    options = options_of(engine)
    carrier = options.carrier if used else None
    options.close()

    assert options.carrier is carrier or not used
    assert isinstance(options.carrier, Carrier) is (engine != "boto3")


def test_a_batch_under_moto_is_moto_s_and_needs_no_word_about_engines():
    with mock_aws():
        store = S3Store(S3Options({**KEYS, "region_name": "us-east-1"}))
        store.options.client.create_bucket(Bucket="bucket")
        store.options.client.put_object(Bucket="bucket", Key="key", Body=b"body")

        assert store.read(url_of("key")) == b"body"
        assert store.options.serving.startswith("boto3: moto")
