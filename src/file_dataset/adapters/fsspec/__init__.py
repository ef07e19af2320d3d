"""Whatever fsspec speaks: ``ftp://``, ``sftp://``, ``hdfs://``, ``hf://`` and more."""

from __future__ import annotations

from file_dataset.adapters.fsspec.store import FsspecStore

__all__ = ["FsspecStore"]
