"""What the tests with PyTorch share."""

from __future__ import annotations

import contextlib

from torch.utils.data import DataLoader


@contextlib.contextmanager
def loading(dataset, **chosen):
    """What a DataLoader gives, one by one; in the end its workers are gone.

    By itself it waits 5 s for workers when an error's traceback holds it.
    """
    items = iter(DataLoader(dataset, batch_size=None, **chosen))
    try:
        yield items
    finally:
        getattr(items, "_shutdown_workers", lambda: None)()
