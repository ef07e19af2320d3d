"""From a bucket to local files: fetched once, and again where something has changed."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Final

import attrs

from file_dataset.api import _wiring
from file_dataset.api._arguments import at_least
from file_dataset.api.frames import users_stacklevel
from file_dataset.api.listing import Patterns, globs_of
from file_dataset.api.objects import Place, served
from file_dataset.api.options import Options
from file_dataset.domain.errors import InvalidDatasetError
from file_dataset.domain.generations import Generations
from file_dataset.domain.ingest import Ingest
from file_dataset.domain.names import RECORDS, file_name_fault, row_id_fault
from file_dataset.domain.ports import Observer
from file_dataset.domain.source_set import Source
from file_dataset.domain.url import Url

_OFF: Final = -1


def ingest(
    url: Place,
    *,
    pattern: Patterns = "*",
    into: str | os.PathLike[str] = "data/ingest",
    dataset_id: str | None = None,
    manifest: str | None = "manifest",
    timestamp_tolerance: float | None = None,
    max_concurrent_files: int = 64,
    workers_per_file: int = 1,
    force: bool = False,
    options: Options | None = None,
    progress: bool | Observer | None = None,
) -> list[Path]:
    """Bring what is below a prefix here; the next time, only what has changed since.

    Files keep their places below the prefix. They are seen all at once when all of them are there:
    if anything fails, what was here before stays. What is no longer at the source, or no longer
    matches, is taken away; what else is in the directory is left alone. Several processes may do
    this at once.

    Args:
        url: The prefix, with or without a slash at its end, of any scheme.
        pattern: A glob, or several, for the names below the prefix, as for ``list_files``.
        into: The local directory.
        dataset_id: A directory in there for this data set, which is then known by that name and
            not by its URL.
        manifest: The name of a manifest below the prefix. If there is one, only what it lists is
            meant, all of which has to be there. None looks for none.
        timestamp_tolerance: Hours that may lie between the oldest and the newest of the files;
            None or a negative number for any.
        max_concurrent_files: How many files may be on their way at a time.
        workers_per_file: How many requests may be made for one large file at a time.
        force: Whether to fetch also what is here and unchanged.
        options: How storage is reached.
        progress: True for a bar on the terminal, or a function that is told how many files are
            here, and that are to be.

    Returns:
        The files' paths, absolute and sorted. They are links, which lead to the present state.

    Raises:
        NotFoundError: If nothing matches, or something that the manifest lists is missing.
        TimestampToleranceError: If the files were written too far apart.
        AlreadyExistsError: If something else is where a file is to be.
        ValueError: For arguments that cannot be meant, and for keys and manifests that cannot.
        FileDatasetError: If something cannot be fetched.

    >>> import file_dataset, tempfile
    >>> file_dataset.put("memory://delivered/raw/7.mha", b"...")
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     [path.name for path in ingest("memory://delivered/raw/", into=directory)]
    ['7.mha']
    """
    hours = _hours(timestamp_tolerance)
    width = _wiring.Width(
        at_least("max_concurrent_files", max_concurrent_files, 1),
        at_least("workers_per_file", workers_per_file, 1),
    )
    if manifest is not None and (fault := file_name_fault(manifest)):
        raise ValueError(f"manifest {manifest!r} {fault}")
    store = _wiring.store_for(options, width=width)
    prefix = served(url, store)
    source = Source(
        store=store,
        prefix=prefix,
        globs=globs_of("*" if pattern is None else pattern),
        manifest=manifest,
        tolerance=hours,
    )
    generations = _generations(prefix, into, dataset_id)
    with _wiring.observing(progress, unit="file") as observe:
        job = Ingest(
            source=source,
            generations=generations,
            # Of a store that makes several requests for a file, only the number of files tells how
            # many files are on their way.
            together=None if workers_per_file == 1 else max_concurrent_files,
            force=force,
            warn=lambda message: warnings.warn(message, stacklevel=users_stacklevel()),
            observe=observe,
        )
        return sorted(generations.base / name for name in job.run())


def _hours(tolerance: float | None) -> timedelta | None:
    if tolerance is None:
        return None
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float):
        raise TypeError(f"timestamp_tolerance is a number of hours or None, not {tolerance!r}")
    if math.isnan(tolerance):
        raise ValueError("timestamp_tolerance is a number of hours or None, not NaN")
    try:
        return timedelta(hours=tolerance) if tolerance >= 0 else None
    except OverflowError:
        return None


def _generations(prefix: Url, into: str | os.PathLike[str], dataset_id: str | None) -> Generations:
    """Where a data set goes."""
    base = Url.parse(into)
    if not base.is_local:
        raise ValueError(f"into is a local directory, and {base.redacted} is none; see copy()")
    spelled = f"{prefix.scheme}://{prefix.authority}/{prefix.stem}"
    name = hashlib.sha256(os.fsencode(spelled)).hexdigest()[:16]
    if dataset_id is not None:
        fault = row_id_fault(dataset_id) if isinstance(dataset_id, str) else "is no text"
        if fault:
            raise InvalidDatasetError(f"dataset_id {dataset_id!r} {fault}")
        base, name = base.joined(dataset_id), "dataset"
    if prefix == base or prefix.contains(base):
        raise ValueError(f"into leads to {base}, which is in the source, {prefix}")
    directory = Path(base.path)
    return Generations(directory, directory / RECORDS / "ingest" / name)


@attrs.frozen
class S3Ingester:
    """``ingest`` from S3, with its arguments kept.

    Args:
        s3_bucket_name: The bucket.
        s3_key_prefix: What the keys begin with, up to a slash.
        file_pattern: A glob, or several, for what follows.
        dataset_id: As of ``ingest``.
        destination_directory: The local directory.
        aws_profile_name: The profile whose credentials are used; None is what boto3 finds.
        aws_region_name: The region.
        max_concurrent_files: As of ``ingest``.
        workers_per_file: As of ``ingest``.
        manifest_file_name: The name of a manifest below the prefix, which need not be there.
        s3_timestamp_tolerance: Hours; a negative number for any.
    """

    s3_bucket_name: str
    s3_key_prefix: str
    file_pattern: Patterns = "*"
    dataset_id: str | None = None
    destination_directory: str | os.PathLike[str] = "data/s3-ingester"
    aws_profile_name: str | None = None
    aws_region_name: str | None = "eu-west-1"
    max_concurrent_files: int = 64
    workers_per_file: int = 1
    manifest_file_name: str | None = "manifest"
    s3_timestamp_tolerance: float | None = _OFF

    def fetch_data(self, force_recompute: bool = False) -> list[Path]:  # noqa: FBT001, FBT002 - the signature that its users know
        """Bring the files here, and give their paths.

        Args:
            force_recompute: Whether to fetch also what is here and unchanged.

        Raises:
            FileDatasetError: As of ``ingest``.
        """
        session = {"region_name": self.aws_region_name, "profile_name": self.aws_profile_name}
        return ingest(
            Url("s3", self.s3_bucket_name, self.s3_key_prefix),
            pattern=self.file_pattern,
            into=self.destination_directory,
            dataset_id=self.dataset_id,
            manifest=self.manifest_file_name,
            timestamp_tolerance=self.s3_timestamp_tolerance,
            max_concurrent_files=self.max_concurrent_files,
            workers_per_file=self.workers_per_file,
            force=force_recompute,
            options=Options({name: each for name, each in session.items() if each is not None}),
        )
