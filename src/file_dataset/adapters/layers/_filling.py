"""Whether and where a process has what is on its way into a cache."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from file_dataset.adapters.scratch import TempScratch, sweep
from file_dataset.domain.errors import InvalidUrlError, PermissionDeniedError, StoreError
from file_dataset.domain.files import local_errors
from file_dataset.domain.url import Url

_log = logging.getLogger("file_dataset")

PRIVATE: Final = 0o700
"""What others have no business with."""


class Filling:
    """What one process has of a cache that it adds to.

    Args:
        root: Where the cache is.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.scratch: TempScratch | None = None
        try:
            prepare(root)
            self.scratch = TempScratch(root)
            sweep(root)
        except (StoreError, InvalidUrlError) as error:
            self._tell(error)

    def stop(self, error: Exception) -> None:
        """Add no more, and tell why, once."""
        if self.scratch is not None:
            self.scratch = None
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        _log.warning("nothing is added to the cache %s by this process: %s", self._root, error)


def prepare(root: Path) -> None:
    """Make the directory of a cache.

    Raises:
        StoreError: If it cannot be used.
        InvalidUrlError: If the system cannot hold its name.
    """
    url = Url.local(root)
    try:
        with local_errors(url):
            root.parent.mkdir(parents=True, exist_ok=True)
            root.mkdir(PRIVATE, exist_ok=True)
    except StoreError as error:
        error.message = f"{root.parent} cannot be used as a cache: {error.message}"
        raise
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionDeniedError(
            f"{root} cannot be used as a cache: it has to be readable and writable", url=url
        )
