"""What holds for every test: no network but this machine's own, and none of its AWS settings."""

import functools
import importlib.util
import ipaddress
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

import botocore.session
import pytest
from hypothesis import settings
from tests import soak

# Where there is none of the builds in requirements/torch.txt. CI has one.
if importlib.util.find_spec("torch") is None and "CI" not in os.environ:
    collect_ignore = ["unit/torch", "integration/test_torch.py", "integration/test_examples.py"]

_MEMORY = Path("/dev/shm")

# In CI the same examples for the same tests: what turns red there is the change. Chance looks for
# more wherever else the tests run, and `make soak` for far more.
settings.register_profile(
    "default",
    max_examples=30,
    stateful_step_count=20,
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
)
settings.register_profile(
    "ci",
    max_examples=200,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    print_blob=True,
)
# Threads that compete take turns ten times as often as Python would let them: races have more ways
# to go wrong, and who waits for a busy reader does not wait as long.
sys.setswitchinterval(0.0005)

# CI's is for the state machine over the stores, which asks for it (tests/integration/test_kit.py);
# on every property of the suite it would take longer than it finds.
settings.load_profile("default")


def pytest_terminal_summary(terminalreporter):
    """Print which store keeps which law, and of a soak how many of each kind was tried.

    As far as the tests of it ran and passed.
    """
    properties = [
        each
        for report in terminalreporter.stats.get("passed", [])
        for each in report.user_properties
    ]
    if soak.IS_ON:
        terminalreporter.section("tried")
        for line in soak.totals(properties):
            terminalreporter.write_line(line)
    told = [value for name, value in properties if name == "laws"]
    if told:
        terminalreporter.section("laws and stores")
        for line in [*told[0][0], *sorted(row for _, row in told)]:
            terminalreporter.write_line(line)


class NetworkBlockedError(RuntimeError):
    """A test reached out; it is no OSError, which engines would take for a bad connection."""


def _is_here(host: object) -> bool:
    """Whether a host is this machine; None and the empty text are, by the rules of sockets."""
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse_elsewhere(host: object) -> None:
    if not _is_here(host):
        raise NetworkBlockedError(f"tests use no network, and this one asked for {host!r}")


def _guarded(connect):
    def guarded(self, address):
        if self.family != socket.AF_UNIX:
            _refuse_elsewhere(address[0])
        return connect(self, address)

    return guarded


def _guarded_lookup(getaddrinfo):
    def guarded(host, *args, **kwargs):
        if str(host).endswith((".invalid", ".onion")):
            # There is none anywhere (RFC 6761, RFC 7686), which need not be asked for.
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        _refuse_elsewhere(host)
        return getaddrinfo(host, *args, **kwargs)

    return guarded


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """Refuse every connection and every lookup of another machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", _guarded(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", _guarded_lookup(socket.getaddrinfo))
        _expect_blocked()
        yield


def _expect_blocked() -> None:
    with socket.socket() as beyond:
        for connect in (beyond.connect, beyond.connect_ex):
            with pytest.raises(NetworkBlockedError, match=r"192\.0\.2\.1"):
                connect(("192.0.2.1", 80))
    with pytest.raises(NetworkBlockedError, match="example"):
        socket.create_connection(("s3.example", 443))
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()


@pytest.fixture(scope="session", autouse=True)
def no_aws_settings():
    """Forget the AWS settings of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture
def what_the_command_takes_is_given_back(monkeypatch):
    """For who calls it in the tests' process: signals, and the directory of users' functions."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.fixture
def memory_path(tmp_path):
    """As tmp_path, in memory where there is a place for that: for a few small files, many times.

    What a kill leaves behind is the same there, and a disk takes three times as long.
    """
    if not os.access(_MEMORY, os.W_OK | os.X_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY, prefix="file_dataset-test-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session", autouse=True)
def parsed_once():
    """Let all sessions of a test run share what botocore reads of S3: 70 of a client's 85 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            botocore.session, "create_loader", functools.cache(botocore.session.create_loader)
        )
        yield
