"""``file-dataset plan`` and ``run --dry-run``: the same, and nothing is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from file_dataset.cli.main import main

FUNCTIONS = """
def double(inside, out):
    raise AssertionError("nothing is to be run")
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    (tmp_path / "a").write_text("1234")
    (tmp_path / "good.csv").write_text("id,a.txt\n1,a\n2,a\n")
    (tmp_path / "missing.csv").write_text("id,a.txt\n1,a\n2,gone\n")
    (tmp_path / "bad.csv").write_text("id,a.txt\n1,a\n1,a\n3,nope://x\n")
    lines = "".join(f"{n},s3://nobody/{n}\n" for n in range(40))
    (tmp_path / "s3.csv").write_text(f"id,a.txt\n{lines}")
    return tmp_path


def ran(capsys, *arguments: str) -> tuple[int | str | None, str]:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return end.value.code, capsys.readouterr().out


PLANS = [["plan"], ["run", "--dry-run"]]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("command", PLANS, ids=" ".join)
@pytest.mark.parametrize(
    ("table", "code", "says"),
    [
        ("good.csv", 0, "2 of 2 to run"),
        ("missing.csv", 1, "gone: not found"),
        ("bad.csv", 2, "the run would not begin before the table is put right"),
        ("s3.csv", 3, "UnauthenticatedError"),
    ],
)
def test_a_plan_tells_how_the_run_would_end(command, table, code, says, capsys):
    ended, out = ran(capsys, *command, "functions.py:double", table, "--into", "out")
    assert (ended, says in out) == (code, True), out
    assert not Path("out").exists()


def test_a_plan_is_told_what_the_function_makes(place, capsys):
    told = ["plan", "functions.py:double", "good.csv", "--into", "out", "--json"]
    _, out = ran(capsys, *told)
    assert json.loads(out)["requests"]["total"] is None
    code, out = ran(capsys, *told, "--outputs", "b.txt")
    assert (code, json.loads(out)["requests"]["total"]) == (0, 0)


def test_the_plan_of_a_program_knows_what_it_makes(place, capsys):
    told = ["--command", "sort {input}/a.txt", "--outputs", "b.txt", "--into", "out", "--json"]
    code, out = ran(capsys, "plan", "good.csv", *told)
    plan = json.loads(out)
    assert code == 0
    assert (plan["rows"], plan["files"], plan["bytes"]) == (2, 2, 8)
    assert plan["requests"]["total"] == 0
