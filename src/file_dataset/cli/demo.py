"""``file-dataset demo``: the main job on real images, with no account and no set-up."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import click

from file_dataset import MissingDependencyError, Pipeline
from file_dataset.cli import tables
from file_dataset.cli.run import show_result

if TYPE_CHECKING:
    import pandas as pd

# CT and MR slices that come with pydicom; of the last one half is missing, so that it fails.
_SLICES = {
    "ct": "CT_small.dcm",
    "mr": "MR_small.dcm",
    "mr-bigendian": "MR_small_bigendian.dcm",
    "mr-truncated": "MR_truncated.dcm",
}


@click.command(short_help="Do the main job on real images.")
@click.option("--into", help="Where outputs go: a URL or a directory; a new directory by default.")
@click.option("--workers", default=1, show_default=True, help="Rows in the function at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def demo(*, into: str | None, workers: int, as_json: bool) -> None:
    """Resample CT and MR slices; one of them is broken, which costs one row and no more."""
    frame = _slices()
    from file_dataset.cli.resample import resample

    destination = into or tempfile.mkdtemp(prefix="file-dataset-demo-")
    if not as_json:
        tables.show(frame, "A table of files")
    result = Pipeline(resample, into_path=destination, workers=workers, progress=True).run(frame)
    show_result(result, as_json=as_json)
    if not as_json:
        click.echo(f"The files are below {destination}")


def _slices() -> pd.DataFrame:
    try:
        import pydicom.data
        import SimpleITK  # noqa: F401 - the function needs it; better said now than row by row
    except ImportError as error:
        raise MissingDependencyError(
            f"the demo needs {error.name}; install it with: pip install 'file-dataset[examples]'"
        ) from error
    import pandas as pd

    paths = [pydicom.data.get_testdata_file(name, download=False) for name in _SLICES.values()]
    return pd.DataFrame({"id": list(_SLICES), "slice.dcm": [str(path) for path in paths]})
