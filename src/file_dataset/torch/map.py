"""Items by their positions, for the DataLoader's own samplers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.utils.data import Dataset

from file_dataset.api.datasets import Source
from file_dataset.api.options import Options
from file_dataset.domain.reading import always, value_of
from file_dataset.torch.passes import settle, transformed

_OF_READING = frozenset({"pattern", "recursive", "part_size", "max_concurrent"})


class FileMapDataset(Dataset[Any]):
    """Objects as bytes or rows as dicts, each read when it is asked for.

    What the DataLoader takes as one batch is read as one batch.

    Args:
        source: What ``file_dataset.create_dataset`` takes: a URL or path of an object, a prefix or
            a glob; several URLs; or a table.
        options: ``pattern``, ``recursive``, ``part_size`` and ``max_concurrent``, as there.
        transform: Makes of each item what the DataLoader gets.
        storage: How storage is reached.

    Raises:
        NotFoundError: If there is no such object, and nothing below it that is meant.
        ValueError: For options that there are not or that are the DataLoader's own, for a source
            that is none, and for a URL of an unknown scheme.
    """

    def __init__(
        self,
        source: object,
        options: Mapping[str, Any] | None = None,
        *,
        transform: Callable[[Any], Any] | None = None,
        storage: Options | None = None,
    ) -> None:
        made = Source.of(source, options, storage)
        for name in options or {}:
            if name not in _OF_READING:
                raise ValueError(
                    f"the option {name!r} is not for a FileMapDataset, whose DataLoader says in "
                    f"which order and in which batches it is read"
                )
        self._items = made.find(always)
        self._reading = made.reading(self._items)
        self._transform = transform

    def uris(self) -> list[str]:
        """The URLs of all objects, in the order of the items; paths, where they are local."""
        return [str(url) for item in self._items for url in item.urls]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Any:
        (item,) = self.__getitems__([index])
        return item

    def __getitems__(self, indexes: Sequence[int]) -> list[Any]:
        """The items of a batch."""
        settle()
        found = [value_of(outcome) for outcome in self._reading.some(indexes)]
        if self._transform is None:
            return found
        return [transformed(self._transform, item) for item in found]
