"""A store that fails on purpose, so that tests can see what its callers make of it."""

from __future__ import annotations

import copy
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias, TypeVar

import attrs
from attrs.validators import ge, instance_of, le

from file_dataset.adapters.layers._layer import Layer, renumbered
from file_dataset.adapters.per_process import PerProcess
from file_dataset.domain.errors import FileDatasetError, TransientError
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.requests import Request
from file_dataset.domain.store import Verb
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

T = TypeVar("T")


class ErrorFactory(Protocol):
    """A class of errors, or a partial of one."""

    def __call__(self, message: str, *, url: Url | None, operation: str) -> FileDatasetError:
        """The error of one request."""


@attrs.frozen
class ReplyLost:
    """What a script gives for a request that is to be carried out and then to fail.

    Args:
        error: The error to fail with.
    """

    error: FileDatasetError


Script: TypeAlias = Callable[[Request[object]], FileDatasetError | ReplyLost | None]


def _frozen(verbs: Iterable[Verb] | None) -> frozenset[Verb] | None:
    return None if verbs is None else frozenset(verbs)


@attrs.frozen
class Faults:
    """How often requests fail, drawn from a seed.

    Whether a request fails depends on the seed, the verb, the URL and how often this was asked
    before, and not on the order in which threads ask.

    Args:
        seed: Other seeds, other faults.
        before: The share of requests that fail without the store having seen them.
        after: The share of requests that are carried out and fail all the same, their reply lost.
        error: The class of the errors, or a partial of one.
        verbs: The verbs that may fail; None for all.
        keys: A regular expression, searched in the key of each URL; other URLs are spared.
    """

    seed: int = attrs.field(default=0, kw_only=True, validator=instance_of(int))
    before: float = attrs.field(default=0.0, kw_only=True, validator=[ge(0), le(1)])
    after: float = attrs.field(default=0.0, kw_only=True, validator=[ge(0), le(1)])
    error: ErrorFactory = attrs.field(default=TransientError, kw_only=True)
    verbs: frozenset[Verb] | None = attrs.field(default=None, kw_only=True, converter=_frozen)
    keys: str = attrs.field(default="", kw_only=True, validator=instance_of(str))

    def __attrs_post_init__(self) -> None:
        if self.before + self.after > 1:
            raise ValueError(f"{self.before} + {self.after} is more than all requests")

    def fault(self, request: Request[object], times: int) -> FileDatasetError | ReplyLost | None:
        """What becomes of a request that was asked so many times before; None is no fault."""
        if self.verbs is not None and type(request) not in self.verbs:
            return None
        if not re.search(self.keys, request.url.key):
            return None
        drawn = self._draw(f"{self.seed} {times} {request.operation} {request.url}")
        if drawn >= self.before + self.after:
            return None
        lost = drawn >= self.before
        error = self.error(
            f"{request.url.redacted}: a fault made on purpose, "
            f"{'after' if lost else 'before'} the request was carried out",
            url=request.url,
            operation=request.operation,
        )
        return ReplyLost(error) if lost else error

    @staticmethod
    def _draw(text: str) -> float:
        """A number from 0 to below 1, always the same for the same text."""
        digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64


class _Counts:
    """How often each request was asked for."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, Url], itertools.count[int]] = {}

    def next(self, request: Request[object]) -> int:
        """How often this was asked for before."""
        counter = self._counters.setdefault((request.operation, request.url), itertools.count())
        return next(counter)


@attrs.frozen(eq=False)
class Faulty(Layer):
    """Fails requests on purpose, at random from a seed or by a script, and passes on the rest.

    Each process counts for itself how often it asked. Listings are left alone.

    Args:
        store: The store to ask.
        faults: How often to fail; or a callable that is shown each request and gives the error to
            fail it with, a ReplyLost to fail it after it was carried out, or None.

    >>> from file_dataset.adapters.memory import MemoryStore
    >>> store = Faulty(MemoryStore(), Faults(seed=7, before=1.0))
    >>> store.exists(Url("memory", "", "a"))
    Traceback (most recent call last):
    ...
    file_dataset.domain.errors.TransientError: memory:///a: a fault made on purpose, ...
    """

    faults: Faults | Script
    _counts: PerProcess[_Counts] = attrs.field(init=False, repr=False)

    @_counts.default
    def _counts_of_each_process(self) -> PerProcess[_Counts]:
        return PerProcess(_Counts)

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out what is spared, and fail the rest."""
        faults = [self._fault(request) for request in requests]
        passed = [
            number
            for number, fault in enumerate(faults)
            if fault is None or isinstance(fault, ReplyLost)
        ]
        for number, fault in enumerate(faults):
            if isinstance(fault, FileDatasetError):
                yield Failed(number, fault)
        batch = [requests[number] for number in passed]
        with closing(self.store.run(batch)) as outcomes:
            for outcome in outcomes:
                number = passed[outcome.index]
                fault = faults[number]
                if isinstance(fault, ReplyLost):
                    yield Failed(number, fault.error)
                else:
                    yield renumbered(outcome, number)

    def _fault(self, request: Request[object]) -> FileDatasetError | ReplyLost | None:
        if isinstance(self.faults, Faults):
            return self.faults.fault(request, self._counts().next(request))
        fault = self.faults(request)
        # A script may give one error again and again, and layers write into what they get.
        if isinstance(fault, ReplyLost):
            return ReplyLost(copy.copy(fault.error))
        return copy.copy(fault)
