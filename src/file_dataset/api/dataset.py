"""Everything bound to one set of options, for those who would rather not repeat them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from file_dataset.api.cells import Source
from file_dataset.api.options import Options
from file_dataset.api.pipeline import Pipeline
from file_dataset.api.reader import FrameReader, RowReader, reader
from file_dataset.api.writer import write_files
from file_dataset.domain.calling import UserFunction
from file_dataset.domain.rows import RowId

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials


class FileDataset:
    """Readers, writers and pipelines that share one set of options.

    Args:
        options: How storage is reached.
        credentials: Instead of options, credentials as ``boto3.Session().get_credentials()``
            gives them, plain or frozen.

    Raises:
        ValueError: If both are given.

    >>> files = FileDataset()
    >>> written = files.upload_files({"a.txt": "README.md"}, "memory://session/rows", id=7)
    >>> with files.downloader(written).into_temp_dir() as directory:
    ...     [path.name for path in directory.iterdir()]
    ['a.txt']

    >>> def same(input_dir, output_dir):
    ...     return {"b.txt": input_dir / "a.txt"}
    >>> rows = [{"id": 7, **written}]
    >>> files.pipeline(same, into_path="memory://session/out").run(rows)
    RunResult(rows=1, failed=0, skipped=0)
    >>> files.map_batch(rows, fn=same, upload_options={"into_path": "memory://session/mapped"})
    [{'id': 7, 'b.txt': 'memory://session/mapped/7/b.txt'}]
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        credentials: Credentials | ReadOnlyCredentials | None = None,
    ) -> None:
        if options is not None and credentials is not None:
            raise ValueError("Cannot specify both 'options' and 'credentials'")
        if credentials is not None:
            options = Options.from_credentials(credentials)
        self.options = options

    def __repr__(self) -> str:
        return f"FileDataset({self.options!r})"

    @overload
    def reader(self, source: Mapping[str, Source], /) -> RowReader: ...
    @overload
    def reader(self, /, *, row: Mapping[str, Source]) -> RowReader: ...
    @overload
    def reader(self, /, *, dataframe: object) -> FrameReader: ...
    @overload
    def reader(
        self,
        source: object = None,
        /,
        *,
        row: Mapping[str, Source] | None = None,
        dataframe: object = None,
    ) -> RowReader | FrameReader: ...
    def reader(
        self,
        source: object = None,
        /,
        *,
        row: Mapping[str, Source] | None = None,
        dataframe: object = None,
    ) -> RowReader | FrameReader:
        """A reader of one row or of a table, as ``file_dataset.reader``."""
        return reader(source, row=row, dataframe=dataframe, options=self.options)

    @overload
    def downloader(self, data: Mapping[str, Source], /) -> RowReader: ...
    @overload
    def downloader(self, data: object, /) -> RowReader | FrameReader: ...
    def downloader(self, data: object, /) -> RowReader | FrameReader:
        """A reader of one row, given as a mapping, or of a table."""
        return self.reader(data)

    @overload
    def write_files(
        self, row: Mapping[str, Source], *, into_path: str | os.PathLike[str], id: RowId
    ) -> dict[str, Path | str | None]: ...
    @overload
    def write_files(
        self, row: Sequence[Mapping[str, Any]], *, into_path: str | os.PathLike[str]
    ) -> list[dict[str, Any]]: ...
    @overload
    def write_files(
        self,
        row: object = None,
        *,
        dataframe: object = None,
        into_path: str | os.PathLike[str],
        id: RowId | None = None,
    ) -> Any: ...
    def write_files(
        self,
        row: object = None,
        *,
        dataframe: object = None,
        into_path: str | os.PathLike[str],
        id: RowId | None = None,
    ) -> Any:
        """Publish a row or a table, as ``file_dataset.write_files``."""
        return write_files(
            row, dataframe=dataframe, into_path=into_path, id=id, options=self.options
        )

    def upload_files(
        self,
        files: Mapping[str, Source],
        into_path: str | os.PathLike[str],
        id: RowId | None = None,
    ) -> dict[str, Path | str | None]:
        """Publish one row of files, under a fresh UUID if it has no id.

        Returns:
            Filename to Path where the destination is local, to the URL's text elsewhere.
        """
        from uuid import uuid4

        row_id = str(uuid4()) if id is None else id
        return write_files(files, into_path=into_path, id=row_id, options=self.options)

    def pipeline(
        self, fn: UserFunction, write_options: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Pipeline:
        """A Pipeline with these options; the other arguments are a Pipeline's own."""
        return Pipeline(fn, write_options, options=self.options, **kwargs)

    def map_batch(self, df: Any, *, fn: UserFunction, upload_options: Mapping[str, Any]) -> Any:
        """The function over a table, as ``Pipeline(fn, upload_options)(df)``."""
        return self.pipeline(fn, upload_options)(df)
