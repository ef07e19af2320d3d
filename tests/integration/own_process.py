"""Servers of the tests that are modules, run in processes of their own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def serving(module: str, *arguments: str) -> Iterator[int]:
    """A server until the context ends; gives the port, which is the first that it prints."""
    with subprocess.Popen(
        [sys.executable, module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the server did not start"
        try:
            yield int(port)
        finally:
            process.terminate()
