"""Which store serves a URL, and in which order the layers stand around it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs

from file_dataset.adapters.fsspec import FsspecStore
from file_dataset.adapters.layers.cached import Cached, Entries
from file_dataset.adapters.layers.limited import Limited
from file_dataset.adapters.layers.read_only import ReadOnly
from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.adapters.layers.routed import Routed
from file_dataset.adapters.layers.verifying import Verifying
from file_dataset.adapters.local import DirectStore, LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.registry import Registry
from file_dataset.adapters.registry import default as registry
from file_dataset.adapters.s3 import S3Options
from file_dataset.domain.errors import InvalidDatasetError
from file_dataset.domain.store import Store
from file_dataset.domain.url import ARCHIVES, Url

if TYPE_CHECKING:
    from file_dataset.api.options import Options

OPT_IN = frozenset({"http", "https"})
"""Whoever writes a table could have those who read it ask any server, also of their own net."""

_mounted: dict[str, Store | Options] = {}


def mount(url_prefix: str, store: Store | Options) -> None:
    """Let a store, or S3 with other options, serve what lies below a prefix, in this process.

    Pipelines that exist already keep what they have; a pickled one takes its mounts along. What
    ``Options(stores=...)`` says of a prefix comes first.

    Args:
        url_prefix: Such as ``s3://public-bucket/``, or ``memory://`` for a whole scheme; of
            several that fit, the longest counts.
        store: Serves it.

    Raises:
        ValueError: If the prefix is no URL.
        TypeError: If the store is neither a Store nor Options.

    >>> import file_dataset
    >>> mount("s3://public-scans/", file_dataset.Options.anonymous())
    """
    from file_dataset.api.options import Options

    Options(stores={**_mounted, url_prefix: store})
    _mounted[url_prefix] = store


@attrs.frozen
class Width:
    """How much may be asked of stores at once.

    Args:
        objects: How many objects at a time.
        requests_each: How many requests for one object, where a store can make several.
    """

    objects: int
    requests_each: int


def store_for(options: Options | None, *, width: Width | None = None, trusts: bool = True) -> Store:
    """The store in front of all stores, as the options say.

    Args:
        options: How storage is reached.
        width: How much may be asked at once; None for as much as is good.
        trusts: Whether what has to be opted into is served without a mount.
    """
    s3 = _default_s3(_aws_environment()) if options is None else options.s3
    stores = {**_mounted, **({} if options is None else options.stores)}
    layers = _Layers.of(options, width)
    mounts = {Url.parse(text): _mounted_store(store, layers) for text, store in stores.items()}
    plain = Routed(mounts, _Creating(registry, s3, layers, trusts))
    return Routed(mounts, CreatingBefore(registry, plain, layers.entries))


def _mounted_store(store: Store | Options, layers: _Layers) -> Store:
    if isinstance(store, Store):
        return layers.around(store)
    return _Layers.of(store, layers.width).around(_s3_store(store.s3))


def store_for_tables(options: Options | None, *, width: Width | None = None) -> Store:
    """As store_for(), where URLs may be others' words: what has to be opted into needs a mount."""
    return store_for(options, width=width, trusts=False)


def how_to_opt_in(scheme: str) -> str:
    """What to tell a user whose table names a scheme that is to be opted into."""
    return (
        f"tables may name {scheme}:// only where that is opted into: "
        f"mount('{scheme}://the.host/', HttpStore()), or Options(stores=...) with the same; "
        f"`file-dataset run` has --allow {scheme}://the.host/"
    )


def _s3_store(options: S3Options) -> Store:
    from file_dataset.adapters.s3 import S3Store

    store = S3Store(options)
    return ReadOnly(store) if options.read_only else store


@attrs.frozen
class _Layers:
    """What stands around a store, as the options say."""

    width: Width | None = None
    verify: str | None = None
    entries: Entries | None = None

    @classmethod
    def of(cls, options: Options | None, width: Width | None) -> _Layers:
        """Raises a StoreError if the options name a cache that cannot be used."""
        if options is None:
            return cls(width)
        return cls(width, options.verify_writes, _entries(options))

    def around(self, store: Store) -> Store:
        """A store with its retries, and as far as that was asked for, the other layers."""
        retrying = store if isinstance(store, Retrying) else Retrying(store)
        inside = retrying.store
        is_far = not isinstance(inside, _NEAR)
        if self.width is not None:
            inside = _narrowed(inside, self.width)
        if self.verify == "size" or (self.verify == "checksum" and not _looks_itself(inside)):
            inside = Verifying(inside)
        around = retrying if inside is retrying.store else attrs.evolve(retrying, store=inside)
        return Cached(around, self.entries) if self.entries is not None and is_far else around


# What these have is here already; and by fsspec there are no etags to tell versions apart.
_NEAR = (LocalStore, DirectStore, MemoryStore, FsspecStore)


def _entries(options: Options) -> Entries | None:
    if options.cache is None:
        return None
    # One bucket's name may be had at several servers.
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_PROFILE")
    told = options.s3_client_kwargs.get("endpoint_url"), options.session_kwargs.get("profile_name")
    place = " ".join(str(each) for each in (*told, *map(os.environ.get, names)) if each)
    entries = Entries(options.cache, options.cache_bytes, place)
    entries.prepare()
    return entries


@attrs.frozen
class _Creating:
    """Makes the store of a scheme that is mounted nowhere."""

    registry: Registry
    s3: S3Options
    layers: _Layers = attrs.field(factory=_Layers)
    trusts: bool = True

    def __call__(self, scheme: str) -> Store:
        if not self.trusts and scheme in OPT_IN and self.registry.built_in(scheme) is not None:
            raise InvalidDatasetError(how_to_opt_in(scheme))
        made = self.registry.create(scheme, built_in=makers(self.registry, self.s3, scheme))
        return self.layers.around(made)


def makers(registry: Registry, s3: S3Options, scheme: str) -> Mapping[str, Callable[[], Store]]:
    """How a scheme's built-in store is made, if it takes more than no arguments."""
    if scheme == "s3":
        return {scheme: functools.partial(_s3_store, s3)}
    built_in = registry.built_in(scheme)
    if built_in is not None and built_in.needs == "fsspec":
        return {scheme: functools.partial(FsspecStore, scheme)}
    return {}


@attrs.frozen
class CreatingBefore:
    """Makes the store of a scheme in front of others, where these have the archives of members."""

    registry: Registry
    plain: Routed
    entries: Entries | None = None

    def __call__(self, scheme: str) -> Store:
        if scheme not in ARCHIVES:
            return self.plain.store_of(scheme)
        made = self.registry.create(scheme, built_in=of_archives(self.plain))
        return made if self.entries is None else Cached(made, self.entries)


def of_archives(store: Store) -> dict[str, Callable[[], Store]]:
    """How the stores of members are made, in front of the one that has the archives."""
    from file_dataset.adapters.archive import ArchiveStore

    return dict.fromkeys(ARCHIVES, functools.partial(ArchiveStore, store))


def _looks_itself(store: Store) -> bool:
    from file_dataset.adapters.s3 import S3Store

    return isinstance(store, S3Store) and store.options.verify_writes


def _narrowed(store: Store, width: Width) -> Store:
    from file_dataset.adapters.s3 import S3Store

    if isinstance(store, ReadOnly):
        return attrs.evolve(store, store=_narrowed(store.store, width))
    if type(store) is not S3Store:
        return Limited(store, width.objects)
    # It keeps to a number of requests better by itself than in parts that wait for each other.
    options = store.options.narrowed(objects=width.objects, requests_each=width.requests_each)
    return S3Store(options, deviations=store.deviations)


def _aws_environment() -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pair for pair in os.environ.items() if pair[0].startswith("AWS_")))


@functools.lru_cache(maxsize=1)
def _default_s3(environment: tuple[tuple[str, str], ...]) -> S3Options:  # noqa: ARG001 - the key
    """One client for everyone who gave no options, until the environment says something else."""
    return S3Options()
