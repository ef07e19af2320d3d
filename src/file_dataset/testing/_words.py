"""A broken law, in words."""

from __future__ import annotations

import inspect
import re

from file_dataset.domain.store import Store

_LONGEST = 400

TEXTS: dict[int, str] = {
    int(number): " ".join(text.split())
    for number, text in re.findall(
        r"^(\d+)\. (.+(?:\n {3,}.+)*)", inspect.cleandoc(Store.__doc__ or ""), re.MULTILINE
    )
}
"""The laws, by number, as the docstring of Store has them."""


class LawBroken(AssertionError):  # noqa: N818 - it is no error of this library but a finding
    """A store does not keep one of the laws of ``Store``.

    Args:
        law: The number of the law.
        did: What was done.
        expected: What the law makes of that.
        seen: What the store made of it.
    """

    def __init__(self, law: int, did: str, expected: str, seen: str) -> None:
        super().__init__(law, did, expected, seen)
        self.law = law
        self.did = did
        self.expected = expected
        self.seen = seen

    def __str__(self) -> str:
        return (
            f"law {self.law} is broken: {TEXTS.get(self.law, '')}\n"
            f"  done:     {self.did}\n"
            f"  expected: {self.expected}\n"
            f"  seen:     {self.seen}"
        )


def shown(value: object) -> str:
    """A value as a message can hold it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes) and len(value) > 40:
        return f"{len(value)} bytes, {value[:20]!r}..."
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
