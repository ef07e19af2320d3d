"""A run as people look at it: what it was, what it did, and what went wrong in which way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from file_dataset.domain.rows import Cause, RowFailure, RowId, Stage
from file_dataset.domain.timeline import Timeline
from file_dataset.domain.url import Url

# How the names end of files that can be looked at; of volumes, a slice.
PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
VOLUMES: Final = (".mha", ".nii", ".nii.gz", ".nrrd", ".dcm")

# What is a row's own in a message: what is in quotes, paths and URLs, numbers.
_own = re.compile(r"'[^']*'|\"[^\"]*\"|\S*/\S*|\d+")


@attrs.frozen
class About:
    """What ran where.

    Args:
        function: Its name.
        into: The destination, without secrets.
        settings: What else it was told, in words.
        host: The machine that it was begun on.
        begun: When, with a time zone.
        versions: Of what it was run with.
    """

    function: str
    into: str
    settings: Mapping[str, str]
    host: str
    begun: datetime
    versions: Mapping[str, str]


@attrs.frozen
class Sample:
    """A published file that can be looked at.

    Args:
        row_id: The row.
        name: The file's name.
        url: Where it is.
    """

    row_id: RowId
    name: str
    url: Url

    @property
    def volume(self) -> str | None:
        """How the file's name ends if it is that of a volume, and not of a picture."""
        name = self.name.lower()
        return next((ending for ending in VOLUMES if name.endswith(ending)), None)


@attrs.define
class FailureGroup:
    """Rows that failed in the same way.

    Args:
        stage: Where.
        example: One of them.
        cause: What was wrong with it.
        ids: All of them.
    """

    stage: Stage
    example: RowFailure
    cause: Cause
    ids: list[RowId] = attrs.field(factory=list)


@attrs.frozen
class RunFacts:
    """What a report is made of.

    Args:
        about: What ran where.
        rows: How many came through.
        failed: How many did not.
        skipped: How many had nothing to do.
        not_run: How many of the failed ones had no turn.
        seconds: How long it took.
        stopped: Why it was stopped before its end; None if it was not.
        groups: The rows that failed in their turn, by what went wrong.
        timeline: What happened when.
        samples: Some of what it made.
    """

    about: About
    rows: int
    failed: int
    skipped: int
    not_run: int
    seconds: float
    stopped: str | None
    groups: Sequence[FailureGroup] = attrs.field(repr=False)
    timeline: Timeline = attrs.field(repr=False)
    samples: Sequence[Sample] = attrs.field(repr=False)


def grouped(failures: Sequence[RowFailure]) -> list[FailureGroup]:
    """The failures by what was wrong first with each, the most frequent first.

    Rows that had no turn are none of them.

    >>> causes = [Cause("NotFoundError", f"s3://b/{n}: not found") for n in range(3)]
    >>> groups = grouped([RowFailure(n, "read", (cause,)) for n, cause in enumerate(causes)])
    >>> [(group.stage, group.cause.message, group.ids) for group in groups]
    [('read', 's3://b/0: not found', [0, 1, 2])]
    """
    groups: dict[tuple[str, str, str], FailureGroup] = {}
    for failure in failures:
        cause = failure.causes[0]
        if not cause.attempts:
            continue
        key = (failure.stage, cause.error, _own.sub("…", cause.message))
        group = groups.setdefault(key, FailureGroup(failure.stage, failure, cause))
        group.ids.append(failure.row_id)
    return sorted(groups.values(), key=lambda group: -len(group.ids))
