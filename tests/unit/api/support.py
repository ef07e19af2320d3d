"""What the tests of the API share: a store that notes what it is asked, tables of every kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa

from file_dataset import Pipeline, reader, write_files


class Stream:
    """A table of a library that nobody has heard of."""

    def __init__(self, columns: Mapping[str, Sequence[object]]) -> None:
        self._table = pa.table(dict(columns))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def as_list(columns: Mapping[str, Sequence[object]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


# How a table of each kind is made, and of which type it comes back.
KINDS = {
    "pandas": (pd.DataFrame, pd.DataFrame),
    "arrow": (pa.table, pa.Table),
    "polars": (pl.DataFrame, pl.DataFrame),
    "stream": (Stream, pa.Table),
    "list": (as_list, list),
}


def table(kind: str, columns: Mapping[str, Sequence[object]]) -> Any:
    """A table of a kind, of columns by their names."""
    make: Any = KINDS[kind][0]
    return make(columns)


def cells(frame: Any) -> dict[str, list[Any]]:
    """The columns of a table of any kind, as lists."""
    if isinstance(frame, list):
        return {name: [item[name] for item in frame] for name in (frame[0] if frame else {})}
    if isinstance(frame, pd.DataFrame):
        return {name: frame[name].tolist() for name in frame.columns}
    if isinstance(frame, pa.Table):
        return frame.to_pydict()
    return frame.to_dict(as_series=False)


def text_of(value: object) -> str | None:
    """A destination as text, of whatever kind the table was."""
    return None if value is None else str(value)


def nothing(directory):
    raise AssertionError("no row was to be processed")


# Every way in, as a function of a table.
WAYS = {
    "reader": lambda frame, options: reader(dataframe=frame, options=options),
    "write_files": lambda frame, options: write_files(
        dataframe=frame, into_path="memory://out", options=options
    ),
    "pipeline": lambda frame, options: Pipeline(nothing, into_path="memory://x", options=options)(
        frame
    ),
}


@contextlib.contextmanager
def headers_sent(client: Any) -> Iterator[list[Mapping[str, str]]]:
    """The headers of each request that a boto3 client sends."""
    sent: list[Mapping[str, str]] = []

    def note(request: Any, **_: object) -> None:
        sent.append(request.headers)

    client.meta.events.register_first("before-send.s3", note)
    try:
        yield sent
    finally:
        client.meta.events.unregister("before-send.s3", note)
