"""``file-dataset recover`` and ``verify``, and what ``run`` says of commits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from file_dataset import Pipeline, Url
from file_dataset.cli.main import main


def made(inside: Path, out: Path) -> dict[str, Path]:
    for name in ("b.txt", "c.txt"):
        (out / name).write_text("made")
    return {name: out / name for name in ("b.txt", "c.txt")}


@pytest.fixture
def out(tmp_path) -> Path:
    (tmp_path / "a").write_text("a")
    rows = [{"id": number, "a.txt": tmp_path / "a"} for number in range(2)]
    Pipeline(made, into_path=tmp_path / "out")(rows)
    return tmp_path / "out"


def ran(capsys, *arguments: object) -> tuple[int | str | None, str]:
    with pytest.raises(SystemExit) as end:
        main([str(each) for each in arguments])
    return end.value.code, capsys.readouterr().out


def test_a_whole_dataset_has_no_problems(out, capsys):
    assert ran(capsys, "verify", out) == (0, "2 rows with 4 files, 0 problems\n")


def test_problems_are_shown_and_are_an_exit_code(out, capsys):
    (out / "1" / "c.txt").unlink()
    code, shown = ran(capsys, "verify", out)
    assert code == 1
    assert "2 rows with 4 files, 1 problems" in shown
    assert "is missing" in shown
    code, shown = ran(capsys, "verify", out, "--json")
    assert code == 1
    (problem,) = json.loads(shown)["problems"]
    assert (problem["id"], problem["file"]) == (1, "c.txt")


def test_what_was_left_is_swept_and_counted(out, capsys):
    stage = out / ".file_dataset" / "stage" / "dead" / "7"
    stage.mkdir(parents=True)
    (stage / "b.txt").write_text("half")
    code, shown = ran(capsys, "recover", out, "--older-than", 3600, "--json")
    assert (code, json.loads(shown)["kept"]) == (0, 1)
    code, shown = ran(capsys, "recover", out)
    assert code == 0
    assert shown.startswith("0 rows completed, 1 files swept, 0 left alone;")
    assert not stage.exists()


def test_places_of_unknown_schemes_are_wrong_usage(capsys):
    assert ran(capsys, "verify", "nowhere://x")[0] == 2
    assert ran(capsys, "recover", Url.parse("nowhere://x"))[0] == 2
