"""A table of file URLs in, a function of local files, a table of file URLs out."""

import builtins
import importlib
import typing

# What is imported here for type checkers is imported for users when they first use it, by the
# table below: a program that needs a Url or an error does not wait for all the rest.
if typing.TYPE_CHECKING:
    from file_dataset.api._wiring import (
        AzureStore,
        DirectStore,
        FsspecStore,
        GcsStore,
        HttpStore,
        LocalStore,
        MemoryStore,
        mount,
        register_store,
    )
    from file_dataset.api.command import command
    from file_dataset.api.dataset import FileDataset
    from file_dataset.api.datasets import (
        AsyncLoader,
        ObjectDataset,
        create_async_loader,
        create_dataset,
    )
    from file_dataset.api.handoff import read_paths, save_paths
    from file_dataset.api.ingest import S3Ingester, ingest
    from file_dataset.api.listing import frame_from_layout, list_files
    from file_dataset.api.mapper import run_mapper
    from file_dataset.api.object_lists import list as list  # noqa: A004 - see __all__
    from file_dataset.api.object_lists import list_keys
    from file_dataset.api.object_writer import ObjectWriter
    from file_dataset.api.objects import (
        copy,
        create_filesystem_writer,
        create_s3_writer,
        delete,
        exists,
        get,
        get_many,
        get_range,
        open_writer,
        put,
        stat,
    )
    from file_dataset.api.options import Options
    from file_dataset.api.packing import pack, unpack
    from file_dataset.api.pipeline import Pipeline
    from file_dataset.api.plans import Plan
    from file_dataset.api.reader import reader
    from file_dataset.api.recovery import Recovered, Verification, recover, verify
    from file_dataset.api.results import RunResult
    from file_dataset.api.writer import write_files
    from file_dataset.domain.errors import (
        AllRowsFailedError,
        AlreadyExistsError,
        CommandError,
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
        RunStoppedError,
        StoreError,
        ThrottledError,
        TimestampToleranceError,
        TransientError,
        UnauthenticatedError,
        UnsupportedError,
        UnsupportedSchemeError,
    )
    from file_dataset.domain.objects import ObjectInfo
    from file_dataset.domain.per_object import PerObjectStore
    from file_dataset.domain.ports import Progress
    from file_dataset.domain.rows import RowFailure, StagedRow
    from file_dataset.domain.store import Store
    from file_dataset.domain.url import Url

# All but `list`, which a star would put in the place of Python's own.
__all__ = [
    "AllRowsFailedError",
    "AlreadyExistsError",
    "AsyncLoader",
    "AzureStore",
    "CommandError",
    "DirectStore",
    "FileDataset",
    "FileDatasetError",
    "FsspecStore",
    "GcsStore",
    "HttpStore",
    "IntegrityError",
    "InvalidDatasetError",
    "InvalidUrlError",
    "LocalStore",
    "MemoryStore",
    "MissingDependencyError",
    "NoSpaceError",
    "NotFoundError",
    "ObjectDataset",
    "ObjectInfo",
    "ObjectWriter",
    "Options",
    "PerObjectStore",
    "PermissionDeniedError",
    "Pipeline",
    "Plan",
    "PreconditionFailedError",
    "Progress",
    "RangeNotSatisfiableError",
    "Recovered",
    "RowFailure",
    "RunResult",
    "RunStoppedError",
    "S3Ingester",
    "StagedRow",
    "Store",
    "StoreError",
    "ThrottledError",
    "TimestampToleranceError",
    "TransientError",
    "UnauthenticatedError",
    "UnsupportedError",
    "UnsupportedSchemeError",
    "Url",
    "Verification",
    "command",
    "copy",
    "create_async_loader",
    "create_dataset",
    "create_filesystem_writer",
    "create_s3_writer",
    "delete",
    "exists",
    "frame_from_layout",
    "get",
    "get_many",
    "get_range",
    "ingest",
    "list_files",
    "list_keys",
    "mount",
    "open_writer",
    "pack",
    "put",
    "read_paths",
    "reader",
    "recover",
    "register_store",
    "run_mapper",
    "save_paths",
    "stat",
    "unpack",
    "verify",
    "write_files",
]

_NAMES = {
    "file_dataset.api._wiring": (
        "AzureStore DirectStore FsspecStore GcsStore HttpStore LocalStore MemoryStore mount "
        "register_store"
    ),
    "file_dataset.api.command": "command",
    "file_dataset.api.dataset": "FileDataset",
    "file_dataset.api.datasets": "AsyncLoader ObjectDataset create_async_loader create_dataset",
    "file_dataset.api.handoff": "read_paths save_paths",
    "file_dataset.api.ingest": "S3Ingester ingest",
    "file_dataset.api.listing": "frame_from_layout list_files",
    "file_dataset.api.mapper": "run_mapper",
    "file_dataset.api.object_lists": "list list_keys",
    "file_dataset.api.object_writer": "ObjectWriter",
    "file_dataset.api.objects": (
        "copy create_filesystem_writer create_s3_writer delete exists get get_many get_range "
        "open_writer put stat"
    ),
    "file_dataset.api.options": "Options",
    "file_dataset.api.packing": "pack unpack",
    "file_dataset.api.pipeline": "Pipeline",
    "file_dataset.api.plans": "Plan",
    "file_dataset.api.reader": "reader",
    "file_dataset.api.recovery": "Recovered Verification recover verify",
    "file_dataset.api.results": "RunResult",
    "file_dataset.api.writer": "write_files",
    "file_dataset.domain.errors": (
        "AllRowsFailedError AlreadyExistsError CommandError FileDatasetError IntegrityError "
        "InvalidDatasetError InvalidUrlError MissingDependencyError NoSpaceError NotFoundError "
        "PermissionDeniedError PreconditionFailedError RangeNotSatisfiableError RunStoppedError "
        "StoreError ThrottledError TimestampToleranceError TransientError UnauthenticatedError "
        "UnsupportedError "
        "UnsupportedSchemeError"
    ),
    "file_dataset.domain.objects": "ObjectInfo",
    "file_dataset.domain.per_object": "PerObjectStore",
    "file_dataset.domain.ports": "Progress",
    "file_dataset.domain.rows": "RowFailure StagedRow",
    "file_dataset.domain.store": "Store",
    "file_dataset.domain.url": "Url",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> builtins.list[str]:
    return sorted({*globals(), *_HOMES})
