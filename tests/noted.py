"""A layer that notes what a store is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import attrs

from file_dataset.adapters.layers._layer import Layer
from file_dataset.domain.outcomes import Outcome
from file_dataset.domain.requests import Request

T = TypeVar("T")


@attrs.frozen(eq=False)
class Noted(Layer):
    """Hands everything on, and notes the requests."""

    requests: list[Request[Any]] = attrs.field(factory=list, init=False)

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        self.requests.extend(requests)
        return self.store.run(requests)

    def verbs_used(self) -> list[str]:
        return sorted(request.operation for request in self.requests)

    def taken(self) -> list[Request[Any]]:
        """The requests since this was asked for."""
        taken = self.requests[:]
        self.requests.clear()
        return taken
