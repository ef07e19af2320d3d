"""The ``file-dataset`` command."""

from file_dataset.cli.main import main

__all__ = ["main"]
