"""Work of threads, awaited: who is cancelled waits until it has come to an end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar, cast

T = TypeVar("T")


def _nothing() -> None:
    pass


async def in_thread(
    function: Callable[[], T],
    *,
    give_up: Callable[[], object] = _nothing,
    must_run: bool = False,
) -> T:
    """What a function gives, which is called in a thread of the loop's.

    If this is cancelled, the function is either never called, or done before the cancellation
    goes on.

    Args:
        function: Called without arguments.
        give_up: Called if this is cancelled while the function runs, to let it end early.
        must_run: Whether the function is called in any case.
    """
    # Whoever takes it first decides: the thread, or who cancels.
    turn = threading.Lock()

    def call() -> T | None:
        return function() if turn.acquire(blocking=False) else None

    task = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return cast(T, await asyncio.shield(task))
    except asyncio.CancelledError:
        if must_run or not turn.acquire(blocking=False):
            give_up()
            await _end(task)
        raise


async def result_of(future: Future[T]) -> T:
    """The result of what runs in a thread of one's own."""
    return await asyncio.wrap_future(future)


async def _end(task: asyncio.Task[T]) -> None:
    """Wait until it is done, however often this is cancelled."""
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    # Asked for, so that nobody is told of an error that nobody waits for.
    if not task.cancelled():
        task.exception()
