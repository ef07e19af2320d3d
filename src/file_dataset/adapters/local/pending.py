"""What lies below a directory, written and not yet to be seen."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePath

from file_dataset.adapters.local.directories import below, opened, status
from file_dataset.adapters.local.drafts import STAGE, receipt
from file_dataset.domain.errors import InvalidUrlError, UnsupportedError
from file_dataset.domain.files import is_temporary, local_errors
from file_dataset.domain.names import RECORDS
from file_dataset.domain.requests import Draft, Pending, Prepared
from file_dataset.domain.url import Url


def pending(prefix: Url) -> Iterator[Pending]:
    """The files of drafts below a prefix, and other files there that are not whole.

    Each can be aborted. An attempt without files stands for itself. What symbolic links lead to is
    not looked at.

    Raises:
        StoreError: If a directory cannot be read.
    """
    directory = Path(prefix.path)
    with local_errors(prefix):
        for above in directory.parents:
            # It is in nobody's way if somebody else keeps drafts above that only he may see.
            with contextlib.suppress(PermissionError):
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
            with contextlib.suppress(FileNotFoundError):
                found = os.lstat(path)
                prepared = Prepared(Url.local(path), f"{entry.name}:0", size=found.st_size)
                yield Pending(prepared, _begun(found))


def _drafts_beside(parent: Path, prefix: Url) -> list[Pending]:
    """What is staged for directories beside the records of a directory, as far as it is wanted."""
    try:
        with opened(parent, RECORDS, STAGE) as stage:
            drafts = [_of(parent, name, stage) for name in sorted(os.listdir(stage))]
    except (FileNotFoundError, NotADirectoryError, UnsupportedError):
        return []
    return [each for draft in drafts for each in draft if prefix.contains(each.prepared.url)]


def _of(parent: Path, attempt: str, stage: int) -> list[Pending]:
    """What is pending of an attempt, if it is one of ours."""
    begun = _begun(status(attempt, stage))
    with contextlib.suppress(InvalidUrlError, ValueError):
        # Which root it was for need not be known, and does not matter to who takes it away.
        itself = Draft(Url.local(parent / attempt), attempt)
        roots = [Draft(Url.local(parent / name), attempt) for name in _roots(attempt, stage)]
        found = [each for root in roots for each in _prepared(root, stage)]
        filled = {each.prepared.draft for each in found}
        empty = [root for root in roots or [itself] if root not in filled]
        return found + [Pending(Prepared(root.root, attempt, root), begun) for root in empty]
    return []


def _prepared(draft: Draft, stage: int) -> Iterator[Pending]:
    for name, file in _files(PurePath(), (draft.attempt, draft.root.name), stage):
        url = draft.root.joined(name.as_posix())
        prepared = Prepared(url, draft.attempt, draft, f"{receipt(file)}-0", file.st_size)
        yield Pending(prepared, _begun(file))


def _roots(attempt: str, stage: int) -> list[str]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), below(stage, [attempt]) as at:
        return sorted(name for name in os.listdir(at) if not is_temporary(name))
    return []


def _files(
    name: PurePath, names: tuple[str, ...], at: int
) -> Iterator[tuple[PurePath, os.stat_result]]:
    """The files in a directory, and in those in it, by their names below the first one."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), below(at, names) as directory:
        for each in sorted(os.listdir(directory)):
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(each, dir_fd=directory, follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    yield from _files(name / each, (each,), directory)
                elif not is_temporary(each):
                    yield name / each, found


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    """What is in a directory, if it is there and is one."""
    try:
        return sorted(os.scandir(directory), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _begun(found: os.stat_result | None) -> datetime | None:
    """When something was written; None if it is gone by now."""
    return None if found is None else datetime.fromtimestamp(found.st_mtime, UTC)
