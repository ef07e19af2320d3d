from __future__ import annotations

from typing import Any

import boto3
import pycurl
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.s3.wire import KEYS

from file_dataset.adapters.s3.curl.network import Network

PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def client_of(endpoint="https://s3.example:9000", **config) -> Any:
    given: Any = {**KEYS, "region_name": "eu-west-1", "config": Config(**config)}
    return boto3.client("s3", endpoint_url=endpoint, **given)


def settings_of(client, *, verify=True):
    return Network.of(client, verify=verify).settings


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def proxy_of_botocore(client):
    """The proxy that botocore goes by, asked at the place where it connects."""
    endpoint = client._endpoint
    return endpoint.http_session._proxy_config.proxy_url_for(endpoint.host) or ""


class TestTimeouts:
    @given(st.floats(0.001, 1_000), st.floats(0.001, 1_000))
    def test_they_are_botocores(self, connect, read):
        settings = settings_of(client_of(connect_timeout=connect, read_timeout=read))

        assert settings[pycurl.CONNECTTIMEOUT_MS] == pytest.approx(connect * 1_000, abs=0.51)
        assert settings[pycurl.CONNECTTIMEOUT_MS] >= 1
        # libcurl counts whole seconds here.
        assert settings[pycurl.LOW_SPEED_TIME] == max(1, round(read))
        assert settings[pycurl.LOW_SPEED_LIMIT] == 1

    def test_without_any_there_are_none(self):
        settings = settings_of(client_of(connect_timeout=None, read_timeout=None))

        assert not {pycurl.CONNECTTIMEOUT_MS, pycurl.LOW_SPEED_TIME} & settings.keys()


class TestCertificates:
    def test_a_bundle_is_named(self):
        settings = settings_of(client_of(), verify="/a/bundle.pem")

        assert settings[pycurl.CAINFO] == settings[pycurl.PROXY_CAINFO] == "/a/bundle.pem"
        assert pycurl.SSL_VERIFYPEER not in settings

    def test_botocores_own_is_named_where_there_is_none(self):
        from botocore.httpsession import where

        assert settings_of(client_of())[pycurl.CAINFO] == where()

    def test_without_a_check_there_is_none(self):
        settings = settings_of(client_of(), verify=False)

        assert (settings[pycurl.SSL_VERIFYPEER], settings[pycurl.SSL_VERIFYHOST]) == (0, 0)
        assert pycurl.CAINFO not in settings


class TestProxies:
    @pytest.mark.parametrize("endpoint", ["http://s3.example:9000", "https://s3.example"])
    @pytest.mark.parametrize(
        "proxies",
        [
            None,
            {},
            {"http": "http://proxy:1"},
            {"https": "http://user:hush@proxy:2", "http": "proxy:3"},
            {"https": "//proxy:4"},
        ],
    )
    @pytest.mark.parametrize(
        "environment",
        [
            {},
            {"http_proxy": "http://other:5", "https_proxy": "http://other:6"},
            {"HTTPS_PROXY": "http://other:7", "no_proxy": "elsewhere"},
            {"https_proxy": "http://other:8", "no_proxy": "s3.example"},
            {"http_proxy": "http://other:9", "NO_PROXY": "*"},
        ],
        ids=["nothing", "both", "upper case", "not there", "nowhere"],
    )
    def test_they_are_botocores(self, endpoint, proxies, environment, monkeypatch):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        client = client_of(endpoint, proxies=proxies)
        settings = settings_of(client)

        assert settings[pycurl.PROXY] == proxy_of_botocore(client)
        # libcurl would look into the environment by itself.
        assert settings[pycurl.NOPROXY] == ""


def test_requests_say_who_sends_them():
    client = client_of(user_agent_extra="someone")

    assert "someone" in settings_of(client)[pycurl.USERAGENT]


def test_libcurl_takes_all_of_it():
    easy = pycurl.Curl()
    for verify in (True, False):
        client = client_of(proxies={"https": "http://proxy:1"})
        for option, value in settings_of(client, verify=verify).items():
            easy.setopt(option, value)
    assert easy.getinfo(pycurl.RESPONSE_CODE) == 0
