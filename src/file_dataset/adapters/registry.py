"""Which store serves which scheme: by a call, by an installed distribution, or built in."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import attrs

from file_dataset.domain.errors import (
    FileDatasetError,
    MissingDependencyError,
    StoreError,
    UnsupportedSchemeError,
)
from file_dataset.domain.store import Store

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "file_dataset.stores"
"""The group of entry points by which other distributions add stores."""

Factory = Callable[[], Store]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")


@attrs.frozen
class BuiltIn:
    """A store of this library.

    Args:
        value: Its factory, as entry points name it.
        needs: The library that it needs and that not everyone has; the extra is called so too.
    """

    value: str
    needs: str = ""


_BY_FSSPEC = (
    "abfs box dbfs dropbox ftp gcs gdrive github hdfs hf lakefs oci oss sftp smb ssh webdav webhdfs"
)
_BUILT_IN = {
    "az": BuiltIn("file_dataset.adapters.cloud:AzureStore", needs="obstore"),
    "direct": BuiltIn("file_dataset.adapters.local:DirectStore"),
    "file": BuiltIn("file_dataset.adapters.local:LocalStore"),
    "gs": BuiltIn("file_dataset.adapters.cloud:GcsStore", needs="obstore"),
    "http": BuiltIn("file_dataset.adapters.http:HttpStore"),
    "https": BuiltIn("file_dataset.adapters.http:HttpStore"),
    "memory": BuiltIn("file_dataset.adapters.memory:shared"),
    "s3": BuiltIn("file_dataset.adapters.s3:S3Store"),
    "tar": BuiltIn("file_dataset.adapters.archive:ArchiveStore"),
    "zip": BuiltIn("file_dataset.adapters.archive:ArchiveStore"),
} | dict.fromkeys(
    _BY_FSSPEC.split(), BuiltIn("file_dataset.adapters.fsspec:FsspecStore", needs="fsspec")
)


class Registry:
    """Knows the stores of all schemes, and makes them.

    What is registered by a call counts before what an installed distribution declares in the group
    of entry points ``file_dataset.stores``, and that before what is built in. A distribution
    cannot take a built-in scheme, nor one that another distribution claims: such a scheme can
    only be had by a call. Modules are imported when the first store of theirs is made.

    A pickled registry takes along what was registered by a call; each process looks for itself
    which distributions are installed.

    Args:
        installed: Gives the installed entry points; called once, when they are first needed.
    """

    def __init__(self, *, installed: Callable[[], Iterable[EntryPoint]] | None = None) -> None:
        self._installed = installed or _installed
        self._registered: dict[str, _Registered] = {}
        self._claims: Mapping[str, list[EntryPoint]] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_claims": None}

    def register(self, scheme: str, factory: Factory, *, replace: bool = False) -> None:
        """Let a store serve the URLs of a scheme; ``register_store`` tells more."""
        if not _SCHEME.fullmatch(scheme):
            raise ValueError(
                f"{scheme!r} is no URL scheme: a lower-case letter, "
                f"then lower-case letters, digits, '+', '-' and '.'"
            )
        if not callable(factory):
            raise TypeError(
                f"the factory of {scheme}:// is to be called without arguments and to give a "
                f"Store, and {factory!r} cannot be called"
            )
        if scheme in _BUILT_IN and not replace:
            raise ValueError(f"the scheme {scheme!r} is built in; replace=True takes it over")
        registration = _Registered(factory)
        if replace:
            self._registered[scheme] = registration
        elif self._registered.setdefault(scheme, registration) is not registration:
            raise ValueError(
                f"the scheme {scheme!r} is registered already; replace=True takes it over"
            )

    def schemes(self) -> list[str]:
        """All schemes that are known, sorted; no store's module is imported for it."""
        return sorted({*self._registered, *self._claimed(), *_BUILT_IN})

    def built_in(self, scheme: str) -> BuiltIn | None:
        """What serves a scheme if nobody else does; None if somebody does, or nobody at all."""
        others = scheme in self._registered or scheme in self._claimed()
        return None if others else _BUILT_IN.get(scheme)

    def check_installed(self, scheme: str) -> None:
        """Raise MissingDependencyError if the store of a scheme needs what is not installed."""
        built_in = self.built_in(scheme)
        if built_in is not None and built_in.needs and not _is_installed(built_in.needs):
            raise MissingDependencyError(
                f"{scheme}:// needs {built_in.needs}: pip install 'file-dataset[{built_in.needs}]'"
            )

    def create(self, scheme: str, *, built_in: Mapping[str, Factory] | None = None) -> Store:
        """A new store for the URLs of a scheme.

        Args:
            scheme: The scheme.
            built_in: How to make stores of built-in schemes that need more than no arguments.

        Raises:
            UnsupportedSchemeError: If no store is known for it.
            MissingDependencyError: If the store needs a library that is not installed.
            StoreError: If distributions quarrel over the scheme, or the store cannot be made.
            TypeError: If what should make a store makes something else.
        """
        registered = self._registered.get(scheme)
        if registered is not None:
            made: object = registered.factory()
            source = f"{registered.factory!r}"
        else:
            self.check_installed(scheme)
            entry = self._entry(scheme)
            own = (built_in or {}).get(scheme) if entry is _built_in(scheme) else None
            made = own() if own is not None else _made_by(entry)
            source = f"{entry.value!r} from {_owner(entry)}"
        if not isinstance(made, Store):
            raise TypeError(
                f"{source} should make the Store for {scheme}:// and made a "
                f"{type(made).__name__}: {made!r}"
            )
        return made

    def _entry(self, scheme: str) -> EntryPoint:
        built_in = _built_in(scheme)
        claims = self._claimed().get(scheme, [])
        if built_in is not None and not claims:
            return built_in
        if built_in is None and len(claims) == 1:
            return claims[0]
        if not claims:
            raise UnsupportedSchemeError(scheme, known=self.schemes())
        owners = " and ".join(sorted(_owner(entry) for entry in claims))
        raise StoreError(
            f"the scheme {scheme!r} is "
            + (f"built in, and claimed by {owners}" if built_in else f"claimed by {owners}")
            + f"; uninstall what is not wanted, or settle it with "
            f"register_store({scheme!r}, ..., replace=True)"
        )

    def _claimed(self) -> Mapping[str, list[EntryPoint]]:
        """The installed entry points by their scheme."""
        if self._claims is None:
            claims: dict[str, list[EntryPoint]] = {}
            for entry in self._installed():
                claims.setdefault(entry.name, []).append(entry)
            self._claims = claims
        return self._claims


@attrs.frozen(eq=False)
class _Registered:
    """One call of ``register``, told apart from another with the same factory."""

    factory: Factory


@functools.cache
def _built_in(scheme: str) -> EntryPoint | None:
    # Importing this library takes no longer for those who use no store yet.
    from importlib.metadata import EntryPoint

    return EntryPoint(scheme, _BUILT_IN[scheme].value, GROUP) if scheme in _BUILT_IN else None


def _is_installed(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def _installed() -> Iterable[EntryPoint]:
    import importlib.metadata

    return importlib.metadata.entry_points(group=GROUP)


def _made_by(entry: EntryPoint) -> object:
    """What the factory that an entry point names makes, or in which words it cannot."""
    source = f"the store for {entry.name}:// ({entry.value!r} from {_owner(entry)})"
    try:
        return entry.load()()
    except FileDatasetError:
        raise
    except ImportError as error:
        raise MissingDependencyError(f"{source} cannot be imported: {error}") from error
    except Exception as error:
        raise StoreError(
            f"{source} cannot be made: {type(error).__name__}: {error}", detail=repr(error)
        ) from error


def _owner(entry: EntryPoint) -> str:
    """The distribution that an entry point comes from."""
    return f"the distribution {entry.dist.name!r}" if entry.dist else "file_dataset itself"


default: Registry = Registry()
"""The registry of this process."""


def register_store(scheme: str, factory: Factory, *, replace: bool = False) -> None:
    """Let a store serve the URLs of a scheme in this process.

    A distribution that brings a store for everyone who installs it declares it as an entry point
    of the group ``file_dataset.stores`` instead, under the name of the scheme.

    Args:
        scheme: The part of a URL before ``://``, in lower case.
        factory: Gives the store when called without arguments, such as a class of stores.
        replace: Whether to take over a scheme that is built in, or registered already.

    Raises:
        ValueError: If it is no scheme, or is taken and is not to be replaced.

    >>> from file_dataset.adapters.memory import MemoryStore
    >>> register_store("attic", MemoryStore)
    >>> default.create("attic")
    <file_dataset.adapters.memory.MemoryStore object at ...>
    """
    default.register(scheme, factory, replace=replace)
