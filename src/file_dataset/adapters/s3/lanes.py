"""A long listing as several at once: where its keys can be cut, and what is left of each part.

A server gives a thousand keys at a time, and only with them where the next ones begin, so that a
listing of a million waits a thousand times. But it can also be told to begin behind a text. Where
the keys lie nobody knows beforehand: parts are cut off where those that came so far begin to
differ, and again of whatever turns out to be long.
"""

from __future__ import annotations

import math
import operator
import os
from bisect import bisect_right
from collections.abc import Sequence
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Final

import attrs

from file_dataset.adapters.s3.values import Page

MOST: Final = 8
"""How many pages are asked for at a time."""

_PAGE: Final = 1000
# A listing that was not longer so far may end any moment.
_LONG: Final = 3 * _PAGE
# Seconds until a page begins to come, from which on several at once are worth their cost.
_SLOW: Final = 0.005
# Requests beyond those that there have to be, and one more for each two of these.
_SPARE: Final = 16
# The usual characters in the order of their codes, and what is behind all of a kind.
_KINDS: Final = ((digits, "A"), (ascii_uppercase, "a"), (ascii_lowercase, "{"))


@attrs.define(eq=False)
class Lane:
    """A part of a listing, from behind one text to another one.

    Args:
        after: What its keys are behind of: at first a text, later the last key that came.
        until: The last that may be its own; None for all that are left.

    Attributes:
        token: By which the server knows the next page.
        pages: How many came.
        has_ended: Whether no more will come.
    """

    after: str
    until: str | None = None
    token: str = ""
    pages: int = 0
    has_ended: bool = False
    _first: str | None = None

    @property
    def behind(self) -> str:
        """What the server has to be told that it begins behind of, where that has no token."""
        return "" if self.token else self.after

    def note(self, keys: Sequence[str], token: str) -> None:
        """Take note of a page, all of it."""
        self.pages += 1
        self.token = token
        if keys:
            self._first = self._first or keys[0]
            self.after = keys[-1]
        self.has_ended = not token or (self.until is not None and self.after >= self.until)

    def end_at(self, text: str) -> None:
        """Leave what is behind a text to others."""
        if self.until is None or text < self.until:
            self.until = text
        self.has_ended = self.has_ended or self.after >= self.until

    def cuts(self, most: int, *, within: str) -> Sequence[str]:
        """Where it can be cut, at most so often: where its keys differ, or a letter before."""
        if self._first is None:
            return ()
        depth = len(os.path.commonprefix([self._first, self.after]))  # noqa: RUF071 - of texts
        if depth > len(within) and self.after[depth - 1].isalnum():
            depth -= 1
        return cuts(self.after, self.until, depth, most)


def cuts(after: str, until: str | None, depth: int, most: int) -> Sequence[str]:
    """Texts behind one and before another, in order, that may have as many keys between them.

    Args:
        after: What they are behind of.
        until: What they are before; None if that does not matter.
        depth: How long a beginning they have in common with the first, at least.
        most: How many.

    >>> cuts("scan-017.mha", None, 6, 4)
    ['scan-03', 'scan-05', 'scan-07', 'scan-09']
    """
    for length in range(depth, len(after) + 1):
        texts = [after[:length] + each for each in _behind(after[length : length + 1])]
        found = [each for each in texts if until is None or each < until]
        if found:
            step = len(found) / (most + 1)
            return (
                found if len(found) <= most else [found[int(step * n)] for n in range(1, most + 1)]
            )
    return []


def _behind(character: str) -> Sequence[str]:
    """The usual characters behind one that are of its kind, and what is behind that kind."""
    for kind, following in _KINDS:
        if kind[0] <= character <= kind[-1]:
            return [*kind[kind.index(character) + 1 :], following]
    return [kind[0] for kind, _ in _KINDS if character < kind[0]]


class Lanes:
    """The parts of a listing that are under way.

    The first part that is cut off is a trial, since some servers know no order and do not begin
    behind what they are told: until its first page has come, the part before it lists all.

    Args:
        within: What all keys begin with.
    """

    def __init__(self, within: str) -> None:
        self._within = within
        self._first = Lane("")
        self._lanes = [self._first]
        self._trial: Lane | None = None
        self._may_cut = True
        self._is_trusted = False
        self._latency = math.inf
        self._keys = 0
        self._requests = 0

    def asked(self) -> Sequence[Lane]:
        """The parts of which the next page is to be asked for; none at the end."""
        if self._may_cut and self._keys >= _LONG and self._latency >= _SLOW:
            self._cut()
        self._requests += len(self._lanes)
        return tuple(self._lanes)

    def take(self, lane: Lane, page: Page, token: str) -> Page:
        """Take note of a page, and give what of it is the part's own.

        Args:
            lane: Whose it is.
            page: What came.
            token: By which the server knows the next one; empty at the end.
        """
        keys = [each.url.key for each in page.objects]
        self._latency = min(self._latency, page.latency)
        is_in_order = all(map(operator.lt, keys, keys[1:]))
        self._may_cut = self._may_cut and is_in_order
        if lane is self._trial and not self._is_sound(lane, keys):
            self._may_cut = False
            self._lanes.remove(lane)
            return Page([], [])
        own = page.objects
        # A server without an order has one part only, all of which is its own.
        if is_in_order and (lane is not self._first or lane.until is not None):
            until = len(keys) if lane.until is None else bisect_right(keys, lane.until)
            own = own[bisect_right(keys, lane.after) : until]
        lane.note(keys, token)
        self._keys += len(own)
        self._lanes = [each for each in self._lanes if not each.has_ended]
        return Page(own, [])

    def left(self) -> Sequence[tuple[str, str | None]]:
        """What has not come yet: what it is behind of, and what it goes up to."""
        return [(lane.after, lane.until) for lane in self._lanes if lane is not self._trial]

    def _is_sound(self, trial: Lane, keys: Sequence[str]) -> bool:
        """Whether a trial went well, and is not too late; what it lists is its own then."""
        self._trial = None
        before = self._first
        if not self._may_cut or before.has_ended or (keys and keys[0] <= trial.after):
            return False
        self._is_trusted = True
        before.end_at(trial.after)
        trial.after = max(trial.after, before.after)
        return True

    def _cut(self) -> None:
        """Cut what has the most pages so far, as often as there is room for others."""
        free = MOST - len(self._lanes) if self._is_trusted else 1
        spare = _SPARE + self._keys // (2 * _PAGE) - (self._requests - self._keys // _PAGE)
        longest = sorted(self._lanes, key=lambda lane: lane.pages, reverse=True)
        for number, lane in enumerate(longest):
            most = min(-(-free // (len(longest) - number)), spare)
            texts = lane.cuts(most, within=self._within) if most > 0 else ()
            new = [
                Lane(text, until)
                for text, until in zip(texts, [*texts[1:], lane.until], strict=False)
            ]
            if new and self._is_trusted:
                lane.end_at(texts[0])
            elif new:
                (self._trial,) = new
            self._lanes += new
            free -= len(new)
            spare -= len(new)
