"""What a run needs of this machine: space, workers, programs, and somebody who watches."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from file_dataset.adapters.scratch import TempScratch, sweep
from file_dataset.domain.budget import Budget
from file_dataset.domain.calling import Caller, RowFunction
from file_dataset.domain.errors import MissingDependencyError
from file_dataset.domain.files import local_errors
from file_dataset.domain.ports import Observer
from file_dataset.domain.programs import Command, Program
from file_dataset.domain.reporting import About, RunFacts
from file_dataset.domain.url import Url


def temp_scratch(directory: str | os.PathLike[str] | None) -> TempScratch:
    """Temporary space in a directory, or in the system's place for such."""
    return TempScratch(None if directory is None else Path(directory))


def sweep_temp() -> int:
    """Take away the temporary directories that killed processes left; gives how many."""
    return len(sweep())


def staging_budget(max_bytes: int | None, directory: str | os.PathLike[str] | None) -> Budget:
    """How many bytes one run may stage: as many as were named, else half of what is free.

    Raises:
        StoreError: If the place for temporary files is not there.
    """
    if max_bytes is not None:
        return Budget(max_bytes, is_strict=True)
    place = os.fspath(directory or tempfile.gettempdir())
    with local_errors(Url.local(place)):
        return Budget(shutil.disk_usage(place).free // 2)


def local_program(command: Command, makes: tuple[str, ...], **how: Any) -> Program:
    """A program of this machine as a row function."""
    from file_dataset.adapters.programs import LocalProgram

    return LocalProgram(command, makes, **how)


@contextlib.contextmanager
def calling(
    function: RowFunction, *, isolation: str, workers: int, timeout: float | None
) -> Iterator[Caller]:
    """Where a function runs: in threads of this process, or in processes that end with the run."""
    if isolation == "thread":
        yield function.for_one_run()
        return
    from file_dataset.adapters.processes import ProcessCaller

    with ProcessCaller(function, workers=workers, timeout=timeout) as caller:
        yield caller


@contextlib.contextmanager
def observing(
    progress: Observer | bool | None,  # noqa: FBT001 - it is one value
    *,
    unit: str = "row",
) -> Iterator[Observer]:
    """Who is told how far a run is: the user's function, a bar on the terminal, or nobody."""
    if callable(progress):
        yield progress
    elif progress:
        from file_dataset.adapters.progress import shown_progress

        with shown_progress(unit) as observer:
            yield observer
    else:
        yield lambda _: None


def about(function: str, into: str, settings: Mapping[str, str]) -> About:
    """What is run here, and now."""
    return About(
        function,
        into,
        settings,
        platform.node(),
        datetime.now(UTC),
        _versions(),
    )


@functools.cache
def _versions() -> Mapping[str, str]:
    versions = {
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    # Of a copied tree nothing is installed that could tell.
    with contextlib.suppress(metadata.PackageNotFoundError):
        versions = {"file-dataset": metadata.version("file-dataset"), **versions}
    return versions


def pages() -> Callable[[RunFacts, Callable[[Url], bytes]], bytes]:
    """What makes a page of a run, given what gives the bytes of a sample.

    Raises:
        MissingDependencyError: If what it needs is not installed.
    """
    try:
        from file_dataset.adapters.report import page
    except ImportError as error:
        raise MissingDependencyError(
            f"a report needs {error.name}: pip install 'file-dataset[report]'"
        ) from error
    return page
