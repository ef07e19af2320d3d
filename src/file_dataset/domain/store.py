"""The port: everything that this library asks of a place where files are kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from file_dataset.domain.archives import Contents
from file_dataset.domain.errors import NotFoundError
from file_dataset.domain.objects import OVERWRITE, ObjectInfo, Prefix, Span, WriteMode
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.requests import (
    Copy,
    Data,
    Delete,
    Download,
    Pending,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

T = TypeVar("T")
Verb = type[Request[object]]


class Store(ABC):
    """A place where objects are kept: a batch of requests in, their outcomes out.

    To write one, implement ``run`` and ``list`` and name the ``verbs`` that it can do, or start
    from ``PerObjectStore``, which asks for one short method per verb. These laws hold for every
    store and for every layer around one; ``file_dataset.testing.check_store`` checks each of them:

    1. Exactly one outcome per request, in any order; ``index`` is its position. Duplicates are
       allowed.
    2. One item's failure never raises out of ``run``. Anything that is no StoreError (or
       InvalidUrlError, law 12) is a bug and does propagate.
    3. When the iterator is closed or exhausted, nothing that it started is still running.
    4. Write and Upload are atomic: readers see the old object or the new one. Download leaves a
       whole file or none. What Prepare wrote is invisible until Complete, and gone after Abort;
       ``pending`` names it meanwhile.
    5. A later read sees a completed write.
    6. Delete of a missing object succeeds.
    7. CREATE: of N racers exactly one wins, the others get AlreadyExistsError.
    8. IfMatch on a stale etag gives PreconditionFailedError.
    9. A span past the end is clipped; one that starts past the end gives
       RangeNotSatisfiableError; empty objects work.
    10. ``list(p)`` is segment-wise (``a`` never matches ``ab/``); a missing prefix is empty;
        directory markers are no files. ``list_starting(p, s)`` gives those of ``list(p)`` whose
        first segment below ``p`` begins with ``s``, and ``list_all(p, s)`` the same.
    11. ``stat().size == len(read())``, and ``list`` and ``download`` agree with both.
    12. Keys are opaque: spaces, ``#``, ``?``, ``%``, ``+``, unicode and ``//`` round-trip, or
        give InvalidUrlError. Never another object.
    13. A verb outside ``verbs`` yields UnsupportedError.
    14. ``pickle.loads(pickle.dumps(store))`` does the work itself, in another process; a store
        that cannot says so in a TypeError.
    15. After ``fork``, a store used before in the parent works in the child, or refuses in
        words. It never hangs or mixes answers.

    What a backend forces a store to deviate from, it names in ``deviations``: the number of the
    law, and in words what it does instead.
    """

    deviations: Mapping[int, str] = {}

    @property
    @abstractmethod
    def verbs(self) -> frozenset[Verb]:
        """The kinds of requests that this store can carry out; a class attribute will do."""

    @abstractmethod
    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out a batch, and give each request's outcome as soon as it is known."""

    @abstractmethod
    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """The objects below a prefix; with ``recursive=False`` its direct children only."""

    def list_starting(
        self, prefix: Url, start: str, /, *, recursive: bool = True
    ) -> Iterator[ObjectInfo | Prefix]:
        """What is below a prefix and goes on with a text, in which there is no slash.

        A store whose server can be told the text overrides this, which picks from ``list``.
        """
        with closing(self.list(prefix, recursive=recursive)) as found:
            yield from (each for each in found if each.url.key.startswith(prefix.stem + start))

    def list_all(self, prefix: Url, start: str = "", /) -> Iterator[ObjectInfo | Prefix]:
        """As ``list_starting``, in whatever order, for who wants all of it, and that soon."""
        return self.list_starting(prefix, start)

    def contents(self, roots: Sequence[Url], /) -> Sequence[Contents | None]:
        """What is in archives, for who reads many of their members together.

        None where it cannot be told, or where members are not to be read past this store.
        """
        return [None] * len(roots)

    def pending(self, prefix: Url, /) -> Iterator[Pending]:  # noqa: ARG002 - for those who prepare
        """What was prepared below a prefix, by anyone, and is neither completed nor aborted."""
        return iter(())

    def close(self) -> None:  # noqa: B027 - most stores hold nothing that needs closing
        """Let go of connections; a store that is used again makes new ones."""

    def can(self, verb: Verb, url: Url) -> bool:  # noqa: ARG002 - a routing layer looks at it
        """Whether this store can do the verb to this object."""
        return verb in self.verbs

    def cost(self, requests: Sequence[Request[Any]], sizes: Sequence[int], /) -> int:  # noqa: ARG002 - for those who know better
        """How many requests over a network a batch takes, of objects of these sizes in bytes.

        An estimate, for who plans: if all goes well, and each object takes one, unless a store
        knows better.
        """
        return len(requests)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # One request at a time, with its result returned and its error raised.

    def do(self, request: Request[T]) -> T:
        """Carry out one request. Raises the error that it failed with."""
        (outcome,) = self.run([request])
        if isinstance(outcome, Failed):
            raise outcome.error
        return outcome.value

    def stat(self, url: Url) -> ObjectInfo:
        """Describe an object."""
        return self.do(Stat(url))

    def read(self, url: Url, *, span: Span | None = None) -> bytes:
        """The bytes of an object, or of a span of it."""
        return self.do(Read(url, span))

    def write(self, url: Url, data: Data, *, mode: WriteMode = OVERWRITE) -> None:
        """Make an object of bytes."""
        self.do(Write(url, data, mode))

    def download(self, url: Url, path: str | PathLike[str]) -> ObjectInfo:
        """Put an object's bytes at a local path; gives what was downloaded."""
        return self.do(Download(url, Path(path)))

    def upload(self, path: str | PathLike[str], url: Url, *, mode: WriteMode = OVERWRITE) -> None:
        """Make an object of a local file."""
        self.do(Upload(Path(path), url, mode))

    def copy(self, source: Url, url: Url, *, mode: WriteMode = OVERWRITE) -> None:
        """Make an object of another one."""
        self.do(Copy(source, url, mode))

    def delete(self, url: Url) -> None:
        """Take an object away, if it is there."""
        self.do(Delete(url))

    def exists(self, url: Url) -> bool:
        """Whether there is such an object; only "not found" means that there is not."""
        try:
            self.stat(url)
        except NotFoundError:
            return False
        return True
