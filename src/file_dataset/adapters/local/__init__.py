"""``file://`` and plain paths: files of this machine, as objects."""

from __future__ import annotations

from file_dataset.adapters.local.store import LocalStore

__all__ = ["LocalStore"]
