"""Which store serves a URL, and in which order the layers stand around it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs

from file_dataset.adapters.fsspec import FsspecStore
from file_dataset.adapters.layers.limited import Limited
from file_dataset.adapters.layers.read_only import ReadOnly
from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.adapters.layers.routed import Routed
from file_dataset.adapters.layers.verifying import Verifying
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
    verify = None if options is None else options.verify_writes
    mounts = {
        Url.parse(text): _mounted_store(store, width, verify) for text, store in stores.items()
    }
    plain = Routed(mounts, _Creating(registry, s3, width, verify, trusts))
    return Routed(mounts, CreatingBefore(registry, plain))


def _mounted_store(store: Store | Options, width: Width | None, verify: str | None) -> Store:
    if isinstance(store, Store):
        return _layered(store, width, verify)
    return _layered(_s3_store(store.s3), width, store.verify_writes)


def store_for_tables(options: Options | None, *, width: Width | None = None) -> Store:
    """As store_for(), where URLs may be others' words: what has to be opted into needs a mount."""
    return store_for(options, width=width, trusts=False)


def how_to_opt_in(scheme: str) -> str:
    """What to tell a user whose table names a scheme that is to be opted into."""
    return (
        f"tables may name {scheme}:// only where that is opted into: "
        f"mount('{scheme}://the.host/', HttpStore()), or Options(stores=...) with the same"
    )


def _s3_store(options: S3Options) -> Store:
    from file_dataset.adapters.s3 import S3Store

    store = S3Store(options)
    return ReadOnly(store) if options.read_only else store


@attrs.frozen
class _Creating:
    """Makes the store of a scheme that is mounted nowhere."""

    registry: Registry
    s3: S3Options
    width: Width | None = None
    verify: str | None = None
    trusts: bool = True

    def __call__(self, scheme: str) -> Store:
        if not self.trusts and scheme in OPT_IN and self.registry.built_in(scheme) is not None:
            raise InvalidDatasetError(how_to_opt_in(scheme))
        made = self.registry.create(scheme, built_in=makers(self.registry, self.s3, scheme))
        return _layered(made, self.width, self.verify)


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

    def __call__(self, scheme: str) -> Store:
        if scheme not in ARCHIVES:
            return self.plain.store_of(scheme)
        return self.registry.create(scheme, built_in=of_archives(self.plain))


def of_archives(store: Store) -> dict[str, Callable[[], Store]]:
    """How the stores of members are made, in front of the one that has the archives."""
    from file_dataset.adapters.archive import ArchiveStore

    return dict.fromkeys(ARCHIVES, functools.partial(ArchiveStore, store))


def _layered(store: Store, width: Width | None, verify: str | None) -> Store:
    """A store with its retries, and as far as that was asked for, limits and a second look."""
    retrying = store if isinstance(store, Retrying) else Retrying(store)
    inside = retrying.store
    if width is not None:
        inside = _narrowed(inside, width)
    if verify == "size" or (verify == "checksum" and not _looks_itself(inside)):
        inside = Verifying(inside)
    return retrying if inside is retrying.store else attrs.evolve(retrying, store=inside)


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
