"""Objects read into memory: many of them at once, and some ahead of who takes them."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeAlias, TypeVar

import attrs

from file_dataset.domain.errors import FileDatasetError, StoreError
from file_dataset.domain.items import Unread
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.plan import windows
from file_dataset.domain.requests import Read
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

T = TypeVar("T")

Window: TypeAlias = deque[Outcome[T]]


Wanted: TypeAlias = Callable[[], bool]
"""Asked between two objects whether to go on."""


def always() -> bool:
    """What wants all of it."""
    return True


class NotWantedError(Exception):
    """Nobody waits any more for what is being read."""


def contents_of(
    store: Store,
    urls: Sequence[Url],
    *,
    wanted: Wanted = always,
    at_once: int | None = None,
) -> list[bytes | FileDatasetError]:
    """The contents of objects in the order of their URLs, or what came in the way of each.

    Args:
        store: Where they are.
        urls: The objects.
        wanted: Asked between two objects whether to go on.
        at_once: How many requests may be under way at once; None leaves it to the store.

    Raises:
        NotWantedError: If they are not wanted any more.
        InvalidUrlError: If a URL names no object.
    """
    found: list[bytes | FileDatasetError] = []
    for some in windows([Read(url) for url in urls], at_once or len(urls)):
        answers: list[bytes | FileDatasetError | None] = [None] * len(some)
        with closing(store.run(some)) as outcomes:
            for outcome in outcomes:
                answers[outcome.index] = (
                    outcome.error if isinstance(outcome, Failed) else outcome.value
                )
                if not wanted():
                    raise NotWantedError
        for request, answer in zip(some, answers, strict=True):
            missing = StoreError("the store gave no outcome", url=request.url)
            found.append(missing if answer is None else answer)
    return found


@attrs.frozen
class Reading(Generic[T]):
    """Reads items of a dataset.

    Args:
        store: Where their objects are.
        items: The items.
        prefetch: How many may be under way, from when the first of their objects is asked for until
            they are taken. Who takes ``unit`` of them at a time has these under way at least.
        unit: How many are taken together.
        threads: How many batches of requests may be under way at once; with none, nothing is read
            before it is asked for.
        at_once: How many requests may be under way at once; None leaves it to the store.
    """

    store: Store
    items: Sequence[Unread[T]]
    prefetch: int = 1
    unit: int = 1
    threads: int = 0
    at_once: int | None = None

    def some(self, indexes: Sequence[int], *, wanted: Wanted = always) -> Window[T]:
        """The items of some positions, or what came in their way, in this order.

        Raises:
            NotWantedError: If they are not wanted any more.
        """
        unread = [self.items[index] for index in indexes]
        urls = [url for each in unread for url in each.urls]
        at_once = self.at_once and max(1, self.at_once // self.crew)
        found = iter(contents_of(self.store, urls, wanted=wanted, at_once=at_once))
        return deque(
            _outcome(index, each, [next(found) for _ in each.urls])
            for index, each in zip(indexes, unread, strict=True)
        )

    def each(self, indexes: Iterable[int]) -> Values[T]:
        """The items of some positions one after the other, with others read meanwhile."""
        return Values(self._each(indexes))

    def _each(self, indexes: Iterable[int]) -> Generator[Outcome[T], None, None]:
        with contextlib.closing(self.ahead(indexes)) as ahead:
            for window in ahead.windows():
                found = window.result()
                while found:
                    yield found.popleft()

    def ahead(self, indexes: Iterable[int]) -> ReadAhead[T]:
        """What each() takes, for who waits in another way."""
        return ReadAhead(self, indexes)

    @property
    def crew(self) -> int:
        """How many threads read."""
        return max(1, min(self.threads, self.at_once or self.threads))

    @property
    def size(self) -> int:
        """How many items are asked for as one batch: one is taken while each thread reads one."""
        if not self.threads:
            return self.unit
        return max(self.unit, self.prefetch // (self.crew + 1) // self.unit * self.unit)

    @property
    def depth(self) -> int:
        """How many such batches may be under way, the one included that is being taken."""
        return max(1, self.prefetch // self.size) if self.threads else 1


class ReadAhead(Generic[T]):
    """The reading of items; once it is closed, nothing of it is running any more."""

    def __init__(self, reading: Reading[T], indexes: Iterable[int]) -> None:
        self._reading = reading
        self._indexes = indexes
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(reading.crew, thread_name_prefix="file_dataset")

    def windows(self) -> Iterator[Future[Window[T]]]:
        """One window after the other; it is to be taken whole before the next is asked for."""
        under_way: deque[Future[Window[T]]] = deque()
        for indexes in windows(self._indexes, self._reading.size):
            if len(under_way) == self._reading.depth:
                yield under_way.popleft()
            under_way.append(self._pool.submit(self._read, indexes))
        while under_way:
            yield under_way.popleft()

    def _read(self, indexes: Sequence[int]) -> Window[T]:
        return self._reading.some(indexes, wanted=lambda: not self._stopped.is_set())

    def give_up(self) -> None:
        """Begin nothing more. What is at an object goes on to its end, and is not waited for."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Give up what is under way, and wait until that is done."""
        self.give_up()
        self._pool.shutdown()


class Values(Iterator[T]):
    """The values of outcomes; what failed is raised when its turn has come, and others follow."""

    def __init__(self, outcomes: Generator[Outcome[T], None, None]) -> None:
        self._outcomes = outcomes

    def __next__(self) -> T:
        return value_of(next(self._outcomes))

    def close(self) -> None:
        """Give up what is under way."""
        self._outcomes.close()


def taken(window: Window[T]) -> Iterator[T]:
    """The items of a window; what was taken is not held any longer. Raises their errors."""
    while window:
        yield value_of(window.popleft())


def value_of(outcome: Outcome[T]) -> T:
    """The value of what was done. Raises the error of what failed."""
    if isinstance(outcome, Failed):
        raise outcome.error
    return outcome.value


def _outcome(
    index: int, unread: Unread[T], contents: Sequence[bytes | FileDatasetError]
) -> Outcome[T]:
    errors = {n: each for n, each in enumerate(contents) if isinstance(each, FileDatasetError)}
    if errors:
        return Failed(index, unread.error(errors))
    return Done(index, unread.item([each for each in contents if isinstance(each, bytes)]))
