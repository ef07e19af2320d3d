"""How much of it: the tests that try many of something try more of it in `make soak`."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator

IS_ON = bool(os.environ.get("FILE_DATASET_SOAK"))
_TRIED = "tried"


def times(usual: int, *, most: int) -> int:
    """How many to try: the usual number, or the most in a soak."""
    return most if IS_ON else usual


def tried(what: str, number: int) -> tuple[str, tuple[str, int]]:
    """A property for a test to record: how many it has tried of what."""
    return _TRIED, (what, number)


def totals(properties: Iterable[tuple[str, object]]) -> Iterator[str]:
    """What all tests together have tried, a line for each kind."""
    counts: Counter[str] = Counter()
    for name, value in properties:
        if name == _TRIED and isinstance(value, (tuple, list)):
            what, number = value
            counts[what] += number
    for what, number in sorted(counts.items()):
        yield f"{number:>9,} {what}"
