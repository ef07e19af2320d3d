"""Copies from one store to another, by way of this machine."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

from file_dataset.adapters.layers._layer import renumbered
from file_dataset.domain.errors import FileDatasetError, InvalidUrlError, StoreError
from file_dataset.domain.half_written import half_written, in_place, stamp
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.ports import Scratch
from file_dataset.domain.requests import Copy, Download, Prepare, Request, Upload
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

CHUNK = 64
"""How many objects at most lie on the local disk at a time, on their way to another store."""


def relayed(
    store: Store, requests: Sequence[Copy | Prepare], scratch: Scratch
) -> Iterator[Outcome[object]]:
    """Bring objects to a store by way of the scratch: all downloads of a chunk, then all uploads.

    Args:
        store: Serves the sources and the targets.
        requests: What to do; no source is a local file.
        scratch: Where the objects lie meanwhile.
    """
    for start in range(0, len(requests), CHUNK):
        chunk = requests[start : start + CHUNK]
        with closing(_relayed_chunk(store, chunk, scratch)) as outcomes:
            for outcome in outcomes:
                yield renumbered(outcome, start + outcome.index)


def _relayed_chunk(
    store: Store, requests: Sequence[Copy | Prepare], scratch: Scratch
) -> Iterator[Outcome[object]]:
    with contextlib.ExitStack() as stack:
        try:
            directory = stack.enter_context(scratch.open())
        except StoreError as error:
            for number in range(len(requests)):
                yield Failed(number, copy.copy(error))
            return
        paths = [directory / str(number) for number in range(len(requests))]
        downloads = [Download(r.source, path) for r, path in zip(requests, paths, strict=True)]
        arrived: list[int] = []
        with closing(store.run(downloads)) as outcomes:
            for outcome in outcomes:
                number = outcome.index
                if isinstance(outcome, Failed):
                    yield _failed(number, outcome.error, requests[number], paths[number])
                else:
                    arrived.append(number)
        onward = [_onward(requests[number], paths[number]) for number in arrived]
        with closing(store.run(onward)) as ends:
            for end in ends:
                number = arrived[end.index]
                paths[number].unlink(missing_ok=True)
                if isinstance(end, Failed):
                    yield _failed(number, end.error, requests[number], paths[number])
                else:
                    yield Done(number, end.value)


def _onward(request: Copy | Prepare, path: Path) -> Request[object]:
    if isinstance(request, Prepare):
        return Prepare(Url.local(path), request.url, request.draft)
    return Upload(path, request.url, request.mode)


def placed(store: Store, copies: Sequence[Copy]) -> Iterator[Outcome[None]]:
    """Copy objects to local files, replacing what is there: download beside it, then rename.

    Args:
        store: Serves the sources.
        copies: What to do; all targets are local files, and the mode is to overwrite.
    """
    with contextlib.ExitStack() as stack:
        paths: dict[int, Path] = {}
        for number, request in enumerate(copies):
            try:
                paths[number] = stack.enter_context(half_written(request.url))
            except (StoreError, InvalidUrlError) as error:
                yield Failed(number, error)
        numbers = list(paths)
        downloads = [Download(copies[number].source, path) for number, path in paths.items()]
        with closing(store.run(downloads)) as outcomes:
            for outcome in outcomes:
                number = numbers[outcome.index]
                if isinstance(outcome, Failed):
                    yield _failed(number, outcome.error, copies[number], paths[number])
                else:
                    yield _put_in_place(number, paths[number], copies[number].url)


def _put_in_place(number: int, path: Path, url: Url) -> Outcome[None]:
    try:
        with in_place(path, url):
            stamp(path)
            path.replace(url.path)
    except (StoreError, InvalidUrlError) as error:
        return Failed(number, error)
    return Done(number, None)


def _failed(number: int, error: FileDatasetError, request: Copy | Prepare, path: Path) -> Failed:
    """The failure in terms of what was asked for, which was not the file on the way."""
    if isinstance(error, StoreError) and error.url in (None, Url.local(path)):
        error.url = request.url
    return Failed(number, error)
