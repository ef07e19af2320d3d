"""metaflow's S3 client, which moves many objects in processes of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.contenders.base import InBulk
from benchmarks.content import Family
from benchmarks.servers import Site


class Metaflow(InBulk):
    name = "metaflow S3"

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        # Read when it is imported, here and in its processes.
        os.environ["METAFLOW_S3_ENDPOINT_URL"] = site.endpoint
        os.environ["METAFLOW_USER"] = "bench"
        from metaflow import S3

        self._s3 = self._open.enter_context(S3(s3root=f"s3://{site.bucket}/", tmproot=str(scratch)))

    def warm_up(self, few: Callable[[], object]) -> None:
        """Nothing: its processes are new ones for every call, and take seconds to start."""

    def download(self, family: Family) -> Path:
        directory = self.new_directory()
        for got in self._s3.get_many(family.keys):
            Path(got.path).rename(directory / got.key.rpartition("/")[2])
        return directory

    def upload(self, paths: Sequence[Path], prefix: str) -> list[str]:
        keys = [prefix + path.name for path in paths]
        self._s3.put_files([(key, str(path)) for key, path in zip(keys, paths, strict=True)])
        return keys

    def sizes(self, family: Family) -> Sequence[int]:
        found = {each.key: each.size for each in self._s3.info_many(family.keys)}
        return [found[key] for key in family.keys]

    def listing(self, family: Family) -> list[tuple[str, int]]:
        return [
            (family.prefix + each.key.removeprefix(family.prefix), each.size)
            for each in self._s3.list_recursive([family.prefix])
        ]
