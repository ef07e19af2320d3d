"""A store whose word that it has all of something is not taken for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import attrs

from file_dataset.adapters.layers._layer import Layer
from file_dataset.domain.errors import FileDatasetError, IntegrityError
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import Complete, Request, Stat, Upload, Write
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

T = TypeVar("T")


@attrs.frozen(eq=False)
class Verifying(Layer):
    """Asks how large the objects are that were made of bytes from here, and compares it.

    Those of a batch are asked about together, in its end. An object of another size, which may be
    that of another writer, is an IntegrityError that is worth another attempt. Of copies nothing
    is asked, since their bytes are not here.

    Args:
        store: The store to ask.
    """

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out a batch; what became of requests that write is told in the end."""
        written: list[Done[T]] = []
        wanted: dict[Url, set[int]] = {}
        with closing(self.store.run(requests)) as outcomes:
            for outcome in outcomes:
                sizes = _sizes(requests[outcome.index]) if isinstance(outcome, Done) else {}
                if isinstance(outcome, Done) and sizes:
                    written.append(outcome)
                    for url, size in sizes.items():
                        # One that is written twice has one of the sizes.
                        wanted.setdefault(url, set()).add(size)
                else:
                    yield outcome
        wrong = self._wrong(wanted)
        for done in written:
            errors = [wrong[url] for url in _sizes(requests[done.index]) if url in wrong]
            yield Failed(done.index, errors[0]) if errors else done

    def cost(self, requests: Sequence[Request[Any]], sizes: Sequence[int], /) -> int:
        """What the store inside takes, and a question about each object that is written."""
        written = sum(
            len(each.prepared) if isinstance(each, Complete) else isinstance(each, Write | Upload)
            for each in requests
        )
        return self.store.cost(requests, sizes) + written

    def _wrong(self, wanted: dict[Url, set[int]]) -> dict[Url, FileDatasetError]:
        """What is wrong with objects of which it is known how large they should be."""
        urls = list(wanted)
        wrong: dict[Url, FileDatasetError] = {}
        with closing(self.store.run([Stat(url) for url in urls])) as outcomes:
            for outcome in outcomes:
                url = urls[outcome.index]
                if isinstance(outcome, Failed):
                    wrong[url] = outcome.error
                elif outcome.value.size not in wanted[url]:
                    wrong[url] = _mismatch(url, outcome.value.size, wanted[url])
        return wrong


def _sizes(request: Request[object]) -> dict[Url, int]:
    """How large the objects are that a request makes of bytes from here."""
    match request:
        case Write(url, data):
            return {url: memoryview(data).nbytes}
        case Upload(path, url):
            # Of one that is gone by now nobody can tell any more.
            with contextlib.suppress(OSError):
                return {url: path.stat().st_size}
            return {}
        case Complete(prepared):
            return {each.url: each.size for each in prepared if each.size is not None}
        case _:
            return {}


def _mismatch(url: Url, size: int, wanted: set[int]) -> IntegrityError:
    sizes = " or ".join(map(str, sorted(wanted)))
    error = IntegrityError(
        f"{url.redacted}: size mismatch: {sizes} bytes were written, and the store has {size}",
        url=url,
    )
    error.transient = True
    return error
