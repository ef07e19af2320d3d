"""Where the rows of a job are run: in this process, or on a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from file_dataset.api.running import Run
from file_dataset.cli.jobs import Job
from file_dataset.cli.signals import catch_signals

if TYPE_CHECKING:
    import pandas as pd

_PATIENCE = 10.0


@contextlib.contextmanager
def begun(job: Job, rows: pd.DataFrame, *, progress: bool) -> Iterator[Run]:
    """A run of a job, which is to be finished while the context lasts.

    Args:
        job: The job.
        rows: The table that it is about.
        progress: Whether to show how far it is.

    Raises:
        UsageError: If there is no such function, or an address and nothing to be found there.
        ValueError: For a table or for options that break the rules, before anything is run.
        MissingDependencyError: If it is for Ray, which is not installed.
    """
    if job.engine == "ray":
        with _on_ray(job, rows, progress=progress) as run:
            yield run
    elif job.address is not None:
        raise click.UsageError("--address is that of a Ray cluster; it needs --engine ray")
    else:
        yield job.pipeline(progress=progress).begin(rows)


@contextlib.contextmanager
def _on_ray(job: Job, rows: pd.DataFrame, *, progress: bool) -> Iterator[Run]:
    import file_dataset.ray

    if address := job.address or os.environ.get("RAY_ADDRESS"):
        _look_for(address)
    run = file_dataset.ray.begin(rows, job.pipeline(progress=progress))

    import ray
    from ray import cloudpickle
    from ray.data import DataContext

    # What is in a file of the user's is on no other machine.
    if job.file is not None:
        module = sys.modules[job.file.stem]
        cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]  # Ray's is
    ray.init(address=job.address, logging_level=logging.ERROR, log_to_driver=False)
    try:
        # Ray has taken SIGTERM for itself.
        catch_signals()
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        # They count tasks.
        DataContext.get_current().enable_progress_bars = False
        yield run
    finally:
        ray.shutdown()


def _look_for(address: str) -> None:
    """Raise UsageError if nobody is where an address says; Ray would try for minutes."""
    if address.startswith("ray://"):
        raise click.UsageError(
            f"Ray Data needs the cluster itself, as host:port, and not {address}"
        )
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise click.UsageError(f"there is no Ray cluster at {address}: {error}") from error
