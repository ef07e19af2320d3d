"""A function over lines of JSON: a line for each row, and nothing else on stdout."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.commands import COMMAND

from file_dataset import Url, run_mapper
from file_dataset.api.mapper import Lines, map_lines

ROW = {"bucket": "b", "path": "raw/a b.txt"}


def mapped(fn, *lines, scheme="s3"):
    """The lines that are made of lines, and how many of them are errors."""
    read = b"".join(
        line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines
    )
    written = io.BytesIO()
    failed = map_lines(fn, Lines(io.BytesIO(read), written), scheme=scheme)
    made = [json.loads(line) for line in written.getvalue().splitlines()]
    assert written.getvalue().count(b"\n") == len(made)
    assert sum("error" in each for each in made) == failed
    return made


def same(row):
    return row


def test_rows_gain_a_key_and_a_uri():
    assert mapped(same, {**ROW, "size": 7}) == [
        {**ROW, "size": 7, "key": "raw/a b.txt", "uri": "s3://b/raw/a b.txt"}
    ]
    assert mapped(same, ROW, scheme="memory")[0]["uri"] == "memory://b/raw/a b.txt"


@pytest.mark.parametrize(
    "row", [{"path": "/a"}, {"path": "/a", "bucket": ""}, {"path": "/a", "bucket": None}]
)
def test_a_row_without_a_bucket_is_a_local_file(row):
    assert mapped(same, row) == [{**row, "key": "/a", "uri": "/a"}]


def test_a_function_gives_one_row_or_several_or_none():
    made = mapped(
        lambda row: {"1": {"n": 1}, "2": ({"n": n} for n in range(2)), "3": None, "4": []}[
            row["key"]
        ],
        *(b'{"path": "%d"}\n' % n for n in (1, 2, 3, 4)),
    )
    assert made == [{"n": 1}, {"n": 0}, {"n": 1}]


def test_empty_lines_are_none():
    assert mapped(same, b"\n", b'{"path": "a"}\r\n', b"  \n", b'{"path": "b"}') == [
        {"path": name, "key": name, "uri": name} for name in "ab"
    ]


def test_what_is_written_is_plain_json():
    made = mapped(
        lambda row: {
            "path": Path("/a"),
            "url": Url.parse("s3://b/k"),
            "count": np.int64(7),
            "share": np.float32(0.5),
            "text": "é\n\udcff",
        },
        ROW,
    )
    assert made == [
        {"path": "/a", "url": "s3://b/k", "count": 7, "share": 0.5, "text": "é\n\udcff"}
    ]


@pytest.mark.parametrize(
    ("line", "error", "row"),
    [
        (b"no json", "JSONDecodeError", "no json"),
        (b'{"path": "a"', "JSONDecodeError", '{"path": "a"'),
        (b"\xff", "UnicodeDecodeError", "\N{REPLACEMENT CHARACTER}"),
        (b"[" * 100_000, "RecursionError", "[" * 1000),
        (b'{"path": NaN}', "ValueError", '{"path": NaN}'),
        (b"7" * 5000, "ValueError", "7" * 1000),
        (b"7", "TypeError", 7),
        (b"null", "TypeError", None),
        (b"[1]", "TypeError", [1]),
        (b"{}", "ValueError", {}),
        (b'{"bucket": "b"}', "ValueError", {"bucket": "b"}),
        (b'{"path": ""}', "ValueError", {"path": ""}),
        (b'{"path": 7}', "ValueError", {"path": 7}),
        (b'{"path": "a", "bucket": 0}', "ValueError", {"path": "a", "bucket": 0}),
        (b'{"path": "a", "bucket": "x/y"}', "InvalidUrlError", {"path": "a", "bucket": "x/y"}),
        (b'{"path": 1e999}', "ValueError", "{'path': inf}"),
    ],
    ids=str,
)
def test_a_line_that_is_no_row_is_a_line_about_that(line, error, row):
    good = b'{"path": "a"}\n'
    first, told, last = mapped(same, good, line + b"\n", good)
    assert first == last == {"path": "a", "key": "a", "uri": "a"}
    assert told.pop("message")
    assert told == {"error": error, "line": 2, "row": row}


def fail(row):
    raise KeyError("no such thing")


def leave(row):
    sys.exit("enough")


def break_off(row):
    yield {"n": 1}
    raise OSError("it broke")


@pytest.mark.parametrize(
    ("fn", "error", "message"),
    [
        (fail, "KeyError", "'no such thing'"),
        (leave, "SystemExit", "enough"),
        (lambda row: 7, "TypeError", "fn gave int, not a mapping, several of them, or None"),
        (lambda row: "text", "TypeError", "fn gave str, not a mapping, several of them, or None"),
        (lambda row: [7], "TypeError", "fn gave int among its rows, not a mapping"),
        (lambda row: {"a": {1}}, "TypeError", "{1} (set) cannot be written as JSON"),
        (lambda row: {"a": float("nan")}, "ValueError", "Out of range float values are not JSON"),
        (lambda row: row.clear() or {"a": object}, "TypeError", "<class 'object'> (type) cannot"),
    ],
)
def test_a_row_that_goes_wrong_is_a_line_about_that(fn, error, message):
    for number, told in enumerate(mapped(fn, *[json.dumps(ROW).encode() + b"\n"] * 2), start=1):
        assert told.pop("message").startswith(message)
        assert told == {"error": error, "line": number, "row": ROW}


def test_what_was_made_before_it_went_wrong_is_there():
    first, told = mapped(break_off, ROW)
    assert (first, told["error"]) == ({"n": 1}, "OSError")


def test_an_interrupt_is_no_row():
    def interrupt(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mapped(interrupt, ROW)


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b" ")), max_size=5))
def test_whatever_comes_in_there_is_a_line_for_each(lines):
    made = mapped(same, *(line + b"\n" for line in lines))
    assert len(made) == sum(bool(line.strip()) for line in lines)


@pytest.mark.parametrize("scheme", ["", "S3", "s 3", "file"])
def test_a_scheme_that_cannot_be_is_refused(scheme):
    with pytest.raises(ValueError, match=r".+"):
        mapped(same, ROW, scheme=scheme)


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match="fn must be a function of a row, not 7"):
        run_mapper(7)  # type: ignore[arg-type]


FUNCTIONS = """
import ctypes, logging, os, subprocess, sys

print("printed while it is imported")
handler = logging.StreamHandler(sys.stdout)

def noisy(row):
    print("printed")
    sys.stdout.write("written")
    sys.__stdout__.write("written to what was there before")
    handler.emit(logging.makeLogRecord({"msg": "logged"}))
    os.write(1, b"by the system\\n")
    ctypes.CDLL(None).printf(b"by C\\n")
    subprocess.run("echo by a child; cat; echo read to its end", shell=True, check=True)
    return {"read": sys.stdin.read(), "key": row["key"]}

def main():
    from file_dataset import run_mapper
    sys.exit(run_mapper(noisy))
"""

NOISE = ["printed", "written", "written to", "logged", "by the system", "by C", "by a child"]


@pytest.fixture
def started(tmp_path):
    """Starts a process in a directory with functions, with pipes for all that it says."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    # What is not kept in buffers needs no care.
    buffering = {name: os.environ[name] for name in os.environ if name != "PYTHONUNBUFFERED"}
    running = []

    def started(*told):
        process = subprocess.Popen(
            told,
            cwd=tmp_path,
            env=buffering,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield started
    for process in running:
        process.kill()
        process.communicate()


WAYS = {
    "command": (COMMAND, "map", "functions:noisy"),
    "function": (sys.executable, "-c", "import functions; functions.main()"),
}


@pytest.mark.parametrize("way", WAYS)
def test_only_rows_are_on_stdout_and_each_as_soon_as_it_is_there(way, started):
    process = started(*WAYS[way])
    if way == "function":
        # Who imports it before prints where that goes.
        assert process.stdout.readline() == "printed while it is imported\n"
    for name in ("a", "b"):
        process.stdin.write(json.dumps({"path": name}) + "\n")
        process.stdin.flush()
        # The next row is not sent before this one is answered.
        assert json.loads(process.stdout.readline()) == {"read": "", "key": name}
    out, err = process.communicate("no row\n", timeout=60)
    (told,) = map(json.loads, out.splitlines())
    assert told["line"] == 3
    assert process.returncode == 1
    assert all(err.count(said) >= 2 for said in NOISE)
    assert err.count("read to its end") == 2
    assert ("printed while it is imported" in err) == (way == "command")


def test_rows_that_went_well_end_well_also_if_there_are_none(started):
    for sent, code in (('{"path": "a"}', 0), ("", 0)):
        process = started(*WAYS["command"])
        out, _ = process.communicate(sent, timeout=60)
        assert (process.returncode, len(out.splitlines())) == (code, 1 if sent else 0)


def test_a_function_that_is_not_there_is_wrong_usage(started):
    process = started(COMMAND, "map", "functions:nothing")
    out, err = process.communicate("", timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "functions:nothing" in err


def test_it_ends_quietly_when_nobody_reads_on(started):
    process = started(*WAYS["command"])
    process.stdout.close()
    process.stdin.write('{"path": "a"}\n')
    process.stdin.flush()
    assert process.wait(timeout=60) == 1
    assert "Traceback" not in process.stderr.read()


@pytest.fixture
def fed():
    """Lets a row come in by this process's own stdin; gives the pipe."""
    reading, writing = os.pipe()
    os.write(writing, b'{"path": "a"}\n')
    os.close(writing)
    kept = os.dup(0)
    os.dup2(reading, 0)
    yield reading
    os.dup2(kept, 0)
    os.close(kept)
    os.close(reading)


def test_stdin_and_stdout_are_given_back(fed, capfd):
    assert run_mapper(same) == 0
    assert os.read(0, 1) == b""
    assert os.fstat(0).st_ino == os.fstat(fed).st_ino
    print("printed afterwards")  # noqa: T201 - where it goes is the test
    out = capfd.readouterr().out.splitlines()
    assert [json.loads(out[0]), out[1]] == [
        {"path": "a", "key": "a", "uri": "a"},
        "printed afterwards",
    ]


def test_what_is_printed_goes_to_stderr_also_where_stdout_is_something_else(
    fed, capfd, monkeypatch
):
    def say(row):
        print("printed")  # noqa: T201 - as above

    replaced = io.StringIO()
    monkeypatch.setattr(sys, "stdout", replaced)
    assert run_mapper(say) == 0
    assert replaced.getvalue() == ""
    assert capfd.readouterr() == ("", "printed\n")
