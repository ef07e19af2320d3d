"""``file-dataset ingest``: what is below a URL, as local files."""

from __future__ import annotations

import click

from file_dataset.api.ingest import ingest as bring
from file_dataset.cli import tables


@click.command(short_help="Bring the files below a place here, all or none.")
@click.argument("url")
@click.option(
    "--into",
    type=click.Path(file_okay=False),
    default="data/ingest",
    show_default=True,
    help="The directory that they go to.",
)
@click.option("--pattern", multiple=True, help="Only names below URL that match; may be repeated.")
@click.option("--dataset-id", help="A directory in there for this data set.")
@click.option("--manifest", default="manifest", show_default=True, help="A manifest below URL.")
@click.option("--no-manifest", is_flag=True, help="Go by what is below URL, and by no manifest.")
@click.option("--timestamp-tolerance", type=float, help="Hours between oldest and newest file.")
@click.option(
    "--max-concurrent-files",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Files at a time.",
)
@click.option(
    "--workers-per-file",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Requests for one file at a time.",
)
@click.option("--force", is_flag=True, help="Fetch also what is here and unchanged.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a path a line.")
@click.option("--progress/--no-progress", default=True, help="Show how far it is, on stderr.")
def ingest(
    *,
    url: str,
    into: str,
    pattern: tuple[str, ...],
    dataset_id: str | None,
    manifest: str,
    no_manifest: bool,
    timestamp_tolerance: float | None,
    max_concurrent_files: int,
    workers_per_file: int,
    force: bool,
    as_json: bool,
    progress: bool,
) -> None:
    """Bring the files below URL here, and print their paths.

    What is here already and unchanged is not fetched again. Either all is there in the end, or
    what was there before.
    """
    paths = bring(
        url,
        pattern=pattern or "*",
        into=into,
        dataset_id=dataset_id,
        manifest=None if no_manifest else manifest,
        timestamp_tolerance=timestamp_tolerance,
        max_concurrent_files=max_concurrent_files,
        workers_per_file=workers_per_file,
        force=force,
        progress=progress,
    )
    if as_json:
        tables.show_json(paths)
        return
    for path in paths:
        click.echo(path)
