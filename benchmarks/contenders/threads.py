"""What a user writes around a client of single objects: an executor, a call per object."""

from __future__ import annotations

import itertools
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from benchmarks.contenders.base import Contender, RowFunction, pairs, row_directories
from benchmarks.content import Family
from benchmarks.servers import Site

if TYPE_CHECKING:
    import pyarrow as pa

A = TypeVar("A")
B = TypeVar("B")

_RANGE = 2**24


class InThreads(Contender):
    """A contender whose client moves single objects."""

    threads: ClassVar[int] = 32
    large_threads: ClassVar[int] = 4

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        self._executor = self._open.enter_context(ThreadPoolExecutor(self.threads))
        self._few = self._open.enter_context(ThreadPoolExecutor(self.large_threads))

    @abstractmethod
    def get(self, key: str) -> bytes | memoryview: ...

    @abstractmethod
    def put(self, key: str, data: bytes) -> None: ...

    @abstractmethod
    def head(self, key: str) -> int: ...

    def get_large(self, key: str, path: Path) -> None:
        """Put a large object into a file."""
        raise NotImplementedError

    def put_large(self, key: str, path: Path) -> None:
        """Make an object of a large file."""
        raise NotImplementedError

    def download(self, family: Family) -> Path:
        directory = self.new_directory()

        def one(key: str) -> None:
            (directory / key.rpartition("/")[2]).write_bytes(self.get(key))

        def large(key: str) -> None:
            self.get_large(key, directory / key.rpartition("/")[2])

        if family.is_large:
            self._drain(self._few, large, family.keys)
        else:
            self._drain(self._executor, one, family.keys)
        return directory

    def upload(self, paths: Sequence[Path], prefix: str) -> list[str]:
        def one(path: Path) -> str:
            self.put(prefix + path.name, path.read_bytes())
            return prefix + path.name

        def large(path: Path) -> str:
            self.put_large(prefix + path.name, path)
            return prefix + path.name

        if paths[0].stat().st_size >= 2**25:
            return self._drain(self._few, large, paths)
        return self._drain(self._executor, one, paths)

    def sizes(self, family: Family) -> Sequence[int]:
        return self._drain(self._executor, self.head, family.keys)

    def blobs(self, family: Family) -> pa.ChunkedArray[pa.BinaryScalar]:
        import pyarrow as pa

        bodies = self._drain(self._executor, lambda key: bytes(self.get(key)), family.keys)
        return pa.chunked_array([pa.array(bodies, pa.binary())])

    def rows(self, family: Family, function: RowFunction, prefix: str) -> list[str]:
        def one(row: tuple[int, tuple[str, str]]) -> list[str]:
            number, (a, b) = row
            with row_directories(self.scratch) as (inputs, outputs):
                (inputs / "a.bin").write_bytes(self.get(a))
                (inputs / "b.bin").write_bytes(self.get(b))
                made = function(inputs, outputs)
                keys = {name: f"{prefix}{number:06}/{name}" for name in made}
                for name, path in made.items():
                    self.put(keys[name], path.read_bytes())
                return list(keys.values())

        written = self._drain(self._executor, one, list(enumerate(pairs(family.keys))))
        return list(itertools.chain.from_iterable(written))

    @staticmethod
    def _drain(executor: ThreadPoolExecutor, call: Callable[[A], B], items: Sequence[A]) -> list[B]:
        return list(executor.map(call, items))


def ranges(size: int) -> list[tuple[int, int]]:
    """Where the parts of an object begin and end."""
    return [(start, min(start + _RANGE, size)) for start in range(0, size, _RANGE)]


@contextmanager
def sized_file(path: Path, size: int) -> Iterator[int]:
    """A new file of a size, open for writing at any place."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        os.truncate(descriptor, size)
        yield descriptor
    finally:
        os.close(descriptor)
