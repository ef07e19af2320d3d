"""A batch as libcurl carries it: of what settles several objects, one request for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from file_dataset.adapters.s3.carried import Carried, Declined
from file_dataset.adapters.s3.drafts import most_hopeful
from file_dataset.domain.errors import FileDatasetError
from file_dataset.domain.requests import Abort, Complete, Request

_SETTLING: Final = (Complete, Abort)


class Apart:
    """A batch, taken apart into requests for one object each.

    Args:
        batch: The batch.

    Attributes:
        requests: For one object each, in the same order.
    """

    def __init__(self, batch: Sequence[Request[object]]) -> None:
        self.requests: Sequence[Request[object]] = batch
        # Of each request, to which of the batch it belongs; none where they are the same.
        self._owners: list[int] = []
        # Of those of the batch that became several: how many, and what became of some so far.
        self._parts: dict[int, int] = {}
        self._values: dict[int, list[object]] = {}
        if any(_is_of_several(request) for request in batch):
            self._take_apart(batch)

    def _take_apart(self, batch: Sequence[Request[object]]) -> None:
        requests: list[Request[object]] = []
        self.requests = requests
        for index, request in enumerate(batch):
            if isinstance(request, _SETTLING) and _is_of_several(request):
                self._parts[index] = len(request.prepared)
                requests += [type(request)(each) for each in request.prepared]
                self._owners += [index] * len(request.prepared)
            else:
                requests.append(request)
                self._owners.append(index)

    def together(self, carried: Carried) -> Carried | None:
        """What became of a request of the batch; None before the last of those it became is done.

        Args:
            carried: What became of a request for one object.
        """
        if not self._owners:
            return carried
        index = self._owners[carried.index]
        if index not in self._parts:
            return Carried(index, carried.value)
        values = self._values.setdefault(index, [])
        values.append(carried.value)
        if len(values) < self._parts[index]:
            return None
        return Carried(index, _one_of(self._values.pop(index)))


def _is_of_several(request: Request[object]) -> bool:
    return isinstance(request, _SETTLING) and len(request.prepared) > 1


def _one_of(values: Sequence[object]) -> object:
    """What went wrong with one if anything did; Declined if boto3 is to do one, and so all."""
    for value in values:
        if isinstance(value, Declined):
            return value
    errors = [value for value in values if isinstance(value, FileDatasetError)]
    return most_hopeful(errors) if errors else None
