"""Ray Data's reader of binary files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contenders.base import Contender
from benchmarks.content import Family
from benchmarks.servers import Site

if TYPE_CHECKING:
    import pyarrow as pa

_STORE = 2**30


class Ray(Contender):
    name = "Ray Data"

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        os.environ |= {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        }
        import pyarrow as pa
        import pyarrow.fs
        import ray
        import ray.data

        self._ray, self._pa = ray, pa
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=_STORE,
            log_to_driver=False,
            configure_logging=False,
        )
        self._open.callback(ray.shutdown)
        ray.data.DataContext.get_current().execution_options.preserve_order = True
        scheme, _, address = site.endpoint.partition("://")
        self._fs = pa.fs.S3FileSystem(
            access_key=site.access_key,
            secret_key=site.secret_key,
            region=site.region,
            scheme=scheme,
            endpoint_override=address,
        )

    def blobs(self, family: Family) -> pa.ChunkedArray[pa.BinaryScalar]:
        paths = [f"{self.site.bucket}/{key}" for key in family.keys]
        data = self._ray.data.read_binary_files(paths, filesystem=self._fs)
        blocks = self._ray.get(data.to_arrow_refs())
        return self._pa.concat_tables(blocks)["bytes"]
