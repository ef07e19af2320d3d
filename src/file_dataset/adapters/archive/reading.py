"""Requests for members as few large reads of their archives."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeVar

import attrs

from file_dataset.adapters.archive.known import Archive, Opened
from file_dataset.adapters.archive.opening import Opening
from file_dataset.domain.archives import Member, check_crc, check_head, content_of
from file_dataset.domain.coalescing import AT_ONCE, Piece, Stretch, batches, stretches
from file_dataset.domain.errors import (
    FileDatasetError,
    IntegrityError,
    InvalidUrlError,
    NotFoundError,
    RangeNotSatisfiableError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.files import local_errors, replacing, write_whole
from file_dataset.domain.objects import ObjectInfo, Span
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.per_object import failed
from file_dataset.domain.plan import windows
from file_dataset.domain.requests import Download, Read, Request, Stat
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

T = TypeVar("T")

# A larger member is downloaded in parts of this size.
_PART = 8 << 20

# A request, the archive of its member, and the member. Plain tuples: there are many.
_Job: TypeAlias = tuple[Request[object], Opened, Member]


@attrs.frozen
class Attempt:
    """Carries out requests for members once, by what is known of their archives or is found out.

    Args:
        store: Where the archives are.
        opening: Opens them.
        outdated: Takes in the requests that failed by what was known from before, which may be
            outdated; None if that is looked at first.
    """

    store: Store
    opening: Opening
    outdated: list[int] | None = None

    def outcomes(
        self, requests: Sequence[Request[T]], numbers: Sequence[int]
    ) -> Iterator[Outcome[object]]:
        """The outcomes of some of the requests."""
        # Under plain tuples, which are equal to those with names.
        groups: dict[tuple[str, str], list[int]] = {}
        checked: set[tuple[str, str]] = set()
        for number in numbers:
            request = requests[number]
            url = request.url
            key = (url.scheme, url.authority)
            if (group := groups.get(key)) is None:
                group = groups[key] = []
            group.append(number)
            if self.outdated is None or not _shows_itself(request):
                checked.add(key)
        archives = [Archive(*key) for key in groups]
        opened = self.opening.open(archives, check=[each for each in archives if each in checked])
        jobs: dict[int, _Job] = {}
        for archive in archives:
            found = opened[archive]
            for number in groups[archive]:
                request = requests[number]
                try:
                    member = _member(request.url, found)
                except FileDatasetError as error:
                    if (failure := self._failed(number, request, error, found)) is not None:
                        yield failure
                    continue
                assert isinstance(found, Opened)
                if type(request) is Stat:
                    yield Done(number, info_of(request.url, found, member))
                else:
                    jobs[number] = (request, found, member)
        with closing(self._read_all(jobs)) as outcomes:
            yield from filter(None, outcomes)

    def _failed(
        self,
        number: int,
        request: Request[object],
        error: FileDatasetError,
        found: Opened | FileDatasetError,
    ) -> Failed | None:
        """The failure; None if it may go well with what is found out anew."""
        is_known = isinstance(found, Opened) and found.is_known
        if self.outdated is None or not is_known or not isinstance(error, _OF_THE_OUTDATED):
            return failed(number, request, error)
        self.outdated.append(number)
        if isinstance(error, IntegrityError):
            self.opening.known.forget(Archive(request.url.scheme, request.url.authority))
        return None

    def _read_all(self, jobs: dict[int, _Job]) -> Iterator[Outcome[object] | None]:
        # By archive; by its identity, since hashing a URL takes longer than all the rest.
        pieces: dict[int, tuple[Url, list[Piece]]] = {}
        large: list[int] = []
        for number, job in jobs.items():
            request, opened, member = job
            span = request.span if isinstance(request, Read) else None
            if span is None:
                piece = Piece(member.start, member.length, number)
            elif span.start < member.size:
                piece = _piece_of(number, span, member)
            else:
                text = f"{request.url.redacted}: byte {span.start} is past the end"
                error = RangeNotSatisfiableError(f"{text} ({member.size} bytes)")
                yield self._failed(number, request, error, opened)
                continue
            if opened.whole is not None:
                yield self._finished(number, job, opened.whole, piece.start)
            elif type(request) is Download and member.zipped is None and member.length > _PART:
                large.append(number)
            else:
                if (of_archive := pieces.get(id(opened))) is None:
                    of_archive = pieces[id(opened)] = (opened.url, [])
                of_archive[1].append(piece)
        found = (each for url, some in pieces.values() for each in stretches(url, some))
        for batch in batches(found):
            yield from self._read(batch, jobs)
        for number in large:
            yield self._download_large(number, jobs[number])

    def _read(
        self, batch: Sequence[Stretch], jobs: dict[int, _Job]
    ) -> Iterator[Outcome[object] | None]:
        asked = [Read(stretch.url, stretch.span) for stretch in batch]
        with closing(self.store.run(asked)) as outcomes:
            for outcome in outcomes:
                stretch = batch[outcome.index]
                if isinstance(outcome, Failed):
                    for piece in stretch.pieces:
                        request, opened, _ = jobs[piece.number]
                        error = told(_of_archive(outcome.error), request.url)
                        yield self._failed(piece.number, request, error, opened)
                    continue
                data, origin = outcome.value, stretch.start
                for start, _, number in stretch.pieces:
                    yield self._finished(number, jobs[number], data, start - origin)

    def _finished(self, number: int, job: _Job, data: bytes, at: int) -> Outcome[object] | None:
        """The outcome, of the bytes that were read for it, which begin at an offset."""
        request, opened, member = job
        url = request.url
        try:
            if type(request) is Read:
                if request.span is None:
                    return Done(number, content_of(url.key, member, data, at))
                return Done(number, _part(url.key, request.span, member, data, at))
            assert isinstance(request, Download)
            _write(request.local, content_of(url.key, member, data, at))
            return Done(number, info_of(url, opened, member))
        except (StoreError, InvalidUrlError) as error:
            return self._failed(number, request, told(error, url), opened)

    def _download_large(self, number: int, job: _Job) -> Outcome[object] | None:
        """A member that is read in parts, each written before more are read."""
        request, opened, member = job
        assert isinstance(request, Download)
        path = request.path
        try:
            with (
                local_errors(Url.local(path)),
                replacing(path) as temporary,
                open(temporary, "xb") as file,
            ):
                head = self.store.read(opened.url, span=Span(member.start, member.skip))
                check_head(request.url.key, member, head)
                checksum = 0
                for data in self._parts(opened.url, member):
                    checksum = zlib.crc32(data, checksum)
                    file.write(data)
                if member.crc is not None:
                    check_crc(member.crc, checksum)
        except StoreError as error:
            return self._failed(number, request, told(error, request.url), opened)
        return Done(number, info_of(request.url, opened, member))

    def _parts(self, url: Url, member: Member) -> Iterator[bytes]:
        start, stop = member.start + member.skip, member.start + member.length
        spans = [Span(at, min(_PART, stop - at)) for at in range(start, stop, _PART)]
        for some in windows(spans, AT_ONCE // _PART):
            parts: dict[int, bytes] = {}
            with closing(self.store.run([Read(url, span) for span in some])) as outcomes:
                for outcome in outcomes:
                    if isinstance(outcome, Failed):
                        raise _of_archive(outcome.error)
                    parts[outcome.index] = outcome.value
            for index, span in enumerate(some):
                if len(parts[index]) != span.length:
                    raise IntegrityError("the archive is cut off")
                yield parts[index]


# What may be otherwise in an archive that was replaced since it was opened.
_OF_THE_OUTDATED = (IntegrityError, NotFoundError, RangeNotSatisfiableError, UnsupportedError)


def _shows_itself(request: Request[object]) -> bool:
    """Whether what is read tells if it is not what was known of it."""
    return type(request) is Download or (type(request) is Read and request.span is None)


def _member(url: Url, found: Opened | FileDatasetError) -> Member:
    """A member of an archive. Raises the FileDatasetError that keeps it from being read."""
    if isinstance(found, FileDatasetError):
        raise told(found, url)
    contents = found.contents
    if (member := contents.members.get(url.key)) is not None:
        return member
    if (fault := contents.faults.get(url.key)) is not None:
        kind = IntegrityError if fault.is_damage else UnsupportedError
        raise kind(f"{url.redacted}: the member {fault.text}", url=url)
    if contents.broken:
        raise IntegrityError(
            f"{url.redacted}: not found in what can be read of the archive: {contents.broken}",
            url=url,
        )
    raise NotFoundError(f"{url.redacted}: not found in the archive", url=url)


def _piece_of(number: int, span: Span, member: Member) -> Piece:
    """What has to be read of the archive for a part of a member."""
    if member.zipped is not None:
        return Piece(member.start, member.length, number)
    return Piece(member.start + member.skip + span.start, _length(span, member), number)


def _length(span: Span, member: Member) -> int:
    stop = member.size if span.stop is None else min(span.stop, member.size)
    return stop - span.start


def _part(name: str, span: Span, member: Member, data: bytes, at: int) -> bytes:
    if member.zipped is not None:
        return content_of(name, member, data, at)[span.start : span.stop]
    part = data[at : at + _length(span, member)]
    if len(part) < _length(span, member):
        raise IntegrityError("the archive is cut off")
    return part


def _of_archive(error: FileDatasetError) -> FileDatasetError:
    """What an error means of an archive, in which there has to be what was asked for."""
    if isinstance(error, RangeNotSatisfiableError):
        return IntegrityError(f"the archive is cut off: {error}", attempts=error.attempts)
    return error


def _write(path: str, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError:
        # Only now it is worth to have a URL of the path.
        with local_errors(Url.local(path)):
            raise


def info_of(url: Url, opened: Opened, member: Member) -> ObjectInfo:
    """What there is to say of a member."""
    archive = opened.info
    etag = None if archive.etag is None else f"{archive.etag}-{member.start}"
    return ObjectInfo(url, member.size, etag, archive.modified)


def told(error: FileDatasetError, url: Url) -> FileDatasetError:
    """The error of an archive or a file as that of one of many members."""
    of_one = copy.copy(error)
    of_one.message = f"{url.redacted}: {error.message}"
    if isinstance(of_one, StoreError):
        of_one.url = url
        of_one.operation = ""
    return of_one
