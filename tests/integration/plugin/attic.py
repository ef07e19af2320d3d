"""A store of another distribution, for URLs such as ``attic://box/letter.txt``."""

from __future__ import annotations

from file_dataset.adapters.memory import MemoryStore


class AtticStore(MemoryStore):
    """Keeps what it is given until the house comes down."""
