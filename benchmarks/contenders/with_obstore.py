"""obstore's synchronous calls in threads: the unit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from benchmarks.contenders.threads import InThreads, ranges, sized_file
from benchmarks.content import Family
from benchmarks.servers import Site


class Obstore(InThreads):
    name = "obstore, 32 threads"

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        import obstore
        from obstore.store import S3Store

        self._obstore = obstore
        self._store = S3Store(
            site.bucket,
            endpoint=site.endpoint,
            access_key_id=site.access_key,
            secret_access_key=site.secret_key,
            region=site.region,
            client_options={"allow_http": True},
        )

    def get(self, key: str) -> memoryview:
        return memoryview(self._obstore.get(self._store, key).bytes())

    def put(self, key: str, data: bytes) -> None:
        self._obstore.put(self._store, key, data, use_multipart=False)

    def head(self, key: str) -> int:
        return int(self._obstore.head(self._store, key)["size"])

    def download(self, family: Family) -> Path:
        if not family.is_large:
            return super().download(family)
        # All ranges of all objects share the threads.
        directory = self.new_directory()

        def one(part: tuple[str, int, int, int]) -> None:
            key, start, stop, file = part
            body = self._obstore.get_range(self._store, key, start=start, end=stop)
            os.pwrite(file, body, start)

        parts = [
            (key, start, stop, self._open.enter_context(sized_file(directory / name, family.size)))
            for key, name in zip(family.keys, family.names, strict=True)
            for start, stop in ranges(family.size)
        ]
        self._drain(self._few, one, parts)
        return directory

    def put_large(self, key: str, path: Path) -> None:
        self._obstore.put(self._store, key, path)

    def listing(self, family: Family) -> list[tuple[str, int]]:
        return [
            (item["path"], item["size"])
            for page in self._obstore.list(self._store, family.prefix, chunk_size=1000)
            for item in page
        ]


class Obstore128(Obstore):
    name = "obstore, 128 threads"
    threads: ClassVar[int] = 128
