"""One pass over what a process has to read, and how far it is."""

from __future__ import annotations

import functools
import gc
import os
import pickle
from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import get_worker_info

from file_dataset.domain.errors import FileDatasetError
from file_dataset.domain.reading import Values

Transform = Callable[[Any], Any]


class Place:
    """How far a process is in a pass; kept when the pass itself is let go of.

    Args:
        position: Where in the rank's items the pass began.
        given: How many of the process's own items after that were given. One that failed is not
            one of these until another follows, so that who goes on from there gets it again.
    """

    def __init__(self, position: int, given: int) -> None:
        self._process = os.getpid()
        self.position = position
        self.given = given

    @property
    def is_own(self) -> bool:
        """Whether it is this process's, since forked workers have their parent's too."""
        return self._process == os.getpid()


class Pass(Iterator[Any]):
    """One pass; who lets go of it leaves nothing running.

    Args:
        values: What is read.
        transform: Makes of each item what is given.
        place: Is told how far this is.
    """

    def __init__(self, values: Values[Any], transform: Transform | None, place: Place) -> None:
        self._values = values
        self._transform = transform
        self._place = place
        self._next = place.given

    def __next__(self) -> Any:
        try:
            item = next(self._values)
        except StopIteration:
            self._place.given = self._next
            raise
        except FileDatasetError:
            self._next += 1
            raise
        self._next += 1
        made = item if self._transform is None else transformed(self._transform, item)
        self._place.given = self._next
        return made


def transformed(transform: Transform, item: Any) -> Any:
    """What a transform makes of an item; what it raises reaches the training loop.

    Raises:
        RuntimeError: In place of what would not get there as an error.
    """
    try:
        return transform(item)
    except StopIteration as error:
        # It would be taken for the end of the items.
        raise RuntimeError("the transform raised StopIteration") from error
    except Exception as error:
        kind = type(error)
        if get_worker_info() is not None and not _pickles(kind):
            # It would be lost on its way to the loop.
            raise RuntimeError(f"the transform raised {kind.__qualname__}: {error}") from error
        raise


def settle() -> None:
    """Let a worker look only at its own objects for garbage.

    For the first look at those that it has of its parent all of them would be copied.
    """
    if get_worker_info() is not None:
        _settled(os.getpid())


@functools.lru_cache(maxsize=1)
def _settled(process: int) -> None:  # noqa: ARG001 - the key
    gc.freeze()


def _pickles(kind: type) -> bool:
    try:
        pickle.dumps(kind)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True
