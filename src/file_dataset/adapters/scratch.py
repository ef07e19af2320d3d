"""Temporary space on this machine, private to its user and gone in the end."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import itertools
import logging
import os
import re
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from file_dataset.adapters.per_process import PerProcess
from file_dataset.domain.errors import NotFoundError
from file_dataset.domain.files import local_errors
from file_dataset.domain.url import Url

_log = logging.getLogger(__name__)
_PRIVATE = 0o700
_AGE = 3600.0

# A user may have directories of his own whose names begin as ours do, and none that go on so.
_is_root = re.compile(r"file_dataset-[0-9a-f]{32}\.tmp").fullmatch


@attrs.frozen(eq=False)
class TempScratch:
    """Temporary directories, each below one root that only this user can enter.

    The root is there as long as one of its directories is open. What is open still is removed by
    ``close``, at the end of a ``with`` statement, when the scratch is no longer referred to, or
    when the process ends; of a process that was killed, ``sweep`` removes it. Each process makes
    and removes its own: a forked child touches nothing of its parent's, and a pickled scratch
    starts afresh.

    Args:
        dir: The directory to make the root in; None for the system's.

    Raises:
        NotFoundError: If there is no such directory.

    >>> with TempScratch() as scratch, scratch.open() as directory:
    ...     _ = (directory / "image.mha").write_bytes(b"...")
    >>> directory.exists()
    False
    """

    dir: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    _root: PerProcess[_Root] = attrs.field(init=False, repr=False)

    @dir.validator
    def _is_a_directory(self, _: attrs.Attribute[Path | None], value: Path | None) -> None:
        if value is not None and not value.is_dir():
            raise NotFoundError(
                f"{value}: not found, or no directory; temporary files are to be kept there",
                url=Url.local(value),
            )

    @_root.default
    def _root_of_each_process(self) -> PerProcess[_Root]:
        return PerProcess(functools.partial(_Root, self.dir))

    @contextlib.contextmanager
    def open(self) -> Iterator[Path]:
        """A new directory that is gone, with all that is in it, when the context ends.

        Raises:
            StoreError: If it cannot be made.
        """
        process = os.getpid()
        root = self._root()
        directory = root.make()
        try:
            yield directory
        finally:
            # A child forked in the body ends this context too, with its parent's lock and files.
            if os.getpid() == process:
                root.take_back(directory)

    def close(self) -> None:
        """Remove the root and what is left in it; what is opened later goes below a new one."""
        self._root().remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Root:
    """One process's root: there as long as there is a directory below it."""

    def __init__(self, parent: Path | None) -> None:
        self._parent = Path(tempfile.gettempdir()) if parent is None else parent
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._directories: set[Path] = set()
        self._remove: Callable[[], object] | None = None
        self._path = self._parent

    def make(self) -> Path:
        """A new directory below the root."""
        with self._lock, local_errors(Url.local(self._parent)):
            if self._remove is None:
                self._path, lock = _new_root(self._parent)
                self._remove = weakref.finalize(self, _end, self._path, lock, os.getpid())
            directory = self._path / str(next(self._numbers))
            self._directories.add(directory)
            directory.mkdir(_PRIVATE)
        return directory

    def take_back(self, directory: Path) -> None:
        """Remove a directory, and the root with the last one."""
        _remove(directory, os.getpid())
        with self._lock:
            self._directories.discard(directory)
            if not self._directories:
                self._remove_all()

    def remove(self) -> None:
        """Remove the root with all that is in it."""
        with self._lock:
            self._remove_all()

    def _remove_all(self) -> None:
        self._directories.clear()
        if self._remove is not None:
            self._remove()
            self._remove = None


def sweep(dir: Path | None = None, *, age: float = _AGE) -> list[Path]:
    """Remove the roots that processes of this user left which were killed, and give their paths.

    A process that is alive holds a lock on its root, and so do children that it forked. Where
    locks are not to be had, nothing is removed.

    Args:
        dir: The directory that they are in; None for the system's.
        age: Seconds for which nothing was begun in a root, before it is looked at.

    Raises:
        StoreError: If the directory cannot be read.
    """
    parent = Path(tempfile.gettempdir()) if dir is None else dir
    with local_errors(Url.local(parent)):
        roots = sorted(parent / name for name in os.listdir(parent) if _is_root(name))
    return [root for root in roots if _swept(root, age)]


def _swept(root: Path, age: float) -> bool:
    with contextlib.suppress(OSError), _held(root) as lock:
        # Of a root that its process removes at this moment, only the lock was left.
        found = os.fstat(lock)
        is_there = found.st_nlink > 0 and found.st_uid == os.geteuid()
        if is_there and time.time() - found.st_mtime >= age:
            _remove(root, os.getpid())
            return not root.exists()
    return False


@contextlib.contextmanager
def _held(root: Path) -> Iterator[int]:
    """The lock on a root; an OSError if somebody has it, or the root is no directory."""
    lock = _opened(root)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield lock
    finally:
        os.close(lock)


def _opened(root: Path) -> int:
    return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _new_root(parent: Path) -> tuple[Path, int]:
    """A new private directory, and the open file by which this process has the lock on it."""
    root = parent / f"file_dataset-{os.urandom(16).hex()}.tmp"
    os.mkdir(root, _PRIVATE)
    try:
        lock = _opened(root)
    except BaseException:
        os.rmdir(root)
        raise
    # Some network file systems have no locks; what a kill leaves there is the user's to remove.
    with contextlib.suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return root, lock


def _end(root: Path, lock: int, process: int) -> None:
    _remove(root, process)
    if os.getpid() == process:
        os.close(lock)


def _remove(directory: Path, process: int) -> None:
    """Remove a directory and all that is in it, if this is the process that made it."""
    if os.getpid() != process or _is_removed(directory):
        return
    try:
        if directory.is_symlink() or not directory.is_dir():
            # A function may leave something else there, as a link to what is not ours.
            directory.unlink(missing_ok=True)
            return
        shutil.rmtree(directory, ignore_errors=True)
        if directory.exists():
            _make_removable(directory)
            shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(directory)
    except FileNotFoundError:
        pass
    except OSError as error:
        # An error from here would hide how the work in it ended.
        _log.warning("The temporary directory %s could not be removed: %s", directory, error)


def _is_removed(directory: Path) -> bool:
    """Remove a directory with nothing but files in it, as most are; gives whether it was one."""
    try:
        opened = _opened(directory)
        try:
            for name in os.listdir(opened):
                os.unlink(name, dir_fd=opened)
        finally:
            os.close(opened)
        os.rmdir(directory)
    except OSError:
        return False
    return True


def _make_removable(directory: Path) -> None:
    """What is in a directory can be removed by who may enter it and write to it."""
    _make_private(directory)
    for parent, names, _ in os.walk(directory):
        for name in names:
            _make_private(Path(parent, name))


def _make_private(directory: Path) -> None:
    with contextlib.suppress(OSError):
        if not directory.is_symlink():
            directory.chmod(_PRIVATE)
