"""What is in archives: by the index beside each, or else by its headers, of many at a time."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import attrs

from file_dataset.adapters.archive.known import Archive, Known, Opened
from file_dataset.adapters.archive.windows import FIRST, Windows
from file_dataset.domain import tar_archives, zip_archives
from file_dataset.domain.archives import Contents
from file_dataset.domain.errors import (
    FileDatasetError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    RangeNotSatisfiableError,
    StoreError,
)
from file_dataset.domain.objects import ObjectInfo, Span
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.plan import windows
from file_dataset.domain.requests import Read, Request, Stat
from file_dataset.domain.shard_index import LARGEST, ShardIndex, index_of
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing, unordered

_log = logging.getLogger("file_dataset")

# Of so many archives the indexes are in memory at a time, as they are spelled.
_AT_ONCE = 64
_SCANNED_AT_ONCE = 8
_SHOWN = 3

_Result: TypeAlias = Opened | FileDatasetError


class _Begun(NamedTuple):
    """An archive without an index, of which the first window is there."""

    archive: Archive
    info: ObjectInfo
    start: int
    window: bytes


@attrs.frozen
class Opening:
    """Opens archives, with few requests, and each step for many archives at a time.

    Args:
        store: Where they are.
        known: Those that were opened before.
    """

    store: Store
    known: Known

    def open(
        self, archives: Iterable[Archive], *, check: Collection[Archive] = ()
    ) -> dict[Archive, _Result]:
        """What is in archives, or why that cannot be told.

        Args:
            archives: The archives.
            check: Those of which what is known from before counts only if they are the same still.
        """
        found: dict[Archive, _Result] = {}
        missing: list[Archive] = []
        for archive in archives:
            if (opened := self.known.get(archive)) is not None:
                found[archive] = opened
            else:
                missing.append(archive)
        missing += self._changed(check, found)
        for some in windows(missing, _AT_ONCE):
            for archive, result in self._open(some):
                found[archive] = result
                if isinstance(result, Opened):
                    _report(result)
                    self.known.add(archive, result)
        return found

    def _changed(
        self, check: Collection[Archive], found: dict[Archive, _Result]
    ) -> Iterable[Archive]:
        """Those that are not what they were; of those that cannot be looked at, why."""
        old = [archive for archive in check if archive in found]
        changed = []
        infos = _in_order(self.store, [Stat(archive.url) for archive in old])
        for archive, outcome in zip(old, infos, strict=True):
            opened = found[archive]
            if isinstance(outcome, Failed):
                found[archive] = outcome.error
                self.known.forget(archive)
            elif not (isinstance(opened, Opened) and opened.is_of(outcome.value)):
                changed.append(archive)
        return changed

    def _open(self, archives: Sequence[Archive]) -> Iterator[tuple[Archive, _Result]]:
        may_have_index = [archive for archive in archives if archive.scheme == "tar"]
        asked: list[Request[object]] = [
            *(Stat(archive.url) for archive in archives),
            *(Read(index_of(archive.url), Span(0, LARGEST + 1)) for archive in may_have_index),
        ]
        outcomes = _in_order(self.store, asked)
        indexes = dict(zip(may_have_index, outcomes[len(archives) :], strict=True))
        unindexed: list[tuple[Archive, ObjectInfo]] = []
        for archive, outcome in zip(archives, outcomes, strict=False):
            index = indexes.get(archive)
            if isinstance(outcome, Failed):
                yield archive, outcome.error
            elif index is None or _is_missing(index):
                unindexed.append((archive, outcome.value))
            else:
                yield archive, _by_index(archive, outcome.value, index)
        yield from self._scanned(unindexed)

    def _scanned(
        self, archives: Sequence[tuple[Archive, ObjectInfo]]
    ) -> Iterator[tuple[Archive, _Result]]:
        begun: list[_Begun] = []
        # An empty archive has no span to read.
        for archive, info in archives:
            if info.size == 0:
                broken = Contents(broken="it is empty")
                yield archive, Opened(archive.url, info, broken)
        some = [each for each in archives if each[1].size]
        starts = [_first_start(archive, info.size) for archive, info in some]
        asked = [
            Read(archive.url, Span(start, FIRST))
            for (archive, _), start in zip(some, starts, strict=True)
        ]
        for (archive, info), start, outcome in zip(
            some, starts, _in_order(self.store, asked), strict=True
        ):
            if isinstance(outcome, Failed):
                yield archive, outcome.error
            else:
                begun.append(_Begun(archive, info, start, outcome.value))
        workers = max(1, min(_SCANNED_AT_ONCE, len(begun)))
        with closing(unordered(self._scan, begun, workers=workers)) as results:
            yield from results

    def _scan(self, begun: _Begun) -> tuple[Archive, _Result]:
        archive, info, start, window = begun
        url = archive.url
        read = Windows(self.store, url, info.size, start, window)
        whole = read.whole
        scan = tar_archives.scan if archive.scheme == "tar" else zip_archives.scan
        try:
            return archive, Opened(url, info, scan(read.read, info.size), whole=whole)
        except StoreError as error:
            return archive, error


def _first_start(archive: Archive, size: int) -> int:
    # A zip has its directory at the end.
    return 0 if archive.scheme == "tar" else max(0, size - FIRST)


def _is_missing(index: Outcome[object]) -> bool:
    # Who may not list a bucket is told by S3 that he may not read what is not there.
    return isinstance(index, Failed) and isinstance(
        index.error, NotFoundError | PermissionDeniedError
    )


def _by_index(archive: Archive, info: ObjectInfo, outcome: Outcome[Any]) -> _Result:
    """What an index says is in an archive; `Any` is its bytes, which are none if it is empty."""
    if isinstance(outcome, Failed) and isinstance(outcome.error, RangeNotSatisfiableError):
        return _wrong_index(archive, "it is empty")
    if isinstance(outcome, Failed):
        return outcome.error
    try:
        index = ShardIndex.from_json(outcome.value)
    except IntegrityError as error:
        return _wrong_index(archive, str(error))
    contents = index.contents()
    if index.archive_size != info.size:
        # Each member tells whether it is there all the same.
        broken = f"its index is of {index.archive_size} bytes, and it has {info.size}"
        contents = attrs.evolve(contents, broken=broken)
    return Opened(archive.url, info, contents)


def _wrong_index(archive: Archive, fault: str) -> IntegrityError:
    at = index_of(archive.url)
    return IntegrityError(
        f"the index {at.redacted} is wrong: {fault}; without it the archive's headers are read",
        url=at,
    )


def _report(opened: Opened) -> None:
    """Log what is left out of an archive, as nobody can ask for it by name."""
    nameless = opened.contents.nameless
    if nameless:
        _log.warning(
            "%s: %d members cannot be named by a URL and are left out, as %s",
            opened.url.redacted,
            len(nameless),
            "; ".join(nameless[:_SHOWN]),
        )


def _in_order(store: Store, requests: Sequence[Request[Any]]) -> list[Outcome[Any]]:
    """The outcomes in the order of their requests, which may be of different verbs: hence `Any`."""
    if not requests:
        return []
    found: list[Outcome[Any]] = [Failed(0, StoreError("the store gave no outcome"))] * len(requests)
    with closing(store.run(requests)) as outcomes:
        for outcome in outcomes:
            found[outcome.index] = outcome
    return found
