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

The directory above the root is the user's; below it no symbolic link is followed, whoever puts one
there and whenever (``directories``). Nothing waits for the disk: every process sees a step that is
done, also one that comes after a kill, but a machine that loses its power may have kept a later
step and lost an earlier one.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import Final, TypeAlias

import attrs

from file_dataset.adapters.local.carrying import carry_over, keep_only
from file_dataset.adapters.local.directories import (
    below,
    created,
    locked,
    opened,
    remove,
    remove_empty,
    rename,
    status,
)
from file_dataset.adapters.local.exchange import exchange
from file_dataset.domain import half_written
from file_dataset.domain.errors import (
    InvalidUrlError,
    PreconditionFailedError,
    UnsupportedError,
)
from file_dataset.domain.files import is_temporary, temporary_name
from file_dataset.domain.names import RECORDS
from file_dataset.domain.requests import Draft, Prepared
from file_dataset.domain.url import Url

STAGE: Final = "stage"
"""The directory beside the records that no listing enters."""

# Beside the root's new directory: its name is one of those that no file may have.
_ASIDE: Final = ".file_dataset-aside.tmp"
# The directories above that of an attempt, which are there only as long as there are attempts.
_STAGE_AND_RECORDS: Final = 2
_ATTEMPTS: Final = 10


def is_staged(url: Url) -> bool:
    """Whether a URL is one of a stage, or of something in it, where no object can be."""
    return f"/{RECORDS}/{STAGE}/" in url.stem


def receipt(status: os.stat_result) -> str:
    """What tells a file from those of other attempts, wherever it is moved."""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


_Receipts: TypeAlias = Mapping[tuple[str, ...], str]


@attrs.frozen
class Place:
    """Where the files of a draft lie, and where they go.

    Args:
        root: What the one directory of the attempt becomes.
        attempt: The name of the attempt.
    """

    root: Path
    attempt: str

    @classmethod
    def of(cls, draft: Draft) -> Place:
        """The place of a draft."""
        return cls(Path(draft.root.path), draft.attempt)

    @property
    def _into(self) -> Path:
        return self.root.parent

    @property
    def stage(self) -> Path:
        """The directory of all attempts beside the root."""
        return self._into / RECORDS / STAGE

    def check_root(self) -> None:
        """Look whether the root may become a directory of the draft's files.

        Raises:
            InvalidUrlError: If its name is one that is kept for what is not complete.
            UnsupportedError: If there is something there that is no directory.
        """
        if is_temporary(self.root.name) or self.root.name == RECORDS:
            raise InvalidUrlError(f"{self.root}: names of this kind are for what is not complete")
        if os.path.lexists(self.root) and not stat.S_ISDIR(os.lstat(self.root).st_mode):
            raise UnsupportedError(
                f"{self.root}: is a file or a symbolic link, where a directory of several files "
                f"is to be; move it out of the way",
                url=Url.local(self.root),
            )

    def prepare(
        self, url: Url, copy: Callable[[int], object], *, attempts: int = _ATTEMPTS
    ) -> tuple[os.stat_result, int]:
        """Write a file out of sight.

        Args:
            url: Where it will be.
            copy: Writes its bytes to an open file.
            attempts: How often to begin anew where neighbours take directories away.

        Returns:
            What the file is, and how many directories above the attempt's came with it.

        Raises:
            InvalidUrlError: As check_root() does.
            UnsupportedError: As check_root() does, or if there is a symbolic link on the way.
            OSError: As the system gives it.
        """
        self.check_root()
        made = half_written.make_parents(self.root)
        above = made + _STAGE_AND_RECORDS if made else 0
        *directories, name = self._parts(url)
        hidden = temporary_name()
        staged = (RECORDS, STAGE, self.attempt, self.root.name, *directories)
        try:
            with created(self._into, staged, hidden) as (directory, file):
                copy(file)
                half_written.stamp(file)
                found = os.fstat(file)
                os.rename(hidden, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException as error:
            self._remove_empty()
            self.remove_empty_above(above)
            # A neighbour that failed may have taken the directories away again that it had made.
            if isinstance(error, FileNotFoundError) and attempts > 1:
                return self.prepare(url, copy, attempts=attempts - 1)
            raise
        return found, above

    def complete(self, prepared: Sequence[Prepared]) -> None:
        """Let the files be seen at their root, unless they are there already.

        Raises:
            PreconditionFailedError: If they are neither prepared nor at their root.
            UnsupportedError: If the root is no directory, or a file of the draft would have to be
                where a directory is, or the other way round.
            OSError: As the system gives it.
        """
        self.check_root()
        # What follows is how many directories were made for it.
        receipts = {self._parts(each.url): each.receipt.rpartition("-")[0] for each in prepared}
        with ExitStack() as held:
            try:
                into = held.enter_context(opened(self._into))
            except (FileNotFoundError, NotADirectoryError):
                raise self._lost() from None
            attempt = held.enter_context(locked(into, (RECORDS, STAGE, self.attempt)))
            if attempt is not None and _holds(attempt, self.root.name, receipts):
                self._put_back(attempt, into)
                self._show(attempt, into, receipts)
            elif not _holds(into, self.root.name, receipts):
                raise self._lost()
            # What is left is the directory that was the root before. It is seen by nobody, and
            # what of it cannot be taken away is no reason to call the rest incomplete.
            if attempt is not None:
                with contextlib.suppress(OSError):
                    self._remove(into)

    def _lost(self) -> PreconditionFailedError:
        return PreconditionFailedError(
            f"{self.root}: the draft {self.attempt} was aborted, or others wrote there since"
        )

    def abort(self) -> None:
        """Take the files of the attempt away, if they are there."""
        with (
            contextlib.suppress(FileNotFoundError),
            opened(self._into) as into,
            locked(into, (RECORDS, STAGE, self.attempt)) as attempt,
        ):
            if attempt is not None:
                self._put_back(attempt, into)
            self._remove(into)

    def remove_empty_above(self, made: int) -> list[Path]:
        """Take away directories above the attempt's, unless others use them by now.

        Args:
            made: How many came with the attempt.

        Returns:
            Those that are gone.
        """
        removed: list[Path] = []
        with contextlib.suppress(OSError, UnsupportedError):
            for above, name in (((RECORDS,), STAGE), ((), RECORDS)):
                with opened(self._into, *above) as at:
                    os.rmdir(name, dir_fd=at)
                removed.append(self._into.joinpath(*above, name))
            made = max(0, made - _STAGE_AND_RECORDS)
            removed += half_written.remove_empty(Url.local(self.root), made)
        return removed

    def _parts(self, url: Url) -> tuple[str, ...]:
        return PurePath(url.path).relative_to(self.root).parts

    def _remove(self, into: int) -> None:
        with contextlib.suppress(FileNotFoundError), below(into, (RECORDS, STAGE)) as stage:
            remove(self.attempt, stage)

    def _remove_empty(self) -> None:
        with (
            contextlib.suppress(OSError, UnsupportedError),
            opened(self._into, RECORDS, STAGE) as stage,
        ):
            remove_empty(self.attempt, stage)

    def _show(self, attempt: int, into: int, receipts: _Receipts) -> None:
        name = self.root.name
        with below(attempt, [name]) as staged:
            # What an attempt at this that was killed has left here, or one at preparing.
            keep_only(staged, receipts.keys())
            while not rename(name, attempt, name, into):
                with locked(into, [name]) as root:
                    if root is not None:
                        self._replace(staged, root, attempt, into)
                        return

    def _replace(self, staged: int, root: int, attempt: int, into: int) -> None:
        name = self.root.name
        carry_over(root, staged, self.root)
        os.fchmod(staged, stat.S_IMODE(os.fstat(root).st_mode))
        if not exchange(name, attempt, name, into):
            os.rename(name, _ASIDE, src_dir_fd=into, dst_dir_fd=attempt)
            os.rename(name, name, src_dir_fd=attempt, dst_dir_fd=into)
        # What somebody put there in between: `root` is the old one, wherever it is by now.
        carry_over(root, staged, self.root)

    def _put_back(self, attempt: int, into: int) -> None:
        """Undo the first of two renames that the second did not follow."""
        name = self.root.name
        if status(_ASIDE, attempt) is None or status(name, attempt) is None:
            return
        if not rename(_ASIDE, attempt, name, into):
            with below(attempt, [_ASIDE]) as aside, below(into, [name]) as root:
                carry_over(aside, root, self.root)
            remove(_ASIDE, attempt)


def _holds(at: int, name: str, receipts: _Receipts) -> bool:
    """Whether all of these files are in a directory, and are those of the receipts."""
    try:
        with below(at, [name]) as directory:
            return all(_is(directory, parts, wanted) for parts, wanted in receipts.items())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is(directory: int, parts: tuple[str, ...], wanted: str) -> bool:
    with below(directory, parts[:-1]) as at:
        found = status(parts[-1], at)
    return found is not None and stat.S_ISREG(found.st_mode) and receipt(found) == wanted
