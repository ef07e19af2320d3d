"""boto3 by hand: a client with enough connections, in threads."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contenders.threads import InThreads
from benchmarks.content import Family
from benchmarks.servers import Site


class Boto3(InThreads):
    name = "boto3, 32 threads"

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        import boto3
        from botocore.config import Config

        self._client = boto3.client("s3", config=Config(max_pool_connections=self.threads))

    def get(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self.site.bucket, Key=key)["Body"].read()

    def put(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self.site.bucket, Key=key, Body=data)

    def head(self, key: str) -> int:
        return self._client.head_object(Bucket=self.site.bucket, Key=key)["ContentLength"]

    def get_large(self, key: str, path: Path) -> None:
        body = self._client.get_object(Bucket=self.site.bucket, Key=key)["Body"]
        with path.open("wb") as file:
            for chunk in body.iter_chunks(2**20):
                file.write(chunk)

    def put_large(self, key: str, path: Path) -> None:
        self._client.upload_file(str(path), self.site.bucket, key)

    def listing(self, family: Family) -> list[tuple[str, int]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.site.bucket, Prefix=family.prefix
        )
        return [(item["Key"], item["Size"]) for page in pages for item in page["Contents"]]
