"""Tables that hand files on to other programs: a bucket and a path in each row, and no more."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import attrs

from file_dataset.api.cells import some_of
from file_dataset.api.kinds import table_of
from file_dataset.api.objects import Place, get, put
from file_dataset.api.options import Options
from file_dataset.domain.errors import InvalidDatasetError, InvalidUrlError
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

COLUMNS: Final = ("bucket", "path")

_Row: TypeAlias = Mapping[str, object]


class TableClient(Protocol):
    """What writes tables somewhere else."""

    def write_table(self, path: str, rows: Sequence[Mapping[str, str]], /) -> object:
        """Make a table of rows."""


def save_paths(
    frame: object,
    target: Place,
    *,
    client: TableClient | None = None,
    options: Options | None = None,
) -> None:
    """Hand files on as a table of ``bucket`` and ``path``, in their order.

    Args:
        frame: A table, as ``list_files`` gives it, with columns ``bucket`` and ``path``, or else
            with a column ``url``; or a list of URLs and paths. A local file has no bucket.
        target: A URL or path that ends in ``.jsonl``, ``.csv`` or ``.parquet``; or, with a client,
            whatever that takes for a path.
        client: Its ``write_table(path, rows)`` is called in place of writing a file, with a list
            of mappings.
        options: How storage is reached.

    Raises:
        ValueError: For a table without such columns or with cells that are no texts, and for a
            target of another kind, before anything is written.
        FileDatasetError: If it cannot be written.

    >>> save_paths(["s3://scans/raw/7.mha"], "memory://handed/on.csv")
    >>> read_paths("memory://handed/on.csv")
      bucket       path
    0  scans  raw/7.mha
    """
    kind = None if client is not None else _kind_of(target)
    rows = _rows(frame)
    if client is not None:
        client.write_table(str(target), rows)
    elif kind is not None:
        put(target, kind.write(rows), options=options)


def read_paths(source: Place, *, options: Options | None = None) -> pd.DataFrame:
    """The table that ``save_paths`` has written, or another with such columns.

    Args:
        source: A URL or path that ends in ``.jsonl``, ``.csv`` or ``.parquet``.
        options: How storage is reached.

    Returns:
        A DataFrame of ``bucket`` and ``path``.

    Raises:
        ValueError: If it is no such table.
        FileDatasetError: If it cannot be read.

    >>> import file_dataset
    >>> file_dataset.put("memory://handed/over.jsonl", b'{"bucket": "scans", "path": "raw/7.mha"}')
    >>> read_paths("memory://handed/over.jsonl")
      bucket       path
    0  scans  raw/7.mha
    """
    import pandas as pd

    kind = _kind_of(source)
    data = get(source, options=options)
    try:
        rows = _checked(kind.read(data))
    # Of a damaged file Arrow says the one or the other.
    except (ValueError, OSError, RecursionError) as error:
        raise InvalidDatasetError(f"{_spelled(source)} cannot be read: {error}") from error
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype="object") for name in COLUMNS}
    )


def _spelled(place: Place) -> str:
    return place.redacted if isinstance(place, Url) else Url.parse(place).redacted


def _rows(frame: object) -> list[dict[str, str]]:
    if isinstance(frame, list | tuple) and not any(isinstance(each, Mapping) for each in frame):
        return _split(frame)
    columns = table_of(frame).columns()
    if "url" in columns and not columns.keys() >= set(COLUMNS):
        return _split(columns["url"])
    if missing := [name for name in COLUMNS if name not in columns]:
        raise InvalidDatasetError(
            f"a table to hand on has columns 'bucket' and 'path', or 'url'; this one lacks "
            f"{missing} and has {[str(name) for name in columns]}"
        )
    cells = zip(*(columns[name] for name in COLUMNS), strict=True)
    return _checked(dict(zip(COLUMNS, each, strict=True)) for each in cells)


def _split(sources: Iterable[Any]) -> list[dict[str, str]]:
    faults, rows = [], []
    for number, source in enumerate(sources):
        try:
            url = source if isinstance(source, Url) else Url.parse(source)
        except (InvalidUrlError, TypeError) as error:
            faults.append(f"row {number}: {error}")
        else:
            rows.append({"bucket": url.authority, "path": url.key})
    if faults:
        raise InvalidDatasetError(some_of(faults))
    return _checked(rows)


def _checked(rows: Iterable[_Row]) -> list[dict[str, str]]:
    """The rows with these columns only, which are all texts."""
    checked, faults = [], []
    for number, row in enumerate(rows):
        found = {name: row.get(name) for name in COLUMNS}
        faults += [
            f"row {number}: the {name} {fault}"
            for name, cell in found.items()
            if (fault := _fault(name, cell))
        ]
        checked.append({name: str(cell) for name, cell in found.items()})
    if faults:
        raise InvalidDatasetError(some_of(faults))
    return checked


def _fault(name: str, cell: object) -> str:
    if not isinstance(cell, str):
        return f"is {cell!r:.80}, not a text"
    if name == "path" and not cell:
        return "is empty"
    return "" if _is_utf_8(cell) else f"is {cell!r:.80}, which is not UTF-8"


def _is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@attrs.frozen
class _Kind:
    """How a table is written and read."""

    write: Callable[[Sequence[_Row]], bytes]
    read: Callable[[bytes], Iterable[_Row]]


def _kind_of(place: Place) -> _Kind:
    url = place if isinstance(place, Url) else Url.parse(place)
    for suffix, kind in _KINDS.items():
        if url.name.endswith(suffix):
            return kind
    raise ValueError(f"{url.redacted} must end in one of {', '.join(_KINDS)}")


def _write_jsonl(rows: Sequence[_Row]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def _read_jsonl(data: bytes) -> Iterable[_Row]:
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {number}: {row!r:.80} is no object")
            yield row


def _write_csv(rows: Sequence[_Row]) -> bytes:
    text = io.StringIO(newline="")
    # Unquoted, it would end the row for who reads it.
    is_odd = any("\r" in str(cell) for row in rows for cell in row.values())
    writer = csv.DictWriter(
        text, COLUMNS, lineterminator="\n", quoting=csv.QUOTE_ALL if is_odd else csv.QUOTE_MINIMAL
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _read_csv(data: bytes) -> Iterable[_Row]:
    try:
        yield from csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _write_parquet(rows: Sequence[_Row]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink)
    return sink.getvalue().to_pybytes()


def _read_parquet(data: bytes) -> Iterable[_Row]:
    import pyarrow as pa
    from pyarrow import parquet

    table: pa.Table = parquet.read_table(pa.BufferReader(data), columns=list(COLUMNS))
    return table.to_pylist()


_KINDS: Final = {
    ".jsonl": _Kind(_write_jsonl, _read_jsonl),
    ".csv": _Kind(_write_csv, _read_csv),
    ".parquet": _Kind(_write_parquet, _read_parquet),
}
