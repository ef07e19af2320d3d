"""What is brought from one open directory to another, and what is left in one."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection
from pathlib import Path

from file_dataset.adapters.local.copying import copy_open
from file_dataset.adapters.local.directories import below, new_file, remove, status
from file_dataset.domain.errors import UnsupportedError
from file_dataset.domain.files import NO_LINKS
from file_dataset.domain.url import Url


def keep_only(directory: int, names: Collection[tuple[str, ...]]) -> None:
    """Remove all but some files, and the directories that they are in.

    Args:
        directory: Where.
        names: The files, as the names that lead to them.
    """
    wanted = {name[0]: {each[1:] for each in names if each[0] == name[0]} for name in names}
    for name in os.listdir(directory):
        if name not in wanted:
            remove(name, directory)
        elif inner := wanted[name] - {()}:
            with below(directory, [name]) as under:
                keep_only(under, inner)


def carry_over(source: int, target: int, told: Path) -> None:
    """Bring everything of a directory to another one, except for what is there already.

    Args:
        source: The one.
        target: The other.
        told: What to call them in errors.

    Raises:
        UnsupportedError: If there is a file in one of them where the other has a directory.
        OSError: As the system gives it.
    """
    for name in os.listdir(source):
        # Others may write to either, and what they took away meanwhile need not be brought.
        with contextlib.suppress(FileNotFoundError):
            _carry(name, source, target, told / name)


def _carry(name: str, source: int, target: int, told: Path) -> None:
    here, there = status(name, source), status(name, target)
    if here is None:
        return
    is_directory = stat.S_ISDIR(here.st_mode)
    if there is not None and is_directory != stat.S_ISDIR(there.st_mode):
        raise UnsupportedError(
            f"{told}: is a directory where a file is to be, or the other way round; "
            f"move it out of the way",
            url=Url.local(told),
        )
    if is_directory:
        if there is None:
            os.mkdir(name, dir_fd=target)
        with below(source, [name]) as inner, below(target, [name]) as under:
            carry_over(inner, under, told)
            if there is None:
                os.fchmod(under, stat.S_IMODE(here.st_mode))
    elif there is None:
        _link(name, source, target, here)


def _link(name: str, source: int, target: int, here: os.stat_result) -> None:
    """A second name of a file; where there can be none, a copy."""
    try:
        os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if stat.S_ISLNK(here.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        elif stat.S_ISREG(here.st_mode):
            _copy(name, source, target)
        else:
            raise


def _copy(name: str, source: int, target: int) -> None:
    read = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=source)
    try:
        with new_file(name, target) as file:
            copy_open(read, file)
            found = os.fstat(read)
            os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    finally:
        os.close(read)
