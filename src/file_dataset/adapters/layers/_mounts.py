"""Which store serves a URL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import attrs
from attrs.validators import instance_of

from file_dataset.domain.store import Store
from file_dataset.domain.url import Url


@attrs.frozen
class Mount:
    """A store and where it begins."""

    url: Url = attrs.field(validator=instance_of(Url))
    store: Store = attrs.field(validator=instance_of(Store))

    def serves(self, url: Url) -> bool:
        """Whether the URL lies at or below the mount, segment-wise."""
        if self.is_scheme:
            return True
        return url.authority == self.url.authority and url.stem.startswith(self.url.stem)

    @property
    def is_scheme(self) -> bool:
        """Whether it stands for all URLs of its scheme."""
        return not self.url.authority and not self.url.key


def by_scheme(mounts: Mapping[Url, Store]) -> Mapping[str, list[Mount]]:
    """The mounts of each scheme, the longest first."""
    places: dict[tuple[str, str, str], Url] = {}
    found: dict[str, list[Mount]] = {}
    for mount in [Mount(url, store) for url, store in mounts.items()]:
        url = mount.url
        place = (url.scheme, url.authority, url.stem)
        if place in places:
            raise ValueError(f"{places[place]!r} and {url!r} are mounts of the same place")
        places[place] = url
        found.setdefault(url.scheme, []).append(mount)
    for mounted in found.values():
        mounted.sort(key=lambda mount: (not mount.is_scheme, len(mount.url.stem)), reverse=True)
    return found


class Made:
    """The stores that one process made, each when it was first asked for."""

    def __init__(self, create: Callable[[str], Store]) -> None:
        self._create = create
        # A store that is made of others may ask for them while it is made.
        self._lock = threading.RLock()
        self.stores: dict[str, Store] = {}

    def store(self, scheme: str) -> Store:
        """The store of a scheme. Raises whatever ``create`` does."""
        if scheme not in self.stores:
            with self._lock:
                if scheme not in self.stores:
                    self.stores[scheme] = self._create(scheme)
        return self.stores[scheme]
