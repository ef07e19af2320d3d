"""``file-dataset stores``: which URLs can be used here, and for what."""

from __future__ import annotations

import attrs
import click

from file_dataset.api.stores import known_stores
from file_dataset.cli import tables


@click.command(short_help="List the schemes of URLs that are known here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def stores(*, as_json: bool) -> None:
    """List the schemes of URLs that are known here, and what their stores can do."""
    rows = [{**attrs.asdict(each), "verbs": " ".join(each.verbs)} for each in known_stores()]
    if as_json:
        tables.show_json(rows)
    else:
        tables.show_rows(rows, "Stores")
