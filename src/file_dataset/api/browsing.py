"""What is at URLs, one look after another, by a store that stays."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable

import attrs

from file_dataset.api import _wiring
from file_dataset.api.objects import Place, served
from file_dataset.api.options import Options
from file_dataset.domain.errors import NotFoundError
from file_dataset.domain.objects import ObjectInfo, Prefix, Span
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

_KEPT = 8


@attrs.frozen
class Browser:
    """Looks at objects and prefixes; what the store learns of an archive, it learns once.

    Args:
        options: How storage is reached.
    """

    options: Options | None
    _make: Callable[[], Store] = attrs.field(init=False, repr=False, eq=False)

    @_make.default
    def _made_when_needed(self) -> Callable[[], Store]:
        return _wiring.once_in_each_process(functools.partial(_wiring.store_for, self.options))

    @property
    def store(self) -> Store:
        """What serves all of it, in this process."""
        return self._make()

    def url(self, place: Place) -> Url:
        """A place as a URL. Raises ValueError for what is none, or of an unknown scheme."""
        return served(place, self.store)

    def look(self, url: Url) -> ObjectInfo | Prefix:
        """What is there: an object, or a prefix of some.

        Raises:
            NotFoundError: If there is neither.
            FileDatasetError: If that cannot be told.
        """
        if not url.key:
            return Prefix(url)
        try:
            return self.store.stat(url)
        except NotFoundError:
            with closing(self.store.list(url, recursive=False)) as found:
                if next(found, None) is None:
                    raise
            return Prefix(url)

    def list(self, url: Url) -> builtins.list[ObjectInfo | Prefix]:
        """What is below a prefix, and no deeper than one segment.

        Raises:
            FileDatasetError: If it cannot be listed.
        """
        with closing(self.store.list(url, recursive=False)) as found:
            return list(found)

    def read(self, url: Url, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes of an object from an offset to another, which may lie past its end.

        Raises:
            FileDatasetError: If they cannot be read.
        """
        if start == 0 and stop is None:
            return self.store.read(url)
        return self.store.read(url, span=Span(start, None if stop is None else stop - start))


def browser(options: Options | None) -> Browser:
    """What looks as the options say; the same one again where it was asked for before."""
    found = next((each for each in _browsers if each.options == options), None) or Browser(options)
    _browsers[:] = [found, *(each for each in _browsers if each is not found)][:_KEPT]
    return found


_browsers: list[Browser] = []
