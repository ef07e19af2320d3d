"""Work by several threads as a plain iterator, which owns the threads until it is closed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

import attrs

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


def behind(
    function: Callable[[Sequence[A]], Iterable[B]], items: Iterable[A], *, depth: int
) -> Iterator[B]:
    """The function's results over batches of items, made by a thread behind who makes the items.

    The calling thread takes the items, and keeps up to ``depth`` of them while a batch is under
    way, so that the slower the function is, the larger its batches are.
    """
    waiting: list[A] = []
    batch: Future[list[B]] | None = None
    with ThreadPoolExecutor(1) as thread:
        # The thread is there before an interrupt can come between its start and its being known.
        thread.submit(int).result()
        for item in items:
            waiting.append(item)
            if batch is not None and (batch.done() or len(waiting) >= depth):
                yield from batch.result()
                batch = None
            if batch is None:
                batch = thread.submit(lambda taken: list(function(taken)), waiting)
                waiting = []
        if batch is not None:
            yield from batch.result()
        if waiting:
            yield from function(waiting)


def _in_threads(
    function: Callable[[A], B], items: Iterable[A], *, threads: int, room: int
) -> Iterator[B]:
    source = iter(items)
    pulling = threading.Lock()
    places = threading.Semaphore(room)
    results: SimpleQueue[_Result[B] | _Raised | _End] = SimpleQueue()
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
            result = results.get()
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
            if thread.ident is not None:
                thread.join()
        with closing(source):
            pass
