"""Which objects below a prefix are meant, and how they are found with little to list."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from file_dataset.domain.globs import Glob, starts
from file_dataset.domain.names import RECORDS
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

# For more beginnings than these, what they have in common is asked for once.
_MOST_STARTS = 16


@attrs.frozen
class Listing:
    """Finds the objects below a prefix that are meant.

    What this library keeps for itself below a destination is never meant.

    Args:
        store: Where they are.
        prefix: What they are below of.
        globs: What their names below the prefix match, any one of these; with none every name is
            meant.
        extension: What their names end with, as ``.json``.
        recursive: Whether those are meant that are not directly below the prefix.
        start: What their names begin with, where there are no globs to say so.

    Raises:
        ValueError: For a glob with a slash where only direct children are meant.
        InvalidUrlError: If what a glob says literally cannot follow the prefix.
    """

    store: Store
    prefix: Url
    globs: tuple[Glob, ...] = attrs.field(default=())
    extension: str = ""
    recursive: bool = True
    start: str = ""
    _places: list[tuple[Url, str]] = attrs.field(init=False, repr=False)

    @globs.validator
    def _can_match(self, _: object, globs: tuple[Glob, ...]) -> None:
        for glob in globs:
            if "/" in glob.text and not self.recursive:
                raise ValueError(
                    f"the pattern {glob.text!r} has a slash, which no direct child of "
                    f"{self.prefix.redacted} has: list recursively, or list below another prefix"
                )

    @_places.default
    def _places_to_list(self) -> list[tuple[Url, str]]:
        texts = starts(self.globs) or [self.start]
        if len(texts) > _MOST_STARTS:
            texts = [_common(texts[0], texts[-1])]
        return [self._place(text) for text in texts]

    def _place(self, start: str) -> tuple[Url, str]:
        # With one more character it is a name, which has a parent.
        named = Url(self.prefix.scheme, self.prefix.authority, f"{self.prefix.stem}{start}_")
        return named.parent, named.name[:-1]

    def name(self, url: Url) -> str:
        """An object's name below the prefix."""
        return url.key.removeprefix(self.prefix.stem)

    def means(self, name: str) -> bool:
        """Whether the object of a name below the prefix, which the store has found, is meant."""
        return (
            name.endswith(self.extension)
            and not (RECORDS in name and RECORDS in name.split("/"))
            and (not self.globs or any(glob.matches(name) for glob in self.globs))
        )

    def find(self, *, all_of_it: bool = False) -> Iterator[ObjectInfo]:
        """The objects that are meant, as the store comes to them, a page of them at a time.

        Args:
            all_of_it: Whether all of them are wanted and their order is no matter, so that several
                pages may be on their way.
        """
        for prefix, start in self._places:
            if all_of_it and self.recursive:
                listed = self.store.list_all(prefix, start)
            else:
                listed = self.store.list_starting(prefix, start, recursive=self.recursive)
            with closing(listed) as found:
                for each in found:
                    if isinstance(each, ObjectInfo) and self.means(self.name(each.url)):
                        yield each


def _common(first: str, last: str) -> str:
    """What two texts both begin with."""
    length = 0
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        length += 1
    return first[:length]
