"""A store that is read and never written to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import attrs

from file_dataset.adapters.layers._layer import Layer, renumbered
from file_dataset.domain.errors import UnsupportedError
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.requests import Download, Read, Request, Stat
from file_dataset.domain.store import Verb
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

T = TypeVar("T")

_READING: Final[frozenset[Verb]] = frozenset({Stat, Read, Download})


@attrs.frozen(eq=False)
class ReadOnly(Layer):
    """Refuses what would change anything, before the store inside hears of it."""

    @property
    def verbs(self) -> frozenset[Verb]:
        """What the store inside can do that changes nothing."""
        return self.store.verbs & _READING

    def can(self, verb: Verb, url: Url) -> bool:
        """Whether the verb changes nothing, and the store inside can do it to this object."""
        return verb in _READING and self.store.can(verb, url)

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out what changes nothing."""
        numbers = [n for n, request in enumerate(requests) if type(request) in _READING]
        with closing(self.store.run([requests[number] for number in numbers])) as outcomes:
            for outcome in outcomes:
                yield renumbered(outcome, numbers[outcome.index])
        for number in set(range(len(requests))) - set(numbers):
            request = requests[number]
            yield Failed(
                number,
                UnsupportedError(
                    f"{request.url.redacted} is only to be read by these options, and not for "
                    f"{request.operation.lower()}",
                    url=request.url,
                    operation=request.operation,
                ),
            )
