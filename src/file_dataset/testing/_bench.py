"""What the state machine works with: a store, a model of it, and a place for files."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from file_dataset.domain.outcomes import Outcome
from file_dataset.domain.requests import Abort, Delete, Draft, Prepared, Read, Request
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.url import Url
from file_dataset.testing._keys import MEETING_KEYS, clash
from file_dataset.testing._model import Model

T = TypeVar("T")


class Bench(RuleBasedStateMachine):
    """A store under examination, and what it should hold."""

    make_store: ClassVar[Callable[[], Store]]
    root: ClassVar[Url]

    def __init__(self) -> None:
        super().__init__()
        self.store: Store = type(self).make_store()
        self.model: Model = Model(type(self).root.joined(f"machine-{uuid.uuid4().hex[:12]}"))
        self.scratch: tempfile.TemporaryDirectory[str] = tempfile.TemporaryDirectory(
            prefix="file_dataset-machine-"
        )
        self.pending: set[Prepared] = set()

    def can(self, *verbs: Verb) -> bool:
        """Whether the store offers all of the verbs."""
        place = self.model.url("object")
        return all(self.store.can(verb, place) for verb in verbs)

    def takes(self, key: str) -> bool:
        """Whether a key has a URL, and none that the store is known to take for another."""
        opaque = 12 not in self.store.deviations
        plain = key in MEETING_KEYS and not clash(key, self.model.tried)
        return (opaque or plain) and self.model.has_url(key)

    def outcome(self, request: Request[T]) -> Outcome[T]:
        """What becomes of a request."""
        (outcome,) = self.store.run([request])
        return outcome

    def path(self, data: bytes | None = None) -> Path:
        """A local path where nothing is, or a file of these bytes."""
        path = Path(self.scratch.name, uuid.uuid4().hex)
        if data is not None:
            path.write_bytes(data)
        return path

    def known(self, draw: st.DataObject) -> str:
        """The key of an object, or, now and then, of none."""
        return draw.draw(st.sampled_from([*sorted(self.model.objects), "missing", "a"]))

    def draft_of(self, url: Url) -> Draft | None:
        """A new draft of a directory that the object is in, if it is in one."""
        segments = url.key.removeprefix(self.model.prefix.stem).split("/")
        if len(segments) == 1 or not segments[0]:
            return None
        return Draft(self.model.prefix.joined(segments[0]), uuid.uuid4().hex)

    def abort_prepared(self, prepared: Prepared) -> None:
        """Take a preparation back."""
        self.store.do(Abort(prepared))
        self.pending.discard(prepared)

    # What holds after every step, and in the end.

    @invariant()
    def listing_equals_the_model(self) -> None:
        """The store lists what the model has, and nothing else."""
        found = self.store.list(self.model.prefix)
        self.model.expect_listed(self.model.prefix, found, recursive=True)

    def teardown(self) -> None:
        """Compare all contents, and take everything away."""
        try:
            for prepared in [*self.pending]:
                self.abort_prepared(prepared)
            for verb in (Read, Delete):
                if self.can(verb):
                    self._do_to_all(verb)
                    self.listing_equals_the_model()
        finally:
            self.store.close()
            self.scratch.cleanup()

    def _do_to_all(self, verb: type[Read | Delete]) -> None:
        keys = [*self.model.objects]
        requests: list[Request[object]] = [verb(self.model.url(key)) for key in keys]
        for outcome in self.store.run(requests):
            self.model.settle(keys[outcome.index], requests[outcome.index], outcome)
