"""``file-dataset map``: a function over lines of JSON."""

from __future__ import annotations

from pathlib import Path

import click

from file_dataset.api.mapper import map_lines, taken_over
from file_dataset.cli.jobs import load_function


@click.command(short_help="Call a function with each of some lines of JSON.")
@click.argument("function")
@click.option("--scheme", default="s3", show_default=True, help="Of the URIs that rows gain.")
@click.pass_context
def map(context: click.Context, *, function: str, scheme: str) -> None:  # noqa: A001 - the command's name
    """Call FUNCTION with each row of JSON lines on stdin; what it gives goes to stdout.

    FUNCTION is module:name or path/to/file.py:name. A row has a 'bucket' and a 'path', as
    save_paths() writes them, and gains 'key' and 'uri'. What FUNCTION prints goes to stderr. A line
    or a row that goes wrong becomes a line with 'error' and 'message'.

    Exits with 0 if no row went wrong, and with 1 if some did.
    """
    with taken_over() as lines:
        failed = map_lines(load_function(function, str(Path.cwd())), lines, scheme=scheme)
    context.exit(1 if failed else 0)
