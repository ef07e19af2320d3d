"""The command in a process of its own, which need not import first what all of them import."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from file_dataset.cli import main

COMMAND = str(Path(sys.executable).with_name("file-dataset"))

# Processes are forked of one that has imported this, and has no threads and nothing else.
_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["boto3", "pandas", "pyarrow.parquet", "pytest", __name__])


def run_command(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], patience: float = 100.0
) -> tuple[int, str, str]:
    """How the command ended, and what it said on stdout and on stderr.

    Args:
        arguments: What follows its name.
        cwd: Where it is run.
        env: All that is in its environment.
        patience: Seconds after which it counts as hanging; where it does is told then.
    """
    with tempfile.TemporaryDirectory() as said:
        out, err = Path(said, "out"), Path(said, "err")
        process = _forking.Process(target=_run, args=(list(arguments), cwd, dict(env), out, err))
        process.start()
        process.join(patience)
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGABRT)
            process.join()
            raise AssertionError(f"the command hung:\n{err.read_text()}")
        code = process.exitcode
        process.close()
        assert code is not None
        return code, out.read_text(), err.read_text()


def _run(arguments: list[str], cwd: Path, env: dict[str, str], out: Path, err: Path) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    faulthandler.enable()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None
    main(arguments)
