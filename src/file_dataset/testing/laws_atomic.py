"""The law about whole objects: 4."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable
from pathlib import Path

from file_dataset.domain.errors import NotFoundError, StoreError
from file_dataset.domain.requests import Abort, Complete, Copy, Download, Upload
from file_dataset.domain.store import Store
from file_dataset.testing._kit import Kit, body
from file_dataset.testing.laws_batches import SETTLING
from file_dataset.testing.laws_drafts import drafts_are_seen_together

_LARGE = 1 << 18
_ROUNDS = 24


def whole_or_nothing(kit: Kit) -> None:
    """Law 4: nobody sees a part of an object, or anything of one that failed."""
    if kit.makers:
        _readers_see_whole_objects(kit)
        _failing_makers_change_nothing(kit)
    if kit.can(Download):
        _downloads_are_whole(kit)
        _failing_downloads_leave_nothing(kit)
    if kit.makers and kit.can(*SETTLING):
        _prepared_is_invisible(kit)
        drafts_are_seen_together(kit)


def _readers_see_whole_objects(kit: Kit) -> None:
    url = kit.fresh().joined("torn")
    bodies = [body(1, _LARGE), body(2, 2 * _LARGE)]
    kit.put(url, bodies[0])
    written = threading.Event()

    def write() -> None:
        try:
            for number, maker in zip(range(_ROUNDS), itertools.cycle(kit.makers), strict=False):
                kit.do(kit.making(url, bodies[number % 2], by=maker))
        finally:
            written.set()

    def read(store: Store) -> None:
        last = False
        while not last:
            last = written.is_set()
            kit.expect_bytes(url, *bodies, did="read during overwrites", on=store)

    readers: list[Callable[[], None]] = [functools.partial(read, kit.another()) for _ in range(2)]
    kit.together([write, *readers])


def _failing_makers_change_nothing(kit: Kit) -> None:
    prefix = kit.fresh()
    url, data = prefix.joined("old"), body(1)
    kit.put(url, data)
    bad = [
        Upload(kit.unused_path(), url),
        Upload(kit.scratch, url),
        Copy(kit.fresh().joined("missing"), url),
        Upload(kit.unused_path(), prefix.joined("new", "deep")),
    ]
    for request in bad:
        if kit.can(type(request)):
            kit.error(request, StoreError)
            kit.expect_objects(prefix, {url: data}, did=f"{request}, which fails")


def _downloads_are_whole(kit: Kit) -> None:
    objects = kit.given(_LARGE, 2 * _LARGE)
    directory = _directory(kit)
    path = directory / "file"
    written = threading.Event()

    def download() -> None:
        try:
            for url in itertools.islice(itertools.cycle(objects), _ROUNDS):
                kit.do(Download(url, path))
        finally:
            written.set()

    def watch() -> None:
        last = False
        while not last:
            last = written.is_set()
            seen = path.read_bytes() if path.exists() else None
            kit.expect(
                seen is None or seen in objects.values(),
                did=f"look at {path.name} during downloads",
                expected="a whole file or none",
                seen=seen,
            )

    kit.together([download, watch])
    _expect_files(kit, directory, ["file"], did="downloads")


def _failing_downloads_leave_nothing(kit: Kit) -> None:
    (url, data), *_ = kit.given(100).items()
    missing = kit.fresh().joined("missing")
    directory = _directory(kit)
    kit.error(Download(missing, directory / "file"), NotFoundError)
    _expect_files(kit, directory, [], did="a download of what is missing")
    (directory / "old").write_bytes(data)
    kit.error(Download(missing, directory / "old"), NotFoundError)
    _expect_files(kit, directory, ["old"], did="a download of what is missing")
    seen = (directory / "old").read_bytes()
    kit.expect(seen == data, did="a download that fails", expected="the old file", seen=seen)
    (directory / "directory").mkdir()
    kit.error(Download(url, directory / "directory"), StoreError)
    kit.error(Download(url, directory / "none" / "file"), StoreError)
    _expect_files(kit, directory, ["directory", "old"], did="downloads to where no file can be")


def _directory(kit: Kit) -> Path:
    path = kit.unused_path()
    path.mkdir()
    return path


def _expect_files(kit: Kit, directory: Path, names: list[str], *, did: str) -> None:
    seen = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))
    kit.expect(seen == names, did=f"{did}; list the directory", expected=names, seen=seen)


def _prepared_is_invisible(kit: Kit) -> None:
    prefix = kit.fresh()
    old, new = prefix.joined("old"), prefix.joined("new", "deep")
    before, after = body(1), body(2)
    kit.put(old, before)
    replacing, making = kit.prepare(old, after), kit.prepare(new, after, of_file=True)
    kit.expect_objects(prefix, {old: before}, did="Prepare")
    kit.expect_missing(new, did="Prepare")
    kit.do(Complete(replacing))
    kit.expect_objects(prefix, {old: after}, did="Complete one of two", on=kit.another())
    kit.do(Abort(making))
    kit.do(Abort(making))
    kit.expect_missing(new, did="Abort")
    kit.error(Complete(making), StoreError)
    kit.expect_objects(prefix, {old: after}, did="Complete after Abort", on=kit.another())
    first, second = kit.prepare(new, before), kit.prepare(new, after, of_file=True)
    kit.do(Complete(second))
    kit.do(Abort(first))
    kit.expect_objects(
        prefix, {old: after, new: after}, did="Abort one attempt of two", on=kit.another()
    )
