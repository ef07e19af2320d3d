"""The face of the library: its names, their documentation, and what importing it costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys

import pytest

import file_dataset

PUBLIC = [
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

# Public too, but a star would put it in the place of Python's own.
STARLESS = ["list"]

COSTLY = [
    "boto3",
    "botocore",
    "fsspec",
    "html",
    "hypothesis",
    "numpy",
    "obstore",
    "pandas",
    "polars",
    "pyarrow",
    "pycurl",
    "tqdm",
    "uuid",
]


def test_the_public_names_are_these():
    assert file_dataset.__all__ == PUBLIC == sorted(PUBLIC)


def test_every_public_name_is_there_and_no_other():
    names = {
        name
        for name in dir(file_dataset)
        if not name.startswith("_") and not inspect.ismodule(getattr(file_dataset, name))
    }
    assert names == {*PUBLIC, *STARLESS}


def test_a_name_that_is_not_public_is_no_attribute():
    with pytest.raises(AttributeError, match="'file_dataset' has no attribute 'Reader'"):
        file_dataset.Reader  # noqa: B018 - asking is the test


def test_users_get_what_type_checkers_see():
    (imported,) = [
        node
        for node in ast.parse(inspect.getsource(file_dataset)).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "typing.TYPE_CHECKING"
    ]
    seen = {
        alias.name: getattr(importlib.import_module(str(node.module)), alias.name)
        for node in imported.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert list(seen) == list(file_dataset._HOMES)
    assert seen == {name: getattr(file_dataset, name) for name in [*PUBLIC, *STARLESS]}


@pytest.mark.parametrize("home", sorted(set(file_dataset._HOMES.values())))
def test_each_name_can_be_the_first_that_is_asked_for(home):
    name = next(name for name in [*PUBLIC, *STARLESS] if file_dataset._HOMES[name] == home)
    child = os.fork()
    if child == 0:
        for module in [module for module in sys.modules if module.startswith("file_dataset")]:
            del sys.modules[module]
        found = getattr(importlib.import_module("file_dataset"), name)
        os._exit(0 if found.__name__ == name else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("name", [*PUBLIC, *STARLESS])
def test_every_public_name_is_documented(name):
    assert inspect.getdoc(getattr(file_dataset, name))
    assert getattr(file_dataset, name).__doc__


def public_methods() -> list[tuple[str, str]]:
    return [
        (name, method)
        for name in PUBLIC
        if inspect.isclass(getattr(file_dataset, name))
        for method, value in vars(getattr(file_dataset, name)).items()
        if not method.startswith("_") and (inspect.isroutine(value) or isinstance(value, property))
    ]


@pytest.mark.parametrize(("name", "method"), public_methods())
def test_every_public_method_is_documented(name, method):
    assert inspect.getdoc(getattr(getattr(file_dataset, name), method))


def test_star_brings_the_public_names_only():
    brought: dict[str, object] = {}
    exec("from file_dataset import *", brought)
    assert set(brought) - {"__builtins__"} == set(PUBLIC)


def loaded_by(code: str) -> set[str]:
    told = f"import sys; before = set(sys.modules); {code}; print(*set(sys.modules) - before)"
    return set(subprocess.check_output([sys.executable, "-c", told], text=True).split())


def test_importing_it_loads_nothing_of_it_before_it_is_used():
    loaded = loaded_by("import file_dataset")
    assert {name for name in loaded if name.partition(".")[0] in {"attr", "file_dataset"}} == {
        "file_dataset"
    }
    # The standard library's own: what `typing` and `importlib` bring.
    assert len(loaded) < 50


def test_an_error_brings_no_store():
    loaded = loaded_by("from file_dataset import NotFoundError, Url")
    assert {name for name in loaded if name.startswith("file_dataset.")} == {
        "file_dataset.domain",
        "file_dataset.domain.errors",
        "file_dataset.domain.names",
        "file_dataset.domain.spelling",
        "file_dataset.domain.url",
    }


def test_using_all_of_it_loads_nothing_costly():
    assert not loaded_by("from file_dataset import *").intersection(COSTLY)
