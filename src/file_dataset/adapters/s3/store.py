"""S3: many objects at once by libcurl, and by boto3 whatever is out of the ordinary."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import attrs

from file_dataset.adapters.s3.by_boto3 import ByBoto3
from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.carried import Carried, Declined
from file_dataset.adapters.s3.costs import cost
from file_dataset.adapters.s3.errors import s3_errors
from file_dataset.adapters.s3.lanes import Lanes
from file_dataset.adapters.s3.listed import listed
from file_dataset.adapters.s3.multipart import Part, parts_of, upload_parts
from file_dataset.adapters.s3.options import S3Options
from file_dataset.adapters.s3.values import Page
from file_dataset.domain.errors import FileDatasetError
from file_dataset.domain.objects import ObjectInfo, Prefix
from file_dataset.domain.outcomes import Done, Outcome
from file_dataset.domain.per_object import failed
from file_dataset.domain.requests import Request
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")

# What sorts after all that is below a prefix.
_LAST: Final = "\U0010ffff"


class S3Store(ByBoto3):
    """Objects of S3, or of a store that speaks its protocol.

    Whole objects, spans, sizes, writes and drafts of small files are libcurl's, hundreds at a time;
    boto3 says where buckets are and who signs, and does all the rest: what is copied and deleted,
    and whatever a server answers with a redirect or a 400. ``options.engine`` chooses; ``repr``
    tells which one served last, and why.

    Args:
        options: How to reach the store.
        deviations: The laws that the server does not keep, by number, and what it does instead.
    """

    def __init__(
        self, options: S3Options | None = None, *, deviations: Mapping[int, str] | None = None
    ) -> None:
        super().__init__(options)
        self.deviations: Mapping[int, str] = dict(deviations or {})

    def __repr__(self) -> str:
        options = self.options
        return f"{type(self).__name__}(engine={options.serving!r}, endpoint={options.endpoint!r})"

    def close(self) -> None:
        """Close the connections; a store that is used again opens new ones."""
        self.options.close()

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out a batch: by listings and libcurl what they can, by boto3 what is left."""
        left: Sequence[int] = range(len(requests))
        for carry in (self._listed, self._carried):
            done: set[int] = set()
            with closing(carry([requests[index] for index in left])) as results:
                for carried in results:
                    if not isinstance(carried.value, Declined):
                        index = left[carried.index]
                        done.add(index)
                        yield _outcome(index, requests[index], carried.value)
            left = [index for index in left if index not in done]
        for outcome in super().run([requests[index] for index in left]):
            yield attrs.evolve(outcome, index=left[outcome.index])

    def cost(self, requests: Sequence[Request[Any]], sizes: Sequence[int], /) -> int:
        """How many HTTP requests a batch takes, large objects in parts and many sizes listed."""
        return cost(requests, sizes, self._transfer)

    def _listed(self, requests: Sequence[Request[object]]) -> Iterator[Carried]:
        """What listings tell; nothing where there is little to tell."""
        return listed(requests, self._pages)

    def _carried(self, requests: Sequence[Request[object]]) -> Iterator[Carried]:
        """What libcurl makes of the requests; nothing where it cannot serve."""
        if not requests:
            return iter(())
        try:
            with s3_errors(Call(requests[0].url)):
                carrier = self.options.carrier
        except FileDatasetError as error:
            # One each, since layers count the attempts in them.
            return iter([Carried(index, copy.copy(error)) for index in range(len(requests))])
        return iter(()) if carrier is None else carrier.run(requests, self._transfer)

    def _pages(
        self, prefix: Url, delimiter: str, *, start: str = "", after: str = ""
    ) -> Iterator[Page]:
        with self._calling(prefix, operation="List"):
            carrier = self.options.carrier
        if carrier is not None:
            try:
                for page in carrier.pages(prefix, delimiter, start=start, after=after):
                    # Where boto3 takes over, it goes on after the last that was given.
                    keys = [each.url.key for each in page.objects]
                    after = max([after, *keys, *(common + _LAST for common in page.prefixes)])
                    yield page
            except Declined:
                pass
            else:
                return
        yield from super()._pages(prefix, delimiter, start=start, after=after)

    def list_all(self, prefix: Url, start: str = "", /) -> Iterator[ObjectInfo | Prefix]:
        """As ``list_starting``, several pages at once where the server takes long for each."""
        for page in self._all_pages(prefix, start):
            yield from page.objects

    def _all_pages(self, prefix: Url, start: str) -> Iterator[Page]:
        with self._calling(prefix, operation="List"):
            carrier = self.options.carrier
        lanes = Lanes(prefix.stem + start)
        if carrier is not None:
            try:
                yield from carrier.all_pages(prefix, lanes, start=start)
            except Declined:
                pass
            else:
                return
        for after, until in lanes.left():
            for page in super()._pages(prefix, "", start=start, after=after):
                own = [each for each in page.objects if until is None or each.url.key <= until]
                yield Page(own, [])
                if len(own) < len(page.objects):
                    break

    def _overwrite(self, path: Path, size: int, url: Url) -> None:
        transfer, carrier = self._transfer, self.options.carrier
        if carrier is not None and size >= transfer.multipart_threshold:
            parts = parts_of(size, part_size=transfer.multipart_chunksize)
            at_once = self._at_once(parts)
            with contextlib.suppress(Declined), self._calling(url) as client:
                return upload_parts(client, carrier, path, url, parts, at_once=at_once)
        return super()._overwrite(path, size, url)

    def _send_parts(
        self, client: S3Client, path: Path, url: Url, parts: Sequence[Part], upload: str
    ) -> Sequence[str]:
        carrier = self.options.carrier
        if carrier is not None:
            with contextlib.suppress(Declined):
                at_once = self._at_once(parts)
                return carrier.send_parts(path, url, parts, upload=upload, at_once=at_once)
        return super()._send_parts(client, path, url, parts, upload)


def _outcome(index: int, request: Request[T], value: object) -> Outcome[T]:
    if isinstance(value, FileDatasetError):
        return failed(index, request, value)
    return Done(index, cast(T, value))
