from __future__ import annotations

from collections.abc import Callable

import pytest

from file_dataset.testing import laws_atomic, laws_keys, laws_processes, laws_writing

_FEWER = {
    4: (laws_atomic, {"_ROUNDS": 4, "_LARGE": 1 << 12}),
    7: (laws_writing, {"_RACED": 1 << 12}),
    8: (laws_writing, {"_RACED": 1 << 12}),
    12: (laws_keys, {"_EXAMPLES": 5}),
    15: (laws_processes, {"_FORKS": 1, "_READS": 1}),
}


@pytest.fixture
def sample_laws(monkeypatch) -> Callable[..., None]:
    """Has the laws that a test is not about checked by less of what they usually try."""

    def sample_laws(*, but: int | None = None) -> None:
        kept = _FEWER[but][0] if but in _FEWER else None
        for module, numbers in _FEWER.values():
            for name, number in numbers.items() if module is not kept else ():
                monkeypatch.setattr(module, name, number)

    return sample_laws


@pytest.fixture
def laws_are_sampled(sample_laws) -> None:
    """No law is checked by as much as it usually is."""
    sample_laws()
