"""The list of guards that a soak takes out tells of guards and tests that there are."""

from __future__ import annotations

import shlex

import pytest
from tests.mutations import GUARDS, ROOT, without


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_is_where_it_is_said_to_be_and_so_are_its_tests(guard):
    whole = (ROOT / "src/file_dataset" / guard.file).read_text()
    compile(without(guard, whole), guard.file, "exec")
    paths = [each for each in shlex.split(guard.tests) if each.endswith(".py")]
    assert paths
    assert all((ROOT / "tests" / path).is_file() for path in paths)
