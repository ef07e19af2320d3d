"""Which objects a set of local files is to be made of, and whether they may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

import attrs

from file_dataset.domain.errors import (
    IntegrityError,
    InvalidDatasetError,
    NotFoundError,
    TimestampToleranceError,
)
from file_dataset.domain.globs import Glob
from file_dataset.domain.listing import Listing
from file_dataset.domain.manifests import name_faults, parse_source_manifest
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

# More names than these would hide the message in its examples.
_SHOWN = 10


@attrs.frozen
class Manifest:
    """A manifest at the source.

    Args:
        info: The object.
        text: What it says.
    """

    info: ObjectInfo
    text: bytes


@attrs.frozen
class SourceSet:
    """The objects that a set of local files is to be made of.

    Args:
        files: The objects, by their names below the prefix.
        manifest: The manifest that restricts them, if there is one.
    """

    files: Mapping[str, ObjectInfo]
    manifest: Manifest | None


@attrs.frozen(kw_only=True)
class Source:
    """Where a set of files comes from, and which are meant.

    Args:
        store: Where they are.
        prefix: What they are below of.
        globs: What their names match, any one of these.
        manifest: The name of the manifest there, which need not be there; None for none.
        tolerance: How far apart the files may have been written; None does not matter.
    """

    store: Store
    prefix: Url
    globs: tuple[Glob, ...]
    manifest: str | None
    tolerance: timedelta | None

    def find(self, known: Callable[[ObjectInfo], bytes | None]) -> SourceSet:
        """What is meant, as it is now; nothing is read but the manifest.

        Args:
            known: What a manifest says, if it is known to be that one still.

        Raises:
            NotFoundError: If nothing is meant, or something that the manifest lists is missing.
            IntegrityError: If something has another size than the manifest lists.
            TimestampToleranceError: If the files were written too far apart.
            InvalidDatasetError: For names that no file can have, and a manifest that is none.
        """
        manifest = self._manifest(known)
        files = self._found(self.globs) if manifest is None else self._listed(manifest)
        if not files:
            raise NotFoundError(
                f"{self.prefix.redacted}: not found: nothing there matches "
                f"{[glob.text for glob in self.globs]}",
                url=self.prefix,
            )
        if faults := name_faults(files):
            raise InvalidDatasetError(
                f"{len(faults)} keys below {self.prefix.redacted} cannot be names of local files: "
                f"{some(faults)}; leave them out with pattern="
            )
        self._check_times(files)
        return SourceSet(files, manifest)

    def _manifest(self, known: Callable[[ObjectInfo], bytes | None]) -> Manifest | None:
        if self.manifest is None:
            return None
        try:
            info = self.store.stat(self.prefix.joined(self.manifest))
        except NotFoundError:
            return None
        text = known(info)
        return Manifest(info, self.store.read(info.url) if text is None else text)

    def _listed(self, manifest: Manifest) -> dict[str, ObjectInfo]:
        """What the manifest lists and the globs match."""
        where = manifest.info.url
        listed = parse_source_manifest(manifest.text, where, self.prefix)
        found = self._found(())
        if missing := [name for name in listed if name not in found]:
            raise NotFoundError(
                f"{len(missing)} of {len(listed)} files that {where.redacted} lists are not "
                f"found: {some(map(repr, missing))}",
                url=where,
            )
        for name, size in listed.items():
            if size is not None:
                check_size(found[name], size, f"{where.redacted} lists")
        return {
            name: found[name] for name in listed if any(glob.matches(name) for glob in self.globs)
        }

    def _found(self, globs: tuple[Glob, ...]) -> dict[str, ObjectInfo]:
        listing = Listing(self.store, self.prefix, globs)
        with closing(listing.find(all_of_it=True)) as found:
            return {listing.name(each.url): each for each in found}

    def _check_times(self, files: Mapping[str, ObjectInfo]) -> None:
        times = [(each.modified, name) for name, each in files.items() if each.modified is not None]
        if self.tolerance is None or not times:
            return
        (oldest, first), (newest, last) = min(times), max(times)
        if newest - oldest > self.tolerance:
            raise TimestampToleranceError(
                f"{last!r} was written {_hours(newest - oldest)} after {first!r}, which is more "
                f"than the tolerance of {_hours(self.tolerance)}: what is below "
                f"{self.prefix.redacted} may not belong together",
                oldest=oldest,
                newest=newest,
            )


def check_size(info: ObjectInfo, size: int, who: str) -> None:
    """Raise IntegrityError if an object is listed with another size than somebody says."""
    if size != info.size:
        raise IntegrityError(
            f"{info.url.redacted}: {info.size} bytes in the listing, but {who} {size}; it may "
            f"have been changed meanwhile",
            url=info.url,
        )


def some(texts: Iterable[str]) -> str:
    """The first of many texts, as a part of a message."""
    found = sorted(texts)
    return ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")


def _hours(time: timedelta) -> str:
    return f"{time.total_seconds() / 3600:.4g} h"
