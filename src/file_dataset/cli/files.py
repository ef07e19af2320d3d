"""``file-dataset ls`` and ``sizes``: what there is, and how large it is."""

from __future__ import annotations

import json
from pathlib import Path

import click

from file_dataset import AllRowsFailedError, Url
from file_dataset.api.listing import first_found, listing_of
from file_dataset.api.reader import reader
from file_dataset.api.report import failures_frame
from file_dataset.cli import codes, tables


@click.command(short_help="List the files below a place.")
@click.argument("url")
@click.option("--pattern", multiple=True, help="Only names below URL that match; may be repeated.")
@click.option("--extension", help="Only names that end so, as .json.")
@click.option("--recursive/--flat", default=True, help="Also below the direct children, or not.")
@click.option("--max-files", type=click.IntRange(min=0), help="Stop after so many.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each file.")
def ls(
    *,
    url: str,
    pattern: tuple[str, ...],
    extension: str | None,
    recursive: bool,
    max_files: int | None,
    as_json: bool,
) -> None:
    """Print the files below URL, with their sizes in bytes, as they are found.

    In a pattern * is any characters and ? is one. If the pattern has a slash, * ends at slashes,
    and ** between slashes is any number of directories.
    """
    listing = listing_of(url, pattern or None, extension, recursive=recursive)
    is_empty = True
    for each in first_found(listing, max_files):
        is_empty = False
        modified = each.modified and each.modified.isoformat()
        if as_json:
            line = {"url": str(each.url), "size": each.size, "etag": each.etag}
            click.echo(json.dumps({**line, "last_modified": modified}))
        else:
            click.echo(f"{each.size:>14}  {each.url}")
    if is_empty:
        is_meant = " that is meant" if pattern or extension else ""
        click.echo(f"There is nothing{is_meant} below {Url.parse(url).redacted}", err=True)


@click.command(short_help="Tell how large files are, without reading them.")
@click.argument("sources", nargs=-1, required=True, metavar="TABLE | URL...")
@click.option("--head", type=click.IntRange(min=0), help="Only the first so many rows.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.pass_context
def sizes(
    context: click.Context, *, sources: tuple[str, ...], head: int | None, as_json: bool
) -> None:
    """Print the size in bytes of every file of a TABLE, or of each URL; no body is read."""
    is_table = (
        len(sources) == 1 and sources[0].lower().endswith(tables.KINDS) and "://" not in sources[0]
    )
    frame = tables.read_table(Path(sources[0])) if is_table else _listed(sources)
    read = reader(dataframe=frame)
    try:
        found = read.into_size_table(head=head).to_pylist()
    except AllRowsFailedError:
        # Which is no more than that each of them did.
        found = []
    failed = failures_frame(read.failures)
    if not is_table:
        found = [{"url": sources[int(row["id"])], "size": row["size"]} for row in found]
        failed = failed[["url", "error", "message"]]
    if as_json:
        tables.show_json({"rows": found, "failures": tables.records(failed)})
    elif found:
        tables.show_rows(found, "Sizes in bytes")
    for failure in read.failures:
        causes = "; ".join(f"{cause.error}: {cause.message}" for cause in failure.causes)
        told = f"row {failure.row_id}: {failure}" if is_table else causes
        click.echo(f"Failed: {told}", err=True)
    context.exit(codes.of_failures(read.failures))


def _listed(urls: tuple[str, ...]) -> list[dict[str, object]]:
    return [{"id": number, "size": url} for number, url in enumerate(urls)]
