"""A set of files in a user's directory, which changes from one whole set to the next at once.

::

    base/scans/7.mha       -> ../.file_dataset/ingest/ID/current/files/scans/7.mha
    base/.file_dataset/ingest/ID/current        -> generation-5f0c
    base/.file_dataset/ingest/ID/generation-5f0c/files/scans/7.mha

What is seen are symbolic links, which all lead through one link, ``current``. The next generation
is filled beside the present one, and replacing that link is what commits it: a link to a file that
only the next one has leads nowhere before, and one to a file that only the last one had leads
nowhere afterwards. Whoever comes after a kill finds what leads nowhere by the files of generations
that are not the current one, so that nothing else in the directory is ever touched.

The links are relative, so that the directory can be moved as a whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

import attrs

from file_dataset.domain.files import beside
from file_dataset.domain.half_written import remove_empty
from file_dataset.domain.locks import locked
from file_dataset.domain.url import Url

FILES: Final = "files"
_CURRENT: Final = "current"
# A neighbour may take away a directory that is empty just before it is not.
_ATTEMPTS: Final = 10


@attrs.frozen
class Generations:
    """The generations of one set, and what of them can be seen.

    Every method but ``alone`` is for who is alone with them. They raise OSError as the system
    gives it.

    Args:
        base: What the files are seen below.
        place: Where they are kept, below the base.
    """

    base: Path
    place: Path
    _hidden: str = attrs.field(init=False, repr=False)

    @_hidden.default
    def _where_links_lead(self) -> str:
        return os.path.relpath(self.current / FILES, self.base)

    @property
    def current(self) -> Path:
        """The generation that is seen, if there is one."""
        return self.place / _CURRENT

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Wait for others that change the set, and keep them waiting.

        In the end everything is gone that is not of the current generation, and so are directories
        that were made in vain.
        """
        inside = Url.local(self.current)
        made = sum(not above.exists() for above in self.current.parents)
        while True:
            self.place.mkdir(parents=True, exist_ok=True)
            with locked(self.place) as is_there:
                if is_there:
                    try:
                        self._sweep()
                        yield
                    finally:
                        self._sweep()
                        remove_empty(inside, made)
                    return

    def begin(self) -> Path:
        """A new generation, for files and for what is to be known about them."""
        generation = self.place / f"generation-{os.urandom(8).hex()}"
        (generation / FILES).mkdir(parents=True)
        return generation

    def commit(self, generation: Path, names: Collection[str]) -> None:
        """Let the files of a generation be seen in place of those of the current one.

        Args:
            generation: The new one, complete.
            names: Its files, none of which is ``in_the_way``.
        """
        # Where a directory becomes a file, or a file one, there is no way but to wait.
        late = {name for name in names if self._is_blocked(name)}
        self.show(name for name in names if name not in late)
        self._put(generation.name, self.current)
        if late:
            for other in self._others():
                self._hide(other / FILES)
            self.show(late)

    def show(self, names: Iterable[str]) -> None:
        """Have a link for each of these files, in the place of whatever else has its name."""
        for name in names:
            if not self._is_ours(name):
                self._show(name)

    def in_the_way(self, names: Iterable[str], listed: Collection[str]) -> list[str]:
        """What else has the names that files of the next generation would have.

        Args:
            names: Those files.
            listed: The files of the current generation, whose place may be taken.
        """
        above = {parent for name in names for parent in _parents(name)}
        found = [name for name in above if not self._may_hold(name)]
        found += [name for name in names if not self._may_be_replaced(name, listed)]
        return sorted(found)

    def _may_hold(self, name: str) -> bool:
        mode = _mode(self.base / name)
        return mode is None or stat.S_ISDIR(mode) or self._is_ours(name)

    def _may_be_replaced(self, name: str, listed: Collection[str]) -> bool:
        path = self.base / name
        mode = _mode(path)
        if mode is None or self._is_ours(name):
            return True
        if not stat.S_ISDIR(mode):
            return name in listed
        return all(self._is_ours(f"{name}/{each}") for each in _files_below(path))

    def _is_blocked(self, name: str) -> bool:
        above = (_mode(self.base / parent) for parent in _parents(name))
        if any(mode is not None and not stat.S_ISDIR(mode) for mode in above):
            return True
        mode = _mode(self.base / name)
        return mode is not None and stat.S_ISDIR(mode)

    def _show(self, name: str, attempts: int = _ATTEMPTS) -> None:
        path, leads_to = self.base / name, self._leads_to(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.symlink_to(leads_to)
            except FileExistsError:
                # If it is a directory, nothing is in it: it would have been in the way.
                _remove_empty(path)
                self._put(leads_to, path)
        except FileNotFoundError:
            if attempts == 1:
                raise
            self._show(name, attempts - 1)

    def _put(self, leads_to: str, path: Path) -> None:
        """A link in the place of what is there; what a kill leaves of that is not in the base."""
        temporary = Path(beside(self.current))
        temporary.symlink_to(leads_to)
        os.replace(temporary, path)

    def _leads_to(self, name: str) -> str:
        return f"{'../' * name.count('/')}{self._hidden}/{name}"

    def _is_ours(self, name: str) -> bool:
        try:
            return os.readlink(self.base / name) == self._leads_to(name)
        except OSError:
            return False

    def _sweep(self) -> None:
        """Take away what is not of the current generation, and the links that lead nowhere."""
        for other in self._others():
            if other.is_dir() and not other.is_symlink():
                self._hide(other / FILES)
                # Nobody sees it, and what a reader keeps from going is tried again the next time.
                shutil.rmtree(other, ignore_errors=True)
            else:
                other.unlink()

    def _others(self) -> list[Path]:
        """All that is kept but the current generation."""
        kept = {_CURRENT, os.path.basename(os.path.realpath(self.current))}
        return [self.place / name for name in os.listdir(self.place) if name not in kept]

    def _hide(self, files: Path) -> None:
        """Take away the links to files of a generation that the current one does not have."""
        for name in _files_below(files):
            mode = _mode(self.current / FILES / name)
            if (mode is None or stat.S_ISDIR(mode)) and self._is_ours(name):
                os.unlink(self.base / name)
        for parent, _, _ in os.walk(files, topdown=False):
            if parent != str(files):
                # What somebody else has there keeps it.
                with contextlib.suppress(OSError):
                    (self.base / Path(parent).relative_to(files)).rmdir()


def _parents(name: str) -> Iterator[str]:
    """The directories above a file, as names.

    >>> list(_parents("a/b/c"))
    ['a', 'a/b']
    """
    return (name[:at] for at, character in enumerate(name) if character == "/")


def _files_below(directory: Path) -> Iterator[str]:
    """All that is below a directory and is none itself, by its name there."""
    for parent, directories, files in os.walk(directory):
        links = [name for name in directories if os.path.islink(Path(parent, name))]
        for name in [*files, *links]:
            yield str(Path(parent, name).relative_to(directory))


def _remove_empty(directory: Path) -> None:
    """Take away the directories below one, and itself, unless there are files in them."""
    if directory.is_symlink():
        return  # os.walk would go where it leads
    for parent, _, _ in os.walk(directory, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(parent)


def _mode(path: Path) -> int | None:
    """What kind of file is at a path; None if there is none."""
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
