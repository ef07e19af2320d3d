import builtins
import copy
import inspect
import pickle
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from file_dataset.domain import errors
from file_dataset.domain.errors import (
    AllRowsFailedError,
    AlreadyExistsError,
    FileDatasetError,
    InvalidDatasetError,
    InvalidUrlError,
    MissingDependencyError,
    NoSpaceError,
    NotFoundError,
    PermissionDeniedError,
    RunStoppedError,
    StoreError,
    ThrottledError,
    TimestampToleranceError,
    TransientError,
    UnauthenticatedError,
    UnsupportedSchemeError,
)
from file_dataset.domain.rows import Cause, RowFailure
from file_dataset.domain.url import Url

_FAILURE = RowFailure(7, "read", (Cause("NotFoundError", "not found", "image.mha"),))
_STORE_FIELDS: dict[str, Any] = {
    "url": Url.parse("s3://bucket/key"),
    "operation": "Read",
    "attempts": 3,
    "detail": "404",
}


def _tree(cls=FileDatasetError):
    yield cls
    for sub in cls.__subclasses__():
        if sub.__module__ == errors.__name__:
            yield from _tree(sub)


def _example(cls):
    if cls is UnsupportedSchemeError:
        return cls("gopher", known=["s3", "file"], where="row 7")
    if cls in (AllRowsFailedError, RunStoppedError):
        return cls("it went wrong", failures=[_FAILURE])
    if cls is TimestampToleranceError:
        times = [datetime(2024, 7, day, tzinfo=UTC) for day in (1, 2)]
        return cls("too far apart", oldest=times[0], newest=times[1])
    if cls is ThrottledError:
        return cls("slow down", retry_after=2.5, **_STORE_FIELDS)
    if issubclass(cls, StoreError):
        return cls("it went wrong", **_STORE_FIELDS)
    return cls("it went wrong", file_errors={"image.mha": "not found"})


def _parameters(cls):
    return set(inspect.signature(cls).parameters) - {"message", "known", "where"}


@pytest.mark.parametrize("cls", [*_tree()], ids=lambda cls: cls.__name__)
@pytest.mark.parametrize(
    "travel", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy]
)
def test_every_error_travels_with_its_message_and_its_fields(cls, travel):
    error = _example(cls)
    assert all(getattr(error, name) for name in _parameters(cls)), "the example leaves fields empty"

    seen = travel(error)

    assert type(seen) is cls
    assert seen is not error
    assert str(seen) == str(error) == error.message != ""
    assert seen.args == error.args
    assert vars(seen) == vars(error)
    with pytest.raises(cls):
        raise seen


def test_what_was_changed_after_it_was_raised_travels_too():
    error = TransientError("busy")
    error.transient = False
    error.attempts = 4
    error.add_note("seen at noon")
    seen = pickle.loads(pickle.dumps(error))
    assert (seen.transient, seen.attempts, seen.__notes__) == (False, 4, ["seen at noon"])


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn: dict[str, tuple[str, str]] = {}
    path: list[str] = []
    lines = [line for line in errors.__doc__.splitlines() if re.search(r"\w+Error\b", line)]
    for line in lines:
        ((indent, name, bases),) = re.findall(r"^ {4}([ │├└─]*)(\w+)(?: \((\w+)\))?", line)
        depth = len(indent) // 3
        path = [*path[:depth], name]
        drawn[name] = (path[depth - 1] if depth else "", bases)
    real = {
        cls.__name__: (
            cls.__bases__[0].__name__ if cls is not FileDatasetError else "",
            cls.__bases__[1].__name__ if len(cls.__bases__) > 1 else "",
        )
        for cls in _tree()
    }
    assert drawn == real


def test_every_error_of_the_module_is_in_the_tree():
    defined = {
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert defined == set(_tree())


@pytest.mark.parametrize(
    ("cls", "standard"),
    [
        (NotFoundError, FileNotFoundError),
        (AlreadyExistsError, FileExistsError),
        (PermissionDeniedError, PermissionError),
        (UnauthenticatedError, PermissionError),
        (NoSpaceError, OSError),
        (InvalidUrlError, ValueError),
        (UnsupportedSchemeError, ValueError),
        (InvalidDatasetError, ValueError),
        (MissingDependencyError, ImportError),
    ],
)
def test_who_knows_only_python_catches_them(cls, standard):
    assert getattr(builtins, standard.__name__) is standard
    with pytest.raises(standard):
        raise _example(cls)


def test_only_transient_errors_are_transient():
    transient = {cls for cls in _tree() if getattr(cls, "transient", False)}
    assert transient == {TransientError, ThrottledError}


def test_only_credentials_that_are_not_accepted_are_systemic_by_their_kind():
    systemic = {cls for cls in _tree() if getattr(cls, "systemic", False)}
    assert systemic == {UnauthenticatedError}


def test_what_other_objects_are_likely_to_fail_of_too_is_told_by_the_kind():
    common = {cls for cls in _tree() if getattr(cls, "common_cause", "")}
    denied = {PermissionDeniedError, UnauthenticatedError}
    assert common == {*denied, NoSpaceError, TransientError, ThrottledError}


def test_an_unknown_scheme_is_told_with_those_that_are_known():
    text = str(UnsupportedSchemeError("gopher", known=["s3", "file"], where="row 7"))
    assert text.startswith("row 7: unsupported scheme 'gopher://'")
    assert "file, s3" in text


def test_all_rows_failed_is_told_where_errors_of_files_are():
    error = AllRowsFailedError("All rows failed", failures=[_FAILURE])
    assert error.file_errors == {"all_rows": "All rows failed"}
    assert error.failures == (_FAILURE,)
    assert FileDatasetError("x").file_errors == {}
