"""A pipeline: what it is made of, how it calls its function, and what comes out of it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pandas as pd
import pytest
from tests.unit.api.support import KINDS, cells, table

from file_dataset import Pipeline, UnsupportedSchemeError


@pytest.fixture
def frame(put):
    return pd.DataFrame({"id": [2, 1], "a.txt": [put("memory://in/2"), put("memory://in/1")]})


# Forms of functions.


def of_one(directory):
    assert sorted(path.name for path in directory.iterdir()) == ["a.txt"]
    (directory / "b.txt").write_bytes(b"made")
    return {"b.txt": directory / "b.txt"}


def of_two(input_dir, output_dir):
    assert [path.name for path in input_dir.iterdir()] == ["a.txt"]
    assert list(output_dir.iterdir()) == []
    (output_dir / "b.txt").write_bytes(b"made")
    return {"b.txt": str(output_dir / "b.txt")}


def with_default(input_dir, output_dir=None, *, level=1):
    assert output_dir is not None
    return of_two(input_dir, output_dir)


def of_any(*directories):
    return of_two(*directories)


def with_keyword(directory, *, level=1):
    return of_one(directory)


def of_three(level, input_dir, output_dir):
    return of_two(input_dir, output_dir)


class Callable:
    def __call__(self, input_dir: Path, output_dir: Path) -> dict[str, Path]:
        return of_two(input_dir, output_dir)

    def method(self, directory: Path) -> dict[str, Path]:
        return of_one(directory)

    @classmethod
    def of_class(cls, directory: Path) -> dict[str, Path]:
        return of_one(directory)


def relative(input_dir, output_dir):
    (output_dir / "made").mkdir()
    (output_dir / "made" / "b.txt").write_bytes(b"made")
    return {"b.txt": "made/b.txt"}


FORMS: dict[str, Any] = {
    "one": of_one,
    "two": of_two,
    "default": with_default,
    "any": of_any,
    "keyword": with_keyword,
    "partial": functools.partial(of_three, 7),
    "object": Callable(),
    "method": Callable().method,
    "classmethod": Callable.of_class,
    "lambda": lambda directory, **_: of_one(directory),
    "relative": relative,
}


@pytest.mark.parametrize("fn", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("workers", [1, 2])
def test_functions_of_every_form_are_called_as_they_ask_for(fn, workers, frame, options, held):
    made = Pipeline(fn, into_path="memory://out", options=options, workers=workers)(frame)
    assert made.to_dict("list") == {
        "id": [2, 1],
        "b.txt": ["memory://out/2/b.txt", "memory://out/1/b.txt"],
    }
    assert {data for url, data in held().items() if "out" in url} == {b"made"}


def of_none():
    return {}


@pytest.mark.parametrize(
    "fn",
    [of_none, of_three, lambda *, a: {}, lambda a, *, b: {}, "of_one", None],
    ids=["none", "three", "by keyword", "by keyword too", "a text", "nothing"],
)
def test_a_function_that_cannot_be_called_so_is_refused_when_the_pipeline_is_made(fn):
    with pytest.raises(TypeError, match="fn must"):
        Pipeline(fn, into_path="memory://out")


def test_an_output_may_be_an_existing_file_elsewhere(frame, options, tmp_path, held):
    elsewhere = tmp_path / "elsewhere.txt"
    elsewhere.write_bytes(b"as it was")
    Pipeline(lambda _: {"b.txt": elsewhere}, into_path="memory://out", options=options)(frame)
    assert held()["memory://out/1/b.txt"] == elsewhere.read_bytes() == b"as it was"


# Columns.


Named = TypedDict("Named", {"b.txt": Path, "c.txt": Path | None, "d.txt": NotRequired[Path]})


def named(directory: Path) -> Named:
    (directory / "b.txt").write_bytes((directory / "a.txt").read_bytes())
    return {"b.txt": directory / "b.txt", "c.txt": None}


def forgetful(directory: Path) -> Named:
    return {"b.txt": directory / "a.txt"}  # type: ignore[typeddict-item]


@pytest.mark.parametrize("kind", KINDS)
def test_a_typed_dict_names_the_columns_whatever_comes(kind, options, put):
    fn: Any = named
    pipeline = Pipeline(fn, into_path="memory://out", options=options, if_all_fail="empty")
    columns = ["id", "b.txt", "c.txt", "d.txt"]
    rows = table(kind, {"id": ["x"], "a.txt": [put("memory://in/a")]})
    assert cells(pipeline(rows)) == dict(
        zip(columns, [["x"], ["memory://out/x/b.txt"], [None], [None]], strict=True)
    )
    if kind != "list":
        for source in ([], ["memory://in/gone"]):
            none = table(kind, {"id": ["x"] * len(source), "a.txt": source})
            assert list(cells(pipeline(none))) == columns


def test_a_missing_required_key_fails_the_row(frame, options):
    fn: Any = forgetful
    result = Pipeline(fn, into_path="memory://out", options=options).run(frame)
    assert len(result.rows) == 0
    assert result.failures["file"].tolist() == ["c.txt", "c.txt"]
    assert "did not return 'c.txt'" in result.failures["message"][0]


def test_columns_come_in_the_order_in_which_outputs_do(options, put):
    def made(directory):
        a = directory / "a.txt"
        return {"z": a, "y": None} if a.read_bytes() == b"1" else {"x": a, "z": a}

    items = [{"id": n, "a.txt": put(f"memory://in/{n}", str(n).encode())} for n in (1, 2)]
    rows = Pipeline(made, into_path="memory://out", options=options)(pd.DataFrame(items))
    assert rows.columns.tolist() == ["id", "z", "y", "x"]
    assert rows["y"].tolist() == [None, None]
    assert rows["x"].tolist() == [None, "memory://out/2/x"]


# Chains.


def sometimes(directory: Path) -> Named:
    kept = (directory / "a.txt").read_bytes() == b"data"
    return {"b.txt": directory / "a.txt", "c.txt": directory / "a.txt" if kept else None}


def seen(directory: Path) -> dict[str, Path]:
    (directory / "names.txt").write_text(" ".join(sorted(p.name for p in directory.iterdir())))
    return {"names.txt": directory / "names.txt"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_with_an_optional_output_that_is_none_goes_through_the_next_pipeline(
    kind, options, put, held
):
    sources = [put("memory://in/1"), put("memory://in/2", b"other")]
    fn: Any = sometimes
    first = Pipeline(fn, into_path="memory://one", options=options)(
        table(kind, {"id": [1, 2], "a.txt": sources})
    )
    second = Pipeline(seen, into_path="memory://two", options=options)(first)
    assert cells(second)["id"] == [1, 2]
    assert held()["memory://two/1/names.txt"] == b"b.txt c.txt"
    assert held()["memory://two/2/names.txt"] == b"b.txt"


@pytest.mark.parametrize("on_error", ["drop", "keep"])
def test_what_comes_of_no_rows_goes_through_the_next_pipeline_too(on_error, options):
    pipeline = Pipeline(seen, into_path="memory://out", options=options, on_error=on_error)
    empty = pd.DataFrame({"id": pd.Series([], dtype="int64"), "a.txt": []})
    made = pipeline(pipeline(empty))
    assert (len(made), made["id"].dtype) == (0, "int64")


# Arguments.


@pytest.mark.parametrize("kwargs", [{}, {"write_options": {}}, {"write_options": None}], ids=str)
def test_there_is_a_destination(kwargs):
    with pytest.raises(ValueError, match="give the destination once"):
        Pipeline(of_one, **kwargs)


def test_there_is_one_destination():
    with pytest.raises(ValueError, match="give the destination once"):
        Pipeline(of_one, {"into_path": "memory://out"}, into_path="memory://out")


def test_unknown_write_options_are_refused_and_named():
    given = {"into_path": "memory://out", "overwrite": True, "acl": "private"}
    with pytest.raises(ValueError, match=r"unknown write_options \['acl', 'overwrite'\]"):
        Pipeline(of_one, given)


def test_write_options_are_a_mapping():
    with pytest.raises(TypeError, match=r"write_options must be a mapping"):
        Pipeline(of_one, "memory://out")  # type: ignore[arg-type]


BAD: list[tuple[str, object]] = [
    *[("workers", value) for value in (0, -1, 1.5, True, "2", None)],
    *[("prefetch", value) for value in (-1, 1.5, True, "2", None)],
    *[("on_error", value) for value in ("ignore", None, True)],
    *[("if_all_fail", value) for value in ("drop", False)],
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=str)
def test_arguments_out_of_bounds_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        Pipeline(of_one, into_path="memory://out", **{name: value})


@pytest.mark.parametrize("into", ["gopher://out", "S4://out/"])
def test_an_unknown_scheme_is_refused_when_the_pipeline_is_made(into):
    with pytest.raises(UnsupportedSchemeError, match="into_path: unsupported scheme"):
        Pipeline(of_one, into_path=into)


def test_it_says_what_it_is():
    pipeline = Pipeline(of_one, into_path="memory://out", workers=3)
    assert repr(pipeline) == "Pipeline(of_one, into_path='memory://out', workers=3)"
    assert repr(Pipeline(Callable(), into_path="memory://x")).startswith("Pipeline(Callable, ")
