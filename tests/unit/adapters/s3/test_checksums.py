from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3.checksums import Crc32


@given(st.lists(st.binary(max_size=300), min_size=1))
def test_the_crc_of_parts_together_is_that_of_the_whole(parts):
    together = Crc32()
    for part in parts:
        of_part = Crc32()
        for start in range(0, len(part), 7):
            of_part.update(memoryview(part)[start : start + 7])
        together = together.followed_by(of_part)

    whole = b"".join(parts)
    assert (together.value, together.length) == (zlib.crc32(whole), len(whole))


def test_parts_may_be_of_any_size():
    zeros = bytes(3 * 2**20 + 1)
    first, second = Crc32(), Crc32()
    first.update(b"some bytes")
    second.update(zeros)

    assert first.followed_by(second).value == zlib.crc32(b"some bytes" + zeros)
