"""Many members of archives read together, without a request, a row and an outcome for each.

That is for where all goes well, which is nearly always. Whatever is odd about an archive or a
member ends it, so that who asked goes the usual way, on which each row has its own error.
"""

from __future__ import annotations

import operator
import zlib
from collections.abc import Iterator, Sequence
from itertools import groupby

import attrs

from file_dataset.domain.archives import Member, check_head
from file_dataset.domain.coalescing import Piece, Stretch, batches, stretches
from file_dataset.domain.errors import FileDatasetError
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.requests import Read
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url


class OddError(Exception):
    """Something is not as it nearly always is."""


@attrs.frozen
class Portion:
    """Some members that lie together.

    Args:
        number: The how-manieth portion it is, in the order of the members.
        data: What was read, with what lies between them.
        places: Of each member: where it begins in there, where it ends, and the how-manieth it is.
    """

    number: int
    data: bytes = attrs.field(repr=False)
    places: Sequence[tuple[int, int, int]] = attrs.field(repr=False)


@attrs.frozen
class Together:
    """Reads the members that rows are made of, which lie in the order of the rows.

    Args:
        store: Where the archives are.
        archives: The scheme and the text of the archive of each member, row by row.
        names: What each is called there.
        width: How many members a row has.
    """

    store: Store
    archives: Sequence[tuple[str, str]]
    names: Sequence[str]
    width: int

    def portions(self) -> Iterator[Portion]:
        """The members as they come, those that lie together at a time.

        Raises:
            OddError: If that is not how they are to be read.
        """
        members = self._members()
        numbered = list(enumerate(self._stretches(members)))
        # In their order, and each batch of them as it comes.
        places = {id(stretch): number for number, stretch in numbered}
        for batch in batches(stretch for _, stretch in numbered):
            asked = [Read(stretch.url, stretch.span) for stretch in batch]
            with closing(self.store.run(asked)) as outcomes:
                for outcome in outcomes:
                    if isinstance(outcome, Failed):
                        raise OddError from outcome.error
                    stretch = batch[outcome.index]
                    checked = self._checked(stretch, outcome.value, members)
                    yield Portion(places[id(stretch)], outcome.value, checked)

    def _members(self) -> list[Member]:
        """What is known of each."""
        runs = [(key, len(list(some))) for key, some in groupby(self.archives)]
        roots = {key: Url(*key, "") for key, _ in runs}
        if len(roots) < len(runs):
            raise OddError  # they go to and fro between archives
        found = dict(zip(roots, self.store.contents(list(roots.values())), strict=True))
        members: list[Member] = []
        for key, count in runs:
            contents = found[key]
            if contents is None:
                raise OddError
            begin = len(members)
            try:
                members += map(contents.members.__getitem__, self.names[begin : begin + count])
            except KeyError:
                raise OddError from None
            self._check_order([each.start for each in members[begin:]])
        if any(member.crc is None or member.zipped is not None for member in members):
            raise OddError
        return members

    def _check_order(self, starts: Sequence[int]) -> None:
        """Raises OddError unless an archive has whole rows, each behind the one before it."""
        if len(starts) % self.width or any(map(operator.ge, starts, starts[self.width :])):
            raise OddError

    def _stretches(self, members: Sequence[Member]) -> Iterator[Stretch]:
        pieces = [Piece(each.start, each.length, n) for n, each in enumerate(members)]
        for (scheme, archive), some in groupby(pieces, lambda piece: self.archives[piece.number]):
            yield from stretches(Url(scheme, archive, "").archive, some)

    def _checked(
        self, stretch: Stretch, data: bytes, members: Sequence[Member]
    ) -> list[tuple[int, int, int]]:
        view, places = memoryview(data), []
        for at, _, number in stretch.pieces:
            member = members[number]
            begin = at - stretch.start
            start = begin + member.skip
            stop = start + member.size
            if stop > len(data) or zlib.crc32(view[start:stop]) != member.crc:
                raise OddError
            try:
                check_head(self.names[number], member, data, begin)
            except FileDatasetError as error:
                raise OddError from error
            places.append((start, stop, number))
        return places
