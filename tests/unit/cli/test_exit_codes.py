"""How each command ends: its exit code, and one line that says why and what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from file_dataset.cli.main import command, main

FUNCTIONS = """
def copy(inside, out):
    return {"b.txt": inside / "a.txt"}

def broken(inside, out):
    raise ValueError("two" + chr(10) + "lines")
"""

UNREADABLE = "def copy(inside, out:"
ENDING = "import sys; sys.exit(2)"

RUN = ["run", "functions.py:copy", "--no-progress"]
INTO = ["--into", "out"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    (tmp_path / "unreadable.py").write_text(UNREADABLE)
    (tmp_path / "ending.py").write_text(ENDING)
    (tmp_path / "one.txt").write_text("1")
    (tmp_path / "LOUD.CSV").write_text("id,a.txt\n1,one.txt\n")
    (tmp_path / "semicolons.csv").write_text("id;a.txt\n1;one.txt\n")
    (tmp_path / "web.csv").write_text("id,a.txt\n1,https://data.example/1\n")
    (tmp_path / "taken.csv").mkdir()
    (tmp_path / "files/deep").mkdir(parents=True)
    (tmp_path / "files/deep/two.txt").write_text("22")
    (tmp_path / "good.csv").write_text("id,a.txt\n1,one.txt\n")
    (tmp_path / "mixed.csv").write_text("id,a.txt\n1,one.txt\n2,gone.txt\n")
    (tmp_path / "twice.csv").write_text("id,a.txt\n1,one.txt\n1,one.txt\n")
    (tmp_path / "failed.csv").write_text("id\n1\n")
    lines = "".join(f"{n},s3://nobody/{n}\n" for n in range(30))
    (tmp_path / "s3.csv").write_text(f"id,a.txt\n{lines}")
    return tmp_path


def ran(capfd, *arguments: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    told = capfd.readouterr()
    return end.value.code, told.out, told.err


# What is told, the exit code, and what is said: on standard output if all is well, else on the
# other, as far as it is not in a table of failures.
TABLE: list[tuple[list[str], int, str]] = [
    ([*RUN, "good.csv", *INTO], 0, "1 rows came through, 0 failed"),
    ([*RUN, "LOUD.CSV", *INTO, "--results", "DONE.CSV"], 0, "1 rows came through, 0 failed"),
    ([*RUN, "semicolons.csv", *INTO], 2, "'id;a.txt'; columns are separated by commas"),
    ([*RUN, "web.csv", *INTO], 2, "--allow https://the.host/"),
    ([*RUN, "good.csv", "--into", "s3://"], 2, "into_path: s3:// names no bucket"),
    ([*RUN, "good.csv", *INTO, "--keep-failed", "one.txt"], 2, "'one.txt' is a file"),
    ([*RUN, "-v", "good.csv", *INTO], 2, "file-dataset -v COMMAND"),
    ([*RUN, "good.csv", *INTO, "--workers", "x"], 2, "Try 'file-dataset run --help'"),
    (["run", "unreadable.py:copy", "good.csv", *INTO], 2, "SyntaxError: "),
    (["run", "ending.py:copy", "good.csv", *INTO], 2, "SystemExit: 2"),
    (["run", "--command", "sort 'a", "good.csv", *INTO, "--outputs", "b"], 2, "taken apart"),
    ([*RUN, "mixed.csv", *INTO], 1, "gone.txt: not found"),
    ([*RUN, "s3.csv", *INTO], 3, "UnauthenticatedError"),
    ([*RUN, "twice.csv", *INTO], 2, "must have unique values"),
    ([*RUN, "good.csv"], 2, "--into"),
    ([*RUN, "good.csv", *INTO, "--resume", "--if-exists", "error"], 2, "--resume is --if-exists"),
    ([*RUN, "good.csv", *INTO, "--results", "no/x.csv"], 2, "there is no directory no"),
    ([*RUN, "good.csv", *INTO, "--report", "no/x.html"], 2, "there is no directory no"),
    ([*RUN, "good.csv", *INTO, "--results", "taken.csv"], 2, "is a directory"),
    ([*RUN, "good.csv", *INTO, "--results", f"{'x' * 300}.csv"], 1, "Error: [Errno"),
    ([*RUN, "good.csv", *INTO, "--retry", "no.csv"], 2, "no.csv: not found"),
    ([*RUN, "good.csv", *INTO, "--retry", "s3.csv"], 2, "does not have the failed rows"),
    ([*RUN, "mixed.csv", *INTO, "--retry", "failed.csv"], 0, "1 rows came through, 0 failed"),
    (["run", "functions.py:broken", "good.csv", *INTO, "--no-progress"], 1, "two lines"),
    (["plan", "functions.py:copy", "good.csv", *INTO], 0, "1 of 1 to run"),
    (["plan", "functions.py:copy", "mixed.csv", *INTO], 1, "gone.txt: not found"),
    (["plan", "functions.py:copy", "twice.csv", *INTO], 2, "Refused"),
    (["plan", "functions.py:copy", "s3.csv", *INTO], 3, "Stopped"),
    ([*RUN, "good.csv", *INTO, "--results", "x.csv", "--failures", "x.csv"], 2, "a file each"),
    (["retry", "failed.csv"], 2, "give --function and --into"),
    (["retry", "gone.parquet"], 2, "gone.parquet: not found"),
    (["get", "s3://nobody/1", "copy.txt"], 3, "credentials"),
    (["get", "one.txt", "copy.txt"], 0, "copy.txt"),
    (["get", "gone.txt"], 1, "gone.txt: not found"),
    (["get", "foo://bucket/key"], 2, "unsupported scheme"),
    (["put", "one.txt", "there/"], 0, "there/one.txt"),
    (["put", "gone.txt", "there/"], 2, "gone.txt"),
    (["ls", "."], 0, "one.txt"),
    (["ls", "gone"], 0, "There is nothing below "),
    (["ls", ".", "--pattern", "*.mha"], 0, "There is nothing that is meant below "),
    (["ls", "foo://bucket"], 2, "unsupported scheme"),
    (["ls", "s3://nobody/"], 3, "credentials"),
    (["sizes", "one.txt"], 0, "one.txt"),
    (["sizes", "gone.txt"], 1, "Failed: NotFoundError: "),
    (["sizes", "mixed.csv"], 1, "Failed: row 2: a.txt: NotFoundError: "),
    (["sizes", "s3.csv"], 3, "credentials"),
    (["cp", "one.txt", "copy.txt"], 0, "copy.txt"),
    (["cp", "files", "copy", "--no-progress"], 0, "1 files copied, 2 bytes; 0 failed"),
    (["cp", "-r", "gone", "copy"], 1, "nothing is below it"),
    (["cp", "files", "files/deep"], 2, "copied into itself"),
    (["cp", "foo://a/", "copy"], 2, "unsupported scheme"),
    (["cp", "files", "s3://nobody/there/"], 3, "credentials"),
    (["pack", "good.csv", "--into", "packed"], 0, "1 rows came through, 0 failed"),
    (["pack", "mixed.csv", "--into", "packed"], 1, "gone.txt: not found"),
    (["pack", "s3.csv", "--into", "packed"], 3, "0 rows came through, 30 failed"),
    (["unpack", "s3.csv", *INTO], 3, "credentials"),
    (["pack", "good.csv", "--into", "packed", "--results", "no/x.csv"], 2, "no directory no"),
    (["pack", "good.csv", "--into", "packed", "--results", "taken.csv"], 2, "is a directory"),
    (["unpack", "good.csv", *INTO, "--results", "no/x.csv"], 2, "no directory no"),
    (["unpack", "good.csv", *INTO], 0, "1 rows came through, 0 failed"),
    (["unpack", "gone.csv", *INTO], 2, "gone.csv: not found"),
    (["ingest", "files", "--into", "here"], 0, "two.txt"),
    (["ingest", "foo://bucket"], 2, "unsupported scheme"),
    (["map", "functions.py:nothing"], 2, "nothing"),
    (["verify", "out"], 0, "0 rows with 0 files, 0 problems"),
    (["verify", "out"], 0, "is that where a run put its rows?"),
    (["verify", "foo://bucket"], 2, "unsupported scheme"),
    (["verify", "s3://nobody/out"], 3, "credentials"),
    (["recover", "out"], 0, "0 rows completed"),
    (["recover", "foo://bucket"], 2, "unsupported scheme"),
    (["stores"], 0, "s3"),
    (["nonsense"], 2, "No such command"),
    ([], 2, "Usage"),
]


def of_words(value):
    return " ".join(value) if isinstance(value, list) else None


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(("arguments", "code", "says"), TABLE, ids=of_words)
def test_a_command_ends_with_its_code_and_says_why(arguments, code, says, capfd):
    ended, out, err = ran(capfd, *arguments)
    told = " ".join((out + err).split())
    assert (ended, says in told) == (code, True), out + err
    assert "Traceback" not in err
    if ended == 2 and arguments and "Refused" not in out:
        assert re.fullmatch(r"(?:Running .+\n)?Error: .+\n", err)
        assert not out


def test_a_run_can_be_resumed(place, capfd):
    assert ran(capfd, *RUN, "mixed.csv", *INTO, "--resume")[0] == 1
    (place / "gone.txt").write_text("found")
    code, out, _ = ran(capfd, *RUN, "mixed.csv", *INTO, "--resume")
    assert code == 0
    assert "1 rows came through, 1 were there already, 0 failed" in out


def test_what_failed_can_be_run_again_from_its_table(place, capfd):
    assert ran(capfd, *RUN, "mixed.csv", *INTO, "--failures", "failures.csv")[0] == 1
    (place / "gone.txt").write_text("found")
    again = [*RUN, "mixed.csv", *INTO, "--retry", "failures.csv"]
    code, out, _ = ran(capfd, *again, "--dry-run")
    assert (code, "1 of 1 to run" in out) == (0, True)
    code, out, _ = ran(capfd, *again, "--json")
    assert (code, [row["id"] for row in json.loads(out)["rows"]]) == (0, ["2"])


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "functions.py:copy", "good.csv", *INTO],
        ["pack", "good.csv", "--into", "packed"],
        ["unpack", "good.csv", *INTO],
        ["cp", "files", "copy"],
        ["ingest", "files", "--into", "here"],
    ],
    ids=lambda words: words[0],
)
def test_what_takes_long_tells_how_far_it_is(arguments, capfd):
    _, _, err = ran(capfd, *arguments)
    assert "1/1" in err
    _, out, err = ran(capfd, *arguments, "--no-progress", "--json")
    assert not err
    json.loads(out)


def test_every_command_is_in_the_table_and_in_the_docs():
    names = {arguments[0] for arguments, *_ in TABLE if arguments}
    assert names - {"nonsense"} == command.commands.keys() - {"demo"}
    page = (Path(__file__).parents[3] / "docs/reference/command.md").read_text()
    assert {*re.findall(r"^\| `([a-z]+)", page, re.MULTILINE)} == command.commands.keys()


HELP = [[], *([name] for name in command.commands)]


@pytest.mark.parametrize("arguments", HELP, ids=lambda words: " ".join(words) or "all")
def test_every_help_fits_a_screen(arguments, capfd):
    code, out, _ = ran(capfd, *arguments, "--help")
    assert code == 0
    assert len(out.splitlines()) <= 40
    assert max(map(len, out.splitlines())) <= 80


def test_every_command_that_tells_something_can_tell_it_to_programs():
    without = {
        name
        for name, each in command.commands.items()
        if not any("--json" in option.opts for option in each.params)
    }
    # It speaks lines of JSON, and nothing else.
    assert without == {"map"}


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["get", "one.txt", "copy.txt", "--json"], "copy.txt"),
        (["put", "one.txt", "there/", "--json"], "there/one.txt"),
        (["cp", "one.txt", "copy.txt", "--json"], "copy.txt"),
        (["cp", "files", "copy", "--json"], "copy/deep/two.txt"),
    ],
)
def test_copies_are_told_as_json(arguments, says, place, capfd):
    code, out, err = ran(capfd, *arguments)
    told = json.loads(out)
    (one,) = told if isinstance(told, list) else [told]
    assert (code, err, one["target"]) == (0, "", str(place / says))


@pytest.mark.usefixtures("place")
def test_what_is_verbose_has_its_traceback(capfd):
    with pytest.raises(ValueError, match="unsupported scheme"):
        main(["-v", "get", "foo://bucket/key"])
    code, _, err = ran(capfd, "-v", "run", "unreadable.py:copy", "good.csv", *INTO)
    assert (code, 'unreadable.py", line 1' in err, "Error: cannot load" in err) == (2, True, True)


@pytest.mark.filterwarnings("always")
def test_a_warning_is_a_line(place, capfd):
    (place / "more.csv").write_text("id,a.txt,where\n1,one.txt,s3://nobody/1\n")
    code, _, err = ran(capfd, *RUN, "more.csv", *INTO)
    assert code == 0
    assert re.fullmatch(r"Warning: column 'where' holds URLs .+\n", err)


def test_a_large_table_is_not_printed_whole(place, capfd):
    ids = range(1000)
    lines = "".join(f"{n},{'gone' if n % 10 == 0 else 'one'}.txt\n" for n in ids)
    (place / "large.csv").write_text(f"id,a.txt\n{lines}")
    code, out, _ = ran(capfd, *RUN, "large.csv", *INTO, "--results", "done.csv")
    assert code == 1
    assert len(out.splitlines()) < 60
    assert "and 880 more; --results FILE has all of them" in out
    assert "and 80 more; --failures FILE has all of them" in out
    assert len((place / "done.csv").read_text().splitlines()) == 901


# Completion.


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell, monkeypatch, capfd):
    monkeypatch.setenv("_FILE_DATASET_COMPLETE", f"{shell}_source")
    code, out, _ = ran(capfd)
    assert code == 0
    assert f"_FILE_DATASET_COMPLETE={shell}_complete" in out


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("file-dataset re", ["plain,retry", "plain,recover"]),
        ("file-dataset run --if", ["plain,--if-exists"]),
        ("file-dataset run f.py:f ta", ["file,ta"]),
        ("file-dataset run --if-exists s", ["plain,skip"]),
    ],
)
def test_words_are_completed(words, completed, monkeypatch, capfd):
    monkeypatch.setenv("_FILE_DATASET_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    code, out, _ = ran(capfd)
    assert code == 0
    assert sorted(out.split()) == sorted(completed)


def test_every_option_says_what_it_is_for():
    for name, each in command.commands.items():
        for option in each.params:
            if isinstance(option, click.Option):
                assert option.help, f"{name} {option.opts}"
