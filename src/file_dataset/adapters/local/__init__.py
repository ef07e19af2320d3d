"""``file://``, plain paths and ``direct://``: files of this machine, as objects."""

from __future__ import annotations

from file_dataset.adapters.local.direct import DirectStore
from file_dataset.adapters.local.store import LocalStore

__all__ = ["DirectStore", "LocalStore"]
