"""In which order items come, and who takes which of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def shuffled(number: int, *, seed: int, epoch: int) -> list[int]:
    """The numbers below one, in an order that the seed and the epoch say and nothing else.

    >>> shuffled(5, seed=0, epoch=0), shuffled(5, seed=0, epoch=1)
    ([0, 3, 4, 1, 2], [3, 1, 2, 0, 4])
    """
    # Of a Random only random() is promised to give the same in every version of Python.
    draw = random.Random(f"{seed}/{epoch}").random  # noqa: S311 - it is to be repeatable
    keys = [draw() for _ in range(number)]
    return sorted(range(number), key=keys.__getitem__)


def share(items: Sequence[T], which: int, of: int, *, block: int = 1) -> Sequence[T]:
    """What one of several takes, who take blocks of so many items in turn.

    >>> share("abcdefgh", 0, 2, block=3), share("abcdefgh", 1, 2, block=3)
    (['a', 'b', 'c', 'g', 'h'], ['d', 'e', 'f'])
    """
    if of == 1:
        return items
    if block == 1:
        return items[which::of]
    starts = range(which * block, len(items), of * block)
    return [item for start in starts for item in items[start : start + block]]
