"""The options that the commands about runs have in common, and what is told by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import click
from click.shell_completion import CompletionItem

from file_dataset.cli.jobs import Job, count_or_share, web_servers

TABLE = click.Path(dir_okay=False, path_type=Path)

F = TypeVar("F", bound=Callable[..., None])


def pipeline_options(command: F) -> F:
    """The options that a run is told by; whoever does not name them leaves them to Job."""
    for option in (
        click.option(
            "--allow-private",
            multiple=True,
            metavar="URL",
            callback=web_servers,
            help="As --allow, for a server of one's own net.",
        ),
        click.option(
            "--allow",
            multiple=True,
            metavar="URL",
            callback=web_servers,
            help="Let the table name what is below https://host/, or any https://.",
        ),
        click.option(
            "--keep-failed", type=click.Path(file_okay=False), help="Keep failed rows' files here."
        ),
        click.option(
            "--max-failures",
            metavar="N|P%",
            callback=count_or_share,
            help="Stop when more rows fail than that.",
        ),
        click.option("--version", "version", help="Of the function; others run again."),
        click.option(
            "--if-exists",
            type=click.Choice(["replace", "skip", "error"]),
            help="What becomes of committed rows.",
        ),
        click.option("--resume", is_flag=True, help="Leave out what is done, as --if-exists skip."),
        click.option(
            "--commit",
            type=click.Choice(["atomic", "plain"]),
            help="Show rows whole, or file by file.",
        ),
        click.option("--timeout", type=float, help="Seconds per row; needs --isolation process."),
        click.option(
            "--isolation",
            type=click.Choice(["thread", "process"]),
            help="Run it in threads, or in processes.",
        ),
        click.option("--workers", type=int, help="Rows in it at a time; 1 by default."),
        click.option("--address", help="Of a Ray cluster, as host:port."),
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            help="Where rows run: here, or on a Ray cluster.",
        ),
    ):
        command = option(command)
    return command


def output_options(command: F) -> F:
    """The options that say where the report goes."""
    for option in (
        click.option(
            "--progress/--no-progress", default=True, help="Show how far it is, on stderr."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables."),
        click.option("--failures", type=TABLE, help="Write failures here, for retry."),
        click.option("--report", type=TABLE, help="Write a page to look at, as run.html."),
        click.option("--results", type=TABLE, help="Write the table of results here."),
    ):
        command = option(command)
    return command


def job_options(command: F) -> F:
    """What is run, over what, and where its outputs go."""
    for option in (
        click.option("--outputs", multiple=True, help="A file that it makes; may be repeated."),
        click.option("--command", help="Run this program instead of a FUNCTION."),
        click.option("--into", required=True, help="Where outputs go."),
        click.argument(
            "arguments", nargs=-1, required=True, metavar="[FUNCTION] TABLE", shell_complete=files
        ),
    ):
        command = option(command)
    return command


def told(
    arguments: Sequence[str],
    command: str | None,
    outputs: tuple[str, ...],
    options: Mapping[str, object],
) -> tuple[Job, Path]:
    """What is to be run, and the file with the table."""
    *functions, table = arguments
    if len(functions) > 1:
        raise click.UsageError(f"give a FUNCTION and a TABLE, not {len(arguments)} arguments")
    told = {"function": "".join(functions), "command": command or "", "outputs": outputs}
    return Job.here({**told, **options}), Path(table)


def given(options: Mapping[str, object]) -> dict[str, object]:
    """The options that were named.

    Raises:
        UsageError: If they contradict each other.
    """
    named = {name: value for name, value in options.items() if value not in (None, ())}
    if named.pop("resume", False) and named.setdefault("if_exists", "skip") != "skip":
        raise click.UsageError(f"--resume is --if-exists skip, and not {named['if_exists']}")
    return named


def files(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """What a shell completes a word by that may be a file."""
    return [CompletionItem(incomplete, type="file")]
