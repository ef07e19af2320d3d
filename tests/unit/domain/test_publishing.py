"""Publishing: rows become ``{into}/{id}/{name}``, each of them whole or not at all."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.layers.faulty import Faulty
from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.errors import NotFoundError, StoreError, TransientError
from file_dataset.domain.publishing import Publishing
from file_dataset.domain.requests import Abort, Complete, Prepare, Request
from file_dataset.domain.rows import Row, RowDone, RowFailure
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

OUT_OF_SIGHT = {Prepare, Complete, Abort}


class PlainLocalStore(LocalStore):
    verbs = LocalStore.verbs - OUT_OF_SIGHT


class PlainMemoryStore(MemoryStore):
    verbs = MemoryStore.verbs - OUT_OF_SIGHT


@attrs.frozen
class Place:
    """A store, and a back door that shows all there is below a place of it, whoever may see it."""

    store: Store
    root: Url

    @property
    def into(self) -> Url:
        return self.root.joined("into")

    @property
    def prepares(self) -> bool:
        return Prepare in self.store.verbs

    def row(self, row_id: int, *there: str, missing: str = "", absent: str = "") -> Row:
        """A row whose sources hold their own names, but for the one that is missing."""
        names = filter(None, (*there, missing))
        urls = {name: self.root.joined("from", str(row_id), name) for name in names}
        for name in there:
            self.store.write(urls[name], self.body(row_id, name))
        return Row(row_id, {**urls, absent: None} if absent else urls)

    def body(self, row_id: int, name: str) -> bytes:
        return f"{row_id}: {name}".encode()

    def files(self) -> dict[str, bytes]:
        """All files below the destination, visible or not, and what else is prepared."""
        if isinstance(self.store, MemoryStore):
            objects = {url.key: held.data for url, held in self.store._objects.items()}
            visible = {key: data for key, data in objects.items() if key.startswith("into/")}
            hidden = {str(each.url): each.data for each in self.store._prepared.values()}
            return {key[5:]: data for key, data in visible.items()} | hidden
        into = Path(self.into.path)
        files = (path for path in into.rglob("*") if not path.is_dir())
        return {path.relative_to(into).as_posix(): path.read_bytes() for path in files}


KINDS: dict[str, Callable[[], Store]] = {
    "local": LocalStore,
    "memory": MemoryStore,
    "plain-local": PlainLocalStore,
    "plain-memory": PlainMemoryStore,
}


def place_of(kind: str, directory: str | Path) -> Place:
    store = KINDS[kind]()
    return Place(
        store, Url("memory", "", "") if isinstance(store, MemoryStore) else Url.local(directory)
    )


@pytest.fixture(params=KINDS)
def place(request, tmp_path) -> Place:
    return place_of(request.param, tmp_path)


@pytest.fixture(params=["local", "memory"])
def preparing(request, tmp_path) -> Place:
    return place_of(request.param, tmp_path)


def publish(place: Place, *rows: Row, script=lambda _: None) -> list[RowDone[Url] | RowFailure]:
    return list(Publishing(Faulty(place.store, script), place.into).publish(rows))


# Whole or not at all.

NAMES = st.lists(st.sampled_from(["a", "b.txt", "deep/a", "deep/er/a"]), unique=True, max_size=3)
TABLES = st.lists(
    st.tuples(NAMES, st.sampled_from(["", "", "missing", "deep/missing"])), max_size=5
)


@pytest.mark.parametrize("kind", KINDS)
@given(TABLES)
def test_good_rows_are_there_whole_and_of_bad_ones_nothing_is(kind, table):
    with tempfile.TemporaryDirectory() as directory:
        place = place_of(kind, directory)
        rows = [
            place.row(number, *names, missing=missing, absent="none")
            for number, (names, missing) in enumerate(table)
        ]
        results = publish(place, *rows)
        for row, (names, missing), result in zip(rows, table, results, strict=True):
            if isinstance(result, RowDone):
                targets = {name: place.into.joined(str(row.id), name) for name in names}
                assert (result.row, missing) == (row, "")
                assert result.values == {**targets, "none": None}
            else:
                assert (result.row_id, result.stage) == (row.id, "write")
                assert list(result.file_errors) == [missing]
        assert place.files() == {
            f"{number}/{name}": place.body(number, name)
            for number, (names, missing) in enumerate(table)
            if not missing
            for name in names
        }


def test_every_bad_file_is_named(place):
    row = Row(1, {name: place.root.joined("nowhere", name) for name in ("a", "deep/a")})
    (failed,) = publish(place, row)
    assert isinstance(failed, RowFailure)
    assert list(failed.file_errors) == ["a", "deep/a"]
    assert {cause.error for cause in failed.causes} == {"NotFoundError"}


@pytest.mark.parametrize("store", [LocalStore, PlainLocalStore])
@pytest.mark.parametrize("names", [("a", "b"), ("a", "deep/a")], ids="-".join)
def test_the_directories_of_a_bad_row_go_with_it(store, names, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "workers", 1)  # whose order is known
    place = Place(store(), Url.local(tmp_path))
    publish(place, place.row(1, *names, missing="c"))
    assert [path.name for path in tmp_path.iterdir()] == ["from"]


def test_a_slash_at_the_end_of_the_destination_makes_no_difference():
    place = Place(MemoryStore(), Url("memory", "", ""))
    into = Url("memory", "", "into/")
    (done,) = Publishing(place.store, into).publish([place.row(7, "a")])
    assert isinstance(done, RowDone)
    assert done.values == {"a": place.into.joined("7", "a")}
    assert place.files() == {"7/a": b"7: a"}


def test_what_was_there_is_replaced(place):
    place.store.write(place.into.joined("1", "a"), b"old")
    place.store.write(place.into.joined("1", "other"), b"other")
    publish(place, place.row(1, "a", "b"))
    assert place.files() == {"1/a": b"1: a", "1/b": b"1: b", "1/other": b"other"}


def test_a_bad_row_leaves_what_was_there(place):
    place.store.write(place.into.joined("1", "a"), b"old")
    publish(place, place.row(1, "a", missing="b"))
    assert place.files() == {"1/a": b"old"}


def test_a_file_may_be_published_onto_itself(place):
    place.store.write(place.into.joined("1", "a"), b"a")
    place.store.write(place.into.joined("1", "b"), b"b")
    row = Row(1, {name: place.into.joined("1", name) for name in "ab"})
    (done,) = publish(place, row)
    assert done == RowDone(row, row.files)
    assert place.files() == {"1/a": b"a", "1/b": b"b"}


def test_a_source_that_names_no_object_fails_its_row_only(place):
    nothing = Row(1, {"a": Url("memory", "", "directory/")})
    failed, done = publish(place, nothing, place.row(2, "a"))
    assert isinstance(failed, RowFailure)
    assert failed.causes[0].error == "InvalidUrlError"
    assert isinstance(done, RowDone)


# What it costs.


def counted(place: Place, *rows: Row) -> Counter[str]:
    requests: list[Request] = []
    publish(place, *rows, script=requests.append)
    return Counter(request.operation for request in requests)


@pytest.mark.parametrize("files", [0, 1, 2, 5])
def test_requests_of_good_rows(files, place):
    rows = [place.row(number, *"abcde"[:files], absent="z") for number in range(3)]
    verb = "Upload" if place.root.is_local else "Copy"
    if place.prepares and files > 1:
        expected = {"Prepare": 3 * files, "Complete": 3 * files}
    else:
        expected = {"Stat": 3 * files if files > 1 else 0, verb: 3 * files}
    assert counted(place, *rows) == Counter(expected)


@pytest.mark.parametrize("files", [0, 1, 4])
def test_requests_of_a_bad_row(files, place):
    row = place.row(1, *"abcd"[:files], missing="e")
    if place.prepares and files:
        expected = {"Prepare": files + 1, "Abort": files}
    elif files:
        expected = {"Stat": files + 1}
    else:
        expected = {"Upload" if place.root.is_local else "Copy": 1}
    assert counted(place, row) == Counter(expected)


# What is prepared and does not come to its end.


def failing(
    verb: type[Request], name: str, error: Exception
) -> Callable[[Request], StoreError | None]:
    def script(request: Request) -> StoreError | None:
        if type(request) is verb and request.url.name == name:
            if isinstance(error, StoreError):
                return error
            raise error
        return None

    return script


def test_of_a_row_whose_completion_fails_the_rest_is_taken_back(preparing):
    rows = [preparing.row(1, "a", "bad"), preparing.row(2, "a")]
    results = publish(preparing, *rows, script=failing(Complete, "bad", TransientError("no")))
    assert [type(result) for result in results] == [RowFailure, RowDone]
    # Completion is a file's: those that were completed before stay. What is hidden goes.
    assert preparing.files() == {"1/a": b"1: a", "2/a": b"2: a"}


def test_of_a_row_of_which_nothing_was_completed_nothing_is_left(preparing):
    row = preparing.row(1, "deep/bad", "bad")
    (failed,) = publish(preparing, row, script=failing(Complete, "bad", TransientError("no")))
    assert isinstance(failed, RowFailure)
    assert list(failed.file_errors) == ["deep/bad", "bad"]
    assert failed.causes[0].retryable
    assert preparing.files() == {}


def test_a_bug_while_completing_propagates_and_leaves_nothing(preparing):
    rows = [preparing.row(1, "a", "b"), preparing.row(2, "a")]
    with pytest.raises(ZeroDivisionError):
        publish(preparing, *rows, script=failing(Complete, "b", ZeroDivisionError()))
    assert preparing.files() == {}


def test_what_cannot_be_taken_back_is_logged_and_changes_no_result(preparing, caplog):
    row = preparing.row(1, "a", missing="b")
    with caplog.at_level(logging.WARNING, "file_dataset"):
        (failed,) = publish(preparing, row, script=failing(Abort, "a", NotFoundError("stuck")))
    assert isinstance(failed, RowFailure)
    assert list(failed.file_errors) == ["b"]
    assert [record.getMessage() for record in caplog.records] == [
        "Could not take back a half-written file: stuck"
    ]
