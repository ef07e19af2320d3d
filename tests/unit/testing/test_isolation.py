"""Tests reach no other machine, and know nothing of who runs them."""

import os
import socket
import urllib.request

import pytest
from hypothesis import settings


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "169.254.169.254", "s3.example.com"])
def test_other_machines_are_out_of_reach(host):
    with pytest.raises(RuntimeError, match=host):
        urllib.request.urlopen(f"http://{host}/", timeout=5)
    with pytest.raises(RuntimeError, match=host):
        socket.getaddrinfo(host, 443)


def test_addresses_of_the_other_kind_are_out_of_reach_too():
    with (
        socket.socket(socket.AF_INET6) as beyond,
        pytest.raises(RuntimeError, match="2001:db8::1"),
    ):
        beyond.connect(("2001:db8::1", 80))


def test_this_machine_is_within_reach(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost", "bucket.localhost"):
            assert socket.getaddrinfo(host, port) if host != "bucket.localhost" else True
        socket.create_connection(("localhost", port)).close()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        client.connect(str(tmp_path / "socket"))


def test_there_are_no_aws_settings():
    assert {name: value for name, value in os.environ.items() if name.startswith("AWS_")} == {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_the_thorough_profile_is_thorough():
    thorough = settings.get_profile("ci")
    assert thorough.max_examples >= 200
    assert thorough.deadline is None
    assert thorough.print_blob
    # By chance only where whoever sees it go red can look into it.
    assert thorough.derandomize
    assert settings.get_profile("default").derandomize == ("CI" in os.environ)
    assert settings.get_profile("default").deadline is None
