from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.s3.crc_reference import crc32c, crc64nvme

from file_dataset.adapters.s3.crcs import CRC32, Crc, Kind

KINDS = [
    CRC32,
    Kind("CRC-32C", 32, 0x82F63B78, crc32c),
    Kind("CRC-64/NVME", 64, 0x9A6C9329AC4BC9B5, crc64nvme),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(st.lists(st.binary(max_size=300), min_size=1))
def test_the_crc_of_parts_together_is_that_of_the_whole(kind, parts):
    together = Crc(kind)
    for part in parts:
        of_part = Crc(kind)
        for start in range(0, len(part), 7):
            of_part.update(memoryview(part)[start : start + 7])
        together = together.followed_by(of_part)

    whole = b"".join(parts)
    assert (together.value, together.length) == (kind.update(whole, 0), len(whole))


def test_parts_may_be_of_any_size():
    zeros = bytes(3 * 2**20 + 1)
    first, second = Crc(), Crc()
    first.update(b"some bytes")
    second.update(zeros)

    assert first.followed_by(second).value == zlib.crc32(b"some bytes" + zeros)


def test_the_reference_is_right():
    # The check values of https://reveng.sourceforge.io/crc-catalogue/all.htm
    assert crc32c(b"123456789") == 0xE3069283
    assert crc64nvme(b"123456789") == 0xAE8B14860A799888
