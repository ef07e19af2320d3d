"""``az://`` and ``gs://``: Azure Blob Storage and Google Cloud Storage, by obstore."""

from __future__ import annotations

from file_dataset.adapters.cloud.store import AzureStore, GcsStore

__all__ = ["AzureStore", "GcsStore"]
