"""Objects or rows as a sequence that is read as it is used, and as an asynchronous loader."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

import attrs

from file_dataset.api import _wiring
from file_dataset.api._awaiting import in_thread, result_of
from file_dataset.api.loader_options import LoaderOptions
from file_dataset.api.objects import Place
from file_dataset.api.options import Options
from file_dataset.api.sources import Find, finding, is_table
from file_dataset.domain.items import Unread
from file_dataset.domain.order import shuffled
from file_dataset.domain.plan import windows
from file_dataset.domain.reading import Reading, always, taken, value_of
from file_dataset.domain.store import Store

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@attrs.frozen
class Source:
    """What a user named as a dataset, with every argument looked at and nothing asked yet."""

    options: LoaderOptions
    store: Store
    find: Find

    @classmethod
    def of(
        cls, source: object, options: Mapping[str, Any] | None, storage: Options | None
    ) -> Source:
        """Look at the arguments."""
        wanted = LoaderOptions.of(options)
        store_for = _wiring.store_for_tables if is_table(source) else _wiring.store_for
        store = store_for(wanted.storage(storage))
        return cls(wanted, store, finding(source, wanted, store))

    def reading(self, items: Sequence[Unread[T]], *, unit: int = 1) -> Reading[T]:
        """What reads the items, so many of which are taken together."""
        return Reading(
            self.store,
            items,
            prefetch=self.options.prefetch,
            unit=unit,
            threads=self.options.num_workers,
            at_once=self.options.max_concurrent,
        )

    def order(self, number: int, epoch: int) -> Sequence[int]:
        """The positions of so many items as they come in an epoch."""
        if not self.options.shuffle:
            return range(number)
        return shuffled(number, seed=self.options.seed, epoch=epoch)

    def whole(self, order: Sequence[int]) -> Sequence[int]:
        """The order without what does not fill a batch, if that is to be left out."""
        size = self.options.batch_size
        if size is None or not self.options.drop_last:
            return order
        return order[: len(order) // size * size]


class ObjectDataset(Sequence[T_co]):
    """Objects as their bytes, or rows as dicts; each is read when it is asked for.

    ``create_dataset`` makes it. Iterating reads ahead, a slice is read as one batch.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._items: Sequence[Unread[T_co]] = source.find(always)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of another epoch, where items are shuffled.

        Args:
            epoch: Any whole number; the first epoch is 0.
        """
        self._order = self._source.order(len(self._items), epoch)

    def uris(self) -> list[str]:
        """The URLs of all objects, in the order of the items; paths, where they are local."""
        return [str(url) for index in self._order for url in self._items[index].urls]

    def batches(self) -> Iterator[list[T_co]]:
        """The items in lists of ``batch_size``, with others read meanwhile.

        Raises:
            ValueError: If the options name no ``batch_size``.
            FileDatasetError: If an item cannot be read, when its turn has come.
        """
        size = self._source.options.batch_size
        if size is None:
            raise ValueError("batches() needs the option 'batch_size'")
        return self._batches(size)

    def _batches(self, size: int) -> Iterator[list[T_co]]:
        items = self._source.reading(self._items, unit=size).each(self._source.whole(self._order))
        yield from windows(items, size)

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> list[T_co]: ...
    def __getitem__(self, index: int | slice) -> T_co | list[T_co]:
        reading = self._source.reading(self._items)
        if isinstance(index, slice):
            return list(taken(reading.some(self._order[index])))
        (found,) = reading.some([self._order[index]])
        return value_of(found)

    def __iter__(self) -> Iterator[T_co]:
        return self._source.reading(self._items).each(self._order)


class AsyncLoader(Generic[T_co]):
    """Items for ``async for``, or lists of them where there is a ``batch_size``.

    ``create_async_loader`` makes it. Each ``async for`` gives all items once.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of another epoch for the next ``async for``, where items are shuffled.

        Args:
            epoch: Any whole number; the first epoch is 0.
        """
        self._epoch = epoch

    async def __aiter__(self) -> AsyncGenerator[T_co, None]:
        source = self._source
        size = source.options.batch_size
        unwanted = threading.Event()
        find = functools.partial(source.find, lambda: not unwanted.is_set())
        items = await in_thread(find, give_up=unwanted.set)
        order = source.whole(source.order(len(items), self._epoch))
        ahead = source.reading(items, unit=size or 1).ahead(order)
        try:
            for under_way in ahead.windows():
                window = await result_of(under_way)
                found = taken(window)
                each: Any
                for each in found if size is None else windows(found, size):
                    yield each
        finally:
            # Now, and not when a thread is free to do it: until then more would be begun.
            ahead.give_up()
            await in_thread(ahead.close, must_run=True)


@overload
def create_dataset(
    uri: Place | Iterable[Place],
    options: Mapping[str, Any] | None = None,
    *,
    storage: Options | None = None,
) -> ObjectDataset[bytes]: ...
@overload
def create_dataset(
    uri: object,
    options: Mapping[str, Any] | None = None,
    *,
    storage: Options | None = None,
) -> ObjectDataset[Any]: ...
def create_dataset(
    uri: object,
    options: Mapping[str, Any] | None = None,
    *,
    storage: Options | None = None,
) -> ObjectDataset[Any]:
    r"""Objects as a sequence of their bytes, or the rows of a table as a sequence of dicts.

    What is below a prefix comes sorted, what is in a list or a table in its order. Of a table, the
    columns with an extension in their name are files and become bytes, absent ones None; all others
    are taken along.

    Args:
        uri: A URL or path of an object, a directory, a prefix or a glob; several URLs or paths; or
            a table, as for ``reader``. A text with ``*``, ``?`` or ``[`` in it is a glob if no
            object is called so; its ``*`` ends at slashes and ``**`` is any number of directories.
        options: By their names: ``pattern`` and ``recursive`` say which objects below a prefix are
            meant; ``shuffle`` and ``seed`` in which order; ``batch_size`` and ``drop_last`` how
            many at a time; ``prefetch``, ``num_workers``, ``max_concurrent`` and ``part_size`` how
            they are read.
        storage: How storage is reached.

    Raises:
        NotFoundError: If there is no such object, and nothing below it that is meant.
        ValueError: For an option that there is not, or that cannot be, for a source that is none,
            and for a URL of an unknown scheme, before anything is asked.
        FileDatasetError: If storage cannot be asked.

    >>> from file_dataset import put
    >>> for number in range(5):
    ...     put(f"memory://train/{number}.bin", bytes([number]))
    >>> dataset = create_dataset("memory://train/*.bin", {"batch_size": 2})
    >>> len(dataset), dataset[3], list(dataset.batches())
    (5, b'\x03', [[b'\x00', b'\x01'], [b'\x02', b'\x03'], [b'\x04']])
    """
    return ObjectDataset(Source.of(uri, options, storage))


def create_async_loader(
    uri: object,
    options: Mapping[str, Any] | None = None,
    *,
    storage: Options | None = None,
) -> AsyncLoader[Any]:
    """Objects or rows for ``async for``, in lists if there is a ``batch_size``.

    Arguments are looked at now; what is below a prefix is listed when the first item is asked for,
    and not in the loop's thread. A loop that is left or cancelled leaves nothing running.

    Args:
        uri: As for ``create_dataset``.
        options: As for ``create_dataset``.
        storage: How storage is reached.

    Raises:
        ValueError: As for ``create_dataset``. What is missing or cannot be read is raised by the
            ``async for``.

    >>> import asyncio
    >>> from file_dataset import put
    >>> put("memory://train-async/a.bin", b"a")
    >>> async def train():
    ...     async for item in create_async_loader("memory://train-async/"):
    ...         print(item)
    >>> asyncio.run(train())
    b'a'
    """
    return AsyncLoader(Source.of(uri, options, storage))
