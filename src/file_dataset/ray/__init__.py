"""Tables of files on a Ray cluster, with the functions and pipelines that run on a laptop.

It needs Ray, which ``pip install 'file-dataset[ray]'`` brings.
"""

from __future__ import annotations

from file_dataset.domain.errors import MissingDependencyError

try:
    import ray.data as _ray_data  # noqa: F401 - asked for here, so that its absence is told in words
except ImportError as _error:
    raise MissingDependencyError(
        "file_dataset.ray needs Ray: pip install 'file-dataset[ray]'"
    ) from _error

from file_dataset.ray.actor import PipelineActor
from file_dataset.ray.blobs import blob_reader
from file_dataset.ray.rows import read_rows
from file_dataset.ray.running import begin, run
from file_dataset.ray.sink import RowSink, SinkResult

read_file_dataset = blob_reader

__all__ = [
    "PipelineActor",
    "RowSink",
    "SinkResult",
    "begin",
    "blob_reader",
    "read_file_dataset",
    "read_rows",
    "run",
]
