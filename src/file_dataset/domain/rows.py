"""The rows of a file dataset, on their way through, and what became of them."""

from __future__ import annotations

import os
import traceback as tracebacks
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Generic, Literal, NamedTuple, TypeAlias, TypeVar

import attrs

from file_dataset.domain.errors import (
    AllRowsFailedError,
    FileDatasetError,
    InvalidDatasetError,
    StoreError,
    TransientError,
)
from file_dataset.domain.names import clashing_names, file_name_fault, first_below, row_id_fault
from file_dataset.domain.url import Url

T_co = TypeVar("T_co", covariant=True)

RowId: TypeAlias = int | str
Stage: TypeAlias = Literal["read", "call", "write"]


@attrs.frozen
class Row:
    """One item: an id, and for each of its files where that is to be had.

    Args:
        id: Names the row, in its table and in paths.
        files: Filename to source; None for a file that this row does not have.

    Raises:
        InvalidDatasetError: If the id or a filename cannot be a part of a path.
    """

    id: RowId = attrs.field()
    files: Mapping[str, Url | None] = attrs.field()

    @id.validator
    def _id_makes_a_path(self, _: attrs.Attribute[RowId], value: RowId) -> None:
        if fault := row_id_fault(value):
            raise InvalidDatasetError(f"the id {value!r} {fault}")

    @files.validator
    def _names_make_paths(
        self, _: attrs.Attribute[Mapping[str, Url | None]], value: Mapping[str, Url | None]
    ) -> None:
        for name in value:
            if fault := file_name_fault(name):
                raise InvalidDatasetError(f"row {self.id!r}: the filename {name!r} {fault}")
        if len(value) > 1 and (
            clashes := clashing_names(name for name, url in value.items() if url is not None)
        ):
            raise InvalidDatasetError(
                f"row {self.id!r}: {clashes[0]!r} would be a file and a directory at once, "
                f"for {first_below(clashes[0], sorted(value))!r}"
            )

    @property
    def sources(self) -> dict[str, Url]:
        """The files that this row does have."""
        return {name: url for name, url in self.files.items() if url is not None}


@attrs.frozen
class RowDone(Generic[T_co]):
    """A row that came through a stage.

    Args:
        row: The row.
        values: What the stage gave for each file; None for one that the row does not have.
    """

    row: Row
    values: Mapping[str, T_co | None]

    @property
    def row_id(self) -> RowId:
        """The row's id."""
        return self.row.id


@attrs.frozen
class RowSkipped(RowDone[T_co]):
    """A row that was done already, in an earlier run."""


class StagedRow(NamedTuple):
    """A row whose files are in a local directory; unpacks as ``(id, path)``.

    It is a path-like object, and ``staged / "image.mha"`` is the path of one of its files.

    Args:
        id: The row's id, as it stands in the table.
        path: The directory that holds its files.

    >>> row_id, path = StagedRow(7, Path("/tmp/row"))
    >>> row_id, str(StagedRow(7, Path("/tmp/row")) / "image.mha")
    (7, '/tmp/row/image.mha')
    """

    id: RowId
    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        return self.path / name


@attrs.frozen
class Cause:
    """One thing that went wrong with a row.

    Args:
        error: The kind of error, such as ``NotFoundError``.
        message: What happened, in words.
        file: The file of the row that it happened to; empty where it was the row as a whole.
        url: Where that file was to be had or to go, without secrets.
        attempts: How often it was tried.
        retryable: Whether it may go well another time with nothing changed.
        traceback: Of the user's function, where that raised.
        systemic: Whether every other row would fare as badly.
        common: What is likely to keep other rows from coming through too, where that is known.
    """

    error: str
    message: str
    file: str = ""
    url: str = ""
    attempts: int = 1
    retryable: bool = False
    traceback: str = ""
    systemic: bool = False
    common: str = ""

    @classmethod
    def of(cls, error: FileDatasetError, *, file: str, url: Url | str) -> Cause:
        """The cause that an error of this library is."""
        shown = url.redacted if isinstance(url, Url) else url
        if not isinstance(error, StoreError):
            return cls(type(error).__name__, str(error), file, shown)
        return cls(
            type(error).__name__,
            str(error),
            file,
            shown,
            attempts=error.attempts,
            retryable=isinstance(error, TransientError),
            systemic=error.systemic,
            common=error.common_cause,
        )

    @classmethod
    def raised(cls, error: BaseException) -> Cause:
        """The cause that an exception of the user's function is."""
        # Unlike str(), this has words also for an error whose own __str__ raises.
        trace = tracebacks.TracebackException.from_exception(error)
        message = str(trace) or repr(error)
        return cls(type(error).__name__, message, traceback="".join(trace.format()))


@attrs.frozen
class RowFailure:
    """A row that was dropped, and everything that was wrong with it.

    Args:
        row_id: The row.
        stage: Where it failed: ``read``, ``call`` or ``write``.
        causes: At least one; each bad file has its own.
    """

    row_id: RowId
    stage: Stage
    causes: tuple[Cause, ...] = attrs.field(validator=attrs.validators.min_len(1))

    @property
    def file_errors(self) -> dict[str, str]:
        """Each bad file's message."""
        return {cause.file: cause.message for cause in self.causes if cause.file}

    def __str__(self) -> str:
        parts = (
            f"{cause.file}: {cause.error}: {cause.message}"
            if cause.file
            else f"{cause.error}: {cause.message}"
            for cause in self.causes
        )
        return "; ".join(parts)

    def as_error(self) -> FileDatasetError:
        """The failure as an exception."""
        return FileDatasetError(
            f"Failed to process row {self.row_id!r} ({self.stage}): {self}",
            file_errors=self.file_errors,
        )


def all_rows_failed(failures: Sequence[RowFailure]) -> AllRowsFailedError:
    """The error for a table of which no row came through, with the most frequent causes."""
    kinds = Counter((failure.stage, failure.causes[0].error) for failure in failures)
    examples = {(failure.stage, failure.causes[0].error): failure for failure in reversed(failures)}
    causes = "; ".join(
        f"{count} x {error} ({stage}), as in row {examples[stage, error].row_id!r}: "
        f"{examples[stage, error]}"
        for (stage, error), count in kinds.most_common(3)
    )
    return AllRowsFailedError(
        f"All rows failed ({len(failures)}). Check error logs. Causes: {causes}",
        failures=failures,
    )
