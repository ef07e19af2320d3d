"""Rows as one batch of requests, and the outcomes as rows again: which request belongs to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from file_dataset.domain.errors import FileDatasetError, InvalidUrlError, StoreError
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.requests import Request
from file_dataset.domain.rows import Cause, Row, RowDone, RowFailure, Stage
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

A = TypeVar("A")
T = TypeVar("T")

RowResult: TypeAlias = RowDone[T] | RowFailure


# Stands for a value until its outcome comes.
_MISSING: Any = object()


@attrs.define
class Settled(Generic[T]):
    """What is known of one row.

    There is one for each row of a table, so it is made of as few objects as can be.

    Args:
        row: The row.
        values: What the files that worked gave; None for those that the row does not have.
        missing: How many outcomes have not come.
        causes: What went wrong with the others; None for nothing.
    """

    row: Row
    values: dict[str, T | None]
    missing: int = 0
    causes: dict[str, Cause] | None = None

    def wait(self, name: str) -> None:
        """Expect an outcome for a file."""
        self.values[name] = _MISSING
        self.missing += 1

    def settle(self, name: str, outcome: Outcome[T]) -> None:
        """Take in a file's outcome; a store that answers twice is taken at its first word."""
        if self.values.get(name) is not _MISSING:
            return
        self.missing -= 1
        if isinstance(outcome, Failed):
            self.fail(name, outcome.error)
        else:
            self.values[name] = outcome.value

    def fail(self, name: str, error: FileDatasetError) -> None:
        """Take in that a file failed."""
        self.values.pop(name)
        cause = Cause.of(error, file=name, url=self.row.sources[name])
        self.causes = {**(self.causes or {}), name: cause}

    def give_up(self) -> None:
        """Fail the files whose outcome will never come."""
        for name, url in self.row.sources.items():
            error = StoreError("the store gave no outcome", url=url)
            self.settle(name, Failed(0, error))

    def result(self, stage: Stage) -> RowResult[T]:
        """The row as done, or as failed with every bad file, in the row's own order of files."""
        if self.causes is None:
            return RowDone(self.row, self.values)
        causes = (self.causes[name] for name in self.row.files if name in self.causes)
        return RowFailure(self.row.id, stage, tuple(causes))


def settle_rows(
    store: Store, rows: Sequence[Row], request: Callable[[int, str, Url], Request[T]]
) -> Iterator[Settled[T]]:
    """One request per file of every row, carried out as one batch; the rows in their order.

    Args:
        store: Carries the requests out.
        rows: The rows.
        request: Makes a request of a row's position, a filename and its source; raises what
            keeps that file from being asked for.
    """
    requests: list[Request[T]] = []
    # Of each request: its row's position, and its file's name.
    positions: list[int] = []
    names: list[str] = []
    known: list[Settled[T] | None] = []
    for position, row in enumerate(rows):
        settled: Settled[T] = Settled(row, dict.fromkeys(row.files))
        known.append(settled)
        for name, url in row.files.items():
            if url is None:
                continue
            try:
                requests.append(request(position, name, url))
            except (StoreError, InvalidUrlError) as error:
                settled.fail(name, error)
            else:
                settled.wait(name)
                positions.append(position)
                names.append(name)
    following = 0
    with closing(store.run(requests)) as outcomes:
        for outcome in outcomes:
            index = outcome.index
            owner = known[positions[index]]
            if owner is None:
                continue  # a store that answers once more
            owner.settle(names[index], outcome)
            while following < len(known) and (first := known[following]) and not first.missing:
                # What a row brought may be large, and is its taker's from now on.
                known[following] = None
                following += 1
                yield first
    for late in filter(None, known[following:]):
        late.give_up()
        yield late


def run_rows(
    store: Store,
    rows: Sequence[Row],
    request: Callable[[int, str, Url], Request[T]],
    *,
    stage: Stage,
) -> Iterator[RowResult[T]]:
    """The rows as settle_rows() gives them, each as done or as failed at the given stage."""
    return (settled.result(stage) for settled in settle_rows(store, rows, request))


def windows(items: Iterable[A], size: int) -> Iterator[list[A]]:
    """The items in their order, in lists of at most ``size``."""
    window: list[A] = []
    for item in items:
        window.append(item)
        if len(window) == size:
            yield window
            window = []
    if window:
        yield window
