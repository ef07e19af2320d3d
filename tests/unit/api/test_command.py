"""Programs as row functions: real ones, which succeed, fail, hang, die and leave others behind."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset import Pipeline, command
from file_dataset.domain.programs import Command

PYTHON = sys.executable


@pytest.fixture
def rows(tmp_path) -> list[dict[str, Any]]:
    (tmp_path / "a").write_text("some words\n")
    return [{"id": 1, "a.txt": tmp_path / "a"}]


def run(rows, program, tmp_path, **kwargs: Any) -> Any:
    return Pipeline(program, into_path=tmp_path / "out", **kwargs).run(rows)


def failure(rows, program, tmp_path, **kwargs: Any) -> dict[str, Any]:
    result = run(rows, program, tmp_path, **kwargs)
    (line,) = result.failures
    assert (line["stage"], line["error"], line["traceback"]) == ("call", "CommandError", "")
    return dict(line)


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize(
    "given",
    ["cp {input}/a.txt {output}/b.txt", ["cp", "{input}/a.txt", "{output}/b.txt"]],
    ids=["text", "list"],
)
def test_a_program_makes_files_that_are_published(given, isolation, rows, tmp_path):
    program = command(given, outputs=["b.txt"])
    (row,) = run(rows, program, tmp_path, isolation=isolation).rows
    assert row["b.txt"].read_text() == "some words\n"


def test_it_runs_in_the_output_directory_with_its_variables_and_nothing_to_read(rows, tmp_path):
    code = (
        "import os, sys, pathlib; pathlib.Path('deep/b.txt').write_text("
        "os.environ['MINE'] + os.environ['HOME'] + sys.stdin.read())"
    )
    program = command([PYTHON, "-c", code], outputs=["deep/b.txt"], env={"MINE": "x"})
    assert "'x'" not in repr(program)
    (row,) = run(rows, program, tmp_path).rows
    assert row["deep/b.txt"].read_text() == "x" + os.environ["HOME"]


def test_what_it_says_can_be_published(rows, tmp_path):
    line = "sh -c 'echo out; echo err >&2'"
    program = command(line, outputs=["b"], stdout="log/out.txt", stderr="err.txt", shell=True)
    line = run(rows, program, tmp_path).failures[0]
    assert (line["file"], line["error"]) == ("b", "NotFoundError")
    program = command(
        f"{line and 'touch {output}/b; '}echo out; echo err >&2",
        outputs=["b"],
        stdout="log/out.txt",
        stderr="err.txt",
        shell=True,
    )
    (row,) = run(rows, program, tmp_path).rows
    assert row["log/out.txt"].read_text() == "out\n"
    assert row["err.txt"].read_text() == "err\n"
    assert list(row) == ["id", "b", "log/out.txt", "err.txt"]


def test_what_it_says_may_be_all_that_is_published(rows, tmp_path):
    (row,) = run(rows, command("echo out", stdout="out.txt"), tmp_path).rows
    assert list(row) == ["id", "out.txt"]
    assert row["out.txt"].read_text() == "out\n"


def test_the_columns_are_there_also_if_no_row_is(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"id": pd.Series(dtype=object), "a.txt": pd.Series(dtype=object)})
    made = Pipeline(command("true", outputs=["x.txt"]), into_path=tmp_path / "out")(frame)
    assert list(made.columns) == ["id", "x.txt"]


# Failures.


def test_a_code_other_than_0_is_a_failure_with_the_end_of_what_it_said(rows, tmp_path):
    code = "import sys; sys.stderr.write('x' * 100_000 + ' the end\\n'); sys.exit(3)"
    line = failure(rows, command([PYTHON, "-c", code], outputs=["b"]), tmp_path)
    assert line["message"].startswith("ended with exit code 3: xxx")
    assert line["message"].endswith("xxx the end")
    assert len(line["message"]) < 2100
    published = command([PYTHON, "-c", code], outputs=["b"], stderr="err.txt")
    assert failure(rows, published, tmp_path)["message"].endswith("the end")


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_a_signal_is_told_by_its_name(name, rows, tmp_path):
    code = f"import os; os.kill(os.getpid(), {getattr(signal, name)})"
    line = failure(rows, command([PYTHON, "-c", code], outputs=["b"]), tmp_path)
    assert line["message"] == f"was killed by {name}"


@pytest.mark.parametrize(
    ("line", "env", "words"),
    [
        ("no-such-program {input}", {}, "no program 'no-such-program' in any directory of PATH"),
        ("ls {input}", {"PATH": "/nowhere"}, "no program 'ls' in any directory of PATH (/nowhere)"),
        ("/no/such/program", {}, "no program '/no/such/program';"),
        ("/etc/passwd", {}, "no program '/etc/passwd';"),
        ("/", {}, "no program '/';"),
        ("./tool", {}, f"by its whole path, {str(Path.cwd() / 'tool')!r}"),
        ("{{tool}}", {}, "no program '{tool}' in"),
    ],
)
def test_a_program_that_is_not_there_is_told_before_anything_is_read(
    line, env, words, rows, tmp_path
):
    pipeline = Pipeline(command(line, outputs=["b"], env=env), into_path=tmp_path / "out")
    rows[0]["a.txt"].unlink()  # whoever reads it finds another fault
    for run in (pipeline, pipeline.run, pipeline.begin):
        with pytest.raises(ValueError, match=re.escape(words)):
            run(rows)
    assert not (tmp_path / "out").exists()


def test_what_is_the_rows_or_the_shells_is_not_looked_for(rows, tmp_path):
    for line, shell in (("{input}/a.txt", False), ("no-such-program", True)):
        failed = failure(rows, command(line, outputs=["b"], shell=shell), tmp_path)
        assert "no row could be run" not in failed["message"]


def test_a_worker_without_the_program_fails_its_rows(rows, tmp_path):
    program = command("no-such-program {input}", outputs=["b"])
    copy = pickle.loads(pickle.dumps(Pipeline(program, into_path=tmp_path / "out")))
    (line,) = copy.run(rows).failures
    assert "cannot be run" in line["message"]
    assert "no-such-program" in line["message"]
    assert len(copy(rows)) == 0


LEAVES = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
if sys.argv[2] == "hang":
    time.sleep(600)
open("b", "w")
"""


def is_gone(number: int) -> bool:
    """Whether a process ends soon; who has ended may wait for somebody to take note of it."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        told = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True, check=False
        )
        if told.stdout.strip()[:1] in ("", "Z"):
            return True
        time.sleep(0.01)
    return False


def once_noted(noted: Path, attempt: Callable[[], Any]) -> Any:
    """What comes of the first attempt in whose time a program has started another one."""
    while True:
        result = attempt()
        if noted.exists() and noted.read_text():
            return result


@pytest.mark.parametrize(("then", "timeout"), [("hang", 1.5), ("end", 60)])
def test_what_it_started_ends_with_it(then, timeout, rows, tmp_path):
    noted = tmp_path / "pid"
    program = command([PYTHON, "-c", LEAVES, str(noted), then], outputs=["b"], timeout=timeout)
    result = once_noted(noted, lambda: run(rows, program, tmp_path))
    if then == "hang":
        assert result.failures[0]["message"] == "did not end within 1.5 s"
    else:
        assert result.stats.rows == 1
    assert is_gone(int(noted.read_text()))


def test_a_program_in_a_worker_process_ends_with_the_time_of_its_row(rows, tmp_path):
    noted = tmp_path / "pid"
    line = [PYTHON, "-c", LEAVES, str(noted), "hang"]
    program = command(line, outputs=["b"])
    how: dict[str, Any] = {"isolation": "process", "timeout": 2}
    result = once_noted(noted, lambda: run(rows, program, tmp_path, **how))
    assert result.stats.failed == 1
    assert is_gone(int(noted.read_text()))


def test_an_interrupt_ends_programs_in_other_threads(rows, tmp_path):
    begun, is_over = tmp_path / "begun", threading.Event()
    begun.mkdir()
    program = command(f"touch {begun}/$$; sleep 600", outputs=["b"], shell=True)
    more = [{**rows[0], "id": number} for number in range(2)]

    def interrupt() -> None:
        while len(list(begun.iterdir())) < 2:
            if is_over.wait(0.01):
                return
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            Pipeline(program, into_path=tmp_path / "out", workers=2)(more)
    finally:
        is_over.set()
        interrupting.join()
    assert time.monotonic() - started < 60


# Bad input.


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "the command is empty"),
        ([], "the command is empty"),
        ("x {inptu}", r"\{inptu\} is no placeholder, .*did you mean \{input\}"),
        ("x {input", "braces that mean themselves are doubled"),
        ("x {}", "no placeholder"),
        ("x {input!r}", "no placeholder"),
        ("x {input:>3}", "no placeholder"),
        ("x 'y", "No closing quotation"),
    ],
)
def test_commands_that_are_none_are_refused_before_the_first_row(given, says):
    with pytest.raises(ValueError, match=says):
        command(given, outputs=["b"])


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({}, ValueError, "names no file"),
        ({"outputs": []}, ValueError, "names no file"),
        ({"outputs": "b"}, TypeError, "list of filenames"),
        ({"outputs": ["../b"]}, ValueError, "the output '../b'"),
        ({"outputs": ["b", "b"]}, ValueError, "'b' is named twice"),
        ({"outputs": ["b", "b/c"]}, ValueError, "or is a directory"),
        ({"outputs": ["b"], "stdout": "b"}, ValueError, "'b' is named twice"),
        ({"outputs": ["b"], "timeout": 0}, ValueError, "timeout must be"),
        ({"outputs": ["b"], "env": {"A": 1}}, TypeError, "env is a mapping"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, says):
    with pytest.raises(error, match=says):
        command("true", **arguments)


def test_a_list_is_not_for_a_shell():
    with pytest.raises(TypeError, match="for a shell it is a text"):
        command(["true"], outputs=["b"], shell=True)


# Placeholders.


@given(
    before=st.text(st.characters(exclude_characters="{}\0", codec="utf-8")),
    path=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1),
)
def test_a_path_is_one_argument_whatever_is_in_it(before, path):
    parsed = Command.of(["x", before + "{input}{{}}"], shell=False)
    places = {"input": Path(path), "output": Path("o")}
    assert parsed.over(places) == ["x", before + str(Path(path)) + "{}"]


@pytest.mark.parametrize("name", ["a b", "a'b", 'a"b', "$HOME", "`x`", "a;b", "ö"])
def test_a_shell_sees_a_path_as_one_word(name, rows, tmp_path):
    parsed = Command.of("cat {input}/a.txt > {output}/b.txt", shell=True)
    for place in ("in", "out"):
        (tmp_path / place / name).mkdir(parents=True)
    (tmp_path / "in" / name / "a.txt").write_text("text")
    line = parsed.over({"input": tmp_path / "in" / name, "output": tmp_path / "out" / name})
    assert os.system(str(line)) == 0
    assert (tmp_path / "out" / name / "b.txt").read_text() == "text"


def test_it_can_be_pickled_and_shows_no_variables():
    program = command("x {input}", outputs=["b"], env={"TOKEN": "canary"})
    copy = pickle.loads(pickle.dumps(program))
    assert copy.outputs == program.outputs == ("b",)
    assert "canary" not in repr(program)
