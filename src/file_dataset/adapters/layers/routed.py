"""One store in front of all others: each request goes to the store that serves its URL."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import attrs

from file_dataset.adapters.layers._merged import merged
from file_dataset.adapters.layers._mounts import Made, Mount, by_scheme
from file_dataset.adapters.layers._parts import Part, Way, told
from file_dataset.adapters.layers._transfers import placed, relayed
from file_dataset.adapters.per_process import PerProcess
from file_dataset.adapters.scratch import TempScratch
from file_dataset.domain.archives import Contents
from file_dataset.domain.errors import FileDatasetError, UnsupportedError
from file_dataset.domain.objects import OVERWRITE, ObjectInfo, Prefix
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.ports import Scratch
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Copy,
    Delete,
    Download,
    Pending,
    Prepare,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.url import Url

T = TypeVar("T")


def _copied(mounts: Mapping[Url, Store]) -> Mapping[Url, Store]:
    return dict(mounts)


@attrs.frozen(eq=False)
class Routed(Store):
    """Sends each request to the store that serves its URL, and copies from one store to another.

    The parts of a batch that go to several stores are carried out at the same time. A copy whose
    source and target are served by different stores is an upload if the source is a local file, a
    download if the target is one that may be overwritten, and otherwise both, by way of temporary
    files; a preparation likewise, and all of a draft is at one store. Local files are read and
    placed where they are, whichever store is mounted for them. A listing comes from the one store
    that serves its prefix. A URL that no store serves is the failure of its request.

    Args:
        mounts: Which store serves what lies below a URL; the longest fitting one counts. A URL of
            nothing but a scheme stands for the whole scheme.
        create: Makes the store of a scheme that has no fitting mount; called once per scheme and
            process, when it is first needed. Its FileDatasetError is the request's failure.
        scratch: Where objects lie on their way from one store to another.

    Raises:
        ValueError: If two mounts are the same place.
    """

    mounts: Mapping[Url, Store] = attrs.field(converter=_copied)
    create: Callable[[str], Store]
    scratch: Scratch = attrs.field(factory=TempScratch, kw_only=True)
    _mounted: Mapping[str, list[Mount]] = attrs.field(init=False, repr=False)
    _made: PerProcess[Made] = attrs.field(init=False, repr=False)

    @_mounted.default
    def _mounts_by_scheme(self) -> Mapping[str, list[Mount]]:
        return by_scheme(self.mounts)

    @_made.default
    def _made_by_each_process(self) -> PerProcess[Made]:
        return PerProcess(functools.partial(Made, self.create))

    @property
    def verbs(self) -> frozenset[Verb]:
        """Every verb, since it depends on the URL which are refused; ``can`` tells."""
        return _VERBS

    @property
    def deviations(self) -> Mapping[int, str]:  # type: ignore[override] # nobody assigns to it
        """What the stores that are known so far do instead of what a law says."""
        texts: dict[int, list[str]] = {}
        for store in self._stores():
            for law, text in store.deviations.items():
                texts.setdefault(law, []).append(text)
        return {law: "; ".join(dict.fromkeys(said)) for law, said in texts.items()}

    def can(self, verb: Verb, url: Url) -> bool:
        """Whether the store that serves the object can do the verb to it.

        A copy to a store that can upload works, from any store that can download.
        """
        try:
            store = self._serving(url)
        except FileDatasetError:
            return False
        return store.can(verb, url) or (verb is Copy and store.can(Upload, url))

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out a batch, the parts of different stores at the same time."""
        parts: dict[Way, Part] = {}
        # Where nothing is mounted, a scheme's one store serves all that has no source elsewhere.
        plain: dict[str, Part] = {}
        for number, request in enumerate(requests):
            scheme = request.url.scheme
            wanted: Request[Any] = request
            is_plain = scheme not in self._mounted and not isinstance(request, _OF_TWO)
            part = plain.get(scheme) if is_plain else None
            if part is None:
                try:
                    way, wanted = self._way(request)
                except FileDatasetError as error:
                    yield Failed(number, told(error, request))
                    continue
                # Methods of one store are equal, though a new one is made at each access.
                part = parts.setdefault(way, Part(way))
                if is_plain:
                    plain[scheme] = part
            part.add(number, wanted)
        streams = [part.outcomes(requests) for part in parts.values()]
        if len(streams) > 1:
            yield from merged(streams)
        elif streams:
            yield from streams[0]

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """What the store that serves the prefix lists.

        Raises:
            UnsupportedSchemeError: If no store serves it.
        """
        return self._serving(prefix).list(prefix, recursive=recursive)

    def list_starting(
        self, prefix: Url, start: str, /, *, recursive: bool = True
    ) -> Iterator[ObjectInfo | Prefix]:
        """What the store that serves the prefix lists.

        Raises:
            UnsupportedSchemeError: If no store serves it.
        """
        return self._serving(prefix).list_starting(prefix, start, recursive=recursive)

    def list_all(self, prefix: Url, start: str = "", /) -> Iterator[ObjectInfo | Prefix]:
        """What the store that serves the prefix lists.

        Raises:
            UnsupportedSchemeError: If no store serves it.
        """
        return self._serving(prefix).list_all(prefix, start)

    def contents(self, roots: Sequence[Url], /) -> Sequence[Contents | None]:
        """What the store tells that serves all of them, if one does."""
        try:
            stores = [self._serving(root) for root in roots]
        except FileDatasetError:
            return [None] * len(roots)
        if any(store is not stores[0] for store in stores):
            return [None] * len(roots)
        return stores[0].contents(roots) if stores else []

    def pending(self, prefix: Url, /) -> Iterator[Pending]:
        """What the store that serves the prefix has prepared below it.

        Raises:
            UnsupportedSchemeError: If no store serves it.
        """
        return self._serving(prefix).pending(prefix)

    def cost(self, requests: Sequence[Request[Any]], sizes: Sequence[int], /) -> int:
        """What the stores take that serve the objects; what nobody serves takes nothing."""
        parts: dict[int, tuple[Store, list[Request[Any]], list[int]]] = {}
        for request, size in zip(requests, sizes, strict=True):
            with contextlib.suppress(FileDatasetError):
                for store, leg in self._legs(request):
                    _, asked, asked_of = parts.setdefault(id(store), (store, [], []))
                    asked.append(leg)
                    asked_of.append(size)
        return sum(store.cost(asked, asked_of) for store, asked, asked_of in parts.values())

    def _legs(self, request: Request[Any]) -> Sequence[tuple[Store, Request[Any]]]:
        """Which stores a request keeps busy, and with what."""
        target = self._serving(request.url)
        if not isinstance(request, Copy | Prepare) or self._serving(request.source) is target:
            return [(target, request)]
        path = "relayed"
        fetching = (self._serving(request.source), Download(request.source, path))
        if isinstance(request, Copy):
            return [fetching, (target, Upload(path, request.url, request.mode))]
        return [fetching, (target, attrs.evolve(request, source=Url.local(path)))]

    def close(self) -> None:
        """Let all stores that are known so far let go of their connections."""
        with contextlib.ExitStack() as stack:
            for store in self._stores():
                stack.callback(store.close)

    def store_of(self, scheme: str) -> Store:
        """The store of a scheme, apart from what is mounted.

        Raises:
            FileDatasetError: If it cannot be had.
        """
        return self._made().store(scheme)

    def _stores(self) -> Sequence[Store]:
        return [*self.mounts.values(), *self._made().stores.values()]

    def _serving(self, url: Url) -> Store:
        for mount in self._mounted.get(url.scheme, ()):
            if mount.serves(url):
                return mount.store
        return self.store_of(url.scheme)

    def _way(self, request: Request[object]) -> tuple[Way, Request[object]]:
        """How a request is carried out, and the request to carry out in its place."""
        target = self._serving(request.url)
        if isinstance(request, Copy):
            return self._way_of_copy(request, self._serving(request.source), target)
        if isinstance(request, Prepare):
            return self._way_of_preparation(request, target)
        return target.run, request

    def _way_of_preparation(self, request: Prepare, target: Store) -> tuple[Way, Request[object]]:
        if request.draft is not None and self._serving(request.draft.root) is not target:
            raise UnsupportedError(
                f"{request.url.redacted} cannot be a part of a draft of "
                f"{request.draft.root.redacted}, because another store is mounted there"
            )
        if not request.source.is_local:
            source = self._serving(request.source)
            if source is not target and target.can(Prepare, request.url):
                return self._relay, request
        return target.run, request

    def _way_of_copy(
        self, request: Copy, source: Store, target: Store
    ) -> tuple[Way, Request[object]]:
        if source is target and target.can(Copy, request.url):
            return target.run, request
        if not target.can(Upload, request.url):
            raise UnsupportedError(
                f"{request.source.redacted} cannot be copied to {request.url.redacted}, "
                f"because the store there cannot upload"
            )
        if request.source.is_local:
            return target.run, Upload(request.source.path, request.url, request.mode)
        if request.url.is_local and request.mode is OVERWRITE:
            return self._place, request
        return self._relay, request

    def _place(self, copies: Sequence[Copy]) -> Iterator[Outcome[None]]:
        return placed(self, copies)

    def _relay(self, requests: Sequence[Copy | Prepare]) -> Iterator[Outcome[object]]:
        return relayed(self, requests, self.scratch)


# What may have to do with two stores.
_OF_TWO: Final = (Copy, Prepare)

_VERBS: frozenset[Verb] = frozenset(
    {Stat, Read, Write, Download, Upload, Copy, Delete, Prepare, Complete, Abort}
)
