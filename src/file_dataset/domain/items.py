"""What a dataset for training is made of: an object or a row is an item, once it is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar, overload

import attrs

from file_dataset.domain.errors import FileDatasetError
from file_dataset.domain.rows import Row
from file_dataset.domain.url import Url

T_co = TypeVar("T_co", covariant=True)


class Unread(ABC, Generic[T_co]):
    """An item before it is read."""

    __slots__ = ()

    @property
    @abstractmethod
    def urls(self) -> Sequence[Url]:
        """The objects that it takes."""

    @abstractmethod
    def item(self, contents: Sequence[bytes]) -> T_co:
        """The item, of the contents of its objects in their order."""

    @abstractmethod
    def error(self, errors: Mapping[int, FileDatasetError]) -> FileDatasetError:
        """What is raised for it, of the errors of its objects by their position."""


@attrs.frozen
class UnreadObject(Unread[bytes]):
    """A single object, which is an item by its bytes."""

    url: Url

    @property
    def urls(self) -> Sequence[Url]:
        """Itself."""
        return (self.url,)

    def item(self, contents: Sequence[bytes]) -> bytes:
        """Its contents."""
        return contents[0]

    def error(self, errors: Mapping[int, FileDatasetError]) -> FileDatasetError:
        """Its error."""
        return errors[0]


@attrs.frozen
class UnreadRow(Unread[dict[str, object]]):
    """A row, which is an item with its cells by their names, and the bytes of its files.

    Args:
        row: The row.
        cells: Its other cells, in the order of the table; where one of a file stands, it is None.
    """

    row: Row
    cells: Mapping[str, object]

    @property
    def urls(self) -> Sequence[Url]:
        """The files that it does have."""
        return tuple(self.row.sources.values())

    def item(self, contents: Sequence[bytes]) -> dict[str, object]:
        """All its cells, with the contents of its files."""
        return {**self.cells, **dict(zip(self.row.sources, contents, strict=True))}

    def error(self, errors: Mapping[int, FileDatasetError]) -> FileDatasetError:
        """The error of its first file that failed, which tells of the others too."""
        names = list(self.row.sources)
        first = errors[min(errors)]
        first.file_errors = {names[n]: str(errors[n]) for n in sorted(errors)}
        told = ", ".join(map(repr, first.file_errors))
        first.add_note(f"row {self.row.id!r} cannot be read for want of {told}")
        return first


@attrs.frozen(eq=False)
class Objects(Sequence[Unread[bytes]]):
    """Objects by their URLs, which are kept as texts, since there may be millions."""

    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> UnreadObject: ...
    @overload
    def __getitem__(self, index: slice) -> Objects: ...
    def __getitem__(self, index: int | slice) -> UnreadObject | Objects:
        if isinstance(index, slice):
            return Objects(self.texts[index])
        return UnreadObject(Url.parse(self.texts[index]))


@attrs.frozen(eq=False)
class Rows(Sequence[Unread[dict[str, object]]]):
    """The rows of a table.

    Args:
        rows: Its ids and files.
        columns: Its columns in their order; None for one of files.
    """

    rows: Sequence[Row]
    columns: Mapping[str, Sequence[object] | None]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> UnreadRow: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index: int | slice) -> UnreadRow | Rows:
        if isinstance(index, slice):
            columns = {name: cells and cells[index] for name, cells in self.columns.items()}
            return Rows(self.rows[index], columns)
        cells = {name: cells and cells[index] for name, cells in self.columns.items()}
        return UnreadRow(self.rows[index], cells)
