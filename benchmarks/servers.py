"""The servers that are measured against, all on this machine and on ports that were free."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from benchmarks.content import Family, block

_SOURCE = Path(__file__).parent / "server" / "server.c"
_STARTED = re.compile(r"Starting s3 server on \[(http://127\.0\.0\.1:\d+)/\]")


class UnavailableError(Exception):
    """What is needed for a measurement is not on this machine."""


@attrs.frozen
class Site:
    """Where clients go, and what they need to know.

    Args:
        endpoint: The server's URL.
        ca: The file with the authority that the server's certificate is from.
        check_bucket: The bucket by which written objects are looked at.
    """

    endpoint: str
    ca: str | None = None
    check_bucket: str = "bench"
    bucket: str = "bench"
    access_key: str = "bench-access-key"
    secret_key: str = "bench-secret-key"
    region: str = "us-east-1"

    def environment(self) -> dict[str, str]:
        """The variables by which every client here finds the server, and nothing else."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not re.match(r"(?i)aws_|.*_proxy$|.*(ca_bundle|ssl_cert).*|metaflow_", name)
        }
        known = {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        trusting = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
        return kept | known | (dict.fromkeys(trusting, self.ca) if self.ca else {})


@contextlib.contextmanager
def serving(kind: str, scratch: Path, core: int, families: list[Family]) -> Iterator[Site]:
    """A server of a kind, until the context ends.

    Args:
        kind: One of KINDS.
        scratch: An empty directory for what it needs.
        core: The core that it is pinned to.
        families: What rclone has to have on its disk.

    Raises:
        UnavailableError: If this machine cannot run it.
    """
    if kind == "rclone":
        with _rclone(scratch, core, families) as site:
            yield site
    else:
        with KINDS[kind](scratch, core) as site:
            yield site


@contextlib.contextmanager
def _static(
    scratch: Path, core: int, *, delay_ms: int = 0, refused: float = 0, tls: bool = False
) -> Iterator[Site]:
    program = _compiled(scratch)
    (scratch / "block").write_bytes(block())
    certificate = _certificates(scratch) if tls else []
    with _on_core(core):
        started = subprocess.Popen(
            [str(program), str(scratch / "block"), str(delay_ms), str(refused), *certificate],
            stdin=subprocess.PIPE,  # the server ends with it, however this process ends
            stdout=subprocess.PIPE,
            text=True,
        )
    with started as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise UnavailableError(f"the server did not start: exit code {process.wait()}")
        scheme, ca = ("https", str(scratch / "ca.pem")) if tls else ("http", None)
        yield Site(f"{scheme}://127.0.0.1:{port}", ca, check_bucket="check")


@contextlib.contextmanager
def _on_core(core: int) -> Iterator[None]:
    """Let what is started here have that core and no other."""
    kept = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, kept)


def _compiled(scratch: Path) -> Path:
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise UnavailableError("the server is C and there is no compiler; apt-get install gcc")
    program = scratch / "server"
    built = subprocess.run(
        [compiler, "-O2", str(_SOURCE), "-o", str(program), "-lssl", "-lcrypto"],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        hint = "apt-get install libssl-dev" if "openssl/ssl.h" in built.stderr else built.stderr
        raise UnavailableError(f"the server could not be compiled: {hint}")
    return program


def _certificates(scratch: Path) -> list[str]:
    """A new authority in ``ca.pem``; the files with a certificate from it and with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = dt.datetime.now(dt.UTC)

    def certificate(
        name: str, issuer: str, public: ec.EllipticCurvePublicKey, *, is_ca: bool
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )

    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = "benchmarks' authority"
    authority = certificate(ca, ca, authority_key.public_key(), is_ca=True).sign(
        authority_key, hashes.SHA256()
    )
    here = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    leaf = (
        certificate("127.0.0.1", ca, key.public_key(), is_ca=False)
        .add_extension(x509.SubjectAlternativeName(here), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (scratch / "ca.pem").write_bytes(authority.public_bytes(pem))
    (scratch / "leaf.pem").write_bytes(leaf.public_bytes(pem))
    (scratch / "key.pem").write_bytes(secret)
    return [str(scratch / "leaf.pem"), str(scratch / "key.pem")]


@contextlib.contextmanager
def _rclone(scratch: Path, core: int, families: list[Family]) -> Iterator[Site]:
    for family in families:
        family.write(scratch / "buckets" / "bench" / family.prefix)
    site = Site("")
    program = Path(sys.executable).with_name("rclone")
    if not program.exists():
        raise UnavailableError("rclone is not installed; it is in requirements/bench.txt")
    log = scratch / "rclone.log"
    with _on_core(core), log.open("wb") as errors:
        started = subprocess.Popen(
            [
                *[str(program), "serve", "s3", str(scratch / "buckets"), "--no-cleanup"],
                # Without keys of its own it takes any, and who checks needs none.
                *["--addr", "127.0.0.1:0", "--config", os.devnull],
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    with started as process:
        try:
            while (listening := _STARTED.search(log.read_text())) is None:
                if process.poll() is not None:
                    raise UnavailableError(f"rclone did not start: {log.read_text()}")
                time.sleep(0.02)
            yield attrs.evolve(site, endpoint=listening[1])
        finally:
            process.terminate()


KINDS: dict[str, Callable[[Path, int], contextlib.AbstractContextManager[Site]]] = {
    "plain": _static,
    "tls": lambda scratch, core: _static(scratch, core, tls=True),
    "20ms": lambda scratch, core: _static(scratch, core, delay_ms=20),
    "2% of 503s": lambda scratch, core: _static(scratch, core, refused=0.02),
    "10% of 503s": lambda scratch, core: _static(scratch, core, refused=0.1),
}
