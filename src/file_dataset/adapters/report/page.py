"""The page about a run, by Jinja: everything that users wrote is text in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from file_dataset.adapters.report import figures
from file_dataset.adapters.report.thumbnails import thumbnail
from file_dataset.domain.amounts import human, took
from file_dataset.domain.errors import FileDatasetError
from file_dataset.domain.reporting import RunFacts, Sample
from file_dataset.domain.timeline import STAGES
from file_dataset.domain.url import Url

_GROUPS: Final = 20
_IDS: Final = 12
_LONGEST: Final = 2000


@attrs.frozen
class _Picture:
    """Something that was made, small.

    Args:
        row_id: The row.
        name: The file.
        url: Where it is, without secrets.
        data: A ``data:`` URL.
    """

    row_id: object
    name: str
    url: str
    data: str


def page(facts: RunFacts, read: Callable[[Url], bytes]) -> bytes:
    """A run as a page of HTML that needs nothing else.

    Args:
        facts: What it shows.
        read: Gives the bytes of a sample.
    """
    timeline = facts.timeline
    groups = facts.groups
    drawn = {
        "throughput": figures.throughput(timeline) if timeline.seconds else None,
        "overlap": figures.overlap(timeline) if timeline.timed else None,
        "slowest": figures.slowest(timeline) if timeline.timed else None,
    }
    busy = {stage: timeline.busy(stage) for stage in STAGES}
    told = (
        _environment()
        .get_template("page.html")
        .render(
            facts=facts,
            about=facts.about,
            figures=drawn,
            groups=groups[:_GROUPS],
            others=groups[_GROUPS:],
            most_ids=_IDS,
            pictures=_pictures(facts.samples, read),
            slowest=timeline.slowest,
            busy=busy,
            overlapped=sum(busy.values()) / timeline.seconds if timeline.timed else None,
            tried=facts.failed - facts.not_run,
        )
    )
    return told.encode()


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("file_dataset.adapters.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(took=took, human=human, cut=_cut, svg=Markup)
    return environment


def _pictures(samples: Sequence[Sample], read: Callable[[Url], bytes]) -> list[_Picture]:
    pictures = []
    for sample in samples:
        try:
            data = thumbnail(read(sample.url), sample.volume)
        except FileDatasetError:
            # It was there when it was published; a report goes without it.
            continue
        if data is not None:
            pictures.append(_Picture(sample.row_id, sample.name, sample.url.redacted, data))
    return pictures


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
