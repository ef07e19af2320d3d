"""Objects to another place, each accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from file_dataset.domain.errors import FileDatasetError, InvalidUrlError, StoreError
from file_dataset.domain.files import check_no_links
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.plan import windows
from file_dataset.domain.requests import Copy
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

# Enough to keep a store busy, and few enough to see how far it is.
_AT_ONCE: Final = 256


@attrs.frozen
class CopiedObject:
    """What became of one object.

    Args:
        source: What it was.
        target: Where it is to be.
        size: Its length in bytes.
        error: What kept it from being copied; None if it was.
    """

    source: Url
    target: Url
    size: int
    error: FileDatasetError | None = None


@attrs.frozen
class Copying:
    """Copies what lies below one place to another, under the same names.

    Args:
        store: Serves both.
        source: What all objects lie below.
        target: What they are to lie below.
    """

    store: Store
    source: Url
    target: Url

    def run(self, found: Sequence[ObjectInfo]) -> Iterator[CopiedObject]:
        """What becomes of each object, a batch of them in their order at a time."""
        for window in windows(found, _AT_ONCE):
            yield from self._copied(window)

    def _copied(self, window: Sequence[ObjectInfo]) -> Iterator[CopiedObject]:
        results: list[CopiedObject] = []
        requests: list[Copy] = []
        asked: list[int] = []
        for number, info in enumerate(window):
            name = info.url.key.removeprefix(self.source.stem)
            silence = StoreError("the store gave no outcome", url=info.url)
            try:
                target = self._target(name)
            except (InvalidUrlError, StoreError) as error:
                results.append(CopiedObject(info.url, self.target, info.size, error))
                continue
            results.append(CopiedObject(info.url, target, info.size, silence))
            requests.append(Copy(info.url, target))
            asked.append(number)
        with closing(self.store.run(requests)) as outcomes:
            for outcome in outcomes:
                number = asked[outcome.index]
                fault = outcome.error if isinstance(outcome, Failed) else None
                results[number] = attrs.evolve(results[number], error=fault)
        yield from results

    def _target(self, name: str) -> Url:
        """Where an object goes; its name may be anybody's words."""
        # Of a local one this raises where the name would lead elsewhere.
        target = self.target.joined(name)
        if target.is_local:
            check_no_links(target, self.target)
        return target
