"""A Ray cluster on this machine, of which nothing is left when its tests are done."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

_SETTINGS = {
    # By default it listens to the network, writes a token into the home directory, tells its
    # makers that it was used, and draws bars.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_MEMORY = 2**28


@attrs.frozen
class Cluster:
    """A cluster that was started.

    Args:
        workers_temp: What its workers take for the system's place of temporary files.
    """

    workers_temp: Path


@contextlib.contextmanager
def local_ray(*, workers: int = 2) -> Iterator[Cluster]:
    """Ray on this machine alone, with so many workers, until the context ends."""
    import ray
    from ray.data import DataContext

    # In a directory with a short name: Ray's sockets are in it, whose paths have 107 bytes at most.
    with (
        tempfile.TemporaryDirectory(prefix="ray-") as directory,
        pytest.MonkeyPatch.context() as patch,
    ):
        place = Path(directory)
        cluster = Cluster(place / "tmp")
        cluster.workers_temp.mkdir()
        on_sigterm = signal.getsignal(signal.SIGTERM)
        with patch.context() as starting:
            for name, value in {**_SETTINGS, "TMPDIR": str(cluster.workers_temp)}.items():
                starting.setenv(name, value)
            starting.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
            ray.init(
                num_cpus=workers,
                include_dashboard=False,
                object_store_memory=_MEMORY,
                log_to_driver=False,
                configure_logging=False,
                _node_ip_address="127.0.0.1",
                _temp_dir=directory,
            )
        try:
            with warnings.catch_warnings():
                # Ray sets options of its own that it calls deprecated.
                warnings.simplefilter("ignore", DeprecationWarning)
                context = DataContext.get_current()
            context.enable_progress_bars = False
            logging.getLogger("ray").setLevel(logging.ERROR)
            yield cluster
        finally:
            ray.shutdown()
            signal.signal(signal.SIGTERM, on_sigterm)
            _wait_for_the_end_of(directory)


def _wait_for_the_end_of(directory: str, patience: float = 20.0) -> None:
    """Wait until no process names the directory on its command line any more."""
    end = time.monotonic() + patience
    while left := _processes_naming(directory):
        assert time.monotonic() < end, f"Ray left {left}"
        time.sleep(0.02)


def _processes_naming(text: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in words and int(process.parent.name) != os.getpid():
                found.append(f"{process.parent.name}: {words}")
    return found
