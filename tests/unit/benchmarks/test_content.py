"""What is in the benchmarks' objects, and that whatever is wrong with a copy is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.content import PERIOD, Family, check_bytes, check_file, content, hash_of
from hypothesis import given
from hypothesis import strategies as st

keys = st.integers(0, 4999).map(lambda number: Family(5000, 4096).keys[number])
sizes = st.integers(1, 3 * 2**20)


def whole(key: str, size: int) -> bytes:
    return b"".join(content(key, at, min(at + 2**20, size)) for at in range(0, size, 2**20))


def test_the_hash_is_fnv_1a_as_the_server_has_it():
    # The published test vectors.
    assert hash_of("") == 0xCBF29CE484222325
    assert hash_of("a") == 0xAF63DC4C8601EC8C
    assert hash_of("foobar") == 0x85944171F73967E8


@given(keys, st.integers(0, 2 * PERIOD), st.integers(0, 2**20), st.data())
def test_a_part_is_the_same_however_it_is_cut(key, start, length, data):
    cut = data.draw(st.integers(0, length))

    joined = content(key, start, start + cut) + content(key, start + cut, start + length)

    assert joined == content(key, start, start + length)


@given(keys, sizes, st.data())
def test_what_is_right_passes_and_a_byte_that_is_wrong_does_not(key, size, data):
    right = whole(key, size)
    at = data.draw(st.integers(0, size - 1))
    wrong = right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :]

    check_bytes(key, right, size)
    with pytest.raises(ValueError, match="other bytes"):
        check_bytes(key, wrong, size)


@given(keys, keys)
def test_another_object_is_told_from_the_right_one(key, other):
    same = content(key, 0, 4096) == content(other, 0, 4096)

    assert same == (key == other)


@given(keys, st.integers(1, 31))
def test_parts_of_a_large_object_are_told_from_each_other(key, part):
    assert content(key, 0, 4096) != content(key, part * 2**23, part * 2**23 + 4096)


@pytest.mark.parametrize("change", [-1, 1], ids=["short", "long"])
def test_another_length_is_seen(change, tmp_path: Path):
    key, size = "1x4096/000000.bin", 4096
    data = whole(key, size + change)
    path = tmp_path / "file"
    path.write_bytes(data)

    with pytest.raises(ValueError, match="bytes instead of"):
        check_bytes(key, data, size)
    with pytest.raises(ValueError, match="bytes instead of"):
        check_file(key, path, size)


def test_the_files_of_a_family_are_what_its_objects_are(tmp_path: Path):
    family = Family(3, 2**20 + 17, step=10)

    paths = family.write(tmp_path)

    assert [path.name for path in paths] == ["000000.bin", "000010.bin", "000020.bin"]
    assert family.keys[1] == "30x1048593/000010.bin"
    for key, path in zip(family.keys, paths, strict=True):
        check_file(key, path, family.size)
    with pytest.raises(ValueError, match="other bytes"):
        check_file(family.keys[0], paths[1], family.size)
