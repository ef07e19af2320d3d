"""Where the passes over a dataset begin, known to all the processes that read it."""

from __future__ import annotations

from typing import NamedTuple

import torch

# What stands where in the tensor.
_EPOCH, _POSITION, _FIRST, _WORKERS, _BEGUN, _LATER, _SLOTS = range(7)
_MOST_WORKERS = 1024
_NOBODY = -1


class Begin(NamedTuple):
    """Where a process begins.

    Attributes:
        position: How many of the rank's items are left out, before workers share the others.
        given: How many of the process's own items after that are left out.
    """

    position: int
    given: int = 0


class Progress:
    """The epoch, and where in it the next pass begins; one that follows it begins at the front.

    A pass begins in each worker by itself, and workers that are made anew are copies of a process
    that knows nothing of passes. So they share a tensor, in which they write down who has begun the
    pass that goes on from where a run was left: a pass is known by the seed that all of its workers
    have from the DataLoader and their number, and none of them begins it twice.
    """

    def __init__(self) -> None:
        self._shared = torch.zeros(_SLOTS + _MOST_WORKERS, dtype=torch.int64)
        self._shared.share_memory_()  # type: ignore[no-untyped-call]
        self._own: Begin | None = None
        self.restart(0)

    @property
    def epoch(self) -> int:
        """The epoch that is next, or under way."""
        return self._get(_EPOCH)

    @property
    def position(self) -> int:
        """Where in the rank's items the pass that is under way began, or the next begins."""
        return 0 if self._get(_LATER) else self._get(_POSITION)

    @property
    def has_workers(self) -> bool:
        """Whether worker processes have begun to read since the epoch or the position was set."""
        return bool(self._get(_BEGUN))

    def restart(self, epoch: int, position: int = 0) -> None:
        """Let the next pass be of an epoch, and begin at a position."""
        self._shared.zero_()
        self._shared[_EPOCH] = epoch
        self._shared[_POSITION] = position
        self._shared[_FIRST] = _NOBODY

    def load(self, epoch: int, position: int, given: int | None) -> None:
        """As restart(); for a worker that has given some of its own items already, its own next."""
        if given is None:
            self.restart(epoch, position)
        else:
            self._shared[_EPOCH] = epoch
            self._own = Begin(position, given)

    def begin(self, worker: int, workers: int, *, seed: int) -> Begin:
        """Where a process begins a pass.

        Args:
            worker: Which of the DataLoader's worker processes it is.
            workers: How many there are; none if the pass is that of the loop's own process.
            seed: What the workers of a pass have in common.
        """
        self._shared[_BEGUN] = int(workers > 0)
        if self._own is not None:
            own, self._own = self._own, None
            return own
        if self._get(_FIRST) == _NOBODY:
            self._shared[_WORKERS] = workers
            self._shared[_FIRST] = seed
        is_first = (self._get(_FIRST), self._get(_WORKERS)) == (seed, workers)
        if is_first and not self._get(_SLOTS + worker):
            self._shared[_SLOTS + worker] = 1
            return Begin(self._get(_POSITION))
        self._shared[_LATER] = 1
        return Begin(0)

    def _get(self, place: int) -> int:
        return int(self._shared[place].item())
