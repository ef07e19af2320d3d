"""Directories that are open: what is done in one is done in that one, whatever its path leads to.

Who may write beside a destination may put a symbolic link in the place of a directory there, also
between a look at it and its use. So the directory that the user named is opened by its path, where
links are the user's own, and everything below it by one name after the other, none of which may
be a link.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from file_dataset.domain.files import link_refused

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY
_NEW: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
_PRIVATE: Final = 0o700


@contextlib.contextmanager
def opened(path: Path, *names: str, make: bool = False) -> Iterator[int]:
    """The directory that names lead to from a path.

    Args:
        path: A directory that is there.
        names: What to go by, one after the other.
        make: Whether to make those that are missing.

    Raises:
        UnsupportedError: If one of the names is a symbolic link.
        OSError: As the system gives it.
    """
    at = os.open(path, _DIRECTORY)
    try:
        for number, name in enumerate(names, start=1):
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=at)
            with _links_told(path.joinpath(*names[:number])):
                above, at = at, _open(name, at)
            os.close(above)
        yield at
    finally:
        os.close(at)


@contextlib.contextmanager
def below(at: int, names: Sequence[str]) -> Iterator[int]:
    """The directory that names, none of them a link, lead to from one that is open.

    Raises:
        OSError: As the system gives it; NotADirectoryError for a link.
    """
    at = os.dup(at)
    try:
        for name in names:
            above, at = at, _open(name, at)
            os.close(above)
        yield at
    finally:
        os.close(at)


@contextlib.contextmanager
def created(path: Path, names: Sequence[str], name: str) -> Iterator[tuple[int, int]]:
    """A directory that names lead to, made as far as it is missing, and a new file in it.

    Both are open. The file is gone if the body fails.

    Raises:
        UnsupportedError: If one of the names is a symbolic link.
        OSError: As the system gives it.
    """
    with opened(path, *names, make=True) as directory, new_file(name, directory) as file:
        yield directory, file


@contextlib.contextmanager
def new_file(name: str, at: int) -> Iterator[int]:
    """A new file, open; it is gone if the body fails."""
    file = os.open(name, _NEW, 0o666, dir_fd=at)
    try:
        yield file
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=at)
        raise
    finally:
        os.close(file)


@contextlib.contextmanager
def locked(at: int, names: Sequence[str]) -> Iterator[int | None]:
    """Wait for others that work with a directory, and let others wait; None if there is none."""
    with ExitStack() as held:
        while True:
            try:
                directory = held.enter_context(below(at, names))
            except (FileNotFoundError, NotADirectoryError):
                yield None
                return
            fcntl.flock(directory, fcntl.LOCK_EX)
            # A process forked meanwhile has it open too, and would go on holding the lock.
            held.callback(fcntl.flock, directory, fcntl.LOCK_UN)
            if _is_at(directory, at, names):
                yield directory
                return
            held.close()


def rename(name: str, at: int, other: str, other_at: int) -> bool:
    """Rename a directory to where nothing is, or an empty directory; False if there is more."""
    try:
        os.rename(name, other, src_dir_fd=at, dst_dir_fd=other_at)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def status(name: str, at: int) -> os.stat_result | None:
    """What is there of that name, be it a link that leads nowhere; None for nothing."""
    try:
        return os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return None


def remove(name: str, at: int) -> None:
    """Take away what is there, a directory with all that is in it, also if that is read-only.

    Raises:
        OSError: If something is left of it.
    """
    try:
        _remove(name, at)
    except PermissionError:
        _make_removable(name, at)
        _remove(name, at)


def _remove(name: str, at: int) -> None:
    found = status(name, at)
    if found is None:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=at)
        return
    try:
        shutil.rmtree(name, dir_fd=at)
    except FileNotFoundError:
        _remove(name, at)  # somebody else takes it away too


def _make_removable(name: str, at: int) -> None:
    with contextlib.suppress(OSError), below(at, [name]) as directory:
        os.fchmod(directory, _PRIVATE)
        for each in os.listdir(directory):
            _make_removable(each, directory)


def remove_empty(name: str, at: int) -> None:
    """Take away a directory and those in it, except for what holds a file."""
    with contextlib.suppress(OSError), below(at, [name]) as directory:
        for each in os.listdir(directory):
            remove_empty(each, directory)
        os.rmdir(name, dir_fd=at)


def _open(name: str, at: int) -> int:
    try:
        return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
    except OSError as error:
        # How some systems call a link that is not to be followed.
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name) from error
        raise


def _is_at(directory: int, at: int, names: Sequence[str]) -> bool:
    try:
        with below(at, names) as there:
            return os.path.sameopenfile(there, directory)
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextlib.contextmanager
def _links_told(path: Path) -> Iterator[None]:
    try:
        yield
    except NotADirectoryError as error:
        if os.path.islink(path):
            raise link_refused(str(path)) from error
        raise
