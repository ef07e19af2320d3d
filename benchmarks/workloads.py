"""The work: what is prepared, what is timed, and how its result is checked byte by byte."""

from __future__ import annotations

import contextlib
import functools
import http.client
import ssl
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import attrs

from benchmarks.contenders.base import Contender, pairs
from benchmarks.content import Family, check_bytes, check_file, content
from benchmarks.servers import Site

_FEW = 8
_AT_ONCE = 32


@attrs.frozen
class Workload(ABC):
    """One kind of work.

    Args:
        family: The objects it is about.
    """

    verb: ClassVar[str]
    family: Family

    @property
    def few(self) -> Workload:
        """The same with a few small objects, to warm up."""
        return attrs.evolve(
            self, family=Family(_FEW, min(self.family.size, 4096), self.family.step)
        )

    @abstractmethod
    def prepare(self, contender: Contender) -> Callable[[], Any]:
        """Make ready what the work needs; what is returned does the work."""

    @abstractmethod
    def check(self, result: Any, site: Site) -> None:
        """Raises ValueError unless the result is right."""


class Download(Workload):
    """Objects into a directory."""

    verb = "download"

    def prepare(self, contender: Contender) -> Callable[[], Any]:
        contender.make_ready(self.family)
        return lambda: contender.download(self.family)

    def check(self, result: Any, site: Site) -> None:
        found = sorted(path.name for path in result.iterdir())
        if found != self.family.names:
            raise ValueError(f"{len(found)} files instead of {self.family.count}")
        for key, name in zip(self.family.keys, self.family.names, strict=True):
            check_file(key, result / name, self.family.size)


class Upload(Workload):
    """Local files into objects."""

    verb = "upload"

    def prepare(self, contender: Contender) -> Callable[[], Any]:
        sources = contender.new_directory()
        paths = self.family.write(sources)
        return lambda: contender.upload(paths, f"up/{sources.name}/")

    def check(self, result: Any, site: Site) -> None:
        wanted = [functools.partial(content, key) for key in self.family.keys]
        check_objects(site, result, wanted, self.family.size)


class Sizes(Workload):
    """The sizes of objects."""

    verb = "sizes"

    def prepare(self, contender: Contender) -> Callable[[], Any]:
        return lambda: contender.sizes(self.family)

    def check(self, result: Any, site: Site) -> None:
        if list(result) != [self.family.size] * self.family.count:
            raise ValueError("wrong sizes")


class Blobs(Workload):
    """Objects into an Arrow column."""

    verb = "blobs"

    def prepare(self, contender: Contender) -> Callable[[], Any]:
        contender.make_ready(self.family)
        return lambda: contender.blobs(self.family)

    def check(self, result: Any, site: Site) -> None:
        if len(result) != self.family.count:
            raise ValueError(f"{len(result)} cells instead of {self.family.count}")
        for key, cell in zip(self.family.keys, result, strict=True):
            check_bytes(key, cell.as_py(), self.family.size)


class Rows(Workload):
    """Two objects at a time through a function, and what it makes into an object."""

    verb = "rows"

    def prepare(self, contender: Contender) -> Callable[[], Any]:
        prefix = f"rows/{contender.new_directory().name}/"
        return lambda: contender.rows(self.family, front_and_back, prefix)

    def check(self, result: Any, site: Site) -> None:
        wanted = [
            functools.partial(_made_of, a, b, self.family.size) for a, b in pairs(self.family.keys)
        ]
        check_objects(site, result, wanted, self.family.size)


class Commit(Rows):
    """As Rows, with two objects for each row: to be seen together, if the contender can do that."""

    def prepare(self, contender: Contender) -> Callable[[], Any]:
        prefix = f"rows/{contender.new_directory().name}/"
        return lambda: contender.rows(self.family, both_ways, prefix)

    def check(self, result: Any, site: Site) -> None:
        size = self.family.size
        wanted = [
            functools.partial(_made_of, front, back, size)
            for a, b in pairs(self.family.keys)
            for front, back in ((a, b), (b, a))
        ]
        check_objects(site, result, wanted, size)


@attrs.frozen
class Loader(Workload):
    """The contents by way of PyTorch's DataLoader.

    Args:
        workers: Its worker processes.
    """

    verb = "loader"
    workers: int = 0

    def prepare(self, contender: Contender) -> Callable[[], Any]:
        return lambda: contender.loader(self.family, self.workers)

    def check(self, result: Any, site: Site) -> None:
        size = self.family.size
        wanted = Counter(hash(content(key, 0, size)) for key in self.family.keys)
        if Counter(map(hash, result)) != wanted:
            raise ValueError(f"{len(result)} items, which are not the {self.family.count} objects")


class PackedAndBack(Workload):
    """Local files into archives, and out of them into a directory."""

    verb = "packed_and_back"

    def prepare(self, contender: Contender) -> Callable[[], Any]:
        paths = self.family.write(contender.new_directory())
        return lambda: contender.packed_and_back(paths)

    def check(self, result: Any, site: Site) -> None:
        found = {path.parent.name: path for path in result.rglob("*") if path.is_file()}
        if len(found) != self.family.count:
            raise ValueError(f"{len(found)} files instead of {self.family.count}")
        for name, key in zip(self.family.names, self.family.keys, strict=True):
            check_file(key, found[name], self.family.size)


class Listing(Workload):
    """The keys and sizes below a prefix."""

    verb = "listing"

    def prepare(self, contender: Contender) -> Callable[[], Any]:
        return lambda: contender.listing(self.family)

    def check(self, result: Any, site: Site) -> None:
        if sorted(result) != [(key, self.family.size) for key in self.family.keys]:
            raise ValueError("wrong listing")


def front_and_back(inputs: Path, outputs: Path) -> Mapping[str, Path]:
    """The first half of one file and the second half of the other."""
    front, back = (inputs / "a.bin").read_bytes(), (inputs / "b.bin").read_bytes()
    half = len(front) // 2
    made = outputs / "out.bin"
    made.write_bytes(front[:half] + back[half:])
    return {"out.bin": made}


def both_ways(inputs: Path, outputs: Path) -> Mapping[str, Path]:
    """As front_and_back(), and the other halves as well."""
    front, back = (inputs / "a.bin").read_bytes(), (inputs / "b.bin").read_bytes()
    half = len(front) // 2
    made = {"out.bin": front[:half] + back[half:], "tuo.bin": back[:half] + front[half:]}
    for name, data in made.items():
        (outputs / name).write_bytes(data)
    return {name: outputs / name for name in made}


def _made_of(a: str, b: str, size: int, start: int, stop: int) -> bytes:
    half = size // 2
    return (content(a, 0, half) + content(b, half, size))[start:stop]


Expected = Callable[[int, int], bytes]


def check_objects(site: Site, keys: Sequence[str], expected: Sequence[Expected], size: int) -> None:
    """Raises ValueError unless the server holds the expected bytes under the keys."""
    work = list(zip(keys, expected, strict=True))
    shares = [work[start::_AT_ONCE] for start in range(min(_AT_ONCE, len(work)))]
    with ThreadPoolExecutor(_AT_ONCE) as executor:
        list(executor.map(lambda share: _check_share(site, share, size), shares))


def _check_share(site: Site, share: list[tuple[str, Expected]], size: int) -> None:
    with contextlib.closing(_connected(site)) as connection:
        for key, expected in share:
            connection.request("GET", f"/{site.check_bucket}/{key}")
            answer = connection.getresponse()
            at = 0
            while chunk := answer.read(2**20):
                if chunk != expected(at, at + len(chunk)):
                    raise ValueError(f"{key}: other bytes than were written, after {at}")
                at += len(chunk)
            if answer.status != http.client.OK or at != size:
                raise ValueError(f"{key}: status {answer.status}, {at} bytes instead of {size}")


def forget_objects(site: Site) -> None:
    """Let the server give up what was written."""
    with contextlib.closing(_connected(site)) as connection:
        connection.request("DELETE", f"/{site.check_bucket}")
        connection.getresponse().read()


def _connected(site: Site) -> http.client.HTTPConnection:
    scheme, _, address = site.endpoint.rstrip("/").partition("://")
    if scheme == "http":
        return http.client.HTTPConnection(address)
    context = ssl.create_default_context(cafile=site.ca)
    return http.client.HTTPSConnection(address, context=context)
