"""What the command does to its process, which is the tests' own here."""

from __future__ import annotations

import signal
import sys

import pytest


@pytest.fixture(autouse=True)
def what_the_command_takes_is_given_back(monkeypatch):
    """Signals, and the directory of the user's functions on the path."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)
