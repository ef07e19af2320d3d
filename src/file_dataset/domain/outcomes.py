"""What became of a request: done with its result, or failed with its error."""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

import attrs

from file_dataset.domain.errors import FileDatasetError

T_co = TypeVar("T_co", covariant=True)


@attrs.frozen
class Done(Generic[T_co]):
    """A request that was carried out.

    Args:
        index: Its position in the batch.
        value: What it gave.
    """

    index: int
    value: T_co


@attrs.frozen
class Failed:
    """A request that was not carried out.

    Args:
        index: Its position in the batch.
        error: Why, as a StoreError or an InvalidUrlError.
    """

    index: int
    error: FileDatasetError


Outcome: TypeAlias = Done[T_co] | Failed
