"""Contents as a stream of tables: how large they are, and what reading them takes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.noted import Noted

from file_dataset import MemoryStore, Url
from file_dataset.api.blobs import BlobTables
from file_dataset.domain.requests import Read

MIB = 2**20

# Reads so many files of such a size, and prints what its peak memory grew by, in blocks.
PEAK = """
import sys
from pathlib import Path
from file_dataset.api.blobs import BlobTables

place, count, size, block_bytes = sys.argv[1], *map(int, sys.argv[2:])
blobs = BlobTables.of(None, keeps_failed=False)
table = blobs.parse([{"id": n, "a.bin": f"{place}/{n}"} for n in range(count)])
for _ in blobs.read(blobs.parse([{"id": 0, "a.bin": __FILE__}]), block_bytes=1):
    pass  # what is imported is no part of it

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024

before, largest = peak(), 0
for block in blobs.read(table, block_bytes=block_bytes, row_bytes=size):
    largest = max(largest, block.nbytes)
    del block
print((peak() - before) / largest)
""".replace("__FILE__", repr(__file__))


@pytest.mark.parametrize(
    ("count", "size", "block"),
    [(2000, 50_000, 32), (200, MIB, 32), (5, 48 * MIB, 32), (96, MIB, 128)],
    ids=str,
)
def test_reading_takes_half_a_block_more_than_a_block(count, size, block, tmp_path):
    for number in range(count):
        with (tmp_path / str(number)).open("wb") as file:
            file.truncate(size)
    command = [sys.executable, "-c", PEAK, str(tmp_path), str(count), str(size), str(block * MIB)]
    grown = float(subprocess.check_output(command, text=True))
    sys.stdout.write(f"the peak is {grown:.2f} of a block\n")
    assert grown <= 1.5


def asked_at_a_time(
    sizes: list[int], *, block_bytes: int, row_bytes: float | None = None
) -> list[int]:
    """How many files are asked for in each batch of requests."""
    store = MemoryStore()
    for number, size in enumerate(sizes):
        store.write(Url.parse(f"memory://in/{number}"), b"x" * size)
    batches: list[int] = []

    class Counted(Noted):
        def run(self, requests, /):
            batches.append(sum(isinstance(request, Read) for request in requests))
            return super().run(requests)

    blobs = BlobTables(Counted(store))
    table = blobs.parse(
        [{"id": number, "a.bin": f"memory://in/{number}"} for number in range(len(sizes))]
    )
    blocks = blobs.read(table, block_bytes=block_bytes, row_bytes=row_bytes)
    assert sum(len(block) for block in blocks) == len(sizes)
    return batches


def test_what_is_asked_for_at_a_time_is_a_quarter_of_a_block():
    assert asked_at_a_time([10] * 30, block_bytes=400, row_bytes=10) == [10, 10, 10]


def test_rows_that_do_not_fill_a_block_are_asked_for_by_quarters(monkeypatch):
    monkeypatch.setattr("file_dataset.api.blobs._LITTLE", 40)
    assert asked_at_a_time([10] * 32, block_bytes=4000, row_bytes=10) == [8, 8, 8, 8]
    assert asked_at_a_time([10] * 8, block_bytes=4000, row_bytes=10) == [4, 4]


def test_without_an_idea_of_sizes_it_finds_out_by_small_steps():
    assert asked_at_a_time([10] * 30, block_bytes=400) == [1, 2, 4, 8, 10, 5]


def test_the_largest_row_so_far_counts():
    assert asked_at_a_time([10] * 9 + [50] * 6, block_bytes=400, row_bytes=10) == [10, 2, 2, 1]
