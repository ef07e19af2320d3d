"""``s3://``: Amazon S3, and every store that speaks its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from file_dataset.adapters.s3.options import S3Options

if TYPE_CHECKING:
    from file_dataset.adapters.s3.store import S3Store

__all__ = ["S3Options", "S3Store"]


def __getattr__(name: str) -> object:
    # Importing this library takes no longer for those who stay on their disks.
    if name == "S3Store":
        from file_dataset.adapters.s3.store import S3Store

        return S3Store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
