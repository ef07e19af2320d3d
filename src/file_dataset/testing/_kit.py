"""What the checks of the laws share: a store, a place to write in, and objects to look at."""

from __future__ import annotations

import functools
import random
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import cast

from file_dataset.domain.errors import FileDatasetError, NotFoundError, UnsupportedError
from file_dataset.domain.objects import OVERWRITE, ObjectInfo, Prefix, WriteMode
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import (
    Copy,
    Delete,
    Download,
    Pending,
    Prepare,
    Prepared,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.url import Url
from file_dataset.testing._asking import Asking
from file_dataset.testing._processes import Peer
from file_dataset.testing._words import shown


@functools.lru_cache(maxsize=64)
def body(seed: int, size: int = 100) -> bytes:
    """Bytes that are like no others."""
    return random.Random(seed).randbytes(size)


class Kit(Asking):
    """A store under examination, with a place to write in.

    Args:
        make_store: Gives the store, or another client of the same place.
        root: An empty prefix to write below.
        scratch: A local directory to write in.
        contents: What is below the root of a store that cannot write.
        patience: Seconds after which what has not ended counts as hanging.
    """

    def __init__(
        self,
        make_store: Callable[[], Store],
        root: Url,
        scratch: Path,
        *,
        contents: Mapping[Url, bytes],
        patience: float,
    ) -> None:
        super().__init__(make_store, root, patience=patience)
        self.scratch = scratch
        self.contents = contents
        self.lists: bool = self._can_list()
        if not (self.can(Read) or self.can(Download)):
            raise ValueError(f"{self.store!r} gives nothing back that could be checked")
        if not (self.writable or contents):
            raise ValueError(f"{self.store!r} cannot write: give the kit `contents` to check it by")

    def clean_up(self) -> None:
        """Take away what was written, as far as the store can."""
        if self.lists and self.writable and self.can(Delete):
            for _ in self.store.run([Delete(item.url) for item in self.store.list(self.root)]):
                pass

    def _can_list(self) -> bool:
        try:
            found = next(iter(self.store.list(self.root)), None)
        except UnsupportedError:
            return False
        if found is not None and self.writable:
            raise ValueError(f"the kit needs an empty place to write in; there is {found.url}")
        return True

    # Making objects.

    def fresh(self) -> Url:
        """A prefix that nothing is below."""
        return self.root.joined(f"law-{self.law}-{uuid.uuid4().hex[:12]}")

    @property
    def writable(self) -> bool:
        """Whether objects can be made of bytes at all."""
        return self.can(Write) or self.can(Upload)

    @property
    def makers(self) -> tuple[Verb, ...]:
        """The verbs that make an object and that the store offers."""
        return tuple(verb for verb in (Write, Upload, Copy) if self.writable and self.can(verb))

    def making(
        self, url: Url, data: bytes, mode: WriteMode = OVERWRITE, *, by: Verb | None = None
    ) -> Request[None]:
        """A request that makes an object of bytes, by any of the verbs that can."""
        verb = by or self.makers[0]
        if verb is Write:
            return Write(url, data, mode)
        if verb is Upload:
            return Upload(self.file(data), url, mode)
        source = self.fresh().joined("source")
        self.put(source, data)
        return Copy(source, url, mode)

    def put(self, url: Url, data: bytes, *, on: Store | None = None) -> None:
        """Make an object."""
        self.do(self.making(url, data), on=on)

    def put_all(self, objects: Mapping[Url, bytes]) -> None:
        """Make objects."""
        self.do_all([self.making(url, data) for url, data in objects.items()])

    def prepare(self, url: Url, data: bytes, *, of_file: bool = False) -> Prepared:
        """Prepare an object, of another one or of a local file, which then goes away."""
        if of_file:
            path = self.file(data)
            prepared = self.do(Prepare(Url.local(path), url))
            path.unlink()
            return prepared
        source = self.fresh().joined("source")
        self.put(source, data)
        prepared = self.do(Prepare(source, url))
        if self.can(Delete):
            self.do(Delete(source))
        return prepared

    def given(self, *sizes: int) -> dict[Url, bytes]:
        """Objects that can be read: of these sizes if they can be written."""
        if not self.writable:
            return dict(self.contents)
        prefix = self.fresh()
        objects = {
            prefix.joined(f"object-{number}"): body(number, size)
            for number, size in enumerate(sizes)
        }
        self.put_all(objects)
        return objects

    def file(self, data: bytes) -> Path:
        """A local file."""
        path = self.unused_path()
        path.write_bytes(data)
        return path

    def unused_path(self) -> Path:
        """A local path where nothing is."""
        return self.scratch / uuid.uuid4().hex

    # Looking at objects.

    def peer(self) -> Peer | None:
        """Another process, which has proven to see what this one does. By law 14."""
        is_new = self._peer is None
        peer = super().peer()
        if is_new and peer is not None:
            with self.judging_by(14):
                self._expect_same_from(peer)
        return peer

    def _expect_same_from(self, peer: Peer) -> None:
        for url, data in self.given(100, 0, 1000).items():
            seen = self.look_from(peer, url)
            did = f"read {url} in another process"
            self.expect(seen == data, did=did, expected=data, seen=seen)
        if self.writable:
            url, data = self.fresh().joined("from afar"), body(1)
            request = self.making(url, data)
            (outcome,) = self.in_peer(lambda: peer.run([request]))
            did = f"{request} in another process"
            self.expect(outcome == Done(0, None), did=did, expected="done", seen=outcome)
            self.expect_bytes(url, data, did=did)

    def look_from(self, peer: Peer, url: Url) -> bytes | FileDatasetError:
        """What is to be had of an object in another process."""
        request = self.looking(url)
        (outcome,) = self.in_peer(lambda: peer.run([request]))
        return self.looked(request, outcome)

    def looking(self, url: Url) -> Request[object]:
        """A request that brings an object's bytes here."""
        return Read(url) if self.can(Read) else Download(url, self.unused_path())

    def look(self, url: Url, *, on: Store | None = None) -> bytes | FileDatasetError:
        """What is to be had of an object, by reading or by downloading it."""
        return self.look_at([url], on=on)[url]

    def look_at(
        self, urls: Iterable[Url], *, on: Store | None = None
    ) -> dict[Url, bytes | FileDatasetError]:
        """What is to be had of objects, asked for in one batch."""
        requests = {url: self.looking(url) for url in urls}
        outcomes = self.run(list(requests.values()), on=on)
        return {
            url: self.looked(request, outcome)
            for (url, request), outcome in zip(requests.items(), outcomes, strict=True)
        }

    def looked(
        self, request: Request[object], outcome: Outcome[object]
    ) -> bytes | FileDatasetError:
        """What a request to look at an object brought."""
        if isinstance(outcome, Failed):
            return outcome.error
        if isinstance(request, Download):
            return request.path.read_bytes()
        self.expect(isinstance(outcome.value, bytes), did=request, expected="bytes", seen=outcome)
        return cast(bytes, outcome.value)

    def expect_bytes(
        self, url: Url, *expected: bytes, did: object, on: Store | None = None
    ) -> None:
        """The object is there, and is one of these."""
        seen = self.look(url, on=on)
        wanted = " or ".join(shown(each) for each in expected)
        self.expect(seen in expected, did=f"{did}; read {url}", expected=wanted, seen=seen)

    def expect_missing(self, url: Url, *, did: object, on: Store | None = None) -> None:
        """The object is not there, by any way of asking."""
        did = f"{did}; read {url}"
        seen = self.look(url, on=on)
        self.expect(isinstance(seen, NotFoundError), did=did, expected="NotFoundError", seen=seen)
        if self.can(Stat):
            self.error(Stat(url), NotFoundError, on=on)

    def listed(
        self, prefix: Url, *, recursive: bool = True, on: Store | None = None
    ) -> list[ObjectInfo | Prefix]:
        """What is below a prefix, each once."""
        did = f"list({prefix}, recursive={recursive})"
        try:
            found = list((on or self.store).list(prefix, recursive=recursive))
        except FileDatasetError as error:
            law = 10 if isinstance(error, NotFoundError) else None
            raise self.broken(did, expected="a listing", seen=error, law=law) from error
        names = [f"{type(item).__name__} {item.url}" for item in found]
        self.expect(len(names) == len(set(names)), did=did, expected="each once", seen=names)
        return found

    def pending(self, prefix: Url) -> list[Pending]:
        """What is prepared below a prefix."""
        did = f"pending({prefix})"
        try:
            found = list(self.store.pending(prefix))
        except FileDatasetError as error:
            raise self.broken(did, expected="what is prepared", seen=error) from error
        naive = [each for each in found if each.begun is not None and each.begun.tzinfo is None]
        self.expect(not naive, did=did, expected="times with a time zone", seen=naive)
        return found

    def expect_objects(
        self, prefix: Url, objects: Mapping[Url, bytes], *, did: object, on: Store | None = None
    ) -> None:
        """These objects are below the prefix, with these contents, and no others."""
        if self.lists:
            found = {item.url for item in self.listed(prefix, on=on)}
            self.expect(
                found == set(objects),
                did=f"{did}; list({prefix})",
                expected=[str(url) for url in objects],
                seen=_differences(found, objects),
            )
        for url, seen in self.look_at(objects, on=on).items():
            data = objects[url]
            self.expect(seen == data, did=f"{did}; read {url}", expected=data, seen=seen)


def _differences(found: Iterable[Url], expected: Iterable[Url]) -> str:
    found, expected = set(found), set(expected)
    parts = {"missing": expected - found, "not expected": found - expected}
    return ", ".join(
        f"{word}: {shown(sorted(map(str, urls)))}" for word, urls in parts.items() if urls
    )
