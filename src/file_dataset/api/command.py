"""Any program as the function of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from file_dataset.api import _wiring
from file_dataset.api._arguments import time_limit
from file_dataset.domain.programs import Command, Program, output_names


def command(
    command: str | Sequence[str],
    *,
    outputs: Sequence[str] = (),
    stdout: str | None = None,
    stderr: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    shell: bool = False,
) -> Program:
    r"""A row function that runs a program, for ``Pipeline``.

    The program runs in the row's output directory. It fails its row if it ends with another code
    than 0, is killed, takes too long or does not make a file that it should; the failure has the
    end of what it said on standard error. What it leaves running in its process group is killed.

    Args:
        command: A command line, or a list of arguments. ``{input}`` and ``{output}`` stand for the
            row's directories; braces that mean themselves are doubled. No shell looks at it.
        outputs: The files that it makes in the output directory, which are published; none are
            needed if what it prints is.
        stdout: Publish what it prints as a file of this name; None drops it.
        stderr: The same for its standard error.
        env: Variables beside those of this process.
        timeout: Seconds that it may take for a row; then its process group is asked to end, and
            killed two seconds later.
        shell: Run the command line by ``/bin/sh``, with the paths of the directories quoted.

    Raises:
        ValueError: For placeholders that there are not, an empty command, filenames that cannot be
            published, and a timeout that is no number above 0.
        TypeError: For arguments of other types.

    >>> import tempfile, pathlib
    >>> from file_dataset import Pipeline
    >>> place = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (place / "a").write_text("b\na\n")
    >>> sort = command("sort {input}/words.txt -o {output}/sorted.txt", outputs=["sorted.txt"])
    >>> (row,) = Pipeline(sort, into_path=place / "out")([{"id": 1, "words.txt": place / "a"}])
    >>> row["sorted.txt"].read_text()
    'a\nb\n'
    """
    said = [name for name in (stdout, stderr) if name is not None]
    if env is not None and not all(isinstance(each, str) for pair in env.items() for each in pair):
        raise TypeError("env is a mapping of texts to texts")
    names = output_names(outputs, said)
    return _wiring.local_program(
        Command.of(command, shell=shell),
        names[: len(outputs)],
        stdout=stdout,
        stderr=stderr,
        env=dict(env or {}),
        timeout=time_limit(timeout, "process"),
    )
