"""A table of file URLs in, a function of local files, a table of file URLs out."""

from file_dataset.api._wiring import LocalStore, MemoryStore, mount, register_store
from file_dataset.api.dataset import FileDataset
from file_dataset.api.objects import copy
from file_dataset.api.options import Options
from file_dataset.api.pipeline import Pipeline
from file_dataset.api.reader import reader
from file_dataset.api.results import RunResult
from file_dataset.api.writer import write_files
from file_dataset.domain.errors import (
    AllRowsFailedError,
    AlreadyExistsError,
    FileDatasetError,
    IntegrityError,
    InvalidDatasetError,
    InvalidUrlError,
    MissingDependencyError,
    NoSpaceError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    StoreError,
    ThrottledError,
    TransientError,
    UnauthenticatedError,
    UnsupportedError,
    UnsupportedSchemeError,
)
from file_dataset.domain.per_object import PerObjectStore
from file_dataset.domain.ports import Progress
from file_dataset.domain.rows import RowFailure, StagedRow
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

__all__ = [
    "AllRowsFailedError",
    "AlreadyExistsError",
    "FileDataset",
    "FileDatasetError",
    "IntegrityError",
    "InvalidDatasetError",
    "InvalidUrlError",
    "LocalStore",
    "MemoryStore",
    "MissingDependencyError",
    "NoSpaceError",
    "NotFoundError",
    "Options",
    "PerObjectStore",
    "PermissionDeniedError",
    "Pipeline",
    "PreconditionFailedError",
    "Progress",
    "RangeNotSatisfiableError",
    "RowFailure",
    "RunResult",
    "StagedRow",
    "Store",
    "StoreError",
    "ThrottledError",
    "TransientError",
    "UnauthenticatedError",
    "UnsupportedError",
    "UnsupportedSchemeError",
    "Url",
    "copy",
    "mount",
    "reader",
    "register_store",
    "write_files",
]
