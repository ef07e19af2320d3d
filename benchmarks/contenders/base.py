"""What every contender is asked to do."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchmarks.content import Family
from benchmarks.servers import Site

if TYPE_CHECKING:
    import pyarrow as pa

RowFunction = Callable[[Path, Path], Mapping[str, Path]]
"""From a directory with ``a.bin`` and ``b.bin``, and one for outputs, to files by their names."""


class Contender:
    """A way to move files. What a contender does not override it cannot do.

    The constructor imports and connects whatever the work will need: its time does not count.

    Args:
        site: The server.
        scratch: An empty directory of its own.
    """

    name: ClassVar[str]

    def __init__(self, site: Site, scratch: Path) -> None:
        self.site = site
        self.scratch = scratch
        self._open = contextlib.ExitStack()

    @classmethod
    def can(cls, verb: str) -> bool:
        return getattr(cls, verb) is not getattr(Contender, verb)

    def warm_up(self, few: Callable[[], object]) -> None:
        """Do the same work with a few small objects, before the clock starts."""
        few()

    def close(self) -> None:
        self._open.close()

    def make_ready(self, family: Family) -> None:
        """Bring the objects into the form that they are read from, which is not timed."""

    def download(self, family: Family) -> Path:
        """Put the objects into a directory, by the last segment of their keys."""
        raise NotImplementedError

    def upload(self, paths: Sequence[Path], prefix: str) -> list[str]:
        """Make objects below a prefix of local files; their keys, in the order of the files."""
        raise NotImplementedError

    def sizes(self, family: Family) -> Sequence[int]:
        """The objects' sizes, asked for one by one, in the order of the keys."""
        raise NotImplementedError

    def blobs(self, family: Family) -> pa.ChunkedArray[pa.BinaryScalar]:
        """The objects' contents as an Arrow column, in the order of the keys."""
        raise NotImplementedError

    def rows(self, family: Family, function: RowFunction, prefix: str) -> list[str]:
        """Call the function for each two objects, publish what it makes; the outputs' keys.

        In the order of the rows, and of a row in the order of what the function returned.
        """
        raise NotImplementedError

    def listing(self, family: Family) -> list[tuple[str, int]]:
        """The keys and sizes of the objects, by listing."""
        raise NotImplementedError

    def loader(self, family: Family, workers: int) -> list[bytes]:
        """The objects' contents by way of PyTorch's DataLoader, in whatever order."""
        raise NotImplementedError

    def packed_and_back(self, paths: Sequence[Path]) -> Path:
        """Pack local files into archives there, and unpack these into a directory."""
        raise NotImplementedError

    def new_directory(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.scratch))


class InBulk(Contender):
    """One that moves many files in one call: everything down, the function, everything up."""

    def blobs(self, family: Family) -> pa.ChunkedArray[pa.BinaryScalar]:
        import pyarrow as pa

        directory = self.download(family)
        bodies = [(directory / name).read_bytes() for name in family.names]
        return pa.chunked_array([pa.array(bodies, pa.binary())])

    def rows(self, family: Family, function: RowFunction, prefix: str) -> list[str]:
        directory = self.download(family)
        outputs = []
        made = self.new_directory()
        for number, (a, b) in enumerate(pairs(family.names)):
            with row_directories(self.scratch) as (inputs, output):
                (directory / a).rename(inputs / "a.bin")
                (directory / b).rename(inputs / "b.bin")
                path = made / f"{number:06}.bin"
                function(inputs, output)["out.bin"].rename(path)
                outputs.append(path)
        return self.upload(outputs, prefix)


@contextlib.contextmanager
def row_directories(scratch: Path) -> Iterator[tuple[Path, Path]]:
    """Directories for a row's inputs and outputs, gone at the end."""
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        inputs, outputs = Path(directory, "in"), Path(directory, "out")
        inputs.mkdir()
        outputs.mkdir()
        yield inputs, outputs


def pairs(items: Sequence[str]) -> list[tuple[str, str]]:
    """The first with the second, the third with the fourth, ..."""
    return list(zip(items[::2], items[1::2], strict=True))
