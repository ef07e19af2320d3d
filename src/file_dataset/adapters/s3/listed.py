"""Descriptions of many objects by listings, which tell a thousand at once."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from file_dataset.adapters.s3.carried import Carried
from file_dataset.adapters.s3.values import Page
from file_dataset.domain.errors import FileDatasetError
from file_dataset.domain.requests import Request, Stat
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

_log = logging.getLogger("file_dataset")

# For fewer than this a listing's answer takes longer than as many HEADs at once.
MANY: Final = 500

Pages = Callable[..., Iterator[Page]]


def listed(requests: Sequence[Request[object]], pages: Pages) -> Iterator[Carried]:
    """What listings tell of the objects of Stat requests, with the positions of the requests.

    A bucket is listed where many of its objects are asked for, as long as at least half of what
    comes is wanted. What is left out here, because it is not there or among too many others, is to
    be asked for by itself; so is everything where listing is not allowed.

    Args:
        requests: The requests.
        pages: Gives the pages of a prefix, from the key ``after`` on.
    """
    buckets: dict[tuple[str, str], dict[str, list[int]]] = {}
    for index, request in enumerate(requests):
        if isinstance(request, Stat):
            bucket = buckets.setdefault((request.url.scheme, request.url.authority), {})
            bucket.setdefault(request.url.key, []).append(index)
    for (scheme, authority), wanted in buckets.items():
        if len(wanted) >= MANY:
            try:
                yield from _listed_in(Url(scheme, authority, _common(list(wanted))), wanted, pages)
            except FileDatasetError as error:
                _log.debug("s3://%s is not listed for sizes: %s", authority, error)


def _listed_in(prefix: Url, wanted: dict[str, list[int]], pages: Pages) -> Iterator[Carried]:
    first, last = min(wanted), max(wanted)
    seen = found = 0
    # Any text that sorts before the first key, and as little as possible before it.
    with closing(pages(prefix, "", after=first[:-1])) as following:
        for page in following:
            for info in page.objects:
                for index in wanted.get(info.url.key, ()):
                    found += 1
                    yield Carried(index, info)
            seen += len(page.objects)
            if 2 * found < seen or (page.objects and page.objects[-1].url.key >= last):
                return


def _common(keys: list[str]) -> str:
    """The directory that all keys are in."""
    return os.path.commonprefix(keys).rpartition("/")[0]  # noqa: RUF071 - cut at a slash right here
