"""What the layers share: handing on, closing, renumbering."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import attrs
from attrs.validators import instance_of

from file_dataset.domain.objects import ObjectInfo, Prefix
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import Pending, Request
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.url import Url

T = TypeVar("T")


@attrs.frozen(eq=False)
class Layer(Store):
    """A store around a store, which hands on everything but what it is there for."""

    store: Store = attrs.field(validator=instance_of(Store))

    @property
    def verbs(self) -> frozenset[Verb]:
        """What the store inside can do."""
        return self.store.verbs

    @property
    def deviations(self) -> Mapping[int, str]:  # type: ignore[override] # nobody assigns to it
        """What the store inside does instead of what a law says."""
        return self.store.deviations

    def can(self, verb: Verb, url: Url) -> bool:
        """Whether the store inside can do the verb to this object."""
        return self.store.can(verb, url)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """What the store inside lists."""
        return self.store.list(prefix, recursive=recursive)

    def list_starting(
        self, prefix: Url, start: str, /, *, recursive: bool = True
    ) -> Iterator[ObjectInfo | Prefix]:
        """What the store inside lists."""
        return self.store.list_starting(prefix, start, recursive=recursive)

    def list_all(self, prefix: Url, start: str = "", /) -> Iterator[ObjectInfo | Prefix]:
        """What the store inside lists."""
        return self.store.list_all(prefix, start)

    def pending(self, prefix: Url, /) -> Iterator[Pending]:
        """What the store inside has prepared below a prefix."""
        return self.store.pending(prefix)

    def cost(self, requests: Sequence[Request[Any]], sizes: Sequence[int], /) -> int:
        """What the store inside takes."""
        return self.store.cost(requests, sizes)

    def close(self) -> None:
        """Let the store inside let go of its connections."""
        self.store.close()


def renumbered(outcome: Outcome[T], index: int) -> Outcome[T]:
    """The outcome as that of another position."""
    if isinstance(outcome, Failed):
        return Failed(index, outcome.error)
    return Done(index, outcome.value)
