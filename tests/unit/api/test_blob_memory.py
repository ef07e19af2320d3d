"""What a table of contents costs in memory: hardly more than the contents, whatever their sizes."""

from __future__ import annotations

import subprocess
import sys

import pytest

KIB, MIB = 2**10, 2**20

# Reads so many files of such a size, and prints what its peak memory grew by, in bytes.
SCRIPT = """
import resource, sys
from pathlib import Path
from file_dataset import MemoryStore, Options, Url, reader

place, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = MemoryStore()
options = Options(stores={"memory://": store})
store.write(Url.parse("memory://in/small"), b"x")
if place.startswith("memory:"):
    for number in range(count):
        store.write(Url.parse(f"{place}/{number}"), number.to_bytes(4) * (size // 4))

def peak():
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts the memory of who started a process in its ru_maxrss.
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024

rows = [{"id": number, "a.bin": f"{place}/{number}"} for number in range(count)]
reader(row={"a.bin": "memory://in/small"}, options=options).into_blob_table()
read = reader(dataframe=rows, options=options)
before = peak()
table = read.into_blob_table()
print(peak() - before)
assert table.num_rows == count and table["a.bin"].nbytes >= count * size
"""


@pytest.mark.parametrize("scheme", ["file", "memory"])
@pytest.mark.parametrize(
    ("count", "size"), [(1024, 256 * KIB), (4, 64 * MIB), (8 * 1024, 4 * KIB)], ids=str
)
def test_the_peak_is_at_most_a_quarter_above_the_contents(scheme, count, size, tmp_path):
    if scheme == "file":
        for number in range(count):
            with (tmp_path / str(number)).open("wb") as file:
                file.truncate(size)
    place = str(tmp_path) if scheme == "file" else "memory://in"
    command = [sys.executable, "-c", SCRIPT, place, str(count), str(size)]
    grown = int(subprocess.check_output(command, text=True))
    sys.stdout.write(f"the peak is {grown / (count * size):.3f} of the contents\n")
    assert grown <= 1.25 * count * size
