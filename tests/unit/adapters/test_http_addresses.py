import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.http.addresses import is_literal, is_public


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.31.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "ff02::1",
        "no address",
        "",
    ],
)
def test_what_belongs_to_a_machine_a_house_or_a_cloud_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"]
)
def test_what_belongs_to_everyone_is_public(address):
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_judged_as_itself(inner):
    for outer in (f"::ffff:{inner}", str(ipaddress.IPv6Address(f"64:ff9b::{inner}"))):
        assert is_public(outer) == is_public(str(inner))


def test_a_literal_is_an_address_and_not_a_name():
    assert is_literal("10.0.0.1")
    assert is_literal("::1")
    assert not is_literal("localhost")
