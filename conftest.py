"""What holds for tests wherever they are, docstrings and documentation among them."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

import boto3
import pytest

from file_dataset.adapters import memory
from file_dataset.adapters.registry import default
from file_dataset.api._wiring import stores

# What builds the site needs what is in an environment of its own.
collect_ignore = ["docs/conf.py"]

# Who starts the tests in the background may have had the signal ignored for all of their processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)


@pytest.fixture(autouse=True)
def _nothing_is_left_to_the_next():
    """A test fails that leaves another environment, directory or the like to who comes next."""
    before = _of_the_process()
    yield
    assert _of_the_process() == before


@pytest.fixture(autouse=True)
def _what_is_known_of_stores_ends_with_its_test(_nothing_is_left_to_the_next, monkeypatch):
    """Registrations, mounts and ``memory://``, in this process and in what it pickles.

    And the session of who asks boto3 for a client, which keeps the keys that it found first.
    """
    monkeypatch.setattr(default, "_registered", dict(default._registered))
    monkeypatch.setattr(stores, "_mounted", {})
    monkeypatch.setattr(memory, "_SHARED", {})
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def _of_the_process() -> dict[str, object]:
    umask = os.umask(0o077)
    os.umask(umask)
    return {
        "environment": {
            name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"
        },
        "working directory": Path.cwd(),
        "umask": umask,
        "signals": [signal.getsignal(each) for each in _SIGNALS],
        "path": list(sys.path),
        "logging": [(log.level, log.disabled) for log in _loggers()],
    }


def _loggers() -> list[logging.Logger]:
    return [logging.getLogger(), logging.getLogger("file_dataset")]
