"""The one place where stores and layers are put together; nothing else imports adapters."""

from file_dataset.adapters.cloud import AzureStore, GcsStore
from file_dataset.adapters.fsspec import FsspecStore
from file_dataset.adapters.http import HttpStore
from file_dataset.adapters.local import DirectStore, LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.per_process import PerProcess as once_in_each_process
from file_dataset.adapters.registry import register_store
from file_dataset.adapters.s3 import S3Options
from file_dataset.api._wiring.running import (
    about,
    calling,
    local_program,
    observing,
    pages,
    staging_budget,
    sweep_temp,
    temp_scratch,
)
from file_dataset.api._wiring.schemes import extra_of, note, scheme_check, schemes, store_of
from file_dataset.api._wiring.stores import Width, mount, store_for, store_for_tables

__all__ = [
    "AzureStore",
    "DirectStore",
    "FsspecStore",
    "GcsStore",
    "HttpStore",
    "LocalStore",
    "MemoryStore",
    "S3Options",
    "Width",
    "about",
    "calling",
    "extra_of",
    "local_program",
    "mount",
    "note",
    "observing",
    "once_in_each_process",
    "pages",
    "register_store",
    "scheme_check",
    "schemes",
    "staging_budget",
    "store_for",
    "store_for_tables",
    "store_of",
    "sweep_temp",
    "temp_scratch",
]
