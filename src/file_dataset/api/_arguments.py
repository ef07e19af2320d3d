"""What a Pipeline is told, looked at before anything is done."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def one_destination(
    write_options: Mapping[str, Any] | None, into_path: str | os.PathLike[str] | None
) -> str | os.PathLike[str]:
    """The destination, which has two places to stand and has to be in one of them."""
    if not isinstance(write_options, Mapping | None):
        raise TypeError(
            f"write_options must be a mapping, as {{'into_path': ...}}, not {write_options!r}"
        )
    given = dict(write_options or {})
    nested = given.pop("into_path", None)
    if given:
        raise ValueError(
            f"unknown write_options {sorted(map(str, given))}; there is only 'into_path'"
        )
    if (nested is None) == (into_path is None):
        raise ValueError(
            "give the destination once, as into_path= or as write_options={'into_path': ...}"
        )
    return nested if into_path is None else into_path


def at_least(name: str, value: int, least: int) -> int:
    """A whole number that is not too small."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return value


def amount(name: str, value: float) -> float:
    """A number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a number of at least 0, not {value!r}")
    return value


def count_or_share(name: str, value: float | None) -> float | None:
    """A whole number of at least 0, a float from 0 to 1, or None."""
    if value is None:
        return None
    most = 1 if isinstance(value, float) else math.inf
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(
            f"{name} must be a whole number of at least 0 or, for a share of all rows, a float "
            f"from 0 to 1, not {value!r}"
        )
    return value


def time_limit(seconds: float | None, isolation: str) -> float | None:
    """The seconds that the function may take, if there is anything that could hold it to them."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ValueError(f"timeout must be a number of seconds above 0, not {seconds!r}")
    if isolation != "process":
        raise ValueError('timeout needs isolation="process": a thread cannot be ended from outside')
    return None if math.isinf(seconds) else seconds


def one_of(name: str, value: T, choices: Collection[T]) -> T:
    """One of the values that there are."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, not {value!r}")
    return value
