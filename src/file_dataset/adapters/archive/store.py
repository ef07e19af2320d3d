"""A store of members: it turns what is asked of them into few large reads of their archives."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import attrs
from attrs.validators import instance_of

from file_dataset.adapters.archive.known import Archive, Known, Opened
from file_dataset.adapters.archive.opening import Opening
from file_dataset.adapters.per_process import PerProcess
from file_dataset.domain.archives import Bytes, Member, check_crc, check_head, content_of
from file_dataset.domain.coalescing import AT_ONCE, SPAN, Piece, Stretch, batches, stretches
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
from file_dataset.domain.objects import ObjectInfo, Prefix, Span
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.per_object import failed
from file_dataset.domain.plan import windows
from file_dataset.domain.requests import Download, Read, Request, Stat
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

T = TypeVar("T")

_VERBS: frozenset[Verb] = frozenset({Stat, Read, Download})


class _Asked(NamedTuple):
    """A request for a member, and what is known of it."""

    request: Request[object]
    opened: Opened
    member: Member


@attrs.frozen(eq=False)
class ArchiveStore(Store):
    """The members of tar and zip archives, wherever those are, to be read and not to be written.

    An archive is opened once in a process: by the index beside it, which ``pack`` writes, or else
    by its headers. Members that lie together are read together. What was packed with an index is
    compared with the CRC-32 there; of other tars each member's header is compared with the one
    that was found. If an archive has changed, it is opened anew.

    Args:
        store: Where the archives are.
    """

    store: Store = attrs.field(validator=instance_of(Store))
    _known: PerProcess[Known] = attrs.field(init=False, repr=False)

    @_known.default
    def _known_to_each_process(self) -> PerProcess[Known]:
        return PerProcess(Known)

    @property
    def verbs(self) -> frozenset[Verb]:
        """To describe, to read and to download."""
        return _VERBS

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out a batch, by few requests for its archives."""
        wanted: list[int] = []
        for number, request in enumerate(requests):
            if (refusal := self._refusal(request)) is not None:
                yield failed(number, request, refusal)
            else:
                wanted.append(number)
        again: list[int] = []
        with closing(self._attempt(requests, wanted)) as outcomes:
            for outcome, is_known in outcomes:
                if is_known and _may_be_outdated(outcome):
                    again.append(outcome.index)
                    if isinstance(cast(Failed, outcome).error, IntegrityError):
                        self._known().forget(_archive(requests[outcome.index].url))
                else:
                    yield cast(Outcome[T], outcome)
        if again:
            with closing(self._attempt(requests, again, check=True)) as outcomes:
                for outcome, _ in outcomes:
                    yield cast(Outcome[T], outcome)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """The members below a prefix, in the order of their names.

        Those that cannot be read, as links, are left out.

        Raises:
            InvalidUrlError: If the prefix names no archive.
            IntegrityError: After what can be told, if there may be more.
        """
        archive = _archive(prefix)
        if not prefix.is_member:
            raise InvalidUrlError(f"{prefix.redacted} names no archive whose members could be told")
        opened = Opening(self.store, self._known()).open([archive], check=[archive])[archive]
        if isinstance(opened, NotFoundError):
            return
        if isinstance(opened, FileDatasetError):
            raise _told(opened, prefix)
        seen: set[str] = set()
        for name in sorted(opened.contents.members):
            if not name.startswith(prefix.stem):
                continue
            child, deeper, _ = name.removeprefix(prefix.stem).partition("/")
            if recursive or not deeper:
                url = Url(prefix.scheme, prefix.authority, name)
                yield _info(url, opened, opened.contents.members[name])
            elif child not in seen:
                seen.add(child)
                yield Prefix(prefix.child(child))
        if opened.contents.broken:
            raise IntegrityError(f"{opened.url.redacted}: {opened.contents.broken}", url=prefix)

    def close(self) -> None:
        """Let the archives' store let go of its connections."""
        self.store.close()

    @staticmethod
    def _refusal(request: Request[object]) -> FileDatasetError | None:
        url = request.url
        if type(request) not in _VERBS:
            return UnsupportedError(
                f"{url.redacted}: members of archives can only be read; pack() makes new archives"
            )
        if not url.is_member:
            return InvalidUrlError(f"{url.redacted} is no member of an archive")
        return None

    def _attempt(
        self, requests: Sequence[Request[T]], wanted: Sequence[int], *, check: bool = False
    ) -> Iterator[tuple[Outcome[object], bool]]:
        """The outcomes, each with whether it comes of what was known from before."""
        archives = {number: _archive(requests[number].url) for number in wanted}
        checked = {
            archive
            for number, archive in archives.items()
            if check or not _shows_itself(requests[number])
        }
        opened = Opening(self.store, self._known()).open(
            dict.fromkeys(archives.values()), check=checked
        )
        jobs: dict[int, _Asked] = {}
        for number, archive in archives.items():
            request, found = requests[number], opened[archive]
            is_known = isinstance(found, Opened) and found.is_known and archive not in checked
            try:
                asked = _Asked(request, *_member(request.url, found))
                if isinstance(request, Stat):
                    info = _info(request.url, asked.opened, asked.member)
                    yield Done(number, info), is_known
                else:
                    jobs[number] = asked
            except FileDatasetError as error:
                yield failed(number, request, error), is_known
        for outcome in self._fetched(jobs):
            found = opened[archives[outcome.index]]
            yield outcome, isinstance(found, Opened) and found.is_known

    def _fetched(self, jobs: dict[int, _Asked]) -> Iterator[Outcome[object]]:
        pieces: dict[Url, list[Piece]] = {}
        large: list[int] = []
        for number, asked in jobs.items():
            try:
                piece = _piece(number, asked)
            except StoreError as error:
                yield failed(number, asked.request, error)
                continue
            if (whole := asked.opened.whole) is not None:
                yield _finished(number, asked, whole[piece.start : piece.start + piece.length])
            elif isinstance(asked.request, Download) and _is_large(asked.member):
                large.append(number)
            else:
                pieces.setdefault(asked.opened.url, []).append(piece)
        found = (each for url, some in pieces.items() for each in stretches(url, some))
        for batch in batches(found):
            yield from self._read(batch, jobs)
        for number in large:
            yield self._download_large(number, jobs[number])

    def _read(self, batch: Sequence[Stretch], jobs: dict[int, _Asked]) -> Iterator[Outcome[object]]:
        asked = [Read(stretch.url, stretch.span) for stretch in batch]
        with closing(self.store.run(asked)) as outcomes:
            for outcome in outcomes:
                stretch = batch[outcome.index]
                if isinstance(outcome, Failed):
                    for piece in stretch.pieces:
                        request = jobs[piece.number].request
                        yield failed(piece.number, request, _told(outcome.error, request.url))
                    continue
                data = memoryview(outcome.value)
                for start, length, number in stretch.pieces:
                    offset = start - stretch.start
                    yield _finished(number, jobs[number], data[offset : offset + length])

    def _download_large(self, number: int, asked: _Asked) -> Outcome[object]:
        """A member that is read in parts, each written before more are read."""
        request, opened, member = asked
        path = cast(Download, request).path
        try:
            with (
                local_errors(Url.local(path)),
                replacing(path) as temporary,
                open(temporary, "xb") as file,
            ):
                checksum = 0
                check_head(request.url.key, member, self._head(opened.url, member))
                for data in self._parts(opened.url, member):
                    checksum = zlib.crc32(data, checksum)
                    file.write(data)
                if member.crc is not None:
                    check_crc(member.crc, checksum)
        except StoreError as error:
            return failed(number, request, _told(error, request.url))
        return Done(number, _info(request.url, opened, member))

    def _head(self, url: Url, member: Member) -> bytes:
        return self.store.read(url, span=Span(member.start, member.skip))

    def _parts(self, url: Url, member: Member) -> Iterator[bytes]:
        start, stop = member.start + member.skip, member.start + member.length
        spans = [Span(at, min(SPAN, stop - at)) for at in range(start, stop, SPAN)]
        for some in windows(spans, AT_ONCE // SPAN):
            parts: dict[int, bytes] = {}
            with closing(self.store.run([Read(url, span) for span in some])) as outcomes:
                for outcome in outcomes:
                    if isinstance(outcome, Failed):
                        raise outcome.error
                    parts[outcome.index] = outcome.value
            for index, span in enumerate(some):
                if len(parts[index]) != span.length:
                    raise IntegrityError("the archive is cut off")
                yield parts[index]


def _archive(url: Url) -> Archive:
    return Archive(url.scheme, url.authority)


def _shows_itself(request: Request[object]) -> bool:
    """Whether what is read tells if it is not what was known of it."""
    return isinstance(request, Download) or (isinstance(request, Read) and request.span is None)


def _may_be_outdated(outcome: Outcome[object]) -> bool:
    return isinstance(outcome, Failed) and isinstance(
        outcome.error,
        IntegrityError | NotFoundError | RangeNotSatisfiableError | UnsupportedError,
    )


def _is_large(member: Member) -> bool:
    return member.zipped is None and member.length > SPAN


def _member(url: Url, found: Opened | FileDatasetError) -> tuple[Opened, Member]:
    """A member and its archive. Raises the FileDatasetError that keeps it from being read."""
    if isinstance(found, FileDatasetError):
        raise _told(found, url)
    contents = found.contents
    if (member := contents.members.get(url.key)) is not None:
        return found, member
    if (fault := contents.faults.get(url.key)) is not None:
        kind = IntegrityError if fault.is_damage else UnsupportedError
        raise kind(f"{url.redacted}: the member {fault.text}", url=url)
    if contents.broken:
        raise IntegrityError(
            f"{url.redacted}: not found in what can be read of the archive: {contents.broken}",
            url=url,
        )
    raise NotFoundError(f"{url.redacted}: not found in the archive", url=url)


def _piece(number: int, asked: _Asked) -> Piece:
    """What has to be read of the archive. Raises RangeNotSatisfiableError for what is not there."""
    request, _, member = asked
    span = request.span if isinstance(request, Read) else None
    if span is None:
        return Piece(member.start, member.length, number)
    if span.start >= member.size:
        raise RangeNotSatisfiableError(
            f"{request.url.redacted}: byte {span.start} is past the end ({member.size} bytes)"
        )
    if member.zipped is not None:
        return Piece(member.start, member.length, number)
    stop = member.size if span.stop is None else min(span.stop, member.size)
    return Piece(member.start + member.skip + span.start, stop - span.start, number)


def _finished(number: int, asked: _Asked, data: Bytes) -> Outcome[object]:
    """The outcome, of the bytes that were read for it."""
    request, opened, member = asked
    try:
        if isinstance(request, Read) and request.span is not None:
            return Done(number, _part(request.url.key, request.span, member, data))
        content = content_of(request.url.key, member, data)
        if not isinstance(request, Download):
            return Done(number, content)
        _write(request.path, content)
    except (StoreError, InvalidUrlError) as error:
        return failed(number, request, _told(error, request.url))
    return Done(number, _info(request.url, opened, member))


def _part(name: str, span: Span, member: Member, data: Bytes) -> bytes:
    if member.zipped is not None:
        return content_of(name, member, data)[span.start : span.stop]
    stop = member.size if span.stop is None else min(span.stop, member.size)
    if len(data) < stop - span.start:
        raise IntegrityError("the archive is cut off")
    return bytes(data)


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError:
        # Only now it is worth to have a URL of the path.
        with local_errors(Url.local(path)):
            raise


def _info(url: Url, opened: Opened, member: Member) -> ObjectInfo:
    archive = opened.info
    etag = None if archive.etag is None else f"{archive.etag}-{member.start}"
    return ObjectInfo(url, member.size, etag, archive.modified)


def _told(error: FileDatasetError, url: Url) -> FileDatasetError:
    """The error of an archive or a file as that of one of many members."""
    told = copy.copy(error)
    told.message = f"{url.redacted}: {error.message}"
    if isinstance(told, StoreError):
        told.url = url
        told.operation = ""
    return told
