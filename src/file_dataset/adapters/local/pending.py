"""What lies below a directory, written and not yet to be seen."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from file_dataset.adapters.local.drafts import STAGE, receipt
from file_dataset.domain.errors import InvalidUrlError
from file_dataset.domain.files import is_temporary, local_errors
from file_dataset.domain.names import RECORDS
from file_dataset.domain.requests import Draft, Pending, Prepared
from file_dataset.domain.url import Url


def pending(prefix: Url) -> Iterator[Pending]:
    """The files of drafts below a prefix, and other files there that are not whole.

    Each can be aborted. A directory of an attempt without files stands for itself.

    Raises:
        StoreError: If a directory cannot be read.
    """
    directory = Path(prefix.path)
    with local_errors(prefix):
        for above in directory.parents:
            yield from _drafts_beside(above, prefix)
        yield from _below(directory, prefix)


def _below(directory: Path, prefix: Url) -> Iterator[Pending]:
    yield from _drafts_beside(directory, prefix)
    for entry in _entries(directory):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if not (entry.name == STAGE and directory.name == RECORDS):
                yield from _below(path, prefix)
        elif is_temporary(entry.name):
            prepared = Prepared(Url.local(path), f"{entry.name}:0", size=_size(path))
            yield Pending(prepared, _begun(path))


def _drafts_beside(parent: Path, prefix: Url) -> Iterator[Pending]:
    """What is staged for directories beside the records of a directory, as far as it is wanted."""
    for attempt in _entries(parent / RECORDS / STAGE):
        with contextlib.suppress(InvalidUrlError, ValueError):
            for each in _draft(parent, Path(attempt.path)):
                if prefix.contains(each.prepared.url):
                    yield each


def _draft(parent: Path, attempt: Path) -> Iterator[Pending]:
    staged = [Path(entry.path) for entry in _entries(attempt) if not is_temporary(entry.name)]
    for directory in staged:
        draft = Draft(Url.local(parent / directory.name), attempt.name)
        files = [path for path in _files(directory) if not is_temporary(path.name)]
        for path in files:
            with contextlib.suppress(FileNotFoundError):
                url = draft.root.joined(path.relative_to(directory).as_posix())
                prepared = Prepared(url, "0", draft, receipt(path), _size(path))
                yield Pending(prepared, _begun(path))
        if not files:
            yield Pending(Prepared(draft.root, "0", draft), _begun(directory))
    if not staged:
        # Which root it was for is not known, and does not matter to who takes it away.
        draft = Draft(Url.local(parent / attempt.name), attempt.name)
        yield Pending(Prepared(draft.root, "0", draft), _begun(attempt))


def _files(directory: Path) -> Iterator[Path]:
    for entry in _entries(directory):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            yield Path(entry.path)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    """What is in a directory, if it is there and is one."""
    try:
        return sorted(os.scandir(directory), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _size(path: Path) -> int | None:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return None


def _begun(path: Path) -> datetime | None:
    """When something was written; None if it is gone by now."""
    try:
        return datetime.fromtimestamp(os.lstat(path).st_mtime, UTC)
    except FileNotFoundError:
        return None
