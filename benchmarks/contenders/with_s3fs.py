"""s3fs, with the lists of files that its methods take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contenders.base import InBulk
from benchmarks.content import Family
from benchmarks.servers import Site

if TYPE_CHECKING:
    import pyarrow as pa


class S3fs(InBulk):
    name = "s3fs"

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        import s3fs

        self._fs = s3fs.S3FileSystem()

    def download(self, family: Family) -> Path:
        directory = self.new_directory()
        self._fs.get(self._paths(family), [str(directory / name) for name in family.names])
        return directory

    def upload(self, paths: Sequence[Path], prefix: str) -> list[str]:
        keys = [prefix + path.name for path in paths]
        self._fs.put([str(path) for path in paths], [f"{self.site.bucket}/{key}" for key in keys])
        return keys

    def sizes(self, family: Family) -> Sequence[int]:
        return self._fs.sizes(self._paths(family))

    def blobs(self, family: Family) -> pa.ChunkedArray[pa.BinaryScalar]:
        import pyarrow as pa

        paths = self._paths(family)
        found = self._fs.cat(paths)
        return pa.chunked_array([pa.array([found[path] for path in paths], pa.binary())])

    def listing(self, family: Family) -> list[tuple[str, int]]:
        found = self._fs.find(f"{self.site.bucket}/{family.prefix}", detail=True)
        bucket = f"{self.site.bucket}/"
        return [(path.removeprefix(bucket), info["size"]) for path, info in found.items()]

    def _paths(self, family: Family) -> list[str]:
        return [f"{self.site.bucket}/{key}" for key in family.keys]
