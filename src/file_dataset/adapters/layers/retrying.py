"""A store that tries again what may work at the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import attrs
from attrs.validators import ge, gt, instance_of

from file_dataset.adapters.clock import SystemClock
from file_dataset.adapters.layers._layer import Layer, renumbered
from file_dataset.domain.errors import IntegrityError, StoreError, ThrottledError
from file_dataset.domain.objects import ObjectInfo, Prefix
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.ports import Clock
from file_dataset.domain.requests import Pending, Request
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

T = TypeVar("T")


def _uniform() -> float:
    # Not `random.random` itself, which pickles with its state: all workers would wait in step.
    return random.random()  # noqa: S311 - nobody gains by guessing a pause


@attrs.frozen(eq=False)
class Retrying(Layer):
    """Carries out a batch, and again what failed of it with a transient error.

    Outcomes that are final are given at once; the others come together in a smaller batch after a
    pause. Only requests that are idempotent are repeated, and only errors that say that they are
    transient; after an IntegrityError just once, since what is wrong again is so in the store. An
    error that comes out in the end has the number of all attempts, and is no longer
    transient if they are used up, so that a layer further out does not multiply them. A listing is
    tried again as long as it has not given its first item.

    Args:
        store: The store to ask.
        attempts: How often a request is tried in all, at least once.
        base: Seconds; the pause after the n-th attempt is drawn from 0 to ``base * 2 ** (n-1)``.
        cap: Seconds that a pause so drawn never passes.
        patience: The longest pause in seconds that a store may ask for in a ThrottledError; who
            asks for more is not asked again.
        clock: Waits.
        random: Draws from 0 to 1.
    """

    attempts: int = attrs.field(default=4, kw_only=True, validator=[instance_of(int), ge(1)])
    base: float = attrs.field(default=0.1, kw_only=True, validator=ge(0))
    cap: float = attrs.field(default=20.0, kw_only=True, validator=gt(0))
    patience: float = attrs.field(default=60.0, kw_only=True, validator=ge(0))
    clock: Clock = attrs.field(factory=SystemClock, kw_only=True)
    random: Callable[[], float] = attrs.field(default=_uniform, kw_only=True)

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out a batch, and again what may work at the next attempt."""
        pending = list(range(len(requests)))
        tried = [0] * len(requests)
        damaged: set[int] = set()
        for attempt in range(1, self.attempts + 1):
            again: list[int] = []
            asked = 0.0
            batch = [requests[number] for number in pending]
            with closing(self.store.run(batch)) as outcomes:
                for outcome in outcomes:
                    number = pending[outcome.index]
                    error = outcome.error if isinstance(outcome, Failed) else None
                    if isinstance(error, StoreError):
                        tried[number] += error.attempts
                        error.attempts = tried[number]
                        if isinstance(error, IntegrityError):
                            error.transient = error.transient and number not in damaged
                            damaged.add(number)
                        if requests[number].idempotent and self._is_retried(error, attempt):
                            again.append(number)
                            asked = max(asked, _asked(error))
                            continue
                    yield outcome if attempt == 1 else renumbered(outcome, number)
            if not again:
                return
            self._pause(attempt, asked)
            pending = again

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """What the store inside lists, from the first attempt that gives an item or ends well."""
        return self._begun(lambda: self.store.list(prefix, recursive=recursive))

    def list_starting(
        self, prefix: Url, start: str, /, *, recursive: bool = True
    ) -> Iterator[ObjectInfo | Prefix]:
        """What the store inside lists, as ``list``."""
        return self._begun(lambda: self.store.list_starting(prefix, start, recursive=recursive))

    def list_all(self, prefix: Url, start: str = "", /) -> Iterator[ObjectInfo | Prefix]:
        """What the store inside lists, as ``list``."""
        return self._begun(lambda: self.store.list_all(prefix, start))

    def pending(self, prefix: Url, /) -> Iterator[Pending]:
        """What the store inside has prepared, from the first attempt as with ``list``."""
        return self._begun(lambda: self.store.pending(prefix))

    def _begun(self, ask: Callable[[], Iterator[T]]) -> Iterator[T]:
        tried = 0
        for attempt in range(1, self.attempts + 1):
            try:
                found = ask()
                first = next(found, None)
            except StoreError as error:
                tried += error.attempts
                error.attempts = tried
                if not self._is_retried(error, attempt):
                    raise
                self._pause(attempt, _asked(error))
                continue
            with closing(found):
                if first is not None:
                    yield first
                    yield from found
            return

    def _is_retried(self, error: StoreError, attempt: int) -> bool:
        """Whether another attempt follows; an error that is not worth one any more is told so."""
        if error.transient and (attempt == self.attempts or _asked(error) > self.patience):
            error.transient = False
        return error.transient

    def _pause(self, attempt: int, asked: float) -> None:
        drawn = self.random() * min(self.cap, self.base * 2 ** (attempt - 1))
        self.clock.sleep(max(drawn, asked))


def _asked(error: StoreError) -> float:
    """The seconds that the store asks its callers to wait."""
    return (error.retry_after or 0.0) if isinstance(error, ThrottledError) else 0.0
