"""Work by several threads as a plain iterator, which owns the threads until it is closed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeAlias, TypeVar

import attrs

# How long a thread may take to begin, in seconds and in looks at it.
_TURN: Final = 0.001
_TURNS: Final = 1000
# Seconds that an interrupt may stay unnoticed.
_LOOK: Final = 0.2

A = TypeVar("A")
B = TypeVar("B")


@attrs.frozen
class _Result(Generic[B]):
    value: B


@attrs.frozen
class _Raised:
    error: BaseException


class _End:
    """What a thread says last."""


_Results: TypeAlias = SimpleQueue[_Result[B] | _Raised | _End]


@contextlib.contextmanager
def closing(items: Iterator[A]) -> Iterator[Iterator[A]]:
    """Close an iterator in the end, if it is of a kind that can be closed."""
    try:
        yield items
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def unordered(function: Callable[[A], B], items: Iterable[A], *, workers: int) -> Iterator[B]:
    """The function's results over the items, as they come.

    The threads pull from one iterator, which costs half of what a future per item does. With one
    worker the calling thread does the work. An error of the function or of the items is raised
    here, after the other threads have finished what they were at; so does closing the iterator.

    Args:
        function: Called in the threads.
        items: Taken one at a time, never more than one ahead of a thread.
        workers: How many threads, at least one.
    """
    if workers <= 1:
        with closing(iter(items)) as source:
            # Unlike map(), a loop does not take a StopIteration of the function for the end.
            for item in source:
                yield function(item)
    else:
        yield from _in_threads(function, items, threads=workers, room=2 * workers)


def ahead(items: Iterable[A], *, depth: int) -> Iterator[A]:
    """The items in their order, made by a thread up to ``depth`` ahead of who takes them.

    Closing it closes ``items`` too, once the thread has made the item that it was at.
    """
    return _in_threads(lambda item: item, items, threads=1, room=depth)


class _Line(Generic[A]):
    """Items that wait to be taken all at once, so many of them at most."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._waiting: list[A] = []
        self._has_ended = False
        self._changed = threading.Condition()

    def put(self, item: A) -> bool:
        """Add an item, wait until there is room for another, and tell whether one is wanted."""
        with self._changed:
            self._waiting.append(item)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._has_ended or len(self._waiting) < self._depth)
            return not self._has_ended

    def take(self) -> list[A]:
        """What waits, as soon as there is something; nothing at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended or self._waiting)
            taken, self._waiting = self._waiting, []
            self._changed.notify_all()
            return taken

    def end(self, *, drop: bool = False) -> None:
        """Take in nothing more, and forget what waits if nobody is to have it."""
        with self._changed:
            self._has_ended = True
            if drop:
                self._waiting = []
            self._changed.notify_all()


def behind(
    function: Callable[[Sequence[A]], Iterable[B]],
    items: Iterable[A],
    *,
    depth: int,
    apart: bool = False,
    stop: Callable[[], None] = lambda: None,
    late: Callable[[B], object] = lambda _: None,
) -> Iterator[B]:
    """The function's results over batches of items, made by a thread behind who makes the items.

    Up to ``depth`` items are kept while a batch is under way, so that the slower the function is,
    the larger its batches are.

    Args:
        function: Called in the thread, with one batch after the other.
        items: Taken one at a time.
        depth: How many items may wait, at least one.
        apart: Whether another thread takes the items, so that a result comes as soon as it is
            there. Otherwise the calling thread does, between the results.
        stop: Called at the end, and before anything is waited for if that comes early.
        late: Given the results of what was under way when the iterator was closed.
    """
    line: _Line[A] = _Line(depth)
    results: _Results[B] = SimpleQueue()
    crew = [threading.Thread(target=_work_off, args=(function, line, results), daemon=True)]
    if apart:
        crew.append(threading.Thread(target=_feed_all, args=(items, line, results), daemon=True))
    try:
        for thread in crew:
            thread.start()
        for _ in () if apart else _feed(items, line):
            while not results.empty():
                yield _value_of(results.get())
        while not isinstance(result := _next(results), _End):
            yield _value_of(result)
    finally:
        line.end(drop=True)
        stop()
        for thread in crew:
            _join(thread)
        while not results.empty():
            if isinstance(result := results.get(), _Result):
                late(result.value)


def _next(results: _Results[B]) -> _Result[B] | _Raised | _End:
    """What comes next; who waits for it looks now and then whether he was interrupted.

    A library that sets SA_RESTART, as Polars does, lets waits go on as if there had been no signal.
    """
    while True:
        with contextlib.suppress(Empty):
            return results.get(timeout=_LOOK)


def _join(thread: threading.Thread) -> None:
    """Wait for a thread, also if an interrupt came while it was being started."""
    for _ in range(_TURNS):
        try:
            return thread.join()
        except RuntimeError:
            time.sleep(_TURN)  # it has not begun, and if it was never started it never will
    return None


def _work_off(
    function: Callable[[Sequence[A]], Iterable[B]], line: _Line[A], results: _Results[B]
) -> None:
    try:
        while batch := line.take():
            for value in function(batch):
                results.put(_Result(value))
        results.put(_End())
    except BaseException as error:  # noqa: BLE001 - raised again where the results are taken
        results.put(_Raised(error))
    finally:
        line.end(drop=True)


def _feed(items: Iterable[A], line: _Line[A]) -> Iterator[None]:
    for item in items:
        if not line.put(item):
            return
        yield
    line.end()


def _feed_all(items: Iterable[A], line: _Line[A], results: _Results[B]) -> None:
    try:
        for _ in _feed(items, line):
            pass
    except BaseException as error:  # noqa: BLE001 - raised again where the results are taken
        results.put(_Raised(error))


def _value_of(result: _Result[B] | _Raised | _End) -> B:
    if isinstance(result, _Raised):
        raise result.error
    assert isinstance(result, _Result)
    return result.value


def _in_threads(
    function: Callable[[A], B], items: Iterable[A], *, threads: int, room: int
) -> Iterator[B]:
    source = iter(items)
    pulling = threading.Lock()
    places = threading.Semaphore(room)
    results: _Results[B] = SimpleQueue()
    stopped = threading.Event()

    def work() -> None:
        try:
            while places.acquire() and not stopped.is_set():
                with pulling:
                    try:
                        item = next(source)
                    except StopIteration:
                        break
                if stopped.is_set():
                    break
                results.put(_Result(function(item)))
        except BaseException as error:  # noqa: BLE001 - raised again where the results are taken
            results.put(_Raised(error))
        finally:
            results.put(_End())

    crew = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    working = threads
    try:
        for thread in crew:
            thread.start()
        while working:
            result = _next(results)
            if isinstance(result, _Result):
                places.release()
                yield result.value
            elif isinstance(result, _Raised):
                raise result.error
            else:
                working -= 1
                # One thread that found the end wakes those which wait for room to look for it.
                places.release()
    finally:
        stopped.set()
        places.release(threads)
        for thread in crew:
            _join(thread)
        with closing(source):
            pass
