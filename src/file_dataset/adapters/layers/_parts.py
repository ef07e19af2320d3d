"""The parts of a batch that go different ways, and how their outcomes are told of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

import attrs

from file_dataset.adapters.layers._layer import renumbered
from file_dataset.domain.errors import FileDatasetError, StoreError
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.requests import Request
from file_dataset.domain.threads import closing

T = TypeVar("T")

Way: TypeAlias = Callable[[Sequence[Any]], Iterator[Outcome[Any]]]
"""How a part of a batch is carried out. `Any`: it is told apart by the request, not by the type."""


@attrs.define
class Part:
    """The requests of a batch that are carried out in one way."""

    way: Way
    numbers: list[int] = attrs.field(factory=list)
    requests: list[Request[object]] = attrs.field(factory=list)

    def add(self, number: int, request: Request[object]) -> None:
        """Take a request in, with its position in the batch."""
        self.numbers.append(number)
        self.requests.append(request)

    def outcomes(self, asked: Sequence[Request[T]]) -> Iterator[Outcome[T]]:
        """The outcomes, numbered and named as in the batch."""
        is_all = len(self.numbers) == len(asked)
        with closing(self.way(self.requests)) as outcomes:
            for outcome in outcomes:
                number = outcome.index if is_all else self.numbers[outcome.index]
                if isinstance(outcome, Failed):
                    told(outcome.error, asked[number])
                yield outcome if is_all else renumbered(outcome, number)


def told(error: FileDatasetError, request: Request[object]) -> FileDatasetError:
    """The error, in terms of what was asked for."""
    if isinstance(error, StoreError):
        error.url = error.url or request.url
        error.operation = request.operation
    return error
