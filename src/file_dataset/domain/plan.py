"""Rows as one batch of requests, and the outcomes as rows again: which request belongs to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeAlias, TypeVar

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


@attrs.define
class Settled(Generic[T]):
    """What is known of one row.

    Args:
        row: The row.
        values: What the files that worked gave; None for those that the row does not have.
        causes: What went wrong with the others.
    """

    row: Row
    values: dict[str, T | None]
    causes: dict[str, Cause] = attrs.field(factory=dict)
    _waiting: dict[str, Url] = attrs.field(factory=dict)

    def wait(self, name: str, url: Url) -> None:
        """Expect an outcome for a file."""
        self._waiting[name] = url

    @property
    def is_settled(self) -> bool:
        """Whether no outcome is missing."""
        return not self._waiting

    def settle(self, name: str, outcome: Outcome[T]) -> None:
        """Take in a file's outcome; a store that answers twice is taken at its first word."""
        url = self._waiting.pop(name, None)
        if url is None:
            return
        if isinstance(outcome, Failed):
            self.fail(name, outcome.error, url)
        else:
            self.values[name] = outcome.value

    def fail(self, name: str, error: FileDatasetError, url: Url) -> None:
        """Take in that a file failed."""
        self.values.pop(name)
        self.causes[name] = Cause.of(error, file=name, url=url)

    def give_up(self) -> None:
        """Fail the files whose outcome will never come."""
        for name, url in self._waiting.items():
            self.fail(name, StoreError("the store gave no outcome", url=url), url)
        self._waiting.clear()

    def result(self, stage: Stage) -> RowResult[T]:
        """The row as done, or as failed with every bad file, in the row's own order of files."""
        if not self.causes:
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
    owners: list[tuple[Settled[T], str]] = []
    known: list[Settled[T]] = []
    for position, row in enumerate(rows):
        known.append(Settled(row, dict.fromkeys(row.files)))
        for name, url in row.sources.items():
            try:
                requests.append(request(position, name, url))
            except (StoreError, InvalidUrlError) as error:
                known[-1].fail(name, error, url)
            else:
                known[-1].wait(name, url)
                owners.append((known[-1], name))
    following = 0
    with closing(store.run(requests)) as outcomes:
        for outcome in outcomes:
            settled, name = owners[outcome.index]
            settled.settle(name, outcome)
            while following < len(known) and known[following].is_settled:
                yield known[following]
                following += 1
    for settled in known[following:]:
        settled.give_up()
        yield settled


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
