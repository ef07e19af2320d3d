"""A test kit for stores: the laws of ``Store`` as checks, a state machine, and strategies.

A store is tested by one line, and with it all that this library promises about stores::

    def test_my_store(tmp_path):
        check_store(MyStore, Url.local(tmp_path))

It needs Hypothesis, which ``pip install 'file-dataset[testing]'`` brings.
"""

from __future__ import annotations

from file_dataset.domain.errors import MissingDependencyError

try:
    import hypothesis as _hypothesis  # noqa: F401 - asked for here, so that its absence is told in words
except ImportError as _error:
    raise MissingDependencyError(
        "file_dataset.testing needs Hypothesis: pip install 'file-dataset[testing]'"
    ) from _error

from file_dataset.testing._keys import NASTY_KEYS
from file_dataset.testing._table import law_table
from file_dataset.testing._words import LawBroken
from file_dataset.testing.check import LAWS, Finding, Law, Report, Verdict, check_store
from file_dataset.testing.machine import StoreMachine, store_state_machine
from file_dataset.testing.strategies import (
    file_names,
    keys,
    nasty_names,
    refused_names,
    row_ids,
    rows,
    urls,
)

__all__ = [
    "LAWS",
    "NASTY_KEYS",
    "Finding",
    "Law",
    "LawBroken",
    "Report",
    "StoreMachine",
    "Verdict",
    "check_store",
    "file_names",
    "keys",
    "law_table",
    "nasty_names",
    "refused_names",
    "row_ids",
    "rows",
    "store_state_machine",
    "urls",
]
