"""Bytes as tensors."""

from __future__ import annotations

import warnings

import torch


def as_tensor(data: bytes) -> torch.Tensor:
    """A tensor of ``uint8`` over the bytes themselves, as a ``transform`` or a part of one.

    Nothing is copied, so the tensor is to be read only: ``clone()`` is what may be written to.

    Args:
        data: An item, or a file of a row.

    >>> as_tensor(b"abc")
    tensor([97, 98, 99], dtype=torch.uint8)
    """
    if not data:
        return torch.empty(0, dtype=torch.uint8)
    with warnings.catch_warnings():
        # That it cannot be written to is told above, as torch has no word for it.
        warnings.filterwarnings("ignore", message="The given buffer is not writable")
        return torch.frombuffer(data, dtype=torch.uint8)
