"""How rows are committed, as the user says it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from file_dataset.api import _wiring
from file_dataset.api._arguments import one_of
from file_dataset.domain.atomic import AtomicPublishing
from file_dataset.domain.commit import IfExists, fresh_name
from file_dataset.domain.destination import Destination, Exclusive
from file_dataset.domain.ledger import Ledger
from file_dataset.domain.objects import CREATE, OVERWRITE
from file_dataset.domain.pipeline import Publisher
from file_dataset.domain.publishing import Publishing
from file_dataset.domain.resuming import Resuming
from file_dataset.domain.row_archives import RowArchives
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

CommitMode: TypeAlias = Literal["atomic", "plain"]
ArchiveKind: TypeAlias = Literal["tar"]


_RECORDS = 'the records that commit="atomic" keeps'


@attrs.frozen
class Committing:
    """How rows come to their destination, and what becomes of those that are there.

    Args:
        destination: Where they go.
        commit: Whether each row is seen whole or not at all.
        if_exists: What becomes of a row that is there.
        version: What the user calls the version of the function.
        run: What the attempts of one run have in common; None for a name of its own for each.
        archive: Of which kind the archive is that a row becomes; None for files.
    """

    destination: Destination
    commit: CommitMode
    if_exists: IfExists
    version: str | None = None
    run: str | None = None
    archive: ArchiveKind | None = None

    @classmethod
    def of(
        cls,
        store: Store,
        into: Url,
        *,
        commit: CommitMode,
        if_exists: IfExists,
        version: str | None = None,
        exclusive: Exclusive = "warn",
        archive: ArchiveKind | None = None,
    ) -> Committing:
        """What the arguments of these names say.

        Raises:
            ValueError: For another value, and for what plain rows and archives have no records for.
            TypeError: For a version that is no text.
        """
        one_of("commit", commit, ("atomic", "plain"))
        one_of("if_exists", if_exists, ("replace", "skip", "error"))
        one_of("exclusive", exclusive, ("warn", "require"))
        if version is not None and not isinstance(version, str):
            raise TypeError(f"version must be a text, not {version!r}")
        one_of("archive", archive, (None, "tar"))
        if commit == "plain" or archive is not None:
            needed = _RECORDS if archive is None else f"{_RECORDS} of files"
            asked = {
                'if_exists="skip"': if_exists == "skip",
                "version": version is not None,
                'exclusive="require"': exclusive == "require",
            }
            for name in (name for name, is_asked in asked.items() if is_asked):
                raise ValueError(f"{name} needs {needed}")
        return cls(Destination(store, into, exclusive), commit, if_exists, version, archive=archive)

    def of_one_run(self) -> Committing:
        """The same for copies that work on parts of the same data."""
        return attrs.evolve(self, run=self.run or fresh_name())

    @property
    def keeps_records(self) -> bool:
        """Whether every row leaves a record, so that later runs can tell what is done.

        And which are their own, where one attempt of a run must not be in another one's way.
        """
        is_tried_again = self.run is not None and self.if_exists == "error"
        return self.if_exists == "skip" or self.version is not None or is_tried_again

    def over(self, store: Store) -> Committing:
        """The same, by way of another store."""
        return attrs.evolve(self, destination=self.destination.over(store))

    def publisher(self) -> Publisher:
        """What puts the rows of one run where they go."""
        where = self.destination
        mode = CREATE if self.if_exists == "error" else OVERWRITE
        if self.archive is not None:
            scratch = _wiring.temp_scratch(None)
            return RowArchives(where.store, where.into, scratch, mode)
        if self.commit == "atomic":
            run = self.run or fresh_name()
            return AtomicPublishing(
                where, run, self.if_exists, self.version, keeps_records=self.keeps_records
            )
        # Elsewhere it takes more requests to prepare a file than to write it.
        is_cheap = where.into.is_local
        return Publishing(where.store, where.into, mode, prepares=is_cheap)

    def resuming(self) -> Resuming | None:
        """What tells which rows need not be run; None if all are."""
        if self.archive or self.commit == "plain" or self.if_exists == "replace":
            return None
        where = self.destination
        is_error = self.if_exists == "error"
        return Resuming(
            where.store, Ledger(where.into), self.version, is_error=is_error, run=self.run
        )
