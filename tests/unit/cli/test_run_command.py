"""``file-dataset run --command``: a program over a table, without a line of Python."""

from __future__ import annotations

import json

import pytest

from file_dataset.cli.main import main


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("b\na\n")
    (tmp_path / "table.csv").write_text("id,words.txt\n1,a\n2,missing\n")
    return tmp_path


def ran(capsys, *arguments: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    told = capsys.readouterr()
    return end.value.code, told.out, told.err


SORT = "sort {input}/words.txt -o {output}/sorted.txt"


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_program_runs_over_a_table(isolation, place, capsys):
    more = ["--isolation", isolation, "--timeout", "60", "--json", "--no-progress"]
    code, out, _ = ran(
        capsys,
        "run",
        "table.csv",
        "--command",
        SORT,
        "--outputs",
        "sorted.txt",
        "--into",
        "out",
        *more,
    )
    result = json.loads(out)
    assert code == 1
    assert [line["id"] for line in result["failures"]] == ["2"]
    assert (place / "out/1/sorted.txt").read_text() == "a\nb\n"


def test_what_failed_of_it_can_be_run_again(place, capsys):
    told = ["--command", SORT, "--outputs", "sorted.txt", "--into", "out"]
    ran(capsys, "run", "table.csv", *told, "--failures", "failed.parquet", "--no-progress")
    (place / "missing").write_text("d\nc\n")
    code, _, err = ran(capsys, "retry", "failed.parquet", "--no-progress")
    assert code == 0, err
    assert (place / "out/2/sorted.txt").read_text() == "c\nd\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["table.csv"], "give either a FUNCTION or a --command"),
        (["m:f", "table.csv", "--command", "x", "--outputs", "y"], "either a FUNCTION or"),
        (["m:f", "more", "table.csv"], "give a FUNCTION and a TABLE, not 3"),
        (["table.csv", "--command", "x {inptu}", "--outputs", "y"], "did you mean {input}"),
        (["table.csv", "--command", "x"], "outputs names no file"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_run(arguments, says, place, capsys):
    code, _, err = ran(capsys, "run", *arguments, "--into", "out")
    assert (code, says in err) == (2, True), err
    assert not (place / "out").exists()
