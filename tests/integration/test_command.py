"""The command as people use it: in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.commands import COMMAND, run_command

from file_dataset.cli.tables import read_table

FUNCTIONS = """
import time
from pathlib import Path

def double(input_dir, output_dir):
    text = (input_dir / "a.txt").read_text()
    if text == "bad":
        raise RuntimeError("cannot double bad")
    print("a function may print")
    (output_dir / "b.txt").write_text(text * 2)
    return {"b.txt": output_dir / "b.txt"}

def wait_for_two(working_dir):
    if (working_dir / "a.txt").read_text() == "2":
        while not Path("out/1/b.txt").exists():
            time.sleep(0.01)
        print("waiting", flush=True)
        while True:
            time.sleep(0.01)
    return {"b.txt": working_dir / "a.txt"}

def leave(working_dir):
    from file_dataset import UnauthenticatedError
    raise UnauthenticatedError("of the function's own")

def wait(working_dir):
    with open("never") as pipe:  # a FIFO that somebody holds, and nobody writes to
        print("waiting", flush=True)
        pipe.read()

not_a_function = 7
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with functions, two good files, a bad one, and a table of them."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    for name, text in {"one": "1", "two": "2", "bad": "bad"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    (tmp_path / "good.csv").write_text("id,a.txt,note\n007,one.txt,x\n2,two.txt,y\n")
    (tmp_path / "mixed.csv").write_text("id,a.txt\n007,one.txt\n2,bad.txt\n3,missing.txt\n")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def environment(place: Path, **variables: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(place / "tmp"), "PYTHONFAULTHANDLER": "1", **variables}


def started(
    place: Path, *arguments: str, cwd: str = ".", **variables: str
) -> subprocess.Popen[str]:
    """The command as it is installed, started."""
    return subprocess.Popen(
        [COMMAND, *arguments],
        cwd=place / cwd,
        env=environment(place, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """How a command ended; where it hangs is told if it does."""
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        _, err = process.communicate()
        raise AssertionError(f"the command hung:\n{err}") from None
    return process.returncode, out, err


def ran(place: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """How the command ended, which was not loaded first."""
    return run_command(arguments, cwd=place, env=environment(place, **variables))


def test_a_run_publishes_every_row_and_exits_with_0(place: Path) -> None:
    told = ["run", "functions:double", "good.csv", "--into", "out"]
    code, out, err = ended(started(place, *told))

    assert code == 0, err
    # Ids of a CSV are text: 007 stays what it is.
    assert (place / "out/007/b.txt").read_text() == "11"
    assert (place / "out/2/b.txt").read_text() == "22"
    assert "2 rows came through, 0 failed" in out
    assert "2/2" in err
    assert not list((place / "tmp").iterdir())


def test_failed_rows_are_reported_and_the_exit_code_is_1(place: Path) -> None:
    code, out, _ = ran(place, "run", "functions.py:double", "mixed.csv", "--into", "out")

    assert code == 1
    assert "cannot double bad" in out
    assert "missing.txt: not found" in out
    assert sorted(path.name for path in (place / "out").iterdir()) == ["007"]


@pytest.mark.parametrize("function", ["functions:double", "functions.py:double"])
def test_the_function_runs_in_processes_of_its_own_where_that_is_asked_for(
    place: Path, function: str
) -> None:
    options = ["--isolation", "process", "--workers", "2", "--timeout", "60"]
    told = ["run", function, "mixed.csv", "--into", "out", *options]
    code, out, err = ended(started(place, *told))

    assert code == 1, err
    assert "1 rows came through, 2 failed" in out
    assert "cannot double bad" in out
    assert (place / "out/007/b.txt").read_text() == "11"


def test_a_function_that_hangs_ends_in_time(place: Path) -> None:
    os.mkfifo(place / "never")
    options = ["--isolation", "process", "--timeout", "0.5", "--json"]
    code, out, err = ran(place, "run", "functions:wait", "good.csv", "--into", "out", *options)

    assert code == 1, err
    assert {line["error"] for line in json.loads(out)["failures"]} == {"TimeoutError"}


def test_json_is_all_that_goes_to_standard_output(place: Path) -> None:
    code, out, _ = ran(place, "run", "functions:double", "mixed.csv", "--into", "out", "--json")

    assert code == 1
    report = json.loads(out[out.index("{") :])
    assert report["rows"] == [{"id": "007", "b.txt": str(place / "out/007/b.txt")}]
    assert [(line["id"], line["stage"]) for line in report["failures"]] == [
        ("2", "call"),
        ("3", "read"),
    ]
    assert report["stats"]["rows"] == 1
    assert report["stats"]["failed"] == 2


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_results_and_failures_can_be_kept_in_files(place: Path, kind: str) -> None:
    code, _, err = ran(
        place,
        *("run", "functions:double", "mixed.csv", "--into", "out", "--no-progress"),
        *("--results", f"rows.{kind}", "--failures", f"failures.{kind}"),
    )

    assert (code, err) == (1, "")
    rows, failures = read_table(place / f"rows.{kind}"), read_table(place / f"failures.{kind}")
    assert rows.to_dict("records") == [{"id": "007", "b.txt": str(place / "out/007/b.txt")}]
    assert set(failures["stage"]) == {"call", "read"}


def test_a_run_stops_after_more_failures_than_allowed(place: Path) -> None:
    # One before which others may have begun, with enough behind it.
    lines = "".join(f"{number},bad.txt\n" for number in range(9))
    (place / "bad.csv").write_text(f"id,a.txt\n{lines}")
    told = ["functions:double", "bad.csv", "--into", "out", "--max-failures", "10%"]
    code, out, _ = ran(place, "run", *told, "--failures", "failures.parquet")

    assert code == 1
    assert "0 rows came through, 9 failed" in out
    assert "The run was stopped: 1 rows failed, allowed are 0.1 of all 9 (max_failures)" in out
    assert "RunStoppedError" not in out
    assert set(read_table(place / "failures.parquet")["id"]) == {str(n) for n in range(9)}


def test_a_run_in_which_no_row_can_come_through_exits_with_3(place: Path) -> None:
    (place / "s3.csv").write_text("id,a.txt\n" + "".join(f"{n},s3://b/{n}\n" for n in range(30)))
    nowhere = dict.fromkeys(["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"], os.devnull)
    arguments = ["run", "functions:double", "s3.csv", "--into", "out", "--json", "--no-progress"]
    code, out, err = ran(place, *arguments, AWS_EC2_METADATA_DISABLED="true", **nowhere)

    report = json.loads(out)
    assert code == 3, err
    assert "UnauthenticatedError" in report["stopped"]
    assert report["stats"]["failed"] == 30
    assert report["stats"]["not_run"] > 0


def test_what_a_function_raises_is_nothing_that_stops_a_run(place: Path) -> None:
    code, out, _ = ran(place, "run", "functions:leave", "good.csv", "--into", "out", "--json")

    assert code == 1
    assert json.loads(out)["stopped"] is None


# Retries.


@pytest.fixture
def failed(place: Path, kind: str) -> Path:
    """As ``place``, after a run of which rows 2 and 3 failed, both of which would do well now."""
    (place / "mixed.csv").write_text("id,a.txt,c.txt\n007,one.txt,\n2,bad.txt,\n3,missing.txt,\n")
    told = ["functions:double", "mixed.csv", "--into", "out", "--workers", "2"]
    assert ran(place, "run", *told, "--failures", f"failures.{kind}")[0] == 1
    (place / "bad.txt").write_text("good")
    (place / "missing.txt").write_text("found")
    (place / "out/007/b.txt").unlink()
    (place / "elsewhere").mkdir()
    return place


PARQUET = pytest.mark.parametrize("kind", ["parquet"])


def check_retried(failed: Path, code: int, out: str, err: str) -> None:
    assert code == 0, err
    assert "2 rows came through, 0 failed" in out
    assert (failed / "out/2/b.txt").read_text() == "goodgood"
    assert (failed / "out/3/b.txt").read_text() == "foundfound"
    # What came through the first time was not run again.
    assert not (failed / "out/007/b.txt").exists()


@PARQUET
def test_a_retry_needs_but_the_file_of_failures(failed: Path) -> None:
    told = ["retry", str(failed / "failures.parquet")]
    # Nor the table, nor the directory in which the run was told.
    (failed / "mixed.csv").unlink()
    process = started(failed, *told, cwd="elsewhere")

    check_retried(failed, *ended(process))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_retry_of_other_kinds_of_tables_is_told_the_rest(failed: Path, kind: str) -> None:
    told = ["--function", "functions.py:double", "--into", "out"]

    check_retried(failed, *ran(failed, "retry", f"failures.{kind}", *told))


@PARQUET
def test_a_retry_takes_the_ids_from_any_table_and_the_sources_from_the_first(failed: Path) -> None:
    ids = read_table(failed / "failures.parquet")[["id", "error"]]
    ids.to_parquet(failed / "ids.parquet")
    told = ["--function", "functions:double", "--into", "out"]
    code, _, err = ran(failed, "retry", "ids.parquet", *told)
    assert code == 2
    assert "give --table" in err

    check_retried(failed, *ran(failed, "retry", "ids.parquet", *told, "--table", "mixed.csv"))


@PARQUET
def test_a_retry_writes_what_failed_again_into_the_same_file(failed: Path) -> None:
    (failed / "missing.txt").write_text("bad")
    told = ["retry", "failures.parquet", "--failures", "failures.parquet"]
    assert ran(failed, *told)[0] == 1
    (failed / "out/2/b.txt").unlink()
    (failed / "missing.txt").write_text("found")
    assert ran(failed, *told)[0] == 0
    assert not (failed / "out/2/b.txt").exists()
    code, out, _ = ran(failed, *told)
    assert code == 0
    assert "0 rows came through, 0 failed" in out


WRONG = [
    (["run", "functions:nothing", "good.csv", "--into", "out"], "nothing"),
    (["run", "functions:not_a_function", "good.csv", "--into", "out"], "no function"),
    (["run", "functions", "good.csv", "--into", "out"], "module:function"),
    (["run", "nowhere:double", "good.csv", "--into", "out"], "nowhere"),
    (["run", "functions:double", "nowhere.csv", "--into", "out"], "not found"),
    (["run", "functions:double", "functions.py", "--into", "out"], ".csv"),
    (["run", "functions:double", "good.csv"], "--into"),
    (["run", "functions:double", "good.csv", "--into", "foo://x"], "unsupported scheme"),
    (["run", "functions:double", "good.csv", "--into", "out", "--workers", "0"], "workers"),
    (["run", "functions:double", "good.csv", "--into", "out", "--timeout", "1"], "isolation"),
    (["run", "functions:double", "good.csv", "--into", "out", "--isolation", "x"], "'x'"),
    (["run", "functions:double", "good.csv", "--into", "o", "--results", "x.xls"], ".csv"),
    (["run", "functions:double", "good.csv", "--into", "o", "--max-failures", "x"], "no share"),
    (["run", "functions:double", "good.csv", "--into", "o", "--max-failures", "101%"], "0 to 1"),
    (["run", "functions:double", "good.csv", "--into", "o", "--max-failures", "-1"], "at least 0"),
    (["retry", "nowhere.parquet"], "not found"),
    (["retry", "good.csv"], "--function"),
    (["retry", "good.csv", "--function", "functions:double"], "--into"),
    (["retry", "functions.py", "--function", "functions:double", "--into", "o"], ".csv"),
    (["get", "foo://bucket/key"], "unsupported scheme"),
    (["get", "s3://bucket"], "names no object"),
    (["put", "nowhere.txt", "memory://x/"], "nowhere.txt"),
    (["sizes"], "Missing argument"),
    (["ls", "foo://bucket"], "unsupported scheme"),
    (["ls", ".", "--pattern", "["], "not closed"),
    (["ingest", "foo://bucket"], "unsupported scheme"),
    (["ingest", "one.txt", "--into", "s3://bucket/x"], "into is a local directory"),
    (["nonsense"], "nonsense"),
]
EACH = """
import contextlib, io, json, sys
from file_dataset.cli import main

for arguments in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        with contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                main(arguments)
            except SystemExit as end:
                ended = end.code
    print(json.dumps([ended, out.getvalue(), err.getvalue()]))
"""


def test_wrong_usage_exits_with_2_says_why_and_does_nothing(place: Path) -> None:
    before = sorted(place.rglob("*"))

    # One after the other in one process: most of what a command takes is to start.
    given = json.dumps([arguments for arguments, _ in WRONG])
    lines = subprocess.check_output([sys.executable, "-c", EACH], cwd=place, input=given, text=True)

    for line, (arguments, said) in zip(lines.splitlines(), WRONG, strict=True):
        code, out, err = json.loads(line)
        assert (code, out) == (2, ""), arguments
        assert said in err
        assert "Traceback" not in err
    assert sorted(path for path in place.rglob("*") if "__pycache__" not in path.parts) == before
    assert ended(started(place, "nonsense"))[0] == 2


def test_verbose_shows_the_traceback(place: Path) -> None:
    _, _, err = ended(started(place, "-v", "get", "foo://bucket/key"))

    assert "Traceback" in err


def test_get_and_put_copy_a_file_and_say_where_it_is(place: Path) -> None:
    code, out, _ = ran(place, "put", "one.txt", "kept/")
    assert (code, out) == (0, f"{place}/kept/one.txt\n")

    code, out, _ = ran(place, "get", f"{place}/kept/one.txt", "copy.txt")
    assert (code, out) == (0, f"{place}/copy.txt\n")
    assert (place / "copy.txt").read_text() == "1"

    code, _, err = ran(place, "get", f"{place}/kept/two.txt", "copy.txt")
    assert code == 1
    assert "two.txt: not found" in err
    assert (place / "copy.txt").read_text() == "1"


def test_sizes_of_a_table_and_of_urls(place: Path) -> None:
    code, out, _ = ran(place, "sizes", "good.csv", "--json", "--head", "1")
    # `note` is a column like any other to a reader, and no file.
    assert code == 1

    (place / "files.csv").write_text("id,a.txt,b.txt\n1,one.txt,bad.txt\n2,two.txt,\n")
    code, out, _ = ran(place, "sizes", "files.csv", "--json")
    assert code == 0
    assert json.loads(out) == {
        "rows": [{"id": "1", "a.txt": 1, "b.txt": 3}, {"id": "2", "a.txt": 1, "b.txt": None}],
        "failures": [],
    }

    code, out, err = ran(place, "sizes", "one.txt", "nowhere.txt", "bad.txt", "--json")
    assert code == 1
    told = json.loads(out)
    assert told["rows"] == [{"url": "one.txt", "size": 1}, {"url": "bad.txt", "size": 3}]
    assert [each["error"] for each in told["failures"]] == ["NotFoundError"]
    assert told["failures"][0]["url"].endswith("/nowhere.txt")
    assert "nowhere.txt" in err


def test_ls_prints_the_files_below_a_place(place: Path) -> None:
    code, out, err = ran(place, "ls", ".", "--pattern", "*o*.txt", "--extension", "txt")
    assert (code, err) == (0, "")
    assert out.split() == ["1", f"{place}/one.txt", "1", f"{place}/two.txt"]

    code, out, _ = ran(place, "ls", str(place), "--flat", "--max-files", "1", "--json")
    (line,) = map(json.loads, out.splitlines())
    assert line["url"] == f"{place}/bad.txt"
    assert line["size"] == 3
    assert line["last_modified"].endswith("+00:00")

    nothing = f"{place}/nothing"
    assert ran(place, "ls", nothing) == (0, "", f"There is nothing below {nothing}\n")


def test_ingest_brings_files_here(place: Path) -> None:
    told = ["ingest", str(place), "--pattern", "*o*.txt", "--into", "../into", "--no-progress"]
    into = place.parent / "into"
    code, out, err = ran(place, *told)
    assert (code, err) == (0, "")
    assert out.split() == [f"{into}/one.txt", f"{into}/two.txt"]
    assert (into / "two.txt").read_text() == "2"

    code, out, _ = ran(place, *told, "--dataset-id", "two", "--pattern", "tw?.txt", "--json")
    assert json.loads(out) == [f"{into}/two/{name}.txt" for name in ("one", "two")]

    code, out, err = ran(place, *told, "--manifest", "mixed.csv")
    assert (code, out) == (2, "")
    assert "mixed.csv: is no manifest" in err
    assert ran(place, *told, "--manifest", "mixed.csv", "--no-manifest")[0] == 0

    os.utime(place / "one.txt", (0, 0))
    code, _, err = ran(place, *told, "--timestamp-tolerance", "2")
    assert code == 1
    assert "more than the tolerance of 2 h" in err


def test_ls_ends_quietly_when_nobody_reads_on(place: Path) -> None:
    for number in range(2000):
        (place / f"tmp/{number}").touch()
    with started(place, "ls", ".") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 1


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_report_of_what_was_done(
    place: Path, sent: signal.Signals, code: int
) -> None:
    (place / "three.csv").write_text("id,a.txt\n1,one.txt\n2,two.txt\n3,one.txt\n")
    told = ["functions:wait_for_two", "three.csv", "--into", "out", "--failures", "failed.parquet"]
    process = started(place, "run", *told, "--results", "rows.csv")
    assert process.stdout is not None
    begun = process.stdout.readline()
    process.send_signal(sent)
    returned, out, err = ended(process)

    assert (begun, returned) == ("waiting\n", code), err
    assert f"The run was stopped: interrupted by {sent.name}. 2 of the failed rows" in out
    assert read_table(place / "rows.csv")["id"].tolist() == ["1"]
    failures = read_table(place / "failed.parquet")
    assert failures["id"].tolist() == ["2", "3"]
    assert failures["attempts"].tolist() == [0, 0]
    assert not list((place / "tmp").iterdir())

    _, out, _ = ran(place, "retry", "failed.parquet", "--function", "functions:double", "--json")
    assert [row["id"] for row in json.loads(out[out.index("{") :])["rows"]] == ["2", "3"]


def test_a_second_signal_ends_it_at_once(place: Path) -> None:
    os.mkfifo(place / "never")
    held = os.open(place / "never", os.O_RDWR)
    # In a thread that cannot be interrupted: the orderly way is to wait for it.
    (place / "one.csv").write_text("id,a.txt\n1,one.txt\n")
    told = ["functions:wait", "one.csv", "--into", "out", "--workers", "2"]
    process = started(place, "run", *told)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        # Were the two to come at the same moment, they would be one.
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
    finally:
        os.close(held)
    out, err = process.communicate()

    assert process.returncode == -signal.SIGTERM
    assert "stopped" not in out
    assert "Interrupted" not in err


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_and_leaves_nothing(
    place: Path, sent: signal.Signals, code: int, isolation: str
) -> None:
    os.mkfifo(place / "never")
    # Both its ends are here too, so that nobody waits for a command that does not come so far.
    held = os.open(place / "never", os.O_RDWR)
    arguments = ["functions:wait", "good.csv", "--into", "out", "--isolation", isolation]
    process = started(place, "run", *arguments)
    assert process.stdout is not None
    try:
        begun = process.stdout.readline()
        process.send_signal(sent)
    finally:
        # A signal that comes just before the function's read() is noticed only after that.
        os.close(held)
    returned, _, err = ended(process)

    assert (begun, returned) == ("waiting\n", code), err
    assert not list((place / "tmp").iterdir())
    assert not (place / "out").exists()


def test_the_demo_runs_with_one_row_made_to_fail(place: Path) -> None:
    code, out, _ = ended(started(place, "demo", "--into", "out"))

    assert code == 0
    assert "3 rows came through, 1 failed" in out
    assert "mr-truncated" in out
    assert (place / "out/ct/resampled.mha").stat().st_size > 0
    assert {path.name for path in (place / "out").glob("[!.]*")} == {"ct", "mr", "mr-bigendian"}


def test_the_demo_function_runs_by_hand(place: Path) -> None:
    import pydicom.data

    slice_path = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    (place / "in").mkdir()
    (place / "outputs").mkdir()
    (place / "in/slice.dcm").write_bytes(Path(str(slice_path)).read_bytes())
    script = Path(__file__).parents[2] / "examples/resample.py"

    ran_by_hand = subprocess.run(
        [sys.executable, str(script), "in", "outputs"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran_by_hand.returncode == 0, ran_by_hand.stderr
    assert (place / "outputs/resampled.mha").exists()
    assert "CT" in (place / "outputs/about.txt").read_text()


def test_stores_tells_what_can_be_used_here(place):
    code, out, _ = ran(place, "stores", "--json")
    assert code == 0
    known = {row["scheme"]: row for row in json.loads(out)}
    assert {"file", "memory", "s3"} <= known.keys()
    assert "read" in known["s3"]["verbs"].split()
    assert known["s3"]["note"].startswith("curl serves where it can: libcurl ")
    assert known["s3"]["store"] in ran(place, "stores")[1]


def test_stores_tells_that_curl_is_missing(place):
    (place / "pycurl.py").write_text("raise ImportError('libcurl is too old')")
    environment = {**os.environ, "PYTHONPATH": str(place)}
    known = json.loads(
        subprocess.check_output([COMMAND, "stores", "--json"], text=True, env=environment)
    )
    (s3,) = (row for row in known if row["scheme"] == "s3")
    assert s3["note"] == "boto3 serves: pycurl cannot be imported: libcurl is too old"
