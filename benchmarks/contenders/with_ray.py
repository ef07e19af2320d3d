"""Ray Data: its reader of binary files, boto3 by hand in its tasks, and this library's source."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contenders.base import Contender
from benchmarks.content import Family
from benchmarks.servers import Site

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_STORE = 2**30
_THREADS = 32
_ROWS = 500


@contextlib.contextmanager
def started(*, workers: int) -> Iterator[None]:
    """Ray on this machine alone, with so many workers."""
    os.environ |= {
        "RAY_AUTH_MODE": "disabled",
        "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    import ray

    ray.init(
        num_cpus=workers,
        include_dashboard=False,
        object_store_memory=_STORE,
        log_to_driver=False,
        configure_logging=False,
    )
    try:
        yield
    finally:
        ray.shutdown()


class Ray(Contender):
    name = "Ray Data's read_binary_files"
    column = "bytes"

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        self._open.enter_context(started(workers=2))
        import pyarrow as pa
        import ray
        import ray.data

        self._ray, self._pa = ray, pa
        ray.data.DataContext.get_current().execution_options.preserve_order = True

    def blobs(self, family: Family) -> pa.ChunkedArray[pa.BinaryScalar]:
        blocks = self._ray.get(self._read(family).to_arrow_refs())
        return self._pa.concat_tables(blocks)[self.column]

    def _read(self, family: Family) -> Any:
        from pyarrow.fs import S3FileSystem

        scheme, _, address = self.site.endpoint.partition("://")
        filesystem = S3FileSystem(
            access_key=self.site.access_key,
            secret_key=self.site.secret_key,
            region=self.site.region,
            scheme=scheme,
            endpoint_override=address,
        )
        paths = [f"{self.site.bucket}/{key}" for key in family.keys]
        return self._ray.data.read_binary_files(paths, filesystem=filesystem)


class RayBoto3(Ray):
    name = "Ray Data's map_batches, with boto3 in 32 threads"

    def _read(self, family: Family) -> Any:
        rows = self._pa.table({"key": list(family.keys)})
        parts = [rows.slice(start, _ROWS) for start in range(0, len(rows), _ROWS)]
        return self._ray.data.from_arrow(parts).map_batches(
            ByBoto3,
            fn_constructor_args=(self.site.bucket,),
            batch_format="pandas",
            batch_size=_ROWS,
            compute=self._ray.data.ActorPoolStrategy(size=2),
        )


class ByBoto3:
    """One client for each worker, and threads that share it."""

    def __init__(self, bucket: str) -> None:
        import boto3
        from botocore.config import Config

        self._bucket = bucket
        self._client = boto3.client("s3", config=Config(max_pool_connections=_THREADS))

    def __call__(self, rows: pd.DataFrame) -> dict[str, Any]:
        import pyarrow as pa

        with ThreadPoolExecutor(_THREADS) as executor:
            bodies = list(executor.map(self._body, rows["key"]))
        return pa.table({"bytes": pa.array(bodies, pa.binary())})

    def _body(self, key: str) -> bytes:
        answer = self._client.get_object(Bucket=self._bucket, Key=key)
        return answer["Body"].read()


class OursOnRay(Ray):
    name = "file_dataset.ray.blob_reader"
    column = "bytes.bin"

    def _read(self, family: Family) -> Any:
        import pandas as pd

        from file_dataset.ray import blob_reader

        urls = [f"s3://{self.site.bucket}/{key}" for key in family.keys]
        table = pd.DataFrame({"id": range(family.count), self.column: urls})
        return self._ray.data.read_datasource(blob_reader(table, _ROWS))
