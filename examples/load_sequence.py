"""Objects as a sequence: by their places, in slices, and shuffled anew in each epoch.

python examples/load_sequence.py [URL]     a prefix, a directory or a glob; else some files are made
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import file_dataset


@contextmanager
def some_files() -> Iterator[str]:
    """A directory with files to try it with."""
    with tempfile.TemporaryDirectory() as directory:
        for number in range(10):
            file_dataset.put(f"{directory}/{number}.bin", bytes([number]) * number)
        yield directory


def look(source: str) -> None:
    dataset = file_dataset.create_dataset(source, {"shuffle": True, "seed": 7})
    print(f"{len(dataset)} objects, {len(dataset[0])} bytes in the first")
    for epoch in range(2):
        dataset.set_epoch(epoch)
        total = sum(len(item) for item in dataset)  # read ahead, 64 at a time
        print(f"epoch {epoch}: {total} bytes, beginning with {dataset.uris()[0]}")


if __name__ == "__main__":
    if sys.argv[1:]:
        look(sys.argv[1])
    else:
        with some_files() as made:
            look(made)
