"""What holds for tests wherever they are, docstrings and documentation among them."""

from __future__ import annotations

import pytest

from file_dataset.adapters.registry import default
from file_dataset.api._wiring import stores

# What builds the site needs what is in an environment of its own.
collect_ignore = ["docs/conf.py"]


@pytest.fixture(autouse=True)
def _registrations_end_with_their_test(monkeypatch):
    """Stores that a test registers or mounts are gone after it, also from what it pickles."""
    monkeypatch.setattr(default, "_registered", dict(default._registered))
    monkeypatch.setattr(stores, "_mounted", dict(stores._mounted))
