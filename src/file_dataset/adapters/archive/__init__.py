"""``tar://`` and ``zip://``: the members of archives that are anywhere, to be read."""

from file_dataset.adapters.archive.store import ArchiveStore

__all__ = ["ArchiveStore"]
