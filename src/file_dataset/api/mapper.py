"""A function over lines of JSON, from stdin to stdout."""

from __future__ import annotations

import contextlib
import ctypes
import json
import numbers
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Final, NoReturn, TypeAlias

import attrs

from file_dataset.domain.url import Url

RowMapper: TypeAlias = Callable[[dict[str, Any]], object]

# More of a line that is none would hide what is wrong with it.
_SHOWN: Final = 1_000


@attrs.frozen
class Lines:
    """Where lines come from and where they go.

    Args:
        read: What was stdin.
        written: What was stdout.
    """

    read: BinaryIO
    written: BinaryIO


def run_mapper(fn: RowMapper, *, scheme: str = "s3") -> int:
    """Call a function with each row of JSON lines on stdin, and write what it gives to stdout.

    A row is an object with ``path`` and ``bucket``, as ``save_paths`` writes it; a row without a
    bucket is a local file. The function finds ``key``, which is the path, and ``uri`` in it too. It
    gives a mapping, or several, or None for no line at all. What it prints, or a library or a
    process that it starts, goes to stderr, and it finds nothing on stdin. Each line is written as
    soon as it is there.

    A line that is no row, and a row for which the function raises or gives something else, becomes
    a line with ``error``, ``message``, ``line`` (its number, from 1) and ``row``.

    Args:
        fn: Called in the order of the rows, one at a time.
        scheme: Of the URIs.

    Returns:
        How many lines of errors there are.

    Raises:
        ValueError: If there can be no such scheme.
        OSError: If nobody takes the lines.

    >>> import subprocess, sys
    >>> program = "import file_dataset; file_dataset.run_mapper(lambda row: {'uri': row['uri']})"
    >>> line = '{"bucket": "scans", "path": "raw/7.mha"}'
    >>> command = [sys.executable, "-c", program]
    >>> print(subprocess.run(command, input=line, capture_output=True, text=True).stdout)
    {"uri": "s3://scans/raw/7.mha"}
    """
    with taken_over() as lines:
        return map_lines(fn, lines, scheme=scheme)


@contextlib.contextmanager
def taken_over() -> Iterator[Lines]:
    """Keep stdin and stdout for rows; who else writes to stdout, writes to stderr meanwhile."""
    with contextlib.ExitStack() as stack:
        _flush()
        lines = Lines(
            stack.enter_context(os.fdopen(os.dup(0), "rb")),
            stack.enter_context(os.fdopen(os.dup(1), "wb")),
        )
        nothing = os.open(os.devnull, os.O_RDONLY)
        stack.callback(os.close, nothing)
        stack.callback(os.dup2, lines.read.fileno(), 0)
        os.dup2(nothing, 0)
        stack.callback(os.dup2, lines.written.fileno(), 1)
        os.dup2(2, 1)
        # What still waits in a buffer is to go where it was meant to go.
        stack.callback(_flush)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield lines


def _flush() -> None:
    """Write what Python and C have in their buffers."""
    for stream in {sys.stdout, sys.__stdout__}:
        if stream is not None and not stream.closed:
            stream.flush()
    ctypes.CDLL(None).fflush(None)


def map_lines(fn: RowMapper, lines: Lines, *, scheme: str) -> int:
    """As run_mapper(), with what reads and writes the lines."""
    if not callable(fn):
        raise TypeError(f"fn must be a function of a row, not {fn!r}")
    Url(scheme, "bucket", "key")
    failed = 0
    for number, line in enumerate(lines.read, start=1):
        if not line.strip():
            continue
        for made in _made(fn, number, line, scheme):
            failed += isinstance(made, _Failure)
            text = made.text if isinstance(made, _Failure) else made
            lines.written.write(text.encode() + b"\n")
        lines.written.flush()
    return failed


@attrs.frozen
class _Failure:
    """A line about what went wrong."""

    text: str

    @classmethod
    def of(cls, error: BaseException, number: int, row: object) -> _Failure:
        said = {"error": type(error).__name__, "message": str(error), "line": number, "row": row}
        try:
            return cls(json.dumps(said, allow_nan=False))
        except ValueError:  # a number that is too large for Python is infinite, which JSON is not
            return cls(json.dumps({**said, "row": repr(row)[:_SHOWN]}))


def _made(fn: RowMapper, number: int, line: bytes, scheme: str) -> Iterator[str | _Failure]:
    """The lines that are made of a line."""
    row: object = line[:_SHOWN].decode(errors="replace").rstrip("\r\n")
    try:
        row = json.loads(line, parse_constant=_refused)
        yield from _results(fn(_described(row, scheme)))
    # Whatever the user's function raises costs a row, and so does its wish to end the process.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        yield _Failure.of(error, number, row)


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _described(row: object, scheme: str) -> dict[str, Any]:
    """A row with its key and its URI."""
    if not isinstance(row, dict):
        raise TypeError(f"a row is an object, not {type(row).__name__}")
    bucket, path = row.get("bucket"), row.get("path")
    if not isinstance(path, str) or not isinstance(bucket, str | None) or not path:
        raise ValueError("a row has a 'path', and a 'bucket' unless it is local, which are texts")
    uri = str(Url(scheme, bucket, path)) if bucket else path
    return {**row, "key": path, "uri": uri}


def _results(given: object) -> Iterator[str]:
    if given is None:
        return
    if isinstance(given, Mapping):
        yield _line(given)
    elif isinstance(given, Iterable) and not isinstance(given, str | bytes):
        for each in given:
            if not isinstance(each, Mapping):
                raise TypeError(f"fn gave {type(each).__name__} among its rows, not a mapping")
            yield _line(each)
    else:
        raise TypeError(f"fn gave {type(given).__name__}, not a mapping, several of them, or None")


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(dict(row), allow_nan=False, default=_plain)


def _plain(value: object) -> object:
    """What JSON has no word for, where there is no doubt what is meant."""
    if isinstance(value, os.PathLike | Url):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"{value!r:.80} ({type(value).__name__}) cannot be written as JSON")
