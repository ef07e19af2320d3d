"""Datasets for PyTorch's DataLoader: ours, and those of others, each with its own defaults."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.contenders.base import Contender
from benchmarks.content import Family, content
from benchmarks.servers import Site, UnavailableError


class Loading(Contender):
    """A DataLoader over a dataset. What connects does so in the process that reads.

    Args:
        site: The server.
        scratch: An empty directory of its own.
    """

    module: ClassVar[str]

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        try:
            self._torch_data = importlib.import_module("torch.utils.data")
            self._library = importlib.import_module(self.module)
        except ImportError as error:
            raise UnavailableError(f"it cannot be had here: {error}") from error

    def loader(self, family: Family, workers: int) -> list[bytes]:
        loader = self._torch_data.DataLoader(
            self.dataset(family), batch_size=None, num_workers=workers
        )
        return [self.bytes_of(item) for item in loader]

    def dataset(self, family: Family) -> Iterable[object]:
        """The objects as the library has them."""
        raise NotImplementedError

    def bytes_of(self, item: Any) -> bytes:
        """The bytes of an item."""
        return bytes(item)

    def _uri(self, family: Family) -> str:
        return f"s3://{self.site.bucket}/{family.prefix}"


class Ours(Loading):
    name = "file_dataset"
    module = "file_dataset.torch"

    def dataset(self, family: Family) -> Iterable[object]:
        dataset: Iterable[object] = self._library.FileIterableDataset(self._uri(family))
        return dataset


class S3torchconnector(Loading):
    name = "s3torchconnector"
    module = "s3torchconnector"

    def dataset(self, family: Family) -> Iterable[object]:
        make: Callable[..., Iterable[object]] = self._library.S3IterableDataset.from_prefix
        # Without this only one worker would read, or each all of it.
        return make(
            self._uri(family),
            region=self.site.region,
            endpoint=self.site.endpoint,
            transform=_read,
            enable_sharding=True,
            s3client_config=self._library.S3ClientConfig(force_path_style=True),
        )


def _read(item: Any) -> bytes:
    data: bytes = item.read()
    return data


class S3dlio(Loading):
    name = "s3dlio"
    module = "s3dlio.torch"

    def dataset(self, family: Family) -> Iterable[object]:
        make: Callable[..., Iterable[object]] = self._library.ObjectStoreIterableDataset
        return make(self._uri(family), loader_opts={}, return_type="bytes", enable_sharding=True)


class Boto3(Loading):
    """What one writes without any library for it: a client in each process, a GET for each item."""

    name = "boto3 Dataset"
    module = "boto3"

    def dataset(self, family: Family) -> Iterable[object]:
        dataset: Iterable[object] = _ByBoto3(self.site.bucket, family.keys)  # type: ignore[assignment] # by numbers
        return dataset


class _ByBoto3:
    def __init__(self, bucket: str, keys: list[str]) -> None:
        self._bucket = bucket
        self._keys = keys
        self._client: Any = None

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, number: int) -> bytes:
        if self._client is None:
            import boto3

            self._client = boto3.client("s3")
        answer = self._client.get_object(Bucket=self._bucket, Key=self._keys[number])
        data: bytes = answer["Body"].read()
        return data


class Alone(Loading):
    """What torch takes to hand over items that nobody has to read."""

    name = "torch alone"
    module = "torch"

    def dataset(self, family: Family) -> Iterable[object]:
        return _Known(family)  # type: ignore[return-value] # by numbers


class _Known:
    def __init__(self, family: Family) -> None:
        self._family = family

    def __len__(self) -> int:
        return self._family.count

    def __getitem__(self, number: int) -> bytes:
        return content(self._family.keys[number], 0, self._family.size)
