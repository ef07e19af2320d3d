"""s3torchconnector's client, in threads."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contenders.threads import InThreads
from benchmarks.content import Family
from benchmarks.servers import Site, UnavailableError


class S3torchconnector(InThreads):
    name = "s3torchconnector, 32 threads"

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        if site.ca:
            raise UnavailableError("it trusts the system's certificate authorities only")
        from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

        self._client = MountpointS3Client(
            site.region, endpoint=site.endpoint, force_path_style=True
        )

    def get(self, key: str) -> bytes:
        return b"".join(self._client.get_object(self.site.bucket, key))

    def put(self, key: str, data: bytes) -> None:
        stream = self._client.put_object(self.site.bucket, key)
        stream.write(data)
        stream.close()

    def head(self, key: str) -> int:
        return self._client.head_object(self.site.bucket, key).size

    def get_large(self, key: str, path: Path) -> None:
        with path.open("wb") as file:
            for chunk in self._client.get_object(self.site.bucket, key):
                file.write(chunk)

    def put_large(self, key: str, path: Path) -> None:
        stream = self._client.put_object(self.site.bucket, key)
        with path.open("rb") as file:
            while chunk := file.read(2**23):
                stream.write(chunk)
        stream.close()

    def listing(self, family: Family) -> list[tuple[str, int]]:
        pages = self._client.list_objects(self.site.bucket, family.prefix)
        return [(item.key, item.size) for page in pages for item in page.object_info]
