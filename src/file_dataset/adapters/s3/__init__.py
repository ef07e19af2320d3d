"""``s3://``: Amazon S3, and every store that speaks its protocol."""

from __future__ import annotations

from file_dataset.adapters.s3.options import S3Options
from file_dataset.adapters.s3.store import S3Store

__all__ = ["S3Options", "S3Store"]
