"""A store whose objects are kept on a local disk once they were read."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import attrs
from attrs.validators import instance_of

from file_dataset.adapters.layers._entries import Entries
from file_dataset.adapters.layers._layer import Layer, renumbered
from file_dataset.domain.errors import FileDatasetError, IntegrityError, StoreError
from file_dataset.domain.files import replacing
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import (
    Complete,
    Copy,
    Delete,
    Download,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

T = TypeVar("T")

__all__ = ["Cached", "Entries"]

_log = logging.getLogger("file_dataset")


@attrs.frozen(eq=False)
class Cached(Layer):
    """Reads from the disk what was read before, if the store says that it is the same still.

    What is there costs one Stat, and those of a batch are asked together. What is not is brought
    here once, whole, by a Download; it is kept if the store tells an etag. A span of what is not
    there is read as it is asked for, and not kept. What is written is dropped.

    Whatever is wrong with an entry, the object is read from the store, and if nothing can be kept
    any more, it goes on without.

    Args:
        store: The store to ask.
        entries: What is kept.
    """

    entries: Entries = attrs.field(validator=instance_of(Entries))

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out a batch: first what is here, then all that is not."""
        here: set[int] = set()
        try:
            with closing(self._from_here(requests)) as outcomes:
                for outcome in outcomes:
                    here.add(outcome.index)
                    yield cast(Outcome[T], outcome)
            rest = [number for number in range(len(requests)) if number not in here]
            if rest:
                with closing(self._from_there(requests, rest)) as outcomes:
                    for outcome in outcomes:
                        yield cast(Outcome[T], outcome)
        finally:
            for request in requests:
                for url in _changed(request):
                    self.entries.drop(url)

    def _from_here(self, requests: Sequence[Request[T]]) -> Iterator[Outcome[object]]:
        asked: dict[Url, list[int]] = {}
        for number, request in enumerate(requests):
            url = request.url
            if self._may_be_here(request) and self.entries.holds(url):
                asked.setdefault(url, []).append(number)
        if not asked:
            return
        urls = list(asked)
        with closing(self.store.run([Stat(url) for url in urls])) as infos:
            for info in infos:
                if isinstance(info, Failed):
                    continue  # What the store has to say when it is read, counts.
                for number in asked[urls[info.index]]:
                    answer = self._answer(requests[number], info.value)
                    if answer is not None:
                        yield Done(number, answer)

    def _may_be_here(self, request: Request[object]) -> bool:
        url = request.url
        is_read = isinstance(request, Read | Download) and self.store.can(type(request), url)
        return is_read and self.store.can(Stat, url)

    def _answer(self, request: Request[object], info: ObjectInfo) -> bytes | ObjectInfo | None:
        """What an entry gives; None if there is none of this version, or none that is whole."""
        try:
            with self.entries.opened(info) as kept:
                if kept is None:
                    return None
                if isinstance(request, Download):
                    with replacing(request.path) as temporary:
                        kept.copy_to(temporary)
                    return info
                span = request.span if isinstance(request, Read) else None
                if span is None:
                    return kept.read(0, kept.size)
                if span.start >= kept.size:
                    return None
                return kept.read(span.start, min(span.stop or kept.size, kept.size))
        except IntegrityError as error:
            _log.warning("%s is read anew, its entry in the cache: %s", info.url.redacted, error)
            self.entries.drop(info.url)
        except OSError:
            pass  # It went away, or cannot be read, or cannot be put there: the store will tell.
        return None

    def _from_there(
        self, requests: Sequence[Request[T]], numbers: Sequence[int]
    ) -> Iterator[Outcome[object]]:
        again: list[int] = []
        with contextlib.ExitStack() as stack:
            room: Path | None = None
            if any(isinstance(requests[number], Read | Download) for number in numbers):
                room = stack.enter_context(self.entries.room())
            asked = [self._instead(requests[number], room, number) for number in numbers]
            outcomes = stack.enter_context(closing(self.store.run(asked)))
            for outcome in outcomes:
                number = numbers[outcome.index]
                request, way = requests[number], asked[outcome.index]
                if way is request:
                    if isinstance(request, Download) and isinstance(outcome, Done) and room:
                        self.entries.take_copy(request.path, outcome.value, room / str(number))
                    yield renumbered(outcome, number)
                    continue
                assert isinstance(way, Download)
                if isinstance(outcome, Done):
                    try:
                        yield Done(number, self.entries.take(way.path, outcome.value))
                    except OSError as error:
                        self.entries.give_up(error)
                        again.append(number)
                    else:
                        way.path.unlink(missing_ok=True)
                elif _is_about(outcome.error, way.path):
                    self.entries.give_up(outcome.error)
                    again.append(number)
                else:
                    yield Failed(number, _told(outcome.error, request))
        if again:
            with closing(self.store.run([requests[number] for number in again])) as outcomes:
                for outcome in outcomes:
                    yield renumbered(outcome, again[outcome.index])

    def _instead(self, request: Request[Any], room: Path | None, number: int) -> Request[Any]:
        """How an object is read: by way of the disk, if it is read whole."""
        if room is None or not isinstance(request, Read) or request.span is not None:
            return request
        if not (self.store.can(Read, request.url) and self.store.can(Download, request.url)):
            return request
        return Download(request.url, room / str(number))


def _changed(request: Request[object]) -> Sequence[Url]:
    match request:
        case Write() | Upload() | Copy() | Delete():
            return (request.url,)
        case Complete(prepared):
            return [each.url for each in prepared]
        case _:
            return ()


def _is_about(error: FileDatasetError, path: Path) -> bool:
    """Whether an error is about a file here, and not about what was to be read."""
    return isinstance(error, StoreError) and error.url == Url.local(path)


def _told(error: FileDatasetError, request: Request[object]) -> FileDatasetError:
    if isinstance(error, StoreError):
        error.operation = request.operation
    return error
