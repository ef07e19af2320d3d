"""Stop in the midst of an epoch, and go on with the very item that would have come.

python examples/train_resumed.py
"""

import tempfile
from pathlib import Path

import torch
from torch.utils.data import DataLoader

import file_dataset
from file_dataset.torch import FileIterableDataset

BATCH = 8


def made(directory: str) -> FileIterableDataset:
    options = {"shuffle": True, "seed": 1, "batch_size": BATCH}
    return FileIterableDataset(directory, options, transform=int)


def stopped(directory: str, checkpoint: Path) -> list[int]:
    """Train on five batches, and be stopped."""
    dataset = made(directory)
    dataset.set_epoch(3)
    seen: list[int] = []
    for batch in DataLoader(dataset, batch_size=BATCH, num_workers=2):
        seen += batch.tolist()
        # The workers are ahead of this loop, which alone knows how many items it had.
        torch.save(dataset.state_dict(taken=len(seen)), checkpoint)
        if len(seen) == 5 * BATCH:
            break
    return seen


def resumed(directory: str, checkpoint: Path) -> list[int]:
    """Go on in another process, with another number of workers."""
    dataset = made(directory)
    dataset.load_state_dict(torch.load(checkpoint))
    return [number for batch in DataLoader(dataset, batch_size=BATCH) for number in batch.tolist()]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as files, tempfile.TemporaryDirectory() as elsewhere:
        for number in range(100):
            file_dataset.put(f"{files}/{number:02}.txt", str(number).encode())
        first = stopped(files, Path(elsewhere, "checkpoint.pt"))
        rest = resumed(files, Path(elsewhere, "checkpoint.pt"))
        print(f"{len(first)} items, then {len(rest)}")
        print(f"each once: {sorted(first + rest) == list(range(100))}")
