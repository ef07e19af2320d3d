"""The face of the library: its names, their documentation, and what importing it costs."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time

import pytest

import file_dataset

PUBLIC = [
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

COSTLY = ["boto3", "botocore", "hypothesis", "numpy", "pandas", "polars", "pyarrow", "tqdm"]


def test_the_public_names_are_these():
    assert file_dataset.__all__ == PUBLIC == sorted(PUBLIC)


def test_every_public_name_is_there_and_no_other():
    names = {
        name
        for name, value in vars(file_dataset).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert names == set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name):
    assert inspect.getdoc(vars(file_dataset)[name])
    assert vars(file_dataset)[name].__doc__


def public_methods() -> list[tuple[str, str]]:
    return [
        (name, method)
        for name in PUBLIC
        if inspect.isclass(vars(file_dataset)[name])
        for method, value in vars(vars(file_dataset)[name]).items()
        if not method.startswith("_") and (inspect.isroutine(value) or isinstance(value, property))
    ]


@pytest.mark.parametrize(("name", "method"), public_methods())
def test_every_public_method_is_documented(name, method):
    assert inspect.getdoc(getattr(vars(file_dataset)[name], method))


def test_star_brings_the_public_names_only():
    brought: dict[str, object] = {}
    exec("from file_dataset import *", brought)
    assert set(brought) - {"__builtins__"} == set(PUBLIC)


def test_importing_it_loads_nothing_costly():
    code = f"import sys, file_dataset; print([m for m in {COSTLY} if m in sys.modules])"
    begun = time.perf_counter()
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    seconds = time.perf_counter() - begun
    assert loaded.strip() == "[]"
    sys.stdout.write(f"python -c 'import file_dataset' took {seconds:.2f} s\n")
