"""Rows that are committed: seen whole or not at all, and not run again where nothing changed."""

from __future__ import annotations

import json
import logging
import os
import pickle
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest

from file_dataset import MemoryStore, Options, Pipeline, Url, delete, get, list_keys, write_files
from file_dataset.adapters.layers._layer import Layer
from file_dataset.adapters.layers.faulty import Faults, Faulty
from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.adapters.local import LocalStore
from file_dataset.domain.errors import AllRowsFailedError, FileDatasetError, TransientError
from file_dataset.domain.objects import OVERWRITE, ObjectInfo
from file_dataset.domain.outcomes import Outcome
from file_dataset.domain.requests import Complete, Prepare, Request, Write


class Place:
    """Inputs and a destination, with a function whose calls are counted."""

    def __init__(self, root: str, options: Options) -> None:
        self.root = root
        self.options = options
        self.into = f"{root}/out"
        self.calls: list[str] = []

    def put(self, name: str, text: str) -> str:
        url = f"{self.root}/in/{name}"
        write_files({name: self._local(text)}, into_path=self.root, id="in", options=self.options)
        return url

    def _local(self, text: str) -> Path:
        path = self.scratch / "text"
        path.write_text(text)
        return path

    scratch: Path

    def two(self, inside: Path, out: Path) -> dict[str, Path]:
        text = (inside / "a.txt").read_text()
        self.calls.append(text)
        for name in ("b.txt", "c.txt"):
            (out / name).write_text(f"{text} {name}")
        return {name: out / name for name in ("b.txt", "c.txt")}

    def one(self, inside: Path, out: Path) -> dict[str, Path]:
        self.two(inside, out)
        return {"b.txt": out / "b.txt"}

    def run(self, rows: Any, fn: Any = None, **kwargs: Any) -> Any:
        pipeline = Pipeline(fn or self.two, into_path=self.into, options=self.options, **kwargs)
        return pipeline.run(rows)

    def seen(self) -> dict[str, str]:
        """All there is at the destination but the records."""
        prefix = Url.parse(self.into).stem
        keys = (key.removeprefix(prefix) for key in list_keys(self.into, options=self.options))
        return {
            key: get(f"{self.into}/{key}", options=self.options).decode()
            for key in keys
            if not key.startswith(".file_dataset/")
        }

    def record(self, row_id: object) -> dict[str, Any]:
        url = f"{self.into}/.file_dataset/rows/{row_id}.json"
        return dict(json.loads(get(url, options=self.options)))


@pytest.fixture(params=["memory", "local"])
def place(request, tmp_path) -> Place:
    (tmp_path / "scratch").mkdir()
    if request.param == "memory":
        made = Place("memory://data", Options(stores={"memory://": MemoryStore()}))
    else:
        made = Place(str(tmp_path / "data"), Options())
    made.scratch = tmp_path / "scratch"
    return made


def table(place: Place, *texts: str) -> list[dict[str, str]]:
    return [{"id": str(n), "a.txt": place.put(f"{n}.txt", text)} for n, text in enumerate(texts)]


def outputs(*texts: str, names: tuple[str, ...] = ("b.txt", "c.txt")) -> dict[str, str]:
    return {f"{n}/{name}": f"{text} {name}" for n, text in enumerate(texts) for name in names}


def test_rows_of_several_files_leave_a_record_of_what_they_were_made_of(place):
    rows = table(place, "x", "y")
    assert place.run(rows).stats.rows == 2
    assert place.seen() == outputs("x", "y")
    record = place.record("1")
    assert record["inputs"]["a.txt"]["size"] == 1
    assert list(record["outputs"]) == ["b.txt", "c.txt"]
    assert place.record("0")["run"] == record["run"]


def test_rows_of_one_file_leave_no_record_unless_resume_is_asked_for(place):
    rows = table(place, "x")
    place.run(rows, place.one)
    with pytest.raises(FileDatasetError):
        place.record("0")
    place.run(rows, place.one, version="1")
    assert place.record("0")["version"] == "1"


def test_a_single_file_where_there_are_records_gets_one_as_well(place):
    rows = table(place, "x")
    place.run(rows)
    place.run(rows, place.one)
    # Else the record would still say that there are two files.
    assert list(place.record("0")["outputs"]) == ["b.txt"]


@pytest.mark.parametrize("fn", ["one", "two"])
def test_committed_rows_do_not_run_again(fn, place):
    rows = table(place, "x", "y", "z")
    fn = getattr(place, fn)
    first = place.run(rows, fn, if_exists="skip")
    assert sorted(place.calls) == ["x", "y", "z"]
    second = place.run(rows, fn, if_exists="skip")
    assert sorted(place.calls) == ["x", "y", "z"]
    assert (second.stats.rows, second.stats.skipped, second.stats.failed) == (0, 3, 0)
    assert second.skipped == first.rows
    pipeline = Pipeline(fn, into_path=place.into, options=place.options, if_exists="skip")
    assert pipeline(rows) == first.rows


def test_one_changed_input_runs_one_row(place):
    rows = table(place, "x", "y", "z")
    place.run(rows, if_exists="skip")
    place.calls.clear()
    place.put("1.txt", "Y")  # of the same size
    if "memory" not in place.root:
        os.utime(Path(place.root) / "in" / "1.txt", (1, 1))
    result = place.run(rows, if_exists="skip")
    assert place.calls == ["Y"]
    assert [row["id"] for row in result.rows] == ["1"]
    assert [row["id"] for row in result.skipped] == ["0", "2"]
    assert place.seen() == outputs("x", "Y", "z")


@attrs.frozen(eq=False)
class Counted(Layer):
    """Counts what is asked about what is below a destination."""

    into: Url
    asked: Counter[str] = attrs.field(factory=Counter)

    def run(self, requests: Sequence[Request[Any]], /) -> Iterator[Outcome[Any]]:
        self.asked.update(each.operation for each in requests if self.into.contains(each.url))
        return self.store.run(requests)


# What each of two runs asks once of a destination, and of each row, the second by another run.
RECORDED = {"Prepare": 2, "Write": 1, "Complete": 1}
REPLACED = {"Prepare": 2, "Write": 2, "Complete": 2, "Stat": 1, "Read": 1}
FIRST, LATER = {"Write": 2}, {"Write": 1}
Asked: TypeAlias = tuple[dict[str, int], dict[str, int]]
COSTS: dict[str, tuple[str, dict[str, Any], Asked, Asked]] = {
    "plain": (
        "two",
        {"commit": "plain"},
        ({}, {"Prepare": 2, "Complete": 2}),
        ({}, {"Prepare": 2, "Complete": 2}),
    ),
    "one": ("one", {}, ({"Stat": 1}, {"Upload": 1}), ({"Stat": 1}, {"Upload": 1})),
    "one, skip": (
        "one",
        {"if_exists": "skip"},
        (FIRST, RECORDED | {"Prepare": 1, "Read": 1}),
        ({}, {"Read": 1, "Stat": 1}),
    ),
    "two": ("two", {}, (FIRST, RECORDED), (LATER, REPLACED)),
    "two, skip": (
        "two",
        {"if_exists": "skip"},
        (FIRST, RECORDED | {"Read": 1}),
        ({}, {"Read": 1, "Stat": 2}),
    ),
    "two, error": (
        "two",
        {"if_exists": "error"},
        (FIRST, RECORDED | {"Read": 1, "Stat": 3}),
        ({}, {"Read": 1}),
    ),
}


@pytest.mark.parametrize("how", COSTS)
def test_what_a_row_asks_of_a_disk(how, tmp_path):
    counted = Counted(LocalStore(), Url.local(tmp_path / "data/out"))
    place = Place(str(tmp_path / "data"), Options(stores={f"file://{tmp_path}/": counted}))
    place.scratch = tmp_path
    rows = table(place, *"uvwxyz")
    fn, kwargs, *runs = COSTS[how]
    for once, each in runs:
        counted.asked.clear()
        place.run(rows, getattr(place, fn), **kwargs)
        names = once.keys() | each.keys()
        wanted = {name: once.get(name, 0) + len(rows) * each.get(name, 0) for name in names}
        assert counted.asked == wanted


def test_an_input_of_which_only_the_size_is_known_runs_again(tmp_path):
    class Silent(MemoryStore):
        """Tells neither etags nor times, as some web servers."""

        def _stat(self, url: Url) -> ObjectInfo:
            return ObjectInfo(url, super()._stat(url).size)

        def _download(self, url: Url, path: Path) -> ObjectInfo:
            return ObjectInfo(url, super()._download(url, path).size)

    place = Place("memory://data", Options(stores={"memory://": Silent()}))
    place.scratch = tmp_path
    rows = table(place, "x")
    place.into = str(tmp_path / "out")
    place.run(rows, if_exists="skip")
    place.put("0.txt", "y")
    assert place.run(rows, if_exists="skip").stats.rows == 1
    assert (tmp_path / "out/0/b.txt").read_text() == "y b.txt"


def test_an_input_elsewhere_another_version_and_a_lost_output_run_again(place):
    rows = table(place, "x")
    place.run(rows, if_exists="skip")
    elsewhere = [{"id": "0", "a.txt": place.put("copy.txt", "x")}]
    assert place.run(elsewhere, if_exists="skip").stats.rows == 1
    assert place.run(elsewhere, if_exists="skip", version="2").stats.rows == 1
    assert place.run(elsewhere, if_exists="skip", version="2").stats.skipped == 1
    delete(f"{place.into}/0/c.txt", options=place.options)
    assert place.run(elsewhere, if_exists="skip", version="2").stats.rows == 1
    assert place.seen() == outputs("x")


@pytest.mark.parametrize("fn", ["one", "two"])
def test_rows_that_are_there_can_be_an_error(fn, place):
    rows = table(place, "x", "y")
    fn = getattr(place, fn)
    place.run(rows[:1], fn)
    before = place.seen()
    place.calls.clear()
    result = place.run([{**rows[0], "a.txt": rows[1]["a.txt"]}, rows[1]], fn, if_exists="error")
    (failure,) = result.failures
    assert (failure["id"], failure["error"]) == ("0", "AlreadyExistsError")
    assert [row["id"] for row in result.rows] == ["1"]
    assert before.items() <= place.seen().items()


def with_one(inside: Path) -> dict[str, Path]:
    return {"b.txt": inside / "a.txt"}


def with_two(inside: Path) -> dict[str, Path]:
    return {"b.txt": inside / "a.txt", "c.txt": inside / "a.txt"}


@pytest.mark.parametrize("fn", [with_one, with_two])
@pytest.mark.parametrize("if_exists", ["replace", "skip", "error"])
def test_who_tries_again_what_another_copy_has_done_is_not_in_its_way(fn, if_exists, tmp_path):
    (tmp_path / "a").write_text("x")
    pickled = pickle.dumps(Pipeline(fn, into_path=tmp_path / "out", if_exists=if_exists))
    rows = [{"id": 1, "a.txt": tmp_path / "a"}]
    once, again = (pickle.loads(pickled)(rows) for _ in range(2))
    assert once == again
    assert (tmp_path / "out/1/b.txt").read_text() == "x"


def test_a_row_without_a_record_among_others_with_one_is_there_as_well(place):
    one, two = table(place, "x", "y")
    rows: list[dict[str, Any]] = [{**one, "b.txt": None}, {**two, "b.txt": two["a.txt"]}]
    how: dict[str, Any] = {"into_path": place.into, "options": place.options, "commit": "atomic"}
    write_files(rows, **how, if_exists="error")
    before = place.seen()
    place.put("0.txt", "other")
    with pytest.raises(AllRowsFailedError, match="there already"):
        write_files(rows, **how, if_exists="error")
    assert place.seen() == before


def test_a_replaced_row_has_the_files_of_the_last_run_and_no_others(place):
    rows = table(place, "x")

    def three(inside: Path, out: Path) -> dict[str, Path]:
        made = place.two(inside, out)
        (out / "d.txt").write_text("more")
        return {**made, "d.txt": out / "d.txt"}

    place.run(rows, three)
    place.put("0.txt", "new")
    place.run(rows)
    seen = place.seen()
    # What the row does not have any more is not of it; only where a row is a directory it goes.
    assert {name: text for name, text in seen.items() if "d.txt" not in name} == outputs("new")
    assert list(place.record("0")["outputs"]) == ["b.txt", "c.txt"]


def test_copies_of_a_pipeline_are_one_run_and_each_run_of_the_original_is_another(tmp_path):
    (tmp_path / "a").write_text("x")
    rows = [{"id": 1, "a.txt": tmp_path / "a"}]
    pipeline = Pipeline(committed, into_path=tmp_path / "out")

    def record(row_id: str) -> dict[str, Any]:
        return dict(json.loads((tmp_path / f"out/.file_dataset/rows/{row_id}.json").read_bytes()))

    runs = []
    copy = pickle.dumps(pipeline)
    for each in (pipeline, pipeline, pickle.loads(copy), pickle.loads(copy)):
        each(rows)
        runs.append(record("1")["run"])
    assert [len({*runs[:2]}), len({*runs[2:]}), len({*runs})] == [2, 1, 3]


def committed(inside: Path, out: Path) -> dict[str, Path]:
    for name in ("b.txt", "c.txt"):
        (out / name).write_text("made")
    return {name: out / name for name in ("b.txt", "c.txt")}


def test_a_copy_whose_row_another_copy_has_committed_gives_its_urls_and_leaves_nothing(tmp_path):
    (tmp_path / "a").write_text("x")
    rows = [{"id": 1, "a.txt": tmp_path / "a"}]
    pickled = pickle.dumps(Pipeline(committed, into_path=tmp_path / "out"))
    one, other = pickle.loads(pickled), pickle.loads(pickled)
    first = one(rows)
    before = (tmp_path / "out/1").stat().st_ino
    assert other(rows) == first
    assert (tmp_path / "out/1").stat().st_ino == before
    assert not list((tmp_path / "out/.file_dataset").glob("stage/*/*"))


# Faults.


def faulty(store: MemoryStore, faults: Any) -> Options:
    retrying = Retrying(Faulty(store, faults), attempts=2, base=0.0, cap=1e-9)
    return Options(stores={"memory://": retrying})


@pytest.mark.parametrize("verb", [Prepare, Write, Complete])
@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_run_after_one_with_faults_completes_what_was_committed(verb, lost, tmp_path):
    store = MemoryStore()
    place = Place("memory://data", Options(stores={"memory://": store}))
    place.scratch = tmp_path
    rows = table(place, *"abcdefgh")
    if verb is Prepare and lost == "answer":
        faults = Faults(seed=3, before=0.4, verbs={verb})
    else:
        before, after = (0.6, 0.0) if lost == "request" else (0.0, 0.6)
        faults = Faults(seed=3, before=before, after=after, error=TransientError, verbs={verb})
    place.options = faulty(store, faults)
    first = place.run(rows, if_exists="skip")
    called = Counter(place.calls)
    place.options = Options(stores={"memory://": store})
    second = place.run(rows, if_exists="skip")
    assert second.stats.failed == 0
    assert place.seen() == outputs(*"abcdefgh")
    done = {
        text
        for text, row in zip("abcdefgh", rows, strict=True)
        if row["id"] in {row["id"] for row in first.rows}
    }
    assert done.isdisjoint((Counter(place.calls) - called).elements())
    assert not list(store.pending(Url.parse("memory://data/out")))


def test_what_conditions_do_not_hold_for_is_told_once_or_refused(caplog, tmp_path):
    class Loose(MemoryStore):
        """Writes over anything."""

        def _write(self, url: Url, data: Any, mode: Any) -> None:
            super()._write(url, data, OVERWRITE)

    store = Loose()
    place = Place("memory://data", Options(stores={"memory://": store}))
    place.scratch = tmp_path
    rows = table(place, "x", "y")
    with caplog.at_level(logging.WARNING, "file_dataset"):
        assert place.run(rows).stats.rows == 2
    (record,) = caplog.records
    assert "ignores If-None-Match" in record.getMessage()
    place.calls.clear()
    result = place.run(rows, exclusive="require")
    assert {failure["error"] for failure in result.failures} == {"UnsupportedError"}
    assert place.seen() == outputs("x", "y")


# write_files.


def test_written_rows_are_committed_and_resumed_as_well(place):
    rows = table(place, "x", "y")
    rows = [{**row, "b.txt": row["a.txt"]} for row in rows]
    how: dict[str, Any] = {"into_path": place.into, "options": place.options, "commit": "atomic"}
    first = write_files(rows, **how, if_exists="skip")
    assert place.record("0")["inputs"].keys() == {"a.txt", "b.txt"}
    attempt = place.record("0")["attempt"]
    assert write_files(rows, **how, if_exists="skip") == first
    assert place.record("0")["attempt"] == attempt
    write_files(rows, **how)
    assert place.record("0")["attempt"] != attempt
    with pytest.raises(AllRowsFailedError, match="there already"):
        write_files(rows, **how, if_exists="error")


def test_plain_rows_that_are_there_can_be_an_error_and_stay_as_they_are(place):
    rows = table(place, "x", "y")
    how: dict[str, Any] = {"into_path": place.into, "options": place.options}
    write_files({"b.txt": rows[0]["a.txt"]}, id=1, **how)
    before = place.seen()
    new = {"a.txt": rows[1]["a.txt"], "b.txt": rows[1]["a.txt"]}
    with pytest.raises(FileDatasetError, match="there already"):
        write_files(new, id=1, if_exists="error", **how)
    assert place.seen() == before
    write_files(new, id=2, if_exists="error", **how)
    assert place.seen() == {**before, "2/a.txt": "y", "2/b.txt": "y"}


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"commit": "maybe"}, "commit must be one of"),
        ({"if_exists": "overwrite"}, "if_exists must be one of"),
        ({"exclusive": True}, "exclusive must be one of"),
        ({"commit": "plain", "if_exists": "skip"}, 'if_exists="skip" needs the records'),
        ({"commit": "plain", "version": "1"}, "version needs the records"),
        ({"commit": "plain", "exclusive": "require"}, 'exclusive="require" needs the records'),
    ],
)
def test_wrong_ways_to_commit_are_refused_before_anything_is_done(arguments, says):
    with pytest.raises(ValueError, match=says):
        Pipeline(committed, into_path="memory://out", **arguments)


def test_a_version_is_a_text():
    with pytest.raises(TypeError, match="version must be a text, not 3"):
        Pipeline(committed, into_path="memory://out", version=3)  # type: ignore[arg-type]
