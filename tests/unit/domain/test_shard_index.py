"""The index beside a shard: it reads back, and whatever it says wrongly is told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain import shard_index
from file_dataset.domain.archives import Member
from file_dataset.domain.errors import IntegrityError
from file_dataset.domain.names import member_name_fault
from file_dataset.domain.shard_index import ShardIndex, index_of
from file_dataset.domain.url import Url
from file_dataset.testing import file_names

names = file_names().filter(lambda name: not member_name_fault(name))


@st.composite
def indexes(draw):
    index, at = ShardIndex(), 0
    for name in draw(st.lists(names, unique=True, max_size=5)):
        start, size = at + 512 + draw(st.integers(0, 2000)), draw(st.integers(0, 1 << 40))
        index.add(name, start, size, draw(st.integers(0, (1 << 32) - 1)))
        at = start + size
    index.archive_size = at + 1024
    return index


@given(indexes())
def test_what_is_written_reads_back(index):
    found = ShardIndex.from_json(index.to_json())
    assert found == index
    assert index.to_json() == found.to_json()
    assert found.contents().members == {
        name: Member(start - 512, size + 512, size, crc, 512)
        for name, start, size, crc in zip(
            index.names, index.starts, index.sizes, index.crcs, strict=True
        )
    }


def test_it_is_beside_its_shard():
    shard = Url.parse("s3://bucket/packed/shard-000001.tar")
    assert str(index_of(shard)) == "s3://bucket/packed/shard-000001.tar.index.json"


GOOD: dict[str, object] = {
    "format": "file_dataset shard index",
    "version": 1,
    "names": ["a", "b"],
    "starts": [512, 2048],
    "sizes": [5, 0],
    "crcs": [7, 0],
    "archive_size": 10240,
}
WRONG: dict[str, dict[str, object]] = {
    "another format": {"format": "zarr"},
    "a later version": {"version": 2},
    "a field too many": {"more": 1},
    "names that are no list": {"names": {"a": 1}},
    "a name that is no text": {"names": ["a", 7]},
    "a start that is a float": {"starts": [512, 2048.0]},
    "a size that is a truth": {"sizes": [5, True]},
    "lists of other lengths": {"names": ["a"]},
    "a name twice": {"names": ["a", "a"]},
    "a name that leads out": {"names": ["a", "../b"]},
    "an absolute name": {"names": ["a", "/b"]},
    "a name of half a pair": {"names": ["a", "\ud800"]},
    "a start before its header": {"starts": [511, 2048]},
    "a negative size": {"sizes": [5, -1]},
    "members in one another": {"sizes": [1537, 0]},
    "no room for a header": {"sizes": [1025, 0]},
    "members out of order": {"starts": [2048, 512]},
    "a member past the end": {"sizes": [5, 8193]},
    "a checksum too large": {"crcs": [7, 1 << 32]},
    "a negative checksum": {"crcs": [-7, 0]},
    "a size of letters": {"archive_size": "10240"},
}


@pytest.mark.parametrize("what", WRONG)
def test_what_it_says_wrongly_is_told(what):
    ShardIndex.from_json(json.dumps(GOOD).encode())
    with pytest.raises(IntegrityError):
        ShardIndex.from_json(json.dumps({**GOOD, **WRONG[what]}).encode())


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format": NaN}', b"{}"]
)
def test_what_is_no_index_is_told(data):
    with pytest.raises(IntegrityError):
        ShardIndex.from_json(data)


def test_it_is_not_believed_without_end(monkeypatch):
    monkeypatch.setattr(shard_index, "MOST_MEMBERS", 1)
    with pytest.raises(IntegrityError, match="too long"):
        ShardIndex.from_json(json.dumps(GOOD).encode())
    monkeypatch.setattr(shard_index, "LARGEST", 10)
    with pytest.raises(IntegrityError, match="more than 10 bytes"):
        ShardIndex.from_json(json.dumps(GOOD).encode())
