"""The library itself, by what it makes public."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchmarks.contenders.base import Contender, RowFunction, pairs
from benchmarks.content import Family
from benchmarks.servers import Site, UnavailableError

if TYPE_CHECKING:
    import pyarrow as pa

    from file_dataset import Options
    from file_dataset.api.reader import FrameReader


class Ours(Contender):
    name = "file_dataset"
    engine: ClassVar[str | None] = None

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        import pandas as pd

        import file_dataset

        self._library = file_dataset
        self._pandas = pd
        self._options = self._make_options()

    def _make_options(self) -> Options:
        options = self._library.Options
        if self.engine is None:
            return options()
        if "engine" in inspect.signature(options).parameters:
            return options(engine=self.engine)
        if self.engine == "boto3":  # from before there was a choice
            return options()
        raise UnavailableError(f"this version has no engine {self.engine!r}")

    def download(self, family: Family) -> Path:
        row = dict(zip(family.names, self._urls(family), strict=True))
        reader = self._library.reader(row=row, options=self._options)
        return self._open.enter_context(reader.into_temp_dir(dir=self.scratch))

    def upload(self, paths: Sequence[Path], prefix: str) -> list[str]:
        table = self._pandas.DataFrame(
            {"id": range(len(paths)), "file.bin": [str(path) for path in paths]}
        )
        written = self._library.write_files(
            dataframe=table, into_path=self._url(prefix), options=self._options
        )
        return self._keys(written["file.bin"])

    def sizes(self, family: Family) -> Sequence[int]:
        table = self._reader(family).into_size_table()
        return table["file.bin"].to_pylist()

    def blobs(self, family: Family) -> pa.ChunkedArray[pa.BinaryScalar]:
        return self._reader(family).into_blob_table()["file.bin"]

    def rows(self, family: Family, function: RowFunction, prefix: str) -> list[str]:
        both = pairs(self._urls(family))
        table = self._pandas.DataFrame(
            {"id": range(len(both)), "a.bin": [a for a, _ in both], "b.bin": [b for _, b in both]}
        )
        pipeline = self._library.Pipeline(
            function, into_path=self._url(prefix), options=self._options
        )
        made = pipeline(table).drop(columns="id")
        return self._keys(made.to_numpy().ravel())

    def listing(self, family: Family) -> list[tuple[str, int]]:
        from file_dataset.api._wiring import store_for

        store = store_for(self._options)
        root = self._library.Url.parse(self._url(family.prefix))
        return [(each.url.key, each.size) for each in store.list_all(root)]

    def packed_and_back(self, paths: Sequence[Path]) -> Path:
        names = [path.name for path in paths]
        table = self._pandas.DataFrame({"id": names, "file.bin": [str(path) for path in paths]})
        into = self._url(f"packed/{self.new_directory().name}/")
        packed = self._library.pack(table, into, options=self._options)
        directory = self.new_directory()
        self._library.unpack(packed, directory, options=self._options)
        return directory

    def _reader(self, family: Family) -> FrameReader:
        table = self._pandas.DataFrame({"id": range(family.count), "file.bin": self._urls(family)})
        return self._library.reader(dataframe=table, options=self._options)

    def _url(self, key: str) -> str:
        return f"s3://{self.site.bucket}/{key}"

    def _urls(self, family: Family) -> list[str]:
        return [self._url(key) for key in family.keys]

    def _keys(self, urls: Sequence[str]) -> list[str]:
        return [url.removeprefix(self._url("")) for url in urls]


class OursByBoto3(Ours):
    name = "file_dataset, boto3 engine"
    engine: ClassVar[str | None] = "boto3"


class OursByCurl(Ours):
    name = "file_dataset, curl engine"
    engine: ClassVar[str | None] = "curl"


class OursPacked(Ours):
    """Reads what pack() has made of the objects, with nothing known of the archives before."""

    name = "file_dataset, packed"

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        self._members: dict[Family, list[str]] = {}

    def make_ready(self, family: Family) -> None:
        table = self._pandas.DataFrame({"id": family.names, "file.bin": super()._urls(family)})
        into = self._url(f"packed/{self.new_directory().name}/")
        packed = self._library.pack(table, into, options=self._options)
        self._members[family] = packed["file.bin"].tolist()

    def _urls(self, family: Family) -> list[str]:
        return self._members[family]
