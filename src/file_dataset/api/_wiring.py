"""The one place where stores and layers are put together; nothing else imports adapters."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from file_dataset.adapters.cloud import AzureStore, GcsStore
from file_dataset.adapters.fsspec import FsspecStore
from file_dataset.adapters.http import HttpStore
from file_dataset.adapters.layers.limited import Limited
from file_dataset.adapters.layers.read_only import ReadOnly
from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.adapters.layers.routed import Routed
from file_dataset.adapters.layers.verifying import Verifying
from file_dataset.adapters.local import DirectStore, LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.registry import Registry, register_store
from file_dataset.adapters.registry import default as registry
from file_dataset.adapters.s3 import S3Options
from file_dataset.adapters.scratch import TempScratch, sweep
from file_dataset.domain.budget import Budget
from file_dataset.domain.calling import Caller, RowFunction
from file_dataset.domain.errors import (
    InvalidDatasetError,
    MissingDependencyError,
    UnsupportedSchemeError,
)
from file_dataset.domain.files import local_errors
from file_dataset.domain.ports import Observer
from file_dataset.domain.programs import Command, Program
from file_dataset.domain.requests import Read
from file_dataset.domain.store import Store
from file_dataset.domain.url import ARCHIVES, Url

if TYPE_CHECKING:
    from file_dataset.api.options import Options

__all__ = [
    "AzureStore",
    "DirectStore",
    "FsspecStore",
    "GcsStore",
    "HttpStore",
    "LocalStore",
    "MemoryStore",
    "S3Options",
    "Width",
    "calling",
    "extra_of",
    "local_program",
    "mount",
    "note",
    "observing",
    "register_store",
    "scheme_check",
    "schemes",
    "staging_budget",
    "store_for",
    "store_for_tables",
    "store_of",
    "sweep_temp",
    "temp_scratch",
]

# Whoever writes a table could have the machines that read it ask any server, also of their own net.
_OPT_IN = frozenset({"http", "https"})

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
    return Routed(mounts, _CreatingBefore(registry, plain))


def _mounted_store(store: Store | Options, width: Width | None, verify: str | None) -> Store:
    if isinstance(store, Store):
        return _layered(store, width, verify)
    return _layered(_s3_store(store.s3), width, store.verify_writes)


def store_for_tables(options: Options | None, *, width: Width | None = None) -> Store:
    """As store_for(), where URLs may be others' words: what has to be opted into needs a mount."""
    return store_for(options, width=width, trusts=False)


def _opt_in(scheme: str) -> str:
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
        if not self.trusts and scheme in _OPT_IN and self.registry.built_in(scheme) is not None:
            raise InvalidDatasetError(_opt_in(scheme))
        made = self.registry.create(scheme, built_in=_makers(self.registry, self.s3, scheme))
        return _layered(made, self.width, self.verify)


def _makers(registry: Registry, s3: S3Options, scheme: str) -> Mapping[str, Callable[[], Store]]:
    """How a scheme's built-in store is made, if it takes more than no arguments."""
    if scheme == "s3":
        return {scheme: functools.partial(_s3_store, s3)}
    built_in = registry.built_in(scheme)
    if built_in is not None and built_in.needs == "fsspec":
        return {scheme: functools.partial(FsspecStore, scheme)}
    return {}


@attrs.frozen
class _CreatingBefore:
    """Makes the store of a scheme in front of others, where these have the archives of members."""

    registry: Registry
    plain: Routed

    def __call__(self, scheme: str) -> Store:
        if scheme not in ARCHIVES:
            return self.plain.store_of(scheme)
        return self.registry.create(scheme, built_in=_of_archives(self.plain))


def _of_archives(store: Store) -> dict[str, Callable[[], Store]]:
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


def schemes() -> list[str]:
    """All schemes that are known in this process, sorted."""
    return registry.schemes()


def store_of(scheme: str) -> Store:
    """The store that serves a scheme for who gives no options.

    Raises:
        FileDatasetError: If it cannot be had.
    """
    built_in = {
        **_makers(registry, S3Options(), scheme),
        **_of_archives(store_for(None)),
    }
    return registry.create(scheme, built_in=built_in)


def extra_of(scheme: str) -> str:
    """The extra of this library that brings what a scheme's store needs; empty if it needs none."""
    built_in = registry.built_in(scheme)
    return "" if built_in is None else built_in.needs


def note(store: Store) -> str:
    """What is worth knowing about a store: for S3, what carries its bytes."""
    from file_dataset.adapters.s3 import S3Store
    from file_dataset.adapters.s3.engines import curl

    if not isinstance(store, S3Store):
        return ""
    version, reason = curl()
    return f"boto3 serves: {reason}" if reason else f"curl serves where it can: {version}"


def scheme_check(store: Store, *, names_host: bool = False) -> Callable[[Url, str], None]:
    """What refuses URLs that nobody serves here, given the URL and where it stands.

    The function raises UnsupportedSchemeError, MissingDependencyError if an extra would do, or
    InvalidDatasetError for what is to be opted into.

    Args:
        store: In front of all stores, as store_for() makes it.
        names_host: Whether the error is to name this machine, which may lack what others have.
    """
    mounted = {url.scheme for url in store.mounts} if isinstance(store, Routed) else set()
    made_by = store.create if isinstance(store, Routed) else None
    # A store that was pickled brings along what was registered where it comes from.
    made = made_by.registry if isinstance(made_by, _CreatingBefore) else registry
    host = f", on host {platform.node()}" if names_host else ""
    return _SchemeCheck(store, made, frozenset(mounted), host)


@attrs.frozen
class _SchemeCheck:
    """Refuses URLs that nobody serves here."""

    store: Store
    registry: Registry
    mounted: Collection[str]
    host: str

    def __call__(self, url: Url, where: str) -> None:
        if url.is_member:
            self(url.archive, where)
        if url.scheme in _OPT_IN and not self.store.can(Read, url):
            raise InvalidDatasetError(f"{where}: {_opt_in(url.scheme)}")
        if url.scheme in self.mounted:
            return
        schemes = self.registry.schemes()
        if url.scheme not in schemes:
            known = sorted({*schemes, *self.mounted})
            raise UnsupportedSchemeError(url.scheme, known=known, where=where + self.host)
        try:
            self.registry.check_installed(url.scheme)
        except MissingDependencyError as error:
            raise MissingDependencyError(f"{where}{self.host}: {error}") from None


def temp_scratch(directory: str | os.PathLike[str] | None) -> TempScratch:
    """Temporary space in a directory, or in the system's place for such."""
    return TempScratch(None if directory is None else Path(directory))


def sweep_temp() -> int:
    """Take away the temporary directories that killed processes left; gives how many."""
    return len(sweep())


def staging_budget(max_bytes: int | None, directory: str | os.PathLike[str] | None) -> Budget:
    """How many bytes one run may stage: as many as were named, else half of what is free.

    Raises:
        StoreError: If the place for temporary files is not there.
    """
    if max_bytes is not None:
        return Budget(max_bytes, is_strict=True)
    place = os.fspath(directory or tempfile.gettempdir())
    with local_errors(Url.local(place)):
        return Budget(shutil.disk_usage(place).free // 2)


def local_program(command: Command, makes: tuple[str, ...], **how: Any) -> Program:
    """A program of this machine as a row function."""
    from file_dataset.adapters.programs import LocalProgram

    return LocalProgram(command, makes, **how)


@contextlib.contextmanager
def calling(
    function: RowFunction, *, isolation: str, workers: int, timeout: float | None
) -> Iterator[Caller]:
    """Where a function runs: in threads of this process, or in processes that end with the run."""
    if isolation == "thread":
        yield function.for_one_run()
        return
    from file_dataset.adapters.processes import ProcessCaller

    with ProcessCaller(function, workers=workers, timeout=timeout) as caller:
        yield caller


@contextlib.contextmanager
def observing(progress: Observer | bool | None) -> Iterator[Observer]:  # noqa: FBT001 - it is one value
    """Who is told how far a run is: the user's function, a bar on the terminal, or nobody."""
    if callable(progress):
        yield progress
    elif progress:
        from file_dataset.adapters.progress import shown_progress

        with shown_progress() as observer:
            yield observer
    else:
        yield lambda _: None
