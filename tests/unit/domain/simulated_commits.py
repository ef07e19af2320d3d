"""Attempts at one row, in any order of their requests, with losses and crashes between any two.

Nothing here runs at the same time: each attempt is a generator, and a seeded scheduler carries out
one operation of one of them at a time on a simulated object store, in which completing a row of
several files is as many operations. `replay(seed)` runs one schedule and says what went wrong.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NoReturn

import attrs

from file_dataset.domain.commit import Commit, IfExists
from file_dataset.domain.errors import (
    AlreadyExistsError,
    NotFoundError,
    PreconditionFailedError,
    StoreError,
    TransientError,
)
from file_dataset.domain.ledger import Ledger
from file_dataset.domain.objects import CREATE, IfMatch, ObjectInfo
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.records import Record, record_url
from file_dataset.domain.recovery import Recovery, Settled
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Pending,
    Prepare,
    Prepared,
    Read,
    Request,
    Stat,
    Write,
)
from file_dataset.domain.rows import Row, RowDone
from file_dataset.domain.steps import Steps
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

INTO: Final = Url.parse("s3://bucket/into")
ROW: Final = Row("row", {"a": Url.parse("s3://in/a"), "b": Url.parse("s3://in/b"), "c": None})
RECORD: Final = record_url(INTO, ROW.id)
BEGUN: Final = datetime(2026, 1, 1, tzinfo=UTC)
# What Retrying does around every store.
TRIES: Final = 3

Operation = Callable[[], Any]


@attrs.define
class Server:
    """An object store: what is visible, with its maker, and what is prepared."""

    visible: dict[Url, str] = attrs.field(factory=dict)
    record: bytes | None = None
    versions: int = 0
    uploads: dict[str, Prepared] = attrs.field(factory=dict)
    # Every attempt that a record ever named, in the order of the commits.
    committed: list[str] = attrs.field(factory=list)
    numbers: Any = attrs.field(factory=itertools.count)

    def operations(self, request: Request[Any]) -> list[Operation]:
        """What a request is to the server: more than one thing, if it completes a row."""
        if isinstance(request, Prepare):
            return [partial(self.prepare, request)]
        if isinstance(request, Complete):
            return [partial(self.complete, each) for each in request.prepared]
        if isinstance(request, Abort):
            return [partial(self.uploads.pop, each.token, None) for each in request.prepared]
        if isinstance(request, Write):
            return [partial(self.write, request)]
        if isinstance(request, Stat):
            return [lambda: ObjectInfo(request.url, len(self.read()), str(self.versions))]
        assert isinstance(request, Read)
        return [self.read]

    def prepare(self, request: Prepare) -> Prepared:
        token = f"upload-{next(self.numbers)}"
        self.uploads[token] = Prepared(request.url, token, request.draft, "etag", 1)
        return self.uploads[token]

    def complete(self, prepared: Prepared) -> None:
        assert prepared.draft is not None
        attempt = prepared.draft.attempt
        if self.uploads.pop(prepared.token, None):
            # The promise P2, at every moment: what can be seen is of a committed attempt.
            assert attempt in self.committed, f"{attempt} is seen and was never committed"
            self.visible[prepared.url] = attempt
        elif self.visible.get(prepared.url) != attempt:
            raise PreconditionFailedError("no such upload")

    def read(self) -> bytes:
        if self.record is None:
            raise NotFoundError("no record")
        return self.record

    def write(self, request: Write) -> None:
        if request.mode is CREATE and self.record is not None:
            raise AlreadyExistsError("412")
        if isinstance(request.mode, IfMatch):
            there = None if self.record is None else str(self.versions)
            if request.mode.etag != there:
                raise PreconditionFailedError("412")
        self.record = bytes(request.data)
        self.versions += 1
        attempt = Record.parse(self.record, RECORD).attempt
        if attempt and attempt not in self.committed[-1:]:
            self.committed.append(attempt)

    def pending(self) -> list[Pending]:
        # As S3 tells it: of which draft is not said.
        return [Pending(Prepared(each.url, each.token), BEGUN) for each in self.uploads.values()]


@attrs.define(eq=False)
class Actor:
    """One attempt, or one recovery, on its way through its requests."""

    name: str
    run: str
    steps: Steps[Any]
    server: Server
    asked: deque[Request[Any]] = attrs.field(factory=deque)
    told: list[Outcome[Any]] = attrs.field(factory=list)
    operations: deque[Operation] = attrs.field(factory=deque)
    error: StoreError | None = None
    tries: int = 0
    value: Any = None
    result: Any = None
    is_alive: bool = True

    def begin(self) -> None:
        self._go_on(lambda: next(self.steps))

    def step(self, fate: str, late: list[Operation]) -> None:
        """Carry out one operation, as fate has it."""
        if not self.operations:
            self.operations.extend(self.server.operations(self.asked[0]))
            self.error = None
        operation = self.operations.popleft()
        try:
            if fate in {"fine", "answer lost", "crash after"}:
                self.value = operation()
        except StoreError as error:
            # As a store completes a row: all that it can of it.
            self.error = self.error or error
        if fate == "late":
            late.append(operation)
        if fate in {"request lost", "answer lost", "late"}:
            self.error = TransientError(fate)
            self.operations.clear()
        if fate.startswith("crash"):
            self.is_alive = False
            self.steps.close()
        elif not self.operations:
            self._settle()

    def _settle(self) -> None:
        request = self.asked[0]
        self.tries += 1
        if isinstance(self.error, TransientError) and request.idempotent and self.tries < TRIES:
            return
        self.asked.popleft()
        self.tries = 0
        number = len(self.told)
        self.told.append(Failed(number, self.error) if self.error else Done(number, self.value))
        if not self.asked:
            told, self.told = self.told, []
            self._go_on(lambda: self.steps.send(told))

    def _go_on(self, move: Callable[[], Any]) -> None:
        try:
            self.asked.extend(move())
            while not self.asked and self.is_alive:
                self.asked.extend(self.steps.send([]))
        except StopIteration as end:
            self.result, self.is_alive = end.value, False


class Pretence(Store):
    """The store that Recovery asks for what is pending; it does no more here."""

    verbs = frozenset()

    def __init__(self, server: Server) -> None:
        self.server = server

    def pending(self, _: Url, /) -> Iterator[Pending]:
        return iter(self.server.pending())

    def run(self, requests: Sequence[Request[Any]], /) -> NoReturn:
        raise AssertionError(requests)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> NoReturn:
        raise AssertionError(prefix)


MODES: Final[tuple[IfExists, ...]] = ("replace", "skip", "error")
FATES: Final = ("request lost", "answer lost", "late", "crash before", "crash after")


def attempt(server: Server, name: str, run: str, if_exists: IfExists, version: str = "1") -> Actor:
    commit = Commit(Ledger(INTO), run, if_exists, version, new_attempt=lambda: name)
    return Actor(name, run, commit.row(ROW, {}), server)


def recovering(server: Server, name: str) -> Actor:
    pending = server.pending()
    recovery = Recovery(Pretence(server), Ledger(INTO), lambda _: True)
    return Actor(name, "", recovery.settle(ROW.id, pending), server)


def replay(seed: int) -> None:
    """Run one schedule. Raises AssertionError if a promise is broken."""
    chance = random.Random(seed)
    server = Server()
    late: list[Operation] = []
    runs = chance.choice([["r"], ["r"], ["r", "s"], ["r", "s", "t"]])
    actors = [
        attempt(
            server,
            f"attempt-{number}",
            chance.choice(runs),
            chance.choice(MODES),
            chance.choice("12"),
        )
        for number in range(chance.randint(2, 4))
    ]
    danger = chance.choice([0.0, 0.05, 0.2, 0.5])
    waiting: list[Actor | None] = [*actors]
    if chance.random() < 0.5:
        waiting.append(None)  # somebody recovers in the middle of it
    while waiting or any(actor.is_alive for actor in actors):
        begun = [actor for actor in actors if actor.is_alive and actor.asked]
        if waiting and (not begun or chance.random() < 0.2):
            actor = waiting.pop(0) or recovering(server, "recovery")
            if actor not in actors:
                actors.append(actor)
            actor.begin()
        elif begun:
            actor = chance.choice(begun)
            fate = chance.choice(FATES) if chance.random() < danger else "fine"
            actor.step(fate, late)
            check_report(server, actor)
        else:
            break
        while late and chance.random() < 0.1:
            deliver(late.pop(chance.randrange(len(late))))
    # A request may arrive long after who sent it is gone, and after the recovery.
    for operation in [each for each in late if chance.random() < 0.5]:
        late.remove(operation)
        deliver(operation)
    recover(server)
    for operation in late:
        deliver(operation)
    recover(server)
    check_end(server, [actor for actor in actors if isinstance(actor.result, RowDone)], actors)


def deliver(operation: Operation) -> None:
    with contextlib.suppress(StoreError):  # nobody is there to be told
        operation()


def recover(server: Server) -> None:
    actor = recovering(server, "last recovery")
    actor.begin()
    while actor.is_alive:
        actor.step("fine", [])
    assert isinstance(actor.result, Settled)
    assert actor.result.error is None, actor.result


def check_report(server: Server, actor: Actor) -> None:
    """What is reported as done can be seen, all of it, when it is reported."""
    if not actor.is_alive and isinstance(actor.result, RowDone):
        held = Record.parse(server.read(), RECORD)
        assert held.attempt, "done, and nobody holds the row"
        assert set(server.visible) == set(filter(None, actor.result.values.values()))


def check_end(server: Server, done: list[Actor], actors: list[Actor]) -> None:
    held = Record.parse(server.record, RECORD) if server.record else Record(ROW.id)
    makers = set(server.visible.values())
    assert not server.uploads, f"left open: {server.uploads}"
    if held.attempt:
        assert makers == {held.attempt}, f"mixed: {makers}, of {held.attempt}"
        assert len(server.visible) == 2, f"incomplete: {server.visible}"
    else:
        assert not server.visible, "seen, and nobody holds the row"
        assert not done, "reported, and lost"
    by_run: dict[str, list[str]] = {}
    run_of = {actor.name: actor.run for actor in actors}
    for name in server.committed:
        by_run.setdefault(run_of[name], []).append(name)
    if len(by_run) == 1:
        assert len(server.committed) == 1, f"two winners of one run: {server.committed}"
