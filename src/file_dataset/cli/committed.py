"""``file-dataset recover`` and ``verify``: what runs left, and whether it is whole."""

from __future__ import annotations

import attrs
import click

from file_dataset.api.recovery import recover as recover_rows
from file_dataset.api.recovery import verify as verify_rows
from file_dataset.cli import tables

_NO_RECORDS = (
    "No row there has a record to be checked by: is that where a run put its rows? Rows of one "
    "file have one only if it was run with --if-exists skip or --version."
)


@click.command(short_help="Bring to an end what killed runs left.")
@click.argument("url")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=0,
    help="Leave alone what was begun in the last so many seconds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
@click.pass_context
def recover(context: click.Context, *, url: str, older_than: float, as_json: bool) -> None:
    """Complete the rows below URL that killed runs had committed, and sweep what they left."""
    done = recover_rows(url, older_than=older_than)
    if as_json:
        tables.show_json(attrs.asdict(done))
    else:
        click.echo(
            f"{len(done.completed)} rows completed, {done.swept} files swept, "
            f"{done.kept} left alone; {done.directories} temporary directories taken away"
        )
        for row_id, error in done.errors.items():
            click.echo(f"Failed: {'' if row_id is None else f'row {row_id}: '}{error}", err=True)
    context.exit(1 if done.errors else 0)


@click.command(short_help="Check that committed rows are as their records say.")
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.pass_context
def verify(context: click.Context, *, url: str, as_json: bool) -> None:
    """Check that the rows below URL are there as their records say; nothing is changed."""
    found = verify_rows(url)
    problems = found.problems.to_dict("records")
    if as_json:
        tables.show_json({"rows": found.rows, "files": found.files, "problems": problems})
    else:
        click.echo(f"{found.rows} rows with {found.files} files, {len(problems)} problems")
        if not found.rows:
            click.echo(_NO_RECORDS, err=True)
        if problems:
            tables.show(found.problems, "Problems")
    context.exit(1 if problems else 0)
