"""Train from a prefix: shuffled anew in each epoch, by two worker processes that read ahead.

python examples/train_iterable.py [URL]     objects of 64 bytes; else some files are made
"""

import sys
import tempfile

import torch
from torch.utils.data import DataLoader

import file_dataset
from file_dataset.torch import FileIterableDataset, as_tensor

BATCH = 16


def write_some(directory: str) -> None:
    """Make files to try it with, half of them brighter than the others."""
    torch.manual_seed(0)
    for number in range(128):
        pixels = torch.randint(0, 128, (64,)) + 120 * (number % 2)
        file_dataset.put(f"{directory}/{number:03}.raw", bytes(pixels.tolist()))


def pixels_of(item: bytes) -> torch.Tensor:
    return as_tensor(item) / 255


def step(model: torch.nn.Module, loss: torch.Tensor, *, rate: float) -> None:
    """Go down the gradient; torch.optim has better ways, and takes seconds to import."""
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.sub_(rate * parameter.grad)


def train(source: str) -> None:
    options = {"shuffle": True, "batch_size": BATCH}
    dataset = FileIterableDataset(source, options, transform=pixels_of)
    loader = DataLoader(dataset, batch_size=BATCH, num_workers=2, persistent_workers=True)
    model = torch.nn.Linear(64, 1)
    for epoch in range(3):
        dataset.set_epoch(epoch)
        count, total = 0, 0.0
        for batch in loader:
            # To tell how bright it is.
            loss = torch.nn.functional.mse_loss(model(batch)[:, 0], batch.mean(dim=1))
            step(model, loss, rate=0.05)
            count += len(batch)
            total += loss.item() * len(batch)
        print(f"epoch {epoch}: {count} items, loss {total / count:.4f}")


if __name__ == "__main__":
    if sys.argv[1:]:
        train(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as made:
            write_some(made)
            train(made)
