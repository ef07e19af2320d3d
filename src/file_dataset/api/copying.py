"""Everything below a place, to another place."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from file_dataset.api import _wiring
from file_dataset.api.objects import Place, served
from file_dataset.api.options import Options
from file_dataset.domain.amounts import human
from file_dataset.domain.copying import CopiedObject, Copying
from file_dataset.domain.errors import InvalidUrlError, NotFoundError
from file_dataset.domain.listing import Listing
from file_dataset.domain.ports import Observer, Progress


@attrs.frozen
class Copied:
    """What became of everything below a place.

    Args:
        objects: Each object, in the order of the listing.
    """

    objects: Sequence[CopiedObject] = attrs.field(repr=False)

    @property
    def failed(self) -> list[CopiedObject]:
        """Those that were not copied."""
        return [each for each in self.objects if each.error is not None]

    def __str__(self) -> str:
        size = sum(each.size for each in self.objects if each.error is None)
        done = len(self.objects) - len(self.failed)
        return f"{done} files copied, {human(size)}; {len(self.failed)} failed"


def copy_below(
    source: Place,
    target: Place,
    *,
    options: Options | None = None,
    progress: bool | Observer | None = None,
) -> Copied:
    """Copy everything below a prefix or a directory to below another one, of any scheme.

    What is there under the same names is replaced. An object that cannot be copied is accounted
    for, and keeps no other from it.

    Args:
        source: A prefix or a directory.
        target: Another one, not within the first.
        options: How storage is reached.
        progress: True for a bar on the terminal, or a function that is told how far it is.

    Raises:
        ValueError: For places that nobody serves, and for a target within the source.
        NotFoundError: If nothing is below the source.
        FileDatasetError: If it cannot be listed.
    """
    store = _wiring.store_for(options)
    read, written = served(source, store, "source"), served(target, store, "target")
    if read == written or read.contains(written):
        raise InvalidUrlError(
            f"{written.redacted} is within {read.redacted}, and would be copied into itself"
        )
    found = sorted(Listing(store, read).find(all_of_it=True), key=lambda each: each.url)
    if not found:
        raise NotFoundError(f"{read.redacted}: not found: nothing is below it", url=read)
    copied: list[CopiedObject] = []
    failed = 0
    with _wiring.observing(progress, unit="file") as observe:
        observe(Progress(len(found)))
        for each in Copying(store, read, written).run(found):
            copied.append(each)
            failed += each.error is not None
            observe(Progress(len(found), len(copied) - failed, failed))
    return Copied(copied)
