from __future__ import annotations

import json
import random
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.soak import times

from file_dataset.adapters.local import LocalStore
from file_dataset.domain.errors import IntegrityError, UnsupportedError
from file_dataset.domain.names import file_name_fault, row_id_fault
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.records import Input, Output, Record, record_url
from file_dataset.domain.url import Url

INTO = Url.parse("s3://bucket/into")
URL = record_url(INTO, "row")

TEXTS = st.text(max_size=20)
IDS = st.one_of(st.integers(), st.text(min_size=1, max_size=300)).filter(
    lambda row_id: not row_id_fault(row_id)
)
NAMES = st.text(min_size=1, max_size=30).filter(lambda name: not file_name_fault(name))
SIZES = st.integers(0, 2**60)
OUTPUTS = st.builds(Output, TEXTS, TEXTS, st.none() | SIZES)
INPUTS = st.builds(Input, TEXTS, SIZES, st.none() | TEXTS, st.none() | TEXTS)
RECORDS = st.builds(
    Record,
    IDS,
    st.from_regex("[A-Za-z0-9-]{1,64}", fullmatch=True),
    TEXTS,
    st.none() | TEXTS,
    st.none() | st.dictionaries(TEXTS, INPUTS, max_size=3),
    # One name: of several, one might have to be another's directory.
    st.dictionaries(NAMES, st.none() | OUTPUTS, max_size=1),
    st.frozensets(TEXTS, max_size=3),
    st.lists(TEXTS, max_size=3).map(tuple),
)
EXAMPLE = Record(
    7,
    "attempt-1",
    "run",
    "2.0",
    {"in.txt": Input("s3://bucket/in.txt", 3, "etag")},
    {"a.txt": Output("token", "1:etag", 4), "deep/b.txt": Output("other", "", None), "c": None},
    frozenset({"swept"}),
    ("attempt-0",),
)


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record):
    assert Record.parse(record.to_json(), URL) == record


def test_a_record_is_kept_as_plain_json():
    content = json.loads(EXAMPLE.to_json())

    assert content["format"] == 1
    assert content["row_id"] == 7
    assert content["outputs"]["a.txt"] == {"token": "token", "receipt": "1:etag", "size": 4}
    assert content["outputs"]["c"] is None


def test_it_tells_its_files_wherever_the_dataset_is():
    for into in (INTO, Url.parse("/elsewhere/into")):
        urls = EXAMPLE.urls(into)
        assert urls == {
            "a.txt": into.joined("7", "a.txt"),
            "deep/b.txt": into.joined("7", "deep/b.txt"),
            "c": None,
        }
        assert [each.url for each in EXAMPLE.draft(into)] == [url for url in urls.values() if url]


def test_what_was_written_at_once_needs_no_completing():
    record = Record("a", "attempt", outputs={"file": Output("", "", None)})

    assert record.draft(INTO) == []
    assert record.tokens == frozenset()
    assert record.urls(INTO) == {"file": INTO.joined("a", "file")}


class TestOver:
    def test_it_replaces_a_committed_row_and_carries_on_what_can_never_be_committed(self):
        new = Record("a", "new").over(Record("a", "old", swept=frozenset("s"), past=("older",)))

        assert (new.attempt, new.swept, new.past) == ("new", frozenset("s"), ("older", "old"))

    def test_it_does_not_grow_for_ever(self):
        record = Record("a", "0")
        for number in range(1, 100):
            record = Record("a", str(number)).over(record)

        assert record.past == tuple(str(number) for number in range(67, 99))

    def test_over_nothing_it_says_nothing_of_others(self):
        assert attrs.evolve(EXAMPLE, swept=frozenset(), past=()) == EXAMPLE.over(None)


class TestInput:
    def test_an_etag_says_more_than_a_time(self):
        info = ObjectInfo(URL, 3, "tag", datetime(2026, 1, 1, tzinfo=UTC))
        assert Input.of(URL, info) == Input(str(URL), 3, "tag", None)

    def test_without_an_etag_the_time_is_kept(self):
        info = ObjectInfo(URL, 3, None, datetime(2026, 1, 1, tzinfo=UTC))
        assert Input.of(URL, info) == Input(str(URL), 3, None, "2026-01-01T00:00:00+00:00")

    def test_secrets_are_left_out(self):
        secret = Url.parse("https://user:secret@host/a?X-Amz-Signature=secret")
        assert "secret" not in repr(Input.of(secret, ObjectInfo(secret, 1)))


class TestWhere:
    @given(IDS)
    def test_a_record_has_a_place_on_every_store(self, row_id):
        name = record_url(INTO, row_id).key.removeprefix("into/.file_dataset/rows/")

        assert "/" not in name
        assert name.isascii()
        # The longest name of a file on common file systems, with room for that of a temporary.
        assert len(name) <= 210

    @given(IDS, IDS)
    def test_two_rows_have_two_places(self, one, other):
        assert (str(one) == str(other)) == (record_url(INTO, one) == record_url(INTO, other))

    def test_a_long_id_is_held_by_a_local_disk(self, tmp_path):
        url = record_url(Url.local(tmp_path), "é" * 127)
        LocalStore().write(url, b"")
        assert (tmp_path / ".file_dataset" / "rows" / url.name).exists()


def test_a_later_format_is_refused_in_words():
    later = json.dumps({"format": 2, "anything": []}).encode()

    with pytest.raises(UnsupportedError, match="only a newer file_dataset can read"):
        Record.parse(later, URL)


DAMAGES = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff",
    b'{"format":1}',
    b'{"format":true}',
    b"[" * 100_000,
    b'{"format":1,"row_id":NaN}',
    b"9" * 10_000,
]


@pytest.mark.parametrize("data", DAMAGES, ids=lambda data: repr(data[:20]))
def test_what_is_no_record_is_refused(data):
    with pytest.raises(IntegrityError, match="is no record"):
        Record.parse(data, URL)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("row_id", ".."),
        ("row_id", ".file_dataset"),
        ("row_id", 1.5),
        ("row_id", None),
        ("attempt", "../../etc"),
        ("attempt", None),
        ("run", 1),
        ("version", 1),
        ("inputs", []),
        ("inputs", {"a": None}),
        ("inputs", {"a": {"url": "u", "size": -1, "etag": None, "modified": None}}),
        ("outputs", []),
        ("outputs", None),
        ("outputs", {"../a": None}),
        ("outputs", {"/etc/passwd": {"token": "", "receipt": "", "size": 1}}),
        ("outputs", {"a": {"token": 1, "receipt": "", "size": 1}}),
        ("outputs", {"a": {"token": "", "receipt": "", "size": True}}),
        ("outputs", {"a": {"token": "", "receipt": ""}}),
        ("swept", "token"),
        ("swept", [1]),
        ("past", {}),
    ],
)
def test_each_part_is_checked(field, value):
    content = json.loads(EXAMPLE.to_json()) | {field: value}

    with pytest.raises(IntegrityError, match="is no record, or a damaged one"):
        Record.parse(json.dumps(content).encode(), URL)


def test_files_of_no_attempt_are_refused():
    with pytest.raises(IntegrityError):
        Record.parse(attrs.evolve(EXAMPLE, attempt="").to_json(), URL)


def damaged(chance: random.Random, data: bytes) -> bytes:
    """A record after one to three accidents."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data) or 1)
        until = at + chance.randrange(40)
        new = bytes(chance.randrange(256) for _ in range(chance.randrange(4)))
        data = chance.choice(
            [
                data[:at],
                data[:at] + new + data[at + len(new) :],
                data[:at] + data[until:],
                data[:at] + data[at:until] + data[at:],
                data.replace(b'"', b"", 1),
                data.replace(b":", b":[", 1),
                data.replace(b"null", b'{"size":1e999}', 1),
            ]
        )
    return data


def test_a_damaged_record_is_a_record_or_refused():
    for seed in range(times(2000, most=20_000)):
        is_a_record_or_refused(random.Random(seed))


def is_a_record_or_refused(chance: random.Random) -> None:
    try:
        record = Record.parse(damaged(chance, EXAMPLE.to_json()), URL)
    except (IntegrityError, UnsupportedError):
        return
    for url in record.urls(INTO).values():
        assert url is None or INTO.joined(str(record.row_id)).contains(url)
    assert Record.parse(record.to_json(), URL) == record
