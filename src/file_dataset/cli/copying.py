"""``file-dataset get``, ``put`` and ``cp``: objects from one place to another."""

from __future__ import annotations

from pathlib import Path

import click

from file_dataset.api.copying import Copied, copy_below
from file_dataset.api.objects import copy
from file_dataset.cli import codes, tables

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")


@click.command(short_help="Copy an object to a file.")
@click.argument("url")
@click.argument("path", default=".")
@_as_json
def get(*, url: str, path: str, as_json: bool) -> None:
    """Copy the object at URL to PATH, a file or a directory; here, if none is given."""
    _copy_one(url, path, as_json=as_json)


@click.command(short_help="Copy a file to an object.")
@click.argument("path", type=click.Path(exists=True, dir_okay=False))
@click.argument("url")
@_as_json
def put(*, path: str, url: str, as_json: bool) -> None:
    """Copy the file at PATH to URL; a URL that ends in a slash keeps the file's name."""
    _copy_one(path, url, as_json=as_json)


@click.command(short_help="Copy an object, or all below a place, to another place.")
@click.argument("source")
@click.argument("target")
@click.option("-r", "--recursive", is_flag=True, help="Copy all that is below SOURCE.")
@click.option("--progress/--no-progress", default=True, help="Show how far it is, on stderr.")
@_as_json
@click.pass_context
def cp(
    context: click.Context,
    /,
    *,
    source: str,
    target: str,
    recursive: bool,
    progress: bool,
    as_json: bool,
) -> None:
    """Copy the object at SOURCE to TARGET; either is a URL of any scheme, or a path.

    A SOURCE that ends in a slash, or is a directory here, is copied with all that is below it, to
    the same names below TARGET. Within one store the server copies, and the bytes stay there.
    What cannot be copied is told object by object, and keeps no other from it.

    Exit codes: 0 all were copied, 1 some were not, 2 wrong usage.
    """
    if not (recursive or source.endswith("/") or Path(source).is_dir()):
        _copy_one(source, target, as_json=as_json)
        return
    copied = copy_below(source, target, progress=progress and not as_json)
    if as_json:
        tables.show_json(_told(copied))
    else:
        click.echo(copied)
    for each in copied.failed:
        click.echo(f"Failed: {each.error}", err=True)
    context.exit(codes.of_errors(each.error for each in copied.failed if each.error))


def _copy_one(source: str, target: str, *, as_json: bool) -> None:
    where = copy(source, target)
    if as_json:
        tables.show_json({"source": source, "target": where})
    else:
        click.echo(where)


def _told(copied: Copied) -> list[dict[str, object]]:
    return [
        {
            "source": each.source.redacted,
            "target": each.target.redacted,
            "size": each.size,
            "error": None if each.error is None else str(each.error),
        }
        for each in copied.objects
    ]
