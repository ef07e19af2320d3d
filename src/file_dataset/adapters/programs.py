"""Programs of this machine, each in a process group of its own that ends with the row."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

import attrs

from file_dataset.domain.errors import CommandError
from file_dataset.domain.programs import Command, Program

_TAIL: Final = 2000  # characters of what the program said that go into the failure
_GRACE: Final = 2.0  # seconds between asking a program to end and killing it


class _Running:
    """The processes that this process has running."""

    def __init__(self) -> None:
        self._is_over = False
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[_Running], tuple[()]]:
        return _Running, ()

    def add(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._processes.add(process)
            if self._is_over:
                _signal_group(process, signal.SIGKILL)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill what is left of a process and its group, and forget its number."""
        with self._lock:
            self._processes.remove(process)
            _signal_group(process, signal.SIGKILL)
        process.wait()

    def kill(self) -> None:
        """Kill all of them, and those to come; who runs them finds that they have ended."""
        with self._lock:
            self._is_over = True
            for process in self._processes:
                _signal_group(process, signal.SIGKILL)


@attrs.frozen(eq=False)
class LocalProgram(Program):
    """A command line for each row.

    It runs in the row's output directory, with nothing to read on its standard input. What it
    started, and left in its process group, ends with it.

    Args:
        command: What is run.
        makes: The files that it makes in the output directory.
        stdout: The name of a file of the row that gets what it prints; None drops it.
        stderr: The same for what it says of errors, of which the end is in the failure anyway.
        env: Variables beside those of this process.
        timeout: Seconds; None for as long as it takes.
    """

    command: Command
    makes: tuple[str, ...]
    stdout: str | None = None
    stderr: str | None = None
    env: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    timeout: float | None = None
    _running: _Running = attrs.field(factory=_Running, init=False, repr=False)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The files that it makes, with those that take what it says."""
        return (*self.makes, *filter(None, (self.stdout, self.stderr)))

    def check(self) -> None:
        """Raise ValueError if its program is not there, or is none.

        What is named by a relative path would be looked for in the row's output directory.
        """
        program = self.command.program
        if program is None:
            return
        if "/" in program and not program.startswith("/"):
            raise ValueError(
                f"the program {program!r} is named by a relative path, and would be looked for in "
                f"each row's directory: name it by its whole path, {os.path.abspath(program)!r}"
            )
        path = {**os.environ, **self.env}.get("PATH", os.defpath)
        if shutil.which(program, path=path) is None:
            place = "" if "/" in program else f" in any directory of PATH ({path})"
            raise ValueError(f"there is no program {program!r}{place}; no row could be run")

    def __call__(self, input_dir: Path, output_dir: Path, /) -> dict[str, Path]:
        """Run the command for a row.

        Raises:
            CommandError: If it cannot be run, ends with another code than 0, or takes too long.
        """
        paths = {name: output_dir / name for name in self.outputs}
        for path in paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        line = self.command.over({"input": input_dir, "output": output_dir})
        with _sink(self.stdout, paths, None) as out, _sink(self.stderr, paths, "tail") as err:
            code = self._run(line, output_dir, out, err)
            if code != 0:
                raise CommandError(f"{_ended(code, self.timeout)}{_tail_of(err)}")
        return paths

    def for_one_run(self) -> LocalProgram:
        """The same, that can be stopped by itself."""
        return attrs.evolve(self)

    def stop(self) -> None:
        """Kill what is running now, with its process groups, and what would be run after it."""
        self._running.kill()

    def _run(
        self, line: list[str] | str, place: Path, out: IO[bytes] | int, err: IO[bytes] | int
    ) -> int | None:
        """Its exit code; None if it took too long."""
        try:
            process = subprocess.Popen(  # noqa: S603 - what the user asked for
                line,
                shell=self.command.is_shell,
                cwd=place,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                process_group=0,
            )
        except OSError as error:
            raise CommandError(f"cannot be run: {error}") from error
        self._running.add(process)
        try:
            return process.wait(self.timeout)
        except subprocess.TimeoutExpired:
            _signal_group(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            return None
        finally:
            # Also after Ctrl-C; and what it left running is of no use to anybody.
            self._running.end(process)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    # The group has the number of its first process, and keeps it as long as anyone is in it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


@contextlib.contextmanager
def _sink(
    name: str | None, paths: Mapping[str, Path], otherwise: str | None
) -> Iterator[IO[bytes] | int]:
    """Where an output of the program goes."""
    if name is not None:
        with paths[name].open("w+b") as file:
            yield file
    elif otherwise is None:
        yield subprocess.DEVNULL
    else:
        with tempfile.TemporaryFile() as file:
            yield file


def _ended(code: int | None, timeout: float | None) -> str:
    if code is None:
        return f"did not end within {timeout:g} s"
    if code < 0:
        return f"was killed by {_name_of(-code)}"
    return f"ended with exit code {code}"


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail_of(sink: IO[bytes] | int) -> str:
    """The end of what a program said, as it may go on after a message."""
    if isinstance(sink, int):
        return ""
    sink.seek(0, os.SEEK_END)
    sink.seek(max(0, sink.tell() - 4 * _TAIL))
    said = sink.read().decode(errors="replace").strip()[-_TAIL:]
    return f": {said}" if said else ""
