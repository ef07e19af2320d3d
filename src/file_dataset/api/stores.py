"""The stores that are known here, and what each can do."""

from __future__ import annotations

import attrs

from file_dataset.api import _wiring
from file_dataset.domain.errors import FileDatasetError


@attrs.frozen
class KnownStore:
    """A scheme, and the store that serves it.

    Args:
        scheme: The part of a URL before ``://``.
        verbs: What the store can do, in small letters and sorted.
        store: The name of its class; or why it cannot be had.
        extra: The extra of this library that brings what it needs; empty if it needs none.
        note: What is worth knowing about it.
    """

    scheme: str
    verbs: tuple[str, ...]
    store: str
    extra: str = ""
    note: str = ""


def known_stores() -> list[KnownStore]:
    """The stores of all schemes that are known in this process, by their schemes."""
    return [_known(scheme) for scheme in _wiring.schemes()]


def _known(scheme: str) -> KnownStore:
    extra = _wiring.extra_of(scheme)
    try:
        store = _wiring.store_of(scheme)
    except FileDatasetError as error:
        return KnownStore(scheme, (), str(error), extra)
    verbs = sorted(verb.__name__.lower() for verb in store.verbs)
    return KnownStore(scheme, tuple(verbs), type(store).__name__, extra, _wiring.note(store))
