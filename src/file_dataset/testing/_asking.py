"""How the kit asks a store, and how it finds fault with the answers."""

from __future__ import annotations

import contextlib
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from file_dataset.domain.errors import (
    FileDatasetError,
    InvalidUrlError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import Request
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.url import Url
from file_dataset.testing._processes import Peer, PeerError
from file_dataset.testing._words import LawBroken, shown

T = TypeVar("T")


class Asking:
    """A store under examination; what it does wrong is raised as LawBroken.

    Args:
        make_store: Gives the store, or another client of the same place.
        root: Where in the store the kit works.
        patience: Seconds after which what has not ended counts as hanging.
    """

    def __init__(self, make_store: Callable[[], Store], root: Url, *, patience: float) -> None:
        self.law: int = 1
        self.root = root
        self.patience = patience
        self._make_store = make_store
        self._stores: list[Store] = []
        self._peer: Peer | None = None
        self.store: Store = self.another()

    def another(self) -> Store:
        """Another client of the same place, if there is more than one."""
        store = self._make_store()
        if not any(store is known for known in self._stores):
            self._stores.append(store)
        return store

    def close(self) -> None:
        """Let go of every client and of the other process."""
        if self._peer is not None:
            self._peer.close()
        for store in self._stores:
            store.close()

    # Finding fault.

    @contextlib.contextmanager
    def judging_by(self, law: int) -> Iterator[None]:
        """Lay what is found meanwhile at the door of a law."""
        before, self.law = self.law, law
        try:
            yield
        finally:
            self.law = before

    def expect(self, holds: bool, *, did: object, expected: object, seen: object) -> None:  # noqa: FBT001 - reads as assert does
        """Raise LawBroken unless it holds."""
        if not holds:
            raise self.broken(did, expected=expected, seen=seen)

    def broken(
        self, did: object, *, expected: object, seen: object, law: int | None = None
    ) -> LawBroken:
        """The finding that a law, the one that is being checked by default, is broken."""
        return LawBroken(law or self.law, shown(did), shown(expected), shown(seen))

    # Requests.

    def can(self, *verbs: Verb) -> bool:
        """Whether the store offers all of the verbs, where the kit works."""
        place = self.root.joined("object")
        return all(verb in self.store.verbs and self.store.can(verb, place) for verb in verbs)

    def run(self, requests: Sequence[Request[T]], *, on: Store | None = None) -> list[Outcome[T]]:
        """The outcomes of a batch in the order of the requests, by laws 1 and 2."""
        found: dict[int, Outcome[T]] = {}
        did = f"run({shown(list(requests))})"
        try:
            for outcome in (on or self.store).run(requests):
                if not isinstance(outcome, Done | Failed):
                    raise self.broken(did, expected="a Done or a Failed", seen=outcome, law=1)
                if outcome.index in found or not 0 <= outcome.index < len(requests):
                    raise self.broken(did, expected="every index once", seen=outcome, law=1)
                found[outcome.index] = outcome
        except LawBroken:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            raise self.broken(did, expected="outcomes", seen=f"it raised {text}", law=2) from error
        missing = [index for index in range(len(requests)) if index not in found]
        if missing:
            raise self.broken(did, expected="every index once", seen=f"not {missing}", law=1)
        for outcome in found.values():
            if isinstance(outcome, Failed) and not isinstance(
                outcome.error, StoreError | InvalidUrlError
            ):
                raise self.broken(did, expected="a StoreError", seen=outcome, law=2)
        return [found[index] for index in range(len(requests))]

    def do(self, request: Request[T], *, on: Store | None = None) -> T:
        """The result of a request, which has to go well."""
        (outcome,) = self.run([request], on=on)
        return self.value(request, outcome)

    def do_all(self, requests: Sequence[Request[T]]) -> list[T]:
        """The results of requests in one batch, which all have to go well."""
        pairs = zip(requests, self.run(requests), strict=True)
        return [self.value(request, outcome) for request, outcome in pairs]

    def value(self, request: Request[T], outcome: Outcome[T]) -> T:
        """The value of an outcome, which has to be Done."""
        if isinstance(outcome, Done):
            return outcome.value
        refused = isinstance(outcome.error, UnsupportedError)
        law = 13 if refused and self.can(type(request)) else None
        raise self.broken(request, expected="done", seen=outcome, law=law)

    def error(
        self, request: Request[object], *kinds: type[FileDatasetError], on: Store | None = None
    ) -> FileDatasetError:
        """The error of a request, which has to fail with one of these kinds."""
        (outcome,) = self.run([request], on=on)
        names = " or ".join(kind.__name__ for kind in kinds)
        if isinstance(outcome, Failed) and isinstance(outcome.error, kinds):
            return outcome.error
        raise self.broken(request, expected=names, seen=outcome)

    # Others at the same time.

    def together(self, functions: Sequence[Callable[[], T]]) -> list[T]:
        """What functions give that begin at the same moment, each in its thread."""
        gate = threading.Barrier(len(functions))
        results: dict[int, T] = {}
        errors: list[BaseException] = []

        def work(number: int, function: Callable[[], T]) -> None:
            try:
                gate.wait(self.patience)
                results[number] = function()
            except BaseException as error:  # noqa: BLE001 - raised again below
                errors.append(error)

        threads = [
            threading.Thread(target=work, args=pair, daemon=True) for pair in enumerate(functions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.patience)
        if errors:
            raise errors[0]
        hanging = sum(thread.is_alive() for thread in threads)
        self.expect(
            not hanging,
            did=f"{len(threads)} threads at once",
            expected="an end",
            seen=f"{hanging} still running after {self.patience:g} seconds",
        )
        return [results[number] for number in range(len(functions))]

    def pickled(self) -> bytes | None:
        """The store as bytes; None if it refuses in words. By law 14."""
        try:
            return pickle.dumps(self.store)
        except Exception as error:
            # What the pickle module raises by itself has no frame of the store below this one.
            in_words = error.__traceback__ is not None and error.__traceback__.tb_next is not None
            if isinstance(error, TypeError) and in_words and str(error):
                return None
            seen = f"{type(error).__name__}: {error}"
            expected = "bytes, or a TypeError by the store itself"
            raise self.broken("pickle the store", expected=expected, seen=seen, law=14) from error

    def peer(self) -> Peer | None:
        """Another process that has the store; None if it refuses to go there. By law 14."""
        if self._peer is None and (self.law == 14 or 14 not in self.store.deviations):
            pickled = self.pickled()
            if pickled is not None:
                self._peer = self.in_peer(lambda: Peer(pickled, patience=self.patience))
        return self._peer

    def in_peer(self, function: Callable[[], T]) -> T:
        """What a function gives that has to do with the other process."""
        try:
            return function()
        except PeerError as error:
            did = "unpickle the store in another process, and use it"
            raise self.broken(did, expected="it works", seen=error, law=14) from error
