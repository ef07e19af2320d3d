"""Local files: written whole or not at all, with the system's errors in this library's words."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from file_dataset.domain.errors import (
    AlreadyExistsError,
    IntegrityError,
    InvalidUrlError,
    NoSpaceError,
    NotFoundError,
    PermissionDeniedError,
    StoreError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.url import Url

_MARK = ".file_dataset-"

# How many pieces are written by one call, of which Linux and macOS take 1,024.
_AT_ONCE = 512
# What is read at once of a file that did not come whole.
_PIECE = 2**20

# What no other process has in its temporary names; it is drawn once, since there are many of them.
_ours = os.urandom(16).hex()
_numbers = itertools.count(1)


def _be_another() -> None:
    global _ours  # noqa: PLW0603 - it is the process's
    _ours = os.urandom(16).hex()


os.register_at_fork(after_in_child=_be_another)

_MORE_ROOM = "make room, or choose another directory (for temporary files with TMPDIR)"

NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
"""What link(2) says where there can be no second name of a file."""

_MEANINGS: dict[int, tuple[type[StoreError], str]] = {
    errno.ENOENT: (NotFoundError, "not found"),
    errno.ENOTDIR: (NotFoundError, "not found: a part of its path is a file, not a directory"),
    errno.EACCES: (
        PermissionDeniedError,
        "permission denied; see the modes of it and of the directories above it",
    ),
    errno.EPERM: (
        PermissionDeniedError,
        "permission denied; the system does not allow it to this user",
    ),
    errno.EROFS: (
        PermissionDeniedError,
        "permission denied: the file system is read-only; choose another directory",
    ),
    errno.EEXIST: (AlreadyExistsError, "exists already"),
    errno.EISDIR: (UnsupportedError, "is a directory, not a file"),
    errno.ENOTEMPTY: (UnsupportedError, "is a directory, not a file"),
    errno.ELOOP: (UnsupportedError, "is a symbolic link that leads in a circle or outward"),
    errno.EXDEV: (
        UnsupportedError,
        "is a mount point or of another file system; choose another destination",
    ),
    errno.EBUSY: (
        UnsupportedError,
        "is in use by the system, as a mount point is; choose another destination",
    ),
    errno.ENOSPC: (NoSpaceError, f"no space left on the device; {_MORE_ROOM}"),
    errno.EDQUOT: (NoSpaceError, f"the disk quota is used up; {_MORE_ROOM}"),
    errno.EFBIG: (
        NoSpaceError,
        "the file is larger than the file system, or `ulimit -f`, allows",
    ),
    errno.EMFILE: (TransientError, "too many open files; raise `ulimit -n`"),
    errno.ENFILE: (TransientError, "too many open files on this machine"),
    errno.EAGAIN: (TransientError, "the system was busy"),
    errno.EINTR: (TransientError, "the system call was interrupted"),
    errno.ESTALE: (TransientError, "the network file system has lost the file; try again"),
    errno.ETIMEDOUT: (TransientError, "the file system did not answer in time"),
}


@contextlib.contextmanager
def local_errors(url: Url) -> Iterator[None]:
    """Turn the system's errors about a local file into this library's.

    Raises:
        StoreError: The kind that fits the error number; StoreError itself for an unknown one.
        InvalidUrlError: If the system cannot hold the name at all.
    """
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InvalidUrlError(f"{url}: the name is too long for the file system") from error
        kind, meaning = _MEANINGS.get(error.errno or 0, (StoreError, error.strerror or str(error)))
        raise kind(f"{_subject(error, url)}: {meaning}", url=url, detail=str(error)) from error


def _subject(error: OSError, url: Url) -> str:
    """The file that an error is about: of a copy it may be either one."""
    name = error.filename
    # What is done in a directory that is open names no more than what is in it.
    if not isinstance(name, str) or not os.path.isabs(name):
        return url.redacted
    if is_temporary(os.path.basename(name)):
        return url.redacted
    return name


def refuse_changed(
    path: str | os.PathLike[str], before: os.stat_result, now: os.stat_result
) -> None:
    """Raise IntegrityError if a file is not the one any more that it was before."""
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (
        now.st_size,
        now.st_mtime_ns,
        now.st_ino,
    ):
        error = IntegrityError(
            f"{path}: was changed while it was being read: see that nothing writes to a file any "
            f"more once it is given away"
        )
        error.transient = True
        raise error


def check_no_links(url: Url, above: Url) -> None:
    """Look whether what leads to a local file from a directory above it are directories.

    Raises:
        UnsupportedError: If one of them is a symbolic link, which may lead anywhere.
    """
    path = above.path
    for name in url.path.removeprefix(above.stem).split("/")[:-1]:
        path = f"{path}/{name}"
        if os.path.islink(path):
            raise link_refused(path)


def link_refused(path: str) -> UnsupportedError:
    """The error about a link in the place of a directory below a destination."""
    return UnsupportedError(
        f"{path}: is a symbolic link, where only a directory may be; take it away",
        url=Url.local(path),
    )


def temporary_name() -> str:
    """A file's name that no one else has, hidden, and known as ours to who sweeps."""
    return f"{_MARK}{_ours}-{next(_numbers):x}.tmp"


def beside(path: str | os.PathLike[str]) -> str:
    """A path of such a name in the same directory."""
    directory, slash, _ = os.fspath(path).rpartition("/")
    return f"{directory}{slash}{temporary_name()}"


def is_temporary(name: str) -> bool:
    """Whether a file's name is one that temporary_name() gives."""
    return name.startswith(_MARK) and name.endswith(".tmp")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside the given one, which takes its place if the body succeeds."""
    temporary = Path(beside(path))
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def write_whole(path: str | os.PathLike[str], *pieces: bytes | memoryview) -> int:
    """Make a file of bytes, and give how many; nobody ever sees a part of it.

    As with replacing(), but in the fewest calls, since most files are small.

    Raises:
        OSError: As the system gives it; local_errors() has words for it.
    """
    temporary = beside(path)
    file = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        try:
            size = _write_all(file, pieces)
        finally:
            os.close(file)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return size


def _write_all(file: int, pieces: Sequence[bytes | memoryview]) -> int:
    if len(pieces) == 1 and isinstance(pieces[0], bytes):
        _write(file, pieces[0], written=0)
        return len(pieces[0])
    # Together in as few calls as there can be, which costs less than to put them together before.
    size = 0
    for start in range(0, len(pieces), _AT_ONCE):
        some = pieces[start : start + _AT_ONCE]
        wanted = sum([memoryview(piece).nbytes for piece in some])
        written = os.writev(file, some)
        if written < wanted:
            _write(file, b"".join(some), written=written)
        size += wanted
    return size


def _write(file: int, data: bytes, *, written: int) -> None:
    """Write what is not written yet; nearly always one call takes all."""
    size = len(data)
    if not written:
        written = os.write(file, data)
    while written < size:
        written += os.write(file, memoryview(data)[written:])


def read_unchanged(file: int, path: str | os.PathLike[str], status: os.stat_result) -> bytes:
    """What is in an open file. Raises IntegrityError unless it is the same then as it was before.

    Args:
        file: Its descriptor, at its beginning.
        path: What it is called.
        status: What it was before.
    """
    content = os.read(file, status.st_size + 1)
    # Not all file systems give all at once, nor tell how much there is, as /proc does not.
    while len(content) != status.st_size and (more := os.read(file, _PIECE)):
        content += more
    refuse_changed(path, status, os.fstat(file))
    return content


def small_file(path: str, *, most: int) -> bytes | None:
    """What is in a regular file of at most so many bytes that nobody writes to; else None."""
    try:
        # Without waiting for who would write to a pipe.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode) or status.st_size > most:
                return None
            content = read_unchanged(file, path, status)
        finally:
            os.close(file)
    except (OSError, IntegrityError):
        return None
    return content if len(content) == status.st_size else None


def linked(source: Path, target: Path) -> None:
    """Give a file a second name; where there can be none, a copy.

    Raises:
        OSError: As the system gives it; local_errors() has words for it.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copy2(source, target, follow_symlinks=False)
