"""Names and ids that nobody would choose: each is refused in words, or stays where it belongs."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from tests.soak import times

from file_dataset import FileDatasetError, InvalidUrlError, Url, reader, write_files
from file_dataset.domain.errors import InvalidDatasetError
from file_dataset.domain.globs import Glob
from file_dataset.domain.layout import Layout
from file_dataset.domain.names import file_name_fault, row_id_fault
from file_dataset.domain.records import record_url
from file_dataset.domain.rows import Row

ATOMS = [
    *("..", ".", "/", "//", "\\", "\0", "\n", "\r", "\t", "\x1b[2J", "\x7f", "\x85", "\ud800"),
    *("%2e%2e", "%2f", "%00", "~", "$HOME", "`id`", ":", "CON", "*", "?", "#", "&", "+", "|"),
    *("<", ">", "'", '"', ".file_dataset", ".file_dataset-", ".tmp", "s3://", "file://", "://"),
    *("-", "--help", " ", "\ufeff", "\xa0", "\u2028", "\u202e", "\u2215", "\uff0e\uff0e", "{id}"),
    *("a", "B", "7", "é", "e\u0301", "𝄞", "case", "x" * 250, "é" * 120, "[", "]", "{", "}", "**"),
]


def fuzzed(seed: int) -> str:
    """A name that nobody would choose; the same one for a seed."""
    chance = random.Random(seed)
    return "".join(chance.choice(ATOMS) for _ in range(chance.randint(0, 5)))


def test_each_is_refused_or_stays_inside():
    records: dict[Url, str] = {}
    accepted = 0
    for seed in range(times(20_000, most=1_000_000)):
        row_id, name = fuzzed(2 * seed), fuzzed(2 * seed + 1)
        refused = bool(row_id_fault(row_id) or file_name_fault(name))
        assert makes_a_row(row_id, name) is not refused, seed
        if row_id_fault(row_id):
            continue
        record = record_url(Url.parse("/into"), row_id)
        assert records.setdefault(record, row_id) == row_id, seed
        assert str(record.parent) == "/into/.file_dataset/rows", seed
        assert len(record.name.encode()) <= 255, seed
        if refused:
            continue
        accepted += 1
        for into in ("/into", "s3://bucket/into"):
            url = Url.parse(into).joined(row_id, name)
            assert str(url) == f"{into}/{row_id}/{name}", seed
            assert Url.parse(str(url)) == url, seed
            assert os.path.normpath(url.key) == url.key, seed
        assert all(0 < len(part.encode()) <= 255 for part in name.split("/")), seed
    assert accepted > 2_000


def makes_a_row(row_id: str, name: str) -> bool:
    try:
        Row(row_id, {name: None})
    except InvalidDatasetError:
        return False
    return True


@pytest.mark.parametrize("parse", [Url.parse, Glob, Layout.parse], ids=["url", "glob", "layout"])
def test_what_is_no_url_is_refused_in_words(parse):
    for seed in range(times(2_000, most=100_000)):
        text = fuzzed(seed)
        try:
            parsed = parse(text)
        except ValueError as error:
            assert isinstance(error, InvalidUrlError) or parse is not Url.parse, seed  # noqa: PT017
        else:
            if isinstance(parsed, Url):
                assert Url.parse(str(parsed)) == parsed, seed


def test_a_table_is_refused_exactly_for_the_ids_that_are():
    ids = [fuzzed(seed) for seed in range(times(3_000, most=100_000))]
    for start in range(0, len(ids), 20):
        some = [*dict.fromkeys(ids[start : start + 20])]
        bad = [row_id for row_id in some if row_id_fault(row_id)]
        good = [row_id for row_id in some if not row_id_fault(row_id)]
        if bad:
            with pytest.raises(InvalidDatasetError) as caught:
                reader(dataframe=[{"id": row_id, "a.txt": "/a"} for row_id in some])
            assert repr(bad[0]) in str(caught.value)
        reader(dataframe=[{"id": row_id, "a.txt": "/a"} for row_id in good])


def test_on_a_disk_each_is_where_it_was_named_and_nowhere_else(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"data")
    place = tmp_path / "up" / "place"
    expected: set[Path] = set()
    for seed in range(times(600, most=20_000)):
        row_id, name = fuzzed(2 * seed), fuzzed(2 * seed + 1)
        before = len(expected)
        try:
            written = write_files({name: source}, into_path=place, id=row_id)
        except ValueError:
            assert row_id_fault(row_id) or file_name_fault(name) or ".file_dataset-" in name, seed
        except FileDatasetError:
            # A disk holds no file beside a directory of its name.
            path = place / row_id / name
            assert path.is_dir() or any(above in expected for above in path.parents), seed
        else:
            expected.add(place / row_id / name)
            assert written == {name: place / row_id / name}, seed
            assert (place / row_id / name).read_bytes() == b"data", seed
        assert len(expected) <= before + 1
    found = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert found - {source} == expected
    assert len(expected) > 50
