"""``http://`` and ``https://``: what a web server gives to everyone who asks."""

from __future__ import annotations

from file_dataset.adapters.http.store import HttpStore

__all__ = ["HttpStore"]
