from typing import Any

import pytest
from tests.unit.adapters.layers.fakes import Watched, by_index, error, key, value

from file_dataset.adapters.layers.read_only import ReadOnly
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.errors import UnsupportedError
from file_dataset.domain.requests import (
    Copy,
    Delete,
    Download,
    Draft,
    Prepare,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)
from file_dataset.testing import Finding, check_store


@pytest.fixture
def inside():
    store = Watched()
    store.write(key("root/a"), b"data")
    store.batches.clear()
    return store


def test_what_would_change_something_is_refused_before_the_store_hears_of_it(inside, tmp_path):
    path = tmp_path / "local"
    requests = [
        Write(key("root/a"), b"new"),
        Upload(path, key("root/a")),
        Copy(key("root/a"), key("root/b")),
        Delete(key("root/a")),
        Prepare(key("root/a"), key("root/b"), Draft(key("root"), "attempt")),
    ]
    for outcome in by_index(ReadOnly(inside).run(requests)):
        assert isinstance(error(outcome), UnsupportedError)
        assert "is only to be read" in str(error(outcome))
    assert inside.asked == 0


def test_of_a_mixed_batch_what_changes_nothing_is_done(inside, tmp_path):
    requests: list[Request[Any]] = [
        Delete(key("root/a")),
        Read(key("root/a")),
        Write(key("root/a"), b"new"),
        Download(key("root/a"), tmp_path / "a"),
        Stat(key("root/a")),
    ]
    outcomes = by_index(ReadOnly(inside).run(requests))
    assert value(outcomes[1]) == (tmp_path / "a").read_bytes() == b"data"
    assert value(outcomes[3]).size == value(outcomes[4]).size == 4
    assert [error(outcomes[number]).operation for number in (0, 2)] == ["Delete", "Write"]


def test_what_it_can_do_is_told():
    store = ReadOnly(MemoryStore())
    assert store.verbs == {Stat, Read, Download}
    assert store.can(Read, key("a"))
    assert not store.can(Write, key("a"))


def test_it_keeps_the_laws():
    inside, root = MemoryStore(), key("root")
    inside.write(root.joined("a"), b"data")
    report = check_store(lambda: ReadOnly(inside), root, contents={root.joined("a"): b"data"})
    refused = {each.law.number for each in report.verdicts if each.finding is Finding.REFUSED}
    assert refused == {5, 6, 7, 8}
