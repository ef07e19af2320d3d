"""What a cache keeps: sealed files in a directory that processes share, up to a number of bytes."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
from attrs.validators import ge, instance_of

from file_dataset.adapters.layers._filling import PRIVATE, Filling, prepare
from file_dataset.adapters.layers._sealed import Sealed, seal, sealed_copy
from file_dataset.adapters.per_process import PerProcess
from file_dataset.adapters.scratch import sweep
from file_dataset.domain.errors import StoreError
from file_dataset.domain.half_written import stamp
from file_dataset.domain.locks import locked
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url

_is_shelf = re.compile(r"[0-9a-f]{2}").fullmatch
_is_entry = re.compile(r"[0-9a-f]{62}").fullmatch


@attrs.frozen(eq=False)
class Entries:
    """One file for each object, of the version that was seen last.

    The directory is for this user alone, and for any number of processes. What is used longest ago
    goes first. The length of all entries is kept in a file beside them, which says too much rather
    than too little after a kill, and is found out anew whenever something has to go.

    Args:
        directory: Where to keep them; made if it is not there.
        limit: Bytes that all entries may take together.
        place: What tells apart objects that have the same URL at different servers.
    """

    directory: Path = attrs.field(validator=instance_of(Path))
    limit: int = attrs.field(validator=[instance_of(int), ge(1)])
    place: str = attrs.field(default="", validator=instance_of(str))
    _filling: PerProcess[Filling] = attrs.field(init=False, repr=False)

    @_filling.default
    def _filling_of_each_process(self) -> PerProcess[Filling]:
        return PerProcess(functools.partial(Filling, self._root))

    @property
    def _root(self) -> Path:
        return self.directory / "file_dataset-cache-1"

    def prepare(self) -> None:
        """Make the directory.

        Raises:
            StoreError: If it cannot be used.
            InvalidUrlError: If the system cannot hold its name.
        """
        prepare(self._root)

    def holds(self, url: Url) -> bool:
        """Whether there is an entry of an object, of whatever version."""
        return os.path.exists(self._path(url))

    @contextlib.contextmanager
    def opened(self, info: ObjectInfo) -> Iterator[Sealed | None]:
        """The content of an object in this version, or None. Using it counts as use.

        Raises:
            OSError: If it cannot be read, or is not there.
            IntegrityError: If it is not what it was.
        """
        file = os.open(self._path(info.url), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            sealed = None if info.etag is None else Sealed.of(file, self._name(info))
            if sealed is not None and sealed.size == info.size:
                stamp(file)
                yield sealed
            else:
                yield None
        finally:
            os.close(file)

    @contextlib.contextmanager
    def room(self) -> Iterator[Path | None]:
        """A directory for what is on its way in; None if this process brings in no more."""
        with contextlib.ExitStack() as stack:
            scratch = self._filling().scratch
            found: Path | None = None
            if scratch is not None:
                try:
                    found = stack.enter_context(scratch.open())
                except StoreError as error:
                    self.give_up(error)
            yield found

    def give_up(self, error: Exception) -> None:
        """Bring in no more in this process; what is there is read all the same."""
        self._filling().stop(error)

    def take(self, path: Path, info: ObjectInfo) -> bytes:
        """Take a file of the room as an object's entry, as far as that goes; gives its bytes.

        Raises:
            OSError: If they cannot be read.
        """
        if info.etag is None:
            return path.read_bytes()
        try:
            data = seal(path, self._name(info))
            if len(data) == info.size:
                self._bring_in(path, info.url)
        except OSError as error:
            self.give_up(error)
            return path.read_bytes()[: info.size]
        return data

    def take_copy(self, source: Path, info: ObjectInfo, through: Path) -> None:
        """Take a copy of a file as an object's entry, as far as that goes.

        Args:
            source: The file.
            info: The object.
            through: A path in the room.
        """
        if info.etag is None:
            return
        try:
            if sealed_copy(source, through, self._name(info)) == info.size:
                self._bring_in(through, info.url)
        except OSError as error:
            self.give_up(error)

    def drop(self, url: Url) -> None:
        """Keep nothing of an object."""
        path = self._path(url)
        if not os.path.lexists(path):
            return
        with contextlib.suppress(OSError), locked(self._root):
            size = os.lstat(path).st_size
            os.unlink(path)
            if (total := self._total()) is not None:
                self._note(total - size)

    def _bring_in(self, path: Path, url: Url) -> None:
        size = path.stat().st_size
        if size > self.limit:
            return
        with locked(self._root) as is_there:
            if not is_there:
                return
            total = self._total()
            if total is None:
                total = self._evict(self.limit - size)
            elif total + size > self.limit:
                # A tenth more than has to go, so that not each entry has all of them looked at.
                total = self._evict(max(0, self.limit * 9 // 10 - size))
            target = self._path(url)
            before = target.stat().st_size if target.exists() else 0
            stamp(path)
            self._note(total + size)
            target.parent.mkdir(PRIVATE, exist_ok=True)
            os.replace(path, target)
            if before:
                self._note(total + size - before)

    def _evict(self, wanted: int) -> int:
        """Remove what is used longest ago until so many bytes are left; gives how many are."""
        sweep(self._root)
        found = sorted(self._found())
        total = sum(size for _, size, _ in found)
        for _, size, path in found:
            if total <= wanted:
                break
            os.unlink(path)
            total -= size
        return total

    def _found(self) -> Iterator[tuple[int, int, str]]:
        """When each entry was used, its length, and its path."""
        for shelf in filter(_is_shelf, os.listdir(self._root)):
            with os.scandir(self._root / shelf) as entries:
                for entry in entries:
                    if _is_entry(entry.name):
                        status = entry.stat(follow_symlinks=False)
                        yield status.st_mtime_ns, status.st_size, entry.path

    def _total(self) -> int | None:
        """How many bytes all entries take at most, if that is known."""
        try:
            return int((self._root / "total").read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def _note(self, total: int) -> None:
        file = os.open(self._root / "total", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, b"%020d" % max(0, total), 0)
        finally:
            os.close(file)

    def _path(self, url: Url) -> Path:
        digest = hashlib.sha256(self._text(url)).hexdigest()
        return Path(f"{self._root}/{digest[:2]}/{digest[2:]}")

    def _name(self, info: ObjectInfo) -> bytes:
        # Only a digest is written down: a URL may have secrets in it.
        return hashlib.sha256(self._text(info.url) + f"\0{info.etag}".encode()).digest()

    def _text(self, url: Url) -> bytes:
        return f"{self.place}\0{url}".encode(errors="surrogatepass")
