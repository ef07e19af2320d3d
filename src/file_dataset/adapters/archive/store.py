"""A store of members: it turns what is asked of them into few large reads of their archives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast

import attrs
from attrs.validators import instance_of

from file_dataset.adapters.archive.known import Archive, Known, Opened
from file_dataset.adapters.archive.opening import Opening
from file_dataset.adapters.archive.reading import Attempt, info_of, told
from file_dataset.adapters.per_process import PerProcess
from file_dataset.domain.archives import Contents
from file_dataset.domain.errors import (
    FileDatasetError,
    IntegrityError,
    InvalidUrlError,
    NotFoundError,
    UnsupportedError,
)
from file_dataset.domain.objects import ObjectInfo, Prefix
from file_dataset.domain.outcomes import Outcome
from file_dataset.domain.per_object import failed
from file_dataset.domain.requests import Download, Read, Request, Stat
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

T = TypeVar("T")

_VERBS: frozenset[Verb] = frozenset({Stat, Read, Download})


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
        numbers: list[int] = []
        for number, request in enumerate(requests):
            if type(request) in _VERBS and request.url.is_member:
                numbers.append(number)
            else:
                yield failed(number, request, self._refusal(request))
        outdated: list[int] = []
        with closing(self._attempt(outdated).outcomes(requests, numbers)) as outcomes:
            yield from cast(Iterator[Outcome[T]], outcomes)
        if outdated:
            with closing(self._attempt().outcomes(requests, outdated)) as outcomes:
                yield from cast(Iterator[Outcome[T]], outcomes)

    def contents(self, roots: Sequence[Url], /) -> Sequence[Contents | None]:
        """What is in archives that can be read to their end."""
        archives = [Archive(root.scheme, root.authority) for root in roots]
        opened = self._opening().open(dict.fromkeys(archives))
        found = [opened[archive] for archive in archives]
        return [
            each.contents if isinstance(each, Opened) and not each.contents.broken else None
            for each in found
        ]

    def cost(self, requests: Sequence[Request[Any]], sizes: Sequence[int], /) -> int:  # noqa: ARG002 - members are small
        """A read of its archive for each member, at most: what lies together is read together."""
        reads = [Read(each.url.archive) for each in requests if each.url.is_member]
        return self.store.cost(reads, [0] * len(reads))

    def _opening(self) -> Opening:
        return Opening(self.store, self._known())

    def _attempt(self, outdated: list[int] | None = None) -> Attempt:
        return Attempt(self.store, self._opening(), outdated)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """The members below a prefix, in the order of their names.

        Those that cannot be read, as links, are left out.

        Raises:
            InvalidUrlError: If the prefix names no archive.
            IntegrityError: After what can be told, if there may be more.
        """
        archive = Archive(prefix.scheme, prefix.authority)
        if not prefix.is_member:
            raise InvalidUrlError(f"{prefix.redacted} names no archive whose members could be told")
        opened = self._opening().open([archive], check=[archive])[archive]
        if isinstance(opened, NotFoundError):
            return
        if isinstance(opened, FileDatasetError):
            raise told(opened, prefix)
        seen: set[str] = set()
        for name in sorted(opened.contents.members):
            if not name.startswith(prefix.stem):
                continue
            child, deeper, _ = name.removeprefix(prefix.stem).partition("/")
            if recursive or not deeper:
                url = Url(prefix.scheme, prefix.authority, name)
                yield info_of(url, opened, opened.contents.members[name])
            elif child not in seen:
                seen.add(child)
                yield Prefix(prefix.child(child))
        if opened.contents.broken:
            raise IntegrityError(f"{opened.url.redacted}: {opened.contents.broken}", url=prefix)

    def close(self) -> None:
        """Let the archives' store let go of its connections."""
        self.store.close()

    @staticmethod
    def _refusal(request: Request[object]) -> FileDatasetError:
        url = request.url
        if type(request) in _VERBS:
            return InvalidUrlError(f"{url.redacted} is in no archive")
        return UnsupportedError(
            f"{url.redacted}: members of archives can only be read; pack() makes new archives"
        )
