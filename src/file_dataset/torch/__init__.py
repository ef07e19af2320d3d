"""Datasets for PyTorch's DataLoader, over whatever has a URL.

There is no sampler and no collate function here: shuffling a ``FileMapDataset``, making batches and
pinning memory stay the DataLoader's work.
"""

from file_dataset.domain.errors import MissingDependencyError

try:
    import torch as _torch
except ImportError as _error:
    raise MissingDependencyError(
        "file_dataset.torch needs PyTorch, which is not installed or cannot be imported: "
        "pip install 'file-dataset[torch]'"
    ) from _error

from file_dataset.torch.iterable import FileIterableDataset
from file_dataset.torch.map import FileMapDataset
from file_dataset.torch.tensors import as_tensor

S3IterableDataset = FileIterableDataset

__all__ = ["FileIterableDataset", "FileMapDataset", "S3IterableDataset", "as_tensor"]

del _torch
