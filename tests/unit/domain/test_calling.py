"""Calling: how a function wants to be called, and what its return type says."""

from __future__ import annotations

import functools
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NotRequired, Required, TypedDict

import pytest

from file_dataset.domain.calling import RowFunction
from file_dataset.domain.rows import Row, RowFailure
from file_dataset.domain.staging import StagedFiles

if TYPE_CHECKING:
    from nowhere_at_all import Elsewhere  # type: ignore[import-not-found]


def one(working_dir):
    return {}


def two(input_dir, output_dir):
    return {}


class Methods:
    def one(self, working_dir):
        return {}

    def two(self, input_dir, output_dir):
        return {}

    @staticmethod
    def static(input_dir, output_dir):
        return {}

    @classmethod
    def of_class(cls, working_dir):
        return {}

    def __call__(self, input_dir, output_dir):
        return {}


def three(extra, input_dir, output_dir):
    return {}


@functools.wraps(two)
def wrapped(*args, **kwargs):
    return two(*args, **kwargs)


ONE_DIRECTORY = {
    "function": one,
    "lambda": lambda d: {},
    "positional only": lambda d, /: {},
    "keyword-only default": lambda d, *, key=1: {},
    "**options": lambda d, **options: {},
    "partial by keyword": functools.partial(two, output_dir=None),
    "partial of a partial": functools.partial(functools.partial(three, None), None),
    "method": Methods().one,
    "classmethod": Methods.of_class,
    "cached": functools.lru_cache(one),
    "builtin": os.listdir,
}
TWO_DIRECTORIES = {
    "function": two,
    "lambda": lambda d, o: {},
    "default": lambda d, o=None: {},
    "*args": lambda *dirs: {},
    "d, *args": lambda d, *more: {},
    "partial by position": functools.partial(three, None),
    "method": Methods().two,
    "staticmethod": Methods.static,
    "callable object": Methods(),
    "wrapped": wrapped,
    "builtin": print,
}


@pytest.mark.parametrize("fn", ONE_DIRECTORY.values(), ids=ONE_DIRECTORY)
def test_it_is_called_with_one_directory_where_two_cannot_be_bound(fn):
    assert not RowFunction.of(fn).takes_output


@pytest.mark.parametrize("fn", TWO_DIRECTORIES.values(), ids=TWO_DIRECTORIES)
def test_it_is_called_with_two_directories_where_two_can_be_bound(fn):
    assert RowFunction.of(fn).takes_output


NOT_SO = {
    "none": lambda *, d=None: {},
    "three": three,
    "keyword-only": lambda d, *, needed: {},
    "used up": functools.partial(one, None),
    "text": "a function",
    "None": None,
    "a builtin that does not tell": max,
}


@pytest.mark.parametrize("fn", NOT_SO.values(), ids=NOT_SO)
def test_what_cannot_be_called_so_is_refused_at_once(fn):
    with pytest.raises(TypeError, match=r"fn must|does not tell"):
        RowFunction.of(fn)


# What the return type says.


class Outputs(TypedDict):
    mask: str
    preview: NotRequired[str]


class Optional(TypedDict, total=False):
    mask: Required[str]
    preview: str


class More(Outputs):
    table: str


class Hidden(TypedDict):
    mask: Elsewhere


Functional = TypedDict("Functional", {"image.mha": str, "mask.mha": NotRequired[str]})
FunctionalOptional = TypedDict("FunctionalOptional", {"image.mha": str}, total=False)


def outputs(d) -> Outputs: ...  # type: ignore[empty-body]
def optional(d) -> Optional: ...  # type: ignore[empty-body]
def more(d) -> More: ...  # type: ignore[empty-body]
def hidden(d) -> Hidden: ...  # type: ignore[empty-body]
def functional(d) -> Functional: ...  # type: ignore[empty-body]
def functional_optional(d) -> FunctionalOptional: ...  # type: ignore[empty-body]
def annotated(d) -> Annotated[Outputs, "with a remark"]: ...  # type: ignore[empty-body]
def parameter_hidden(d: Elsewhere) -> Outputs: ...  # type: ignore[empty-body]


class Typed:
    def method(self, d) -> Outputs: ...  # type: ignore[empty-body]
    def __call__(self, d) -> Outputs: ...  # type: ignore[empty-body]


TYPED = {
    "NotRequired": (outputs, ["mask", "preview"], {"mask"}),
    "Required": (optional, ["mask", "preview"], {"mask"}),
    "inherited": (more, ["mask", "preview", "table"], {"mask", "table"}),
    "functional": (functional, ["image.mha", "mask.mha"], {"image.mha"}),
    "functional, not total": (functional_optional, ["image.mha"], set()),
    "Annotated": (annotated, ["mask", "preview"], {"mask"}),
    "beside a hint out of reach": (parameter_hidden, ["mask", "preview"], {"mask"}),
    "with a hint out of reach": (hidden, ["mask"], {"mask"}),
    "partial": (functools.partial(outputs), ["mask", "preview"], {"mask"}),
    "cached": (functools.lru_cache(outputs), ["mask", "preview"], {"mask"}),
    "wrapped": (functools.wraps(outputs)(lambda d: {}), ["mask", "preview"], {"mask"}),
    "method": (Typed().method, ["mask", "preview"], {"mask"}),
    "callable object": (Typed(), ["mask", "preview"], {"mask"}),
}


@pytest.mark.parametrize(("fn", "columns", "required"), TYPED.values(), ids=TYPED)
def test_a_typed_dict_names_the_columns_and_those_that_are_required(fn, columns, required):
    function = RowFunction.of(fn)
    assert list(function.columns) == columns
    assert function.required == required


def returning(hint: object):
    def fn(d):
        return {"mask": None}

    fn.__annotations__["return"] = hint
    return fn


HARMLESS = {
    "none": one,
    "a dict": returning("dict[str, str]"),
    "None": returning("None"),
    "out of reach": returning("Elsewhere"),
    "no expression": returning("not an expression"),
    "raises": returning("1 / 0"),
    "of a builtin": os.listdir,
}


@pytest.mark.parametrize("fn", HARMLESS.values(), ids=HARMLESS)
def test_any_other_hint_names_no_columns_and_does_no_harm(fn):
    function = RowFunction.of(fn)
    assert (function.columns, function.required) == ((), frozenset())


# What is required, and what is not.


def call(fn, directory: Path) -> Row | RowFailure:
    (directory / "a").write_text("a")
    return RowFunction.of(fn).call(StagedFiles(Row(7, {}), directory, None, ExitStack()))


def test_columns_that_were_not_returned_are_none(tmp_path):
    def fn(d) -> Outputs:
        return {"extra": d / "a", "mask": d / "a"}  # type: ignore[typeddict-unknown-key]

    row = call(fn, tmp_path)
    assert isinstance(row, Row)
    assert list(row.files) == ["mask", "preview", "extra"]
    assert [name for name, url in row.files.items() if url is None] == ["preview"]


def test_a_required_column_may_be_none(tmp_path):
    row = call(returning(Outputs), tmp_path)
    assert isinstance(row, Row)
    assert row.files == {"mask": None, "preview": None}


def test_every_required_column_that_is_missing_is_named(tmp_path):
    def fn(d) -> More:
        return {"preview": "nowhere"}  # type: ignore[typeddict-item]

    failure = call(fn, tmp_path)
    assert isinstance(failure, RowFailure)
    assert [cause.file for cause in failure.causes] == ["mask", "table", "preview"]
    assert "its type requires" in failure.file_errors["table"]
    assert "not found" in failure.file_errors["preview"]
