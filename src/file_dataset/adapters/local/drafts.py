"""Drafts on a file system: directories that are filled out of sight and renamed into place.

The files of a draft lie in ``{root.parent}/.file_dataset/stage/{attempt}/{root.name}``, and that
directory becomes the root: by a rename where nothing is, and where something is by an exchange of
the two directories, once all that the draft does not name has been linked over. Which of the two
is the new one is told by the times and sizes of its files, which the receipts have, so that whoever
comes after a kill brings it to the same end. Who settles a draft holds a lock on the directory of
its attempt, and who exchanges a root one on the root.

Where the system cannot exchange (``exchange`` tells), the old directory is moved aside first, and
between two renames there is no root; a completion or an abortion that follows a kill in there puts
it back.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from file_dataset.adapters.local.exchange import exchange
from file_dataset.domain.errors import (
    InvalidUrlError,
    PreconditionFailedError,
    UnsupportedError,
)
from file_dataset.domain.files import is_temporary
from file_dataset.domain.names import RECORDS
from file_dataset.domain.requests import Draft, Prepared
from file_dataset.domain.url import Url

STAGE: Final = "stage"
"""The directory beside the records that no listing enters."""

# Beside the root's new directory: its name is one of those that no file may have.
_ASIDE: Final = ".file_dataset-aside.tmp"


def is_staged(url: Url) -> bool:
    """Whether a URL is one of a stage, or of something in it, where no object can be."""
    return f"/{RECORDS}/{STAGE}/" in url.stem


def receipt(path: Path) -> str:
    """What tells a file from those of other attempts, wherever it is moved."""
    status = os.lstat(path)
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


@attrs.frozen
class Place:
    """Where the files of a draft lie, and where they go.

    Args:
        attempt: The directory of the attempt.
        root: What its one directory becomes.
    """

    attempt: Path
    root: Path

    @classmethod
    def of(cls, draft: Draft) -> Place:
        """The place of a draft."""
        root = Path(draft.root.path)
        return cls(root.parent / RECORDS / STAGE / draft.attempt, root)

    @property
    def staged(self) -> Path:
        """The directory that becomes the root."""
        return self.attempt / self.root.name

    @property
    def aside(self) -> Path:
        """Where the root waits between two renames."""
        return self.attempt / _ASIDE

    def hidden(self, url: Url) -> Url:
        """Where the file lies until it is completed."""
        return Url.local(self.staged / self._name(url))

    def _name(self, url: Url) -> Path:
        return Path(url.path).relative_to(self.root)

    def check_root(self) -> None:
        """Look whether the root may become a directory of the draft's files.

        Raises:
            InvalidUrlError: If its name is one that is kept for what is not complete.
            UnsupportedError: If there is something there that is no directory.
        """
        if is_temporary(self.root.name):
            raise InvalidUrlError(f"{self.root}: names of this kind are for what is not complete")
        if os.path.lexists(self.root) and (self.root.is_symlink() or not self.root.is_dir()):
            raise UnsupportedError(
                f"{self.root}: is a file or a symbolic link, where a directory of several files "
                f"is to be; move it out of the way",
                url=Url.local(self.root),
            )

    def complete(self, prepared: Sequence[Prepared]) -> None:
        """Let the files be seen at their root, unless they are there already.

        Raises:
            PreconditionFailedError: If they are neither prepared nor at their root.
            UnsupportedError: If the root is no directory, or a file of the draft would have to be
                where a directory is, or the other way round.
            OSError: As the system gives it.
        """
        self.check_root()
        receipts = {self._name(each.url): each.receipt for each in prepared}
        with locked(self.attempt) as is_there:
            if is_there and _holds(self.staged, receipts):
                self._put_back()
                _keep_only(self.staged, receipts)
                self._show()
            elif not _holds(self.root, receipts):
                raise PreconditionFailedError(
                    f"{self.root}: the draft {self.attempt.name} was aborted, or others wrote "
                    f"there since"
                )
            if is_there:
                # What is left is the directory that was the root before. It is seen by nobody, and
                # what of it cannot be taken away is no reason to call the rest incomplete.
                shutil.rmtree(self.attempt, ignore_errors=True)

    def abort(self) -> None:
        """Take the files of the attempt away, if they are there."""
        with locked(self.attempt) as is_there:
            if is_there:
                self._put_back()
                shutil.rmtree(self.attempt)

    def _show(self) -> None:
        shown = False
        while not (shown or _rename(self.staged, self.root)):
            with locked(self.root) as shown:
                if shown:
                    self._replace()

    def _replace(self) -> None:
        _carry_over(self.root, self.staged)
        shutil.copymode(self.root, self.staged)
        if exchange(self.staged, self.root):
            old = self.staged
        else:
            os.rename(self.root, self.aside)
            os.rename(self.staged, self.root)
            old = self.aside
        # What somebody put there in between.
        _carry_over(old, self.root)

    def _put_back(self) -> None:
        """Undo the first of two renames that the second did not follow."""
        if self.aside.exists() and self.staged.exists() and not _rename(self.aside, self.root):
            _carry_over(self.aside, self.root)
            shutil.rmtree(self.aside)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[bool]:
    """Wait for others that work with a directory, and let others wait, if it is there at all."""
    while True:
        try:
            file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            yield False
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(directory, file):
                yield True
                return
        finally:
            # A process forked meanwhile has the file too, and would go on holding the lock.
            fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)


def _rename(directory: Path, place: Path) -> bool:
    """Rename a directory to where nothing is, or an empty directory; False if there is more."""
    try:
        os.rename(directory, place)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def _holds(directory: Path, receipts: dict[Path, str]) -> bool:
    """Whether all of these files are in a directory, and are those of the receipts."""
    try:
        return all(receipt(directory / name) == wanted for name, wanted in receipts.items())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _keep_only(directory: Path, names: Iterable[Path]) -> None:
    """Remove what an attempt at completing that was killed has left here, or one at preparing."""
    wanted = {directory / name for name in names}
    above = {parent for path in wanted for parent in path.parents}
    for parent, directories, files in os.walk(directory):
        for name in files:
            if Path(parent, name) not in wanted:
                os.unlink(Path(parent, name))
        for name in [name for name in directories if Path(parent, name) not in above]:
            directories.remove(name)
            path = Path(parent, name)
            path.unlink() if path.is_symlink() else shutil.rmtree(path)


def _carry_over(source: Path, target: Path) -> None:
    """Bring everything of a directory to another one, except for what is there already."""
    # Others may write to either, and what they took away meanwhile need not be brought.
    with contextlib.suppress(FileNotFoundError), os.scandir(source) as entries:
        for entry in entries:
            other = target / entry.name
            is_directory = entry.is_dir(follow_symlinks=False)
            if os.path.lexists(other):
                if is_directory != (other.is_dir() and not other.is_symlink()):
                    raise UnsupportedError(
                        f"{entry.path}: is a directory where a file is to be, or the other way "
                        f"round; move it out of the way",
                        url=Url.local(entry.path),
                    )
            elif is_directory:
                other.mkdir()
                shutil.copymode(entry.path, other)
            else:
                _link(Path(entry.path), other)
            if is_directory:
                _carry_over(Path(entry.path), other)


def _link(source: Path, target: Path) -> None:
    """A second name of a file; where there can be none, a copy."""
    try:
        os.link(source, target, follow_symlinks=False)
    except (FileNotFoundError, FileExistsError):
        pass
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS):
            raise
        shutil.copy2(source, target, follow_symlinks=False)
