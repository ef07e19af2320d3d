from __future__ import annotations

import importlib.util
import random

import pytest
from tests.integration.authority import certificates
from tests.integration.cloud_servers import azurite, fake_gcs
from tests.integration.clusters import local_ray
from tests.integration.ftp_server import ftp_server
from tests.integration.servers import moto_server, rclone_server
from tests.integration.sftp_server import sftp_server
from tests.integration.static_server import static_server
from tests.integration.web_server import web_server as serve_web
from tests.support import not_here

WEB_OBJECTS = {
    "root/data.bin": random.Random(1).randbytes(1000),
    "root/empty": b"",
    "root/a+b": b"plus",
    "root/with space, caf\u00e9 and #": b"odd",
    "root/large": random.Random(2).randbytes(300_000),
    "root/deep/x/y": b"y",
}


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


@pytest.fixture(scope="session")
def web_server():
    """A web server with a few objects."""
    with serve_web(WEB_OBJECTS) as server:
        yield server


@pytest.fixture(scope="session")
def ftp_port(tmp_path_factory):
    """The port of an FTP server of an empty directory."""
    if importlib.util.find_spec("pyftpdlib") is None:
        not_here("pyftpdlib is not installed")
    with ftp_server(tmp_path_factory.mktemp("ftp")) as port:
        yield port


@pytest.fixture(scope="session")
def sftp_port(tmp_path_factory):
    """The port of an SFTP server of an empty directory."""
    if importlib.util.find_spec("paramiko") is None:
        not_here("paramiko is not installed")
    with sftp_server(tmp_path_factory.mktemp("sftp")) as port:
        yield port


@pytest.fixture(scope="session")
def static_tls(tls):
    """A server of everything over TLS."""
    with static_server(tls=tls) as server:
        yield server


@pytest.fixture(scope="session")
def azure():
    """Azure's own emulator."""
    with azurite() as server:
        yield server


@pytest.fixture(scope="session")
def gcs():
    """An emulator of Google Cloud Storage."""
    with fake_gcs() as server:
        yield server
