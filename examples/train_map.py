"""Train from packed shards with labels: rows as dicts, chosen by the DataLoader's own sampler.

python examples/train_map.py
"""

import tempfile
from typing import Any

import pandas as pd
import torch
from torch.utils.data import DataLoader

import file_dataset
from file_dataset.torch import FileMapDataset, as_tensor


def some_table(directory: str) -> pd.DataFrame:
    """A table of images of 64 bytes, and of how bright they are; a URL may be of any scheme."""
    torch.manual_seed(0)
    urls = [f"{directory}/{number:03}.raw" for number in range(128)]
    for number, url in enumerate(urls):
        pixels = torch.randint(0, 128, (64,)) + 120 * (number % 2)
        file_dataset.put(url, bytes(pixels.tolist()))
    return pd.DataFrame(
        {"id": range(128), "image.raw": urls, "bright": [number % 2 for number in range(128)]}
    )


def sample(row: dict[str, Any]) -> tuple[torch.Tensor, float]:
    return as_tensor(row["image.raw"]) / 255, float(row["bright"])


def step(model: torch.nn.Module, loss: torch.Tensor, *, rate: float) -> None:
    """Go down the gradient; torch.optim has better ways, and takes seconds to import."""
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.sub_(rate * parameter.grad)


def train(table: pd.DataFrame) -> None:
    loader = DataLoader(FileMapDataset(table, transform=sample), batch_size=16, shuffle=True)
    model = torch.nn.Linear(64, 1)
    for epoch in range(5):
        right = 0
        for images, labels in loader:
            found = model(images)[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(found, labels.float())
            step(model, loss, rate=0.5)
            right += int(((found > 0) == (labels > 0)).sum())
        print(f"epoch {epoch}: {right} of {len(table)} right")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        table = some_table(made)
        # Packed into shards first, as many small files should be: the same cells elsewhere.
        packed = file_dataset.pack(table[["id", "image.raw"]], f"{made}/packed")
        train(table.assign(**{"image.raw": packed["image.raw"]}))
