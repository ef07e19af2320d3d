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

ON_A_CLUSTER = [
    pytest.mark.timeout(300),  # starting workers takes long where others work
    pytest.mark.usefixtures("ray_cluster"),
    pytest.mark.xdist_group("ray"),
    # Ray would like these tests' tables to be larger, and pandas Ray's own calls to be newer.
    pytest.mark.filterwarnings("ignore:The (maximum|minimum) number of concurrent:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]
"""What marks the tests that use the cluster, which is one for all of them."""

_SETTINGS = {
    # By default it listens to the network, writes a token into the home directory, tells its
    # makers that it was used, and draws bars.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # And it takes processes that do not come up within 30 seconds for dead.
    "RAY_agent_register_timeout_ms": "240000",
    "RAY_worker_register_timeout_seconds": "240",
}
_MEMORY = 2**28


@attrs.frozen
class Cluster:
    """A cluster that was started.

    Args:
        workers_temp: What its workers take for the system's place of temporary files.
        address: Where other processes of this machine find it.
        settings: The environment variables that they need for it.
    """

    workers_temp: Path
    address: str
    settings: dict[str, str]


@contextlib.contextmanager
def local_ray(*, workers: int = 2) -> Iterator[Cluster]:
    """Ray on this machine alone, with so many workers, until the context ends."""
    import ray
    from ray.data import DataContext

    on_sigterm = signal.getsignal(signal.SIGTERM)
    # In a directory with a short name: Ray's sockets are in it, whose paths have 107 bytes at most.
    with (
        tempfile.TemporaryDirectory(prefix="ray-") as directory,
        pytest.MonkeyPatch.context() as patch,
    ):
        # Its threads would look for a server of metrics, while other tests count open files.
        patch.setenv("RAY_DATA_USAGE_DISABLED", "1")
        workers_temp = Path(directory) / "tmp"
        workers_temp.mkdir()
        try:
            _start(directory, workers, {**_SETTINGS, "TMPDIR": str(workers_temp)})
            with warnings.catch_warnings():
                # Ray sets options of its own that it calls deprecated.
                warnings.simplefilter("ignore", DeprecationWarning)
                context = DataContext.get_current()
            context.enable_progress_bars = False
            log = logging.getLogger("ray")
            log.setLevel(logging.ERROR)
            # Its threads have something to say at any time, which is not what other tests look for.
            log.propagate = False
            yield Cluster(workers_temp, ray.get_runtime_context().gcs_address, _SETTINGS)
        except BaseException:
            ray.shutdown()
            _kill_what_names(directory)
            raise
        finally:
            ray.shutdown()
            signal.signal(signal.SIGTERM, on_sigterm)
            _wait_for_the_end_of(directory)


def _start(directory: str, workers: int, settings: dict[str, str], *, attempts: int = 3) -> None:
    """Start Ray, which gives its processes 30 seconds; a machine that is busy may need more."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
        for attempt in range(attempts):
            try:
                ray.init(
                    num_cpus=workers,
                    include_dashboard=False,
                    object_store_memory=_MEMORY,
                    log_to_driver=False,
                    configure_logging=False,
                    _node_ip_address="127.0.0.1",
                    _temp_dir=directory,
                )
            except Exception as error:
                if "timed out during startup" not in str(error) or attempt == attempts - 1:
                    raise
                ray.shutdown()
                _kill_what_names(directory)
                _wait_for_the_end_of(directory)
            else:
                return


def _wait_for_the_end_of(directory: str, patience: float = 60.0) -> None:
    """Wait until no process names the directory on its command line any more."""
    end = time.monotonic() + patience
    while left := _processes_naming(directory):
        assert time.monotonic() < end, f"Ray left {left}"
        time.sleep(0.02)


def _kill_what_names(directory: str) -> None:
    """Kill what was started in vain: Ray does so only when this process ends."""
    for process in _processes_naming(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _processes_naming(text: str) -> dict[int, str]:
    found = {}
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = line.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in words and int(line.parent.name) != os.getpid():
                found[int(line.parent.name)] = words
    return found
