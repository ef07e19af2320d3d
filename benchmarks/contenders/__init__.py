"""The contenders by name; each is imported only in the process that measures it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.contenders.base import Contender

CONTENDERS = {
    "file_dataset": "with_file_dataset:Ours",
    "file_dataset-boto3": "with_file_dataset:OursByBoto3",
    "file_dataset-curl": "with_file_dataset:OursByCurl",
    "file_dataset-packed": "with_file_dataset:OursPacked",
    "obstore": "with_obstore:Obstore",
    "obstore-128": "with_obstore:Obstore128",
    "libcurl": "with_pycurl:Bare",
    "libcurl-256": "with_pycurl:Bare256",
    "s3torchconnector": "with_s3torchconnector:S3torchconnector",
    "s5cmd-glob": "with_s5cmd:S5cmdByGlob",
    "s5cmd-list": "with_s5cmd:S5cmdByList",
    "boto3": "with_boto3:Boto3",
    "s3fs": "with_s3fs:S3fs",
    "metaflow": "with_metaflow:Metaflow",
    "ray": "with_ray:Ray",
    "ray-boto3": "with_ray:RayBoto3",
    "file_dataset-ray": "with_ray:OursOnRay",
    "file_dataset-torch": "with_torch:Ours",
    "s3torchconnector-torch": "with_torch:S3torchconnector",
    "s3dlio-torch": "with_torch:S3dlio",
    "boto3-torch": "with_torch:Boto3",
    "torch-alone": "with_torch:Alone",
}


def load(name: str) -> type[Contender]:
    """The class of a contender."""
    module, _, kind = CONTENDERS[name].partition(":")
    found: type[Contender] = getattr(
        importlib.import_module(f"benchmarks.contenders.{module}"), kind
    )
    return found


def search_path(name: str) -> str:
    """PYTHONPATH for a contender: s3fs is in a folder of its own (requirements/bench-s3fs.in)."""
    return str(Path(sys.prefix, "bench-s3fs")) if name == "s3fs" else ""
