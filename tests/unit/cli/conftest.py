from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def given_back(what_the_command_takes_is_given_back):
    """The command runs in the tests' own process here."""
