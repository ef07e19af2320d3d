"""The verbs of single objects for those who live in a loop.

Each is the verb of the same name in ``file_dataset``, with its arguments, errors and results, and
is carried out in a thread of the loop's; ``get_many`` is one thread for many objects. One that is
cancelled leaves nothing running and nothing half-written: what has begun comes to its end first.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from file_dataset.api import object_lists, objects
from file_dataset.api._awaiting import in_thread
from file_dataset.api.object_writer import ObjectWriter
from file_dataset.api.objects import Place
from file_dataset.api.options import Options
from file_dataset.domain.requests import Data

__all__ = [
    "AsyncObjectWriter",
    "copy",
    "create_filesystem_writer",
    "create_s3_writer",
    "delete",
    "exists",
    "get",
    "get_many",
    "get_range",
    "list_keys",
    "open_writer",
    "put",
    "stat",
]

P = ParamSpec("P")
T = TypeVar("T")


def _twin(
    verb: Callable[P, T],
    stoppable: Callable[Concatenate[Callable[[], bool], P], T] | None = None,
) -> Callable[P, Coroutine[Any, Any, T]]:
    """The verb, awaited; one that can be stopped midway is stopped by who cancels it."""

    @functools.wraps(verb)
    async def twin(*args: P.args, **kwargs: P.kwargs) -> T:
        if stoppable is None:
            return await in_thread(functools.partial(verb, *args, **kwargs))
        unwanted = threading.Event()
        begun = functools.partial(stoppable, lambda: not unwanted.is_set(), *args, **kwargs)
        return await in_thread(begun, give_up=unwanted.set)

    twin.__module__ = __name__
    # Without the examples, which do not await.
    twin.__doc__ = (verb.__doc__ or "").partition("\n\n    >>>")[0]
    return twin


copy = _twin(objects.copy)
delete = _twin(objects.delete)
exists = _twin(objects.exists)
get = _twin(objects.get)
get_many = _twin(objects.get_many, objects.get_many_while)
get_range = _twin(objects.get_range)
list = _twin(object_lists.list, object_lists.list_while)  # noqa: A001 - the verb's name
list_keys = _twin(object_lists.list_keys, object_lists.list_keys_while)
put = _twin(objects.put)
stat = _twin(objects.stat)


class AsyncObjectWriter:
    """An asynchronous context manager whose ``write`` adds bytes to an object.

    The object is there once the body ends well. If that raises or is cancelled, nothing is written,
    and what was there before stays.

    Args:
        writer: Writes it.
    """

    def __init__(self, writer: ObjectWriter) -> None:
        self._writer = writer
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._writer.__enter__()
        return self

    async def write(self, data: Data) -> int:
        """Add bytes to the end; gives how many.

        Raises:
            ValueError: Outside of the context.
            NoSpaceError: If there is no room for the temporary file.
        """
        async with self._turn:
            return await in_thread(functools.partial(self._writer.write, data))

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end = functools.partial(self._writer.__exit__, exc_type, exc, traceback)
        await in_thread(end, must_run=True)


def open_writer(url: Place, *, options: Options | None = None) -> AsyncObjectWriter:
    """Make an object of what is written, piece by piece.

    Args:
        url: A URL or a local path.
        options: How storage is reached.

    Raises:
        ValueError: If it names no object, or nobody serves its scheme.

    >>> async def write():
    ...     async with open_writer("memory://attic/aio.txt") as writer:
    ...         await writer.write(b"some ")
    ...         await writer.write(b"text")
    ...     return await get("memory://attic/aio.txt")
    >>> asyncio.run(write())
    b'some text'
    """
    return AsyncObjectWriter(objects.open_writer(url, options=options))


create_s3_writer = open_writer
create_filesystem_writer = open_writer
