"""What killed runs left is brought to an end, and what is not as it was committed is found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from file_dataset import MemoryStore, Options, Pipeline, Url, recover, verify
from file_dataset.adapters.layers.faulty import Faults, Faulty
from file_dataset.domain.requests import Complete, Prepare, Write

ROWS = 6


def made(inside: Path, out: Path) -> dict[str, Path]:
    text = (inside / "a.txt").read_text()
    for name in ("b.txt", "c.txt"):
        (out / name).write_text(f"{text} {name}")
    return {name: out / name for name in ("b.txt", "c.txt")}


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(ROWS):
        (tmp_path / "in" / str(number)).write_text(f"row {number}")
    return [{"id": n, "a.txt": tmp_path / "in" / str(n)} for n in range(ROWS)]


@pytest.fixture
def store():
    return MemoryStore()


def run(rows, store, faults=None, **kwargs):
    serving = store if faults is None else Faulty(store, faults)
    options = Options(stores={"memory://": serving})
    return Pipeline(made, into_path="memory://out", options=options, **kwargs).run(rows)


def seen(store) -> dict[str, bytes]:
    urls = [each.url for each in store.list(Url.parse("memory://out"))]
    return {url.key: store.read(url) for url in urls if not url.key.startswith(".file_dataset/")}


def expected(numbers) -> dict[str, bytes]:
    return {f"{n}/{f}": f"row {n} {f}".encode() for n in numbers for f in ("b.txt", "c.txt")}


def test_rows_that_were_committed_are_completed_and_the_rest_is_swept(rows, store):
    options = Options(stores={"memory://": store})
    committed = run(rows[:3], store, Faults(before=1.0, verbs={Complete}))
    assert (committed.stats.rows, committed.stats.failed) == (0, 3)
    # As one that was killed before it came to the record.
    for row in rows[3:]:
        target = Url.parse(f"memory://out/{row['id']}/b.txt")
        (outcome,) = store.run([Prepare(Url.local(row["a.txt"]), target)])
        assert outcome.value.url == target
    assert not seen(store)
    found = recover("memory://out", options=options)
    assert (sorted(map(str, found.completed)), found.swept, found.errors) == (
        ["0", "1", "2"],
        3,
        {},
    )
    assert seen(store) == expected(range(3))
    assert not list(store.pending(Url.parse("memory://out")))
    assert recover("memory://out", options=options).swept == 0
    assert run(rows, store, if_exists="skip").stats.skipped == 3


def test_what_is_young_is_left_alone_where_that_is_asked_for(rows, store):
    options = Options(stores={"memory://": store})
    store_url = Url.parse("memory://out/0/b.txt")
    list(store.run([Prepare(Url.local(rows[0]["a.txt"]), store_url)]))
    found = recover("memory://out", older_than=3600, options=options)
    assert (found.swept, found.kept) == (0, 1)
    assert recover("memory://out", options=options).swept == 1


def test_where_nothing_was_left_nothing_is_done(store):
    found = recover("memory://out", options=Options(stores={"memory://": store}))
    assert (found.completed, found.swept, found.kept, found.errors) == ([], 0, 0, {})
    assert not list(store.list(Url.parse("memory://out")))


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), True, "1"])
def test_ages_that_are_none_are_refused(seconds):
    with pytest.raises(ValueError, match="older_than must be a number of seconds"):
        recover("memory://out", older_than=seconds)


def test_rows_as_they_were_committed_have_no_problems(rows, store):
    options = Options(stores={"memory://": store})
    run(rows, store)
    found = verify("memory://out", options=options)
    assert (found.rows, found.files) == (ROWS, 2 * ROWS)
    assert list(found.problems.columns) == ["id", "file", "url", "message"]
    assert found.problems.empty


def test_what_is_missing_of_another_size_or_unreadable_is_found(rows, store):
    options = Options(stores={"memory://": store})
    run(rows, store)
    before = seen(store)
    store.delete(Url.parse("memory://out/1/b.txt"))
    store.write(Url.parse("memory://out/2/c.txt"), b"another")
    records = "memory://out/.file_dataset/rows"
    store.write(Url.parse(f"{records}/3.json"), b"{}")
    store.write(Url.parse(f"{records}/other.json"), store.read(Url.parse(f"{records}/4.json")))
    found = verify("memory://out", options=options)
    lines = found.problems.set_index("url")["message"].to_dict()
    assert len(lines) == 4
    assert "is missing" in lines["memory://out/1/b.txt"]
    assert lines["memory://out/2/c.txt"] == "has 7 bytes, and was committed with 11"
    assert "is no record" in lines[f"{records}/3.json"]
    assert "belongs elsewhere" in lines[f"{records}/other.json"]
    # Nothing is changed.
    after = seen(store)
    assert {key: after[key] for key in before if key in after and key != "2/c.txt"} == {
        key: data for key, data in before.items() if key not in {"1/b.txt", "2/c.txt"}
    }


def test_records_of_rows_that_were_only_swept_are_no_rows(rows, store):
    options = Options(stores={"memory://": store})
    run(rows[:1], store, Faults(before=1.0, verbs={Write}))
    list(store.run([Prepare(Url.local(rows[1]["a.txt"]), Url.parse("memory://out/1/b.txt"))]))
    assert recover("memory://out", options=options).swept == 1
    assert verify("memory://out", options=options).rows == 0


# Real kills, on local disks.

KILLED = """
import os, signal, sys
from pathlib import Path
from file_dataset import Pipeline

place, point = Path(sys.argv[1]), int(sys.argv[2])
seen = 0

def count(event, arguments):
    global seen
    # Whatever changes a file system, below the destination.
    if event in EVENTS and any(str(place / "out") in str(each) for each in arguments):
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        seen += 1
        if seen == point:
            os.kill(os.getpid(), signal.SIGKILL)

EVENTS = {"open", "os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "shutil.rmtree"}

def fn(inside, out):
    with open(place / "calls", "a") as calls:
        calls.write((inside / "a.txt").read_text() + chr(10))
    for name in ("b.txt", "c.txt"):
        (out / name).write_text((inside / "a.txt").read_text() + " " + name)
    return {name: out / name for name in ("b.txt", "c.txt")}

rows = [{"id": n, "a.txt": place / "in" / str(n)} for n in range(6)]
sys.addaudithook(count)
result = Pipeline(fn, into_path=place / "out", if_exists="skip").run(rows)
print(len(result.rows), result.stats.skipped, result.stats.failed)
"""


def run_killed_at(point: int, place: Path) -> str:
    """Run it and kill it at the so-manieth change of a file system; gives what it printed."""
    command = [sys.executable, "-c", KILLED, str(place), str(point)]
    environment = {**os.environ, "TMPDIR": str(place)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.stdout


def test_a_run_killed_anywhere_loses_no_committed_row_and_mixes_none(rows, tmp_path):
    """Kill one run after the other, each somewhat later, at one destination."""
    out = tmp_path / "out"
    for point in (1, 2, 3, 5, 8, 11, 14, 17, 21, 26):
        run_killed_at(point, tmp_path)
        records = out / ".file_dataset" / "rows"
        committed = {path.stem for path in records.glob("*.json")} if records.exists() else set()
        for row in out.glob("[0-9]"):
            assert row.name in committed
            assert {path.name: path.read_text() for path in row.iterdir()} == {
                name: f"row {row.name} {name}" for name in ("b.txt", "c.txt")
            }
    recover(out)
    (tmp_path / "calls").write_text("")
    done = {row.name for row in out.glob("[0-9]")}
    printed = run_killed_at(0, tmp_path)
    assert printed.split() == [str(ROWS - len(done)), str(len(done)), "0"]
    called = (tmp_path / "calls").read_text().split("\n")
    assert sorted(called) == sorted(["", *(f"row {n}" for n in range(ROWS) if str(n) not in done)])
    found = recover(out)
    assert not found.errors
    assert sorted(path.name for path in out.glob("[0-9]")) == list("012345")
    assert list((out / ".file_dataset").glob("stage/*")) == []
    assert verify(out).problems.empty
    assert json.loads((out / ".file_dataset/rows/0.json").read_text())["row_id"] == 0
