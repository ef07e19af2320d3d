"""Every public name is in the reference and in an example that runs, and says its types."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import attrs
import pytest
import ray  # noqa: F401 - here, since it changes the environment and the path of modules

import file_dataset

ROOT = Path(__file__).parents[2]
MODULES = ["file_dataset", "aio", "fsspec", "ray", "torch", "testing"]


def module_of(name: str) -> ModuleType:
    if name == "file_dataset":
        return file_dataset
    if name == "torch":
        pytest.importorskip(name)
    return importlib.import_module(f"file_dataset.{name}")


def public(name: str) -> dict[str, object]:
    module = module_of(name)
    starless = ["list"] if name in ("file_dataset", "aio") else []
    return {each: getattr(module, each) for each in [*module.__all__, *starless]}


def examples_in(text: str) -> str:
    return "".join(
        example.source + example.want for example in doctest.DocTestParser().get_examples(text)
    )


def test_the_reference_has_the_public_names_and_no_others():
    pages = "".join(page.read_text() for page in (ROOT / "docs/reference/api").glob("*.md"))
    told = re.findall(
        r"(?m)^\.\. auto(?:function|class|exception):: file_dataset\.(\w+)\W*$", pages
    )
    assert sorted(told) == sorted(public("file_dataset"))
    assert {*re.findall(r"(?m)^\.\. automodule:: file_dataset\.(\w+)$", pages)} == {*MODULES[1:]}


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_an_example_that_runs(module):
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    sources = [code_of(page.read_text()) for page in pages]
    sources += [path.read_text() for path in ROOT.glob("examples/*.py")]
    used = {name for source in sources for name in used_by(source)}
    names = public(module)
    place = module if module == "file_dataset" else f"file_dataset.{module}"
    shown = [
        value
        for name, value in names.items()
        if f"{place}.{name}" in used or examples_in(inspect.getdoc(value) or "")
    ]
    # Other names of the same thing need no examples of their own.
    assert [name for name, value in names.items() if not any(value is each for each in shown)] == []


def code_of(page: str) -> str:
    return "".join(each.source for each in doctest.DocTestParser().get_examples(page))


def used_by(source: str) -> set[str]:
    """What code uses of ours, by full names; that it is imported does not count."""
    nodes = [*ast.walk(ast.parse(source))]
    known: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                top = each.name.partition(".")[0]
                known[each.asname or top] = each.name if each.asname else top
        elif isinstance(node, ast.ImportFrom):
            known |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    written = {ast.unparse(node) for node in nodes if isinstance(node, ast.Name | ast.Attribute)}
    parts = [name.partition(".") for name in written]
    return {f"{known[head]}{dot}{rest}" for head, dot, rest in parts if head in known}


@pytest.mark.parametrize(
    ("code", "used"),
    [
        ("import file_dataset\nfile_dataset.get(1)", {"file_dataset.get"}),
        ("import file_dataset.ray as of\nof.run(1)", {"file_dataset.ray.run"}),
        ("from file_dataset import aio\naio.get(1)", {"file_dataset.aio.get"}),
        ("from file_dataset import get\nprint('get')", set()),
        ("from file_dataset import get as got\ngot('list')", {"file_dataset.get"}),
    ],
)
def test_what_code_uses_is_told_from_what_it_mentions(code, used):
    assert used_by(code) - {"file_dataset", "file_dataset.ray", "file_dataset.aio"} == used


def functions_of(module: str) -> Iterator[tuple[str, object]]:
    for name, value in public(module).items():
        if inspect.isclass(value):
            if not attrs.has(value):
                yield f"{name}.__init__", value.__init__
            for each, found in vars(value).items():
                function = found.fget if isinstance(found, property) else found
                function = getattr(function, "__func__", function)
                if not each.startswith("_") and inspect.isfunction(function):
                    yield f"{name}.{each}", function
        elif inspect.isfunction(value):
            yield name, value


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_says_its_types(module):
    untyped = [
        f"{name}({parameter})"
        for name, function in functions_of(module)
        if inspect.isfunction(function) and function.__module__.startswith("file_dataset")
        for parameter, said in [
            *((each.name, each.annotation) for each in parameters_of(function)),
            ("return", inspect.signature(function).return_annotation),
        ]
        if said is inspect.Parameter.empty
    ]
    assert untyped == []


def parameters_of(function: object) -> list[inspect.Parameter]:
    assert callable(function)
    found = inspect.signature(function).parameters.values()
    return [each for each in found if each.name not in ("self", "cls")]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_value_says_the_types_of_its_fields(module):
    untyped = [
        f"{name}.{field.name}"
        for name, value in public(module).items()
        if inspect.isclass(value) and attrs.has(value)
        for field in attrs.fields(value)
        if field.type is None
    ]
    assert untyped == []
