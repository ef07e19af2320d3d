"""Layouts: what is made of ids and filenames is read back, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.layout import Layout
from file_dataset.testing.strategies import file_names

SEGMENTS = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1)
TEMPLATES = [
    "s3://bucket/{id}/{filename}",
    "s3://bucket//raw/{id}/{filename}",
    "s3://bucket/raw/case-{id}/files/{filename}",
    "memory://{{a}}/x[1]*/{id}/{filename}",
]


@given(st.sampled_from(TEMPLATES), SEGMENTS, file_names())
def test_what_is_made_of_a_row_is_read_back(template, row_id, filename):
    layout = Layout.parse(template)
    key = template.format(id=row_id, filename=filename).partition("://")[2].partition("/")[2]
    assert key.startswith(layout.prefix.stem + layout.start)
    assert layout.read(key.removeprefix(layout.prefix.stem)) == (row_id, filename)


@pytest.mark.parametrize(
    ("template", "name", "read"),
    [
        ("s3://b/{id}_{filename}", "7_image.mha", ("7", "image.mha")),
        # Of several ways, the one with the shortest first field.
        ("s3://b/{id}_{filename}", "case_7_image.mha", ("case", "7_image.mha")),
        ("s3://b/{id}_{filename}", "7_a/image.mha", None),
        ("s3://b/{filename}/{id}", "image.mha/7", ("7", "image.mha")),
        ("s3://b/{filename}/{id}.bin", "image.mha/7.bin", ("7", "image.mha")),
        ("s3://b/{id}/{filename}", "7/a/b.txt", ("7", "a/b.txt")),
        ("s3://b/{id}/{filename}", "a.txt", None),
        ("s3://b/{id}/{filename}", "/a.txt", None),
        ("s3://b/{id}/x{filename}", "7/xa", ("7", "a")),
        ("s3://b/{id}/x{filename}", "7/xa/b", None),
        ("s3://b/raw.{id}/{filename}", "rawx7/a", None),
    ],
)
def test_keys_are_read_as_is_documented(template, name, read):
    assert Layout.parse(template).read(name) == read


@pytest.mark.parametrize(
    ("template", "prefix", "start"),
    [
        ("s3://b/{id}/{filename}", "s3://b", ""),
        ("s3://b/raw/{id}/{filename}", "s3://b/raw/", ""),
        ("s3://b/raw/a-{id}/{filename}", "s3://b/raw/", "a-"),
        ("s3://b/a-{id}/{filename}", "s3://b", "a-"),
        ("/data/{id}/{filename}", "/data", ""),
        ("/{id}/{filename}", "/", ""),
        ("raw/a-{id}/{filename}", f"{Path.cwd()}/raw", "a-"),
        ("{id}/{filename}", f"{Path.cwd()}", ""),
    ],
)
def test_the_prefix_and_the_start_are_what_is_literal(template, prefix, start):
    layout = Layout.parse(template)
    assert (str(layout.prefix), layout.start) == (prefix, start)


@pytest.mark.parametrize(
    "template",
    [
        "s3://b/{id}",
        "s3://b/{filename}",
        "s3://b/{id}/{id}/{filename}",
        "s3://b/{split}/{id}/{filename}",
        "s3://b/{id}/{}",
        "s3://b/{id!r}/{filename}",
        "s3://b/{id:3}/{filename}",
        "s3://b/{id/{filename}",
        "s3://{id}/{filename}",
        "s3://b{id}/{filename}",
        "",
    ],
)
def test_what_is_no_layout_is_refused_with_one_that_is(template):
    with pytest.raises(ValueError, match=r"as 's3://bucket/raw/\{id\}/\{filename\}'"):
        Layout.parse(template)


def test_what_is_no_text_is_refused():
    with pytest.raises(TypeError, match="a layout is a text"):
        Layout.parse(Path("{id}/{filename}"))  # type: ignore[arg-type] # that is the point
