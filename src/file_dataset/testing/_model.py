"""A store as a dictionary: what the state machine compares a store with."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from file_dataset.domain.errors import (
    FileDatasetError,
    InvalidUrlError,
    NotFoundError,
    RangeNotSatisfiableError,
    StoreError,
)
from file_dataset.domain.objects import ObjectInfo, Prefix, Span
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import Delete, Download, Read, Request
from file_dataset.domain.url import Url
from file_dataset.testing._keys import below, clash
from file_dataset.testing._words import shown


def expect(holds: bool, *, did: object, expected: object, seen: object) -> None:  # noqa: FBT001 - reads as assert does
    """Raise AssertionError, in words, unless it holds."""
    if not holds:
        raise AssertionError(
            f"{shown(did)}\n  expected: {shown(expected)}\n  seen:     {shown(seen)}"
        )


@attrs.define
class Model:
    """Objects by their keys.

    Args:
        prefix: What the objects are below.
        objects: The objects.
        tried: Keys that objects were, or were to be, made at; they may have left directories.
    """

    prefix: Url
    objects: dict[str, bytes] = attrs.field(factory=dict)
    tried: set[str] = attrs.field(factory=set)

    def url(self, key: str) -> Url:
        """The URL of a key that has one."""
        return below(self.prefix, key)

    def has_url(self, key: str) -> bool:
        """Whether a URL of the key can be written."""
        try:
            return bool(self.url(key).name)
        except InvalidUrlError:
            return False

    def settle(self, key: str, request: Request[object], outcome: Outcome[object]) -> None:
        """Compare what became of a request that looks at an object, or deletes it."""
        data = self.objects.get(key)
        if isinstance(request, Delete):
            self._expect_done(key, request, outcome, must=data is not None)
            self.objects.pop(key, None)
        elif data is None:
            self.expect_failed(key, request, outcome, NotFoundError)
        elif isinstance(request, Read) and request.span and request.span.start >= len(data):
            self.expect_failed(key, request, outcome, RangeNotSatisfiableError)
        else:
            value = self._expect_done(key, request, outcome, must=True)
            expected: object = None
            if isinstance(request, Read):
                span = request.span or Span(0)
                expected = data[span.start : span.stop]
            elif isinstance(value, ObjectInfo):
                value, expected = (value.url, value.size), (request.url, len(data))
                if isinstance(request, Download):
                    value, expected = (*value, request.path.read_bytes()), (*expected, data)
            expect(value == expected, did=request, expected=expected, seen=value)

    def settle_made(
        self, key: str, data: bytes, request: Request[object], outcome: Outcome[object]
    ) -> bool:
        """Take over an object that a store has made; False if it refused to, as it may."""
        if isinstance(outcome, Failed):
            self.expect_failed(key, request, outcome)
            return False
        self.objects[key] = data
        return True

    def _expect_done(
        self, key: str, request: Request[object], outcome: Outcome[object], *, must: bool
    ) -> object:
        if isinstance(outcome, Done):
            return outcome.value
        expect(not must, did=request, expected="done", seen=outcome)
        self.expect_failed(key, request, outcome)
        return None

    def expect_failed(
        self,
        key: str,
        request: Request[object],
        outcome: Outcome[object],
        *kinds: type[FileDatasetError],
    ) -> None:
        """A request about a key failed with one of these kinds, or for what no store need do."""
        error = outcome.error if isinstance(outcome, Failed) else None
        unspellable = isinstance(error, InvalidUrlError) and key not in self.objects
        clashing = isinstance(error, StoreError) and clash(key, self.tried)
        expect(
            isinstance(error, kinds) or unspellable or clashing,
            did=request,
            expected=" or ".join(kind.__name__ for kind in kinds) or "done",
            seen=outcome,
        )

    def listing(self, prefix: Url, *, recursive: bool) -> set[ObjectInfo | Prefix]:
        """What is below a prefix: objects with their sizes, and prefixes."""
        found: set[ObjectInfo | Prefix] = set()
        for key, data in self.objects.items():
            url = self.url(key)
            if prefix.contains(url):
                child, deeper, _ = url.key.removeprefix(prefix.stem).partition("/")
                whole = recursive or not deeper
                found.add(ObjectInfo(url, len(data)) if whole else Prefix(prefix.child(child)))
        return found

    def expect_listed(
        self, prefix: Url, found: Iterable[ObjectInfo | Prefix], *, recursive: bool
    ) -> None:
        """A listing shows what the model has below a prefix, each once."""
        seen = [
            ObjectInfo(item.url, item.size) if isinstance(item, ObjectInfo) else item
            for item in found
        ]
        expected = self.listing(prefix, recursive=recursive)
        expect(
            set(seen) == expected and len(seen) == len(expected),
            did=f"list({prefix}, recursive={recursive})",
            expected=expected,
            seen=seen,
        )
