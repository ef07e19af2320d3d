"""``file-dataset pack`` and ``unpack``, in this process."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from file_dataset.cli.main import command


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with two files and a table of three rows."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.txt").write_text("1")
    (tmp_path / "two.txt").write_text("22")
    (tmp_path / "good.csv").write_text("id,a.txt\n007,one.txt\n2,two.txt\n")
    (tmp_path / "mixed.csv").write_text("id,a.txt\n007,one.txt\n2,missing.txt\n")
    return tmp_path


def said(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_a_table_is_packed_and_read_and_unpacked(place):
    code, out, _ = said("pack", "good.csv", "--into", "packed", "--results", "packed.csv")
    assert (code, "2 rows came through, 0 failed." in out) == (0, True)
    packed = pd.read_csv("packed.csv", dtype=str)
    shard = place / "packed/shard-000001.tar"
    assert packed["a.txt"].tolist() == [f"tar://007.a.txt::{shard}", f"tar://2.a.txt::{shard}"]
    assert said("ls", f"tar://::{shard}")[1].split() == [
        *("1", f"tar://007.a.txt::{shard}"),
        *("2", f"tar://2.a.txt::{shard}"),
    ]
    assert said("get", f"tar://2.a.txt::{shard}", "got.txt")[0] == 0
    assert (place / "got.txt").read_text() == "22"
    code, out, _ = said("unpack", "packed.csv", "--into", "out", "--json")
    told = json.loads(out)
    assert (code, told["failures"]) == (0, [])
    assert told["rows"][0] == {"id": "007", "a.txt": str(place / "out/007/a.txt")}
    assert (place / "out/2/a.txt").read_text() == "22"


def test_the_bounds_of_a_shard_are_the_users(place):
    assert said("pack", "good.csv", "--into", "packed", "--shard-rows", "1")[0] == 0
    assert len(list((place / "packed").glob("*.tar"))) == 2
    assert said("pack", "good.csv", "--into", "few", "--shard-bytes", "0")[0] == 2


@pytest.mark.parametrize("verb", ["pack", "unpack"])
def test_rows_that_fail_are_told_and_the_code_says_so(place, verb):
    code, out, err = said(verb, "mixed.csv", "--into", "out", "--results", "out.csv")
    assert (code, "1 rows came through, 1 failed." in out) == (1, True)
    assert "Failed: row 2: a.txt: NotFoundError" in err
    assert pd.read_csv("out.csv", dtype=str)["id"].tolist() == ["007"]
    told = json.loads(said(verb, "mixed.csv", "--into", "out", "--json")[1])
    assert [row["id"] for row in told["rows"]] == ["007"]
    assert [(row["id"], row["error"]) for row in told["failures"]] == [("2", "NotFoundError")]


def test_a_table_of_results_of_another_kind_is_refused_first(place):
    assert said("pack", "good.csv", "--into", "out", "--results", "out.txt")[0] == 2
    assert not (place / "out").exists()
