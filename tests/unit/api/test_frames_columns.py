"""Columns of a table: which of them are files, and which names no file can have."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest
from tests.unit.api.support import KINDS, WAYS, nothing, table

from file_dataset import FileDataset, FileDatasetError, Pipeline, Url, reader

ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
kinds = pytest.mark.parametrize("kind", KINDS)


@ways
@kinds
@pytest.mark.parametrize("name", ["../x.txt", "/x.txt", "a//b.txt", "a\\b.txt", "x" * 255 + ".t"])
def test_names_that_lead_elsewhere_are_refused(way, kind, name, options):
    with pytest.raises(ValueError, match="filename") as caught:
        way(table(kind, {"id": [1], "fine.txt": ["memory://a"], name: ["memory://b"]}), options)
    assert repr(name) in str(caught.value)


@ways
def test_a_file_of_a_row_cannot_be_a_directory_of_it_too(way, options, store):
    items = [{"id": 1, "a.d": "memory://a"}, {"id": 2, "a.d/b.txt": "memory://b"}]
    reader(items, options=options)
    items.append({**items[0], **items[1]})
    with pytest.raises(ValueError, match=r"row 2: 'a\.d' would be a file and a directory at once"):
        way([items[0], items[2]], options)
    assert store.requests == []


def test_columns_that_are_no_texts_are_refused_unless_they_are_passed_over(options):
    frame = pd.DataFrame({"id": [1], 7: ["memory://a"], "a.txt": [None]})
    for way in ("reader", "write_files"):
        with pytest.raises(ValueError, match="7 is of type int, not str"):
            WAYS[way](frame, options)
    with (
        pytest.warns(UserWarning, match="column 7 holds URLs"),
        pytest.raises(FileDatasetError, match="no row was"),
    ):
        Pipeline(nothing, into_path="memory://x", options=options, on_error="raise")(frame)


@ways
def test_columns_of_the_same_name_are_refused(way, options):
    frame = pd.DataFrame([[1, None, None]], columns=["id", "a.txt", "a.txt"])
    with pytest.raises(ValueError, match=r"columns of the same name: \['a.txt'\]"):
        way(frame, options)


# Which columns are files: reader and write_files take all of them, a pipeline those with a suffix.


@pytest.mark.parametrize(
    "name", ["a.mp4", "a.h5", "a.7z", "image.nii.gz", "a.X", "dir/a.txt", "a b.é", ".d/a.t"]
)
def test_a_name_with_an_extension_is_a_file(name, options):
    pipeline = Pipeline(nothing, into_path="memory://x", options=options, on_error="raise")
    with pytest.raises(FileDatasetError, match="no row was"):
        pipeline(pd.DataFrame({"id": [1], name: [None]}))


@pytest.mark.parametrize("name", ["label", "a.123", "a.", ".hidden", "a.d/b", "v1.2"])
def test_a_name_without_an_extension_is_none(name, options):
    pipeline = Pipeline(nothing, into_path="memory://x", options=options)
    with pytest.raises(ValueError, match=r"^No valid file columns found in DataFrame"):
        pipeline(pd.DataFrame({"id": [1], name: ["plain"]}))


def pipeline(options, **kwargs):
    return Pipeline(nothing, into_path="memory://x", options=options, if_all_fail="empty", **kwargs)


# How a user's line reaches the warning.
CALLS = {
    "call": lambda options, frame: pipeline(options)(frame),
    "run": lambda options, frame: pipeline(options).run(frame),
    "map_batch": lambda options, frame: FileDataset(options).map_batch(
        frame, fn=lambda directory: {}, upload_options={"into_path": "memory://x"}
    ),
}


@kinds
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_column_of_urls_that_is_passed_over_is_warned_about_at_the_users_line(
    call, kind, options
):
    frame = table(kind, {"id": [1], "mask": ["s3://b/mask"], "note": ["a/b"], "a.txt": [None]})
    with pytest.warns(UserWarning, match="'mask' holds URLs .* rename it, as 'mask.bin'") as caught:
        call(options, frame)
    (warning,) = caught
    assert warning.filename == __file__


def test_urls_of_either_make_are_warned_about(options):
    with pytest.warns(UserWarning, match="'mask' holds URLs"):
        pipeline(options)([{"id": 1, "mask": Url.parse("s3://b/mask"), "a.txt": None}])


@kinds
def test_columns_without_urls_are_passed_over_in_silence(kind, options):
    frame = table(kind, {"id": [1], "age": [7], "note": ["s3"], "none": [None], "a.txt": [None]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline(options)(frame)
