from __future__ import annotations

import pytest
from tests.integration.authority import certificates
from tests.integration.clusters import local_ray
from tests.integration.servers import moto_server, rclone_server


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory):
    """An S3 server over a directory; one for each process of pytest-xdist."""
    with rclone_server(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """Certificates of this machine's, by an authority that nobody knows."""
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def rclone_s3_tls(tmp_path_factory, tls):
    """As rclone_s3, over TLS."""
    with rclone_server(tmp_path_factory.mktemp("rclone-tls"), tls=tls) as server:
        yield server


@pytest.fixture(scope="session")
def moto_s3():
    """An S3 server in memory, which keeps to the conditions of writes."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def ray_cluster():
    """A Ray cluster of two workers on this machine."""
    with local_ray() as cluster:
        yield cluster
