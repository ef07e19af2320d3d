"""A state machine that does to a store what can be done, and compares it with a dictionary."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    consumes,
    multiple,
    precondition,
    rule,
)

from file_dataset.domain.errors import AlreadyExistsError, NotFoundError, PreconditionFailedError
from file_dataset.domain.objects import CREATE, OVERWRITE, IfMatch, Span, WriteMode
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Copy,
    Delete,
    Download,
    Prepare,
    Prepared,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.url import Url
from file_dataset.testing._bench import Bench
from file_dataset.testing._keys import MEETING_KEYS, clash
from file_dataset.testing._model import expect
from file_dataset.testing.strategies import keys

_Rule = TypeVar("_Rule", bound=Callable[..., object])
_Preparation = tuple[str, bytes, Prepared]

_keys = st.sampled_from(MEETING_KEYS) | keys()
_bodies = st.binary(max_size=20) | st.integers(0, 5000).map(lambda size: b"z" * size)
_spans = st.none() | st.builds(Span, st.integers(0, 30), st.none() | st.integers(1, 30))
_modes = st.sampled_from(["overwrite", "create", "current", "stale"])


def _offered(*verbs: Verb) -> Callable[[_Rule], _Rule]:
    """Leave a rule to the stores that offer these verbs."""

    def holds(machine: StoreMachine) -> bool:
        return machine.can(*verbs)

    return precondition(holds)


class StoreMachine(Bench):
    """Does to a store what can be done, and compares it with a dictionary.

    ``store_state_machine`` makes a subclass that knows its store. Each example works below a
    prefix of its own. A store may refuse a key that it cannot spell, or that would have to be an
    object and a directory at once; then nothing must change.
    """

    preparations: Bundle[_Preparation] = Bundle("preparations")

    # Making objects.

    @_offered(Write)
    @rule(key=_keys, data=_bodies, mode=_modes)
    def write(self, key: str, data: bytes, mode: str) -> None:
        """Write to a key, new or known."""
        self._make(key, data, mode, lambda url, how: Write(url, data, how))

    @_offered(Upload)
    @rule(key=_keys, data=_bodies, mode=_modes)
    def upload(self, key: str, data: bytes, mode: str) -> None:
        """Upload a file."""
        self._make(key, data, mode, lambda url, how: Upload(self.path(data), url, how))

    @_offered(Copy)
    @rule(key=_keys, draw=st.data(), mode=_modes)
    def copy(self, key: str, draw: st.DataObject, mode: str) -> None:
        """Copy an object, or nothing."""
        known = self.known(draw)
        source, data = self.model.url(known), self.model.objects.get(known)
        if data is not None:
            self._make(key, data, mode, lambda url, how: Copy(source, url, how))
        elif self.takes(key):
            request = Copy(source, self.model.url(key))
            self.model.expect_failed(known, request, self.outcome(request), NotFoundError)

    def _make(
        self, key: str, data: bytes, how: str, making: Callable[[Url, WriteMode], Request[None]]
    ) -> None:
        if not self.takes(key):
            return
        mode = self._mode(key, how)
        self.model.tried.add(key)
        request = making(self.model.url(key), mode)
        outcome = self.outcome(request)
        if mode is CREATE and key in self.model.objects:
            self.model.expect_failed(key, request, outcome, AlreadyExistsError)
        elif isinstance(mode, IfMatch) and how == "stale":
            self.model.expect_failed(key, request, outcome, PreconditionFailedError)
        else:
            self.model.settle_made(key, data, request, outcome)

    def _mode(self, key: str, how: str) -> WriteMode:
        if how == "create" and 7 not in self.store.deviations:
            return CREATE
        if how in ("current", "stale") and 8 not in self.store.deviations and self.can(Stat):
            known = key in self.model.objects
            tag = self.store.stat(self.model.url(key)).etag if known else "nothing"
            if tag is not None and (known or how == "stale"):
                return IfMatch(tag if how == "current" else f"not {tag}")
        return OVERWRITE

    # Looking at objects, and deleting them.

    @_offered(Read)
    @rule(draw=st.data(), span=_spans)
    def read(self, draw: st.DataObject, span: Span | None) -> None:
        """Read an object, or a span of it."""
        self._settle(draw, lambda url: Read(url, span))

    @_offered(Stat)
    @rule(draw=st.data())
    def stat(self, draw: st.DataObject) -> None:
        """Ask for an object's size."""
        self._settle(draw, Stat)

    @_offered(Download)
    @rule(draw=st.data())
    def download(self, draw: st.DataObject) -> None:
        """Download an object."""
        path = self.path()
        self._settle(draw, lambda url: Download(url, path))
        left = [each.name for each in path.parent.iterdir() if each.name.startswith(".")]
        expect(not left, did="download", expected="nothing but the file", seen=left)

    @_offered(Delete)
    @rule(draw=st.data())
    def delete(self, draw: st.DataObject) -> None:
        """Delete an object, or nothing."""
        self._settle(draw, Delete)

    def _settle(self, draw: st.DataObject, asking: Callable[[Url], Request[object]]) -> None:
        key = self.known(draw)
        request = asking(self.model.url(key))
        self.model.settle(key, request, self.outcome(request))

    @rule(draw=st.data(), recursive=st.booleans())
    def list(self, draw: st.DataObject, recursive: bool) -> None:  # noqa: FBT001 - a rule
        """List what is below a prefix, which may be an object or nothing."""
        segments = self.known(draw).split("/")
        key = "/".join(segments[: draw.draw(st.integers(0, len(segments)))])
        prefix = self.model.url(key) if key else self.model.prefix
        found = self.store.list(prefix, recursive=recursive)
        self.model.expect_listed(prefix, found, recursive=recursive)

    @_offered(Write, Read, Delete)
    @rule(verbs=st.dictionaries(_keys, st.sampled_from([Write, Read, Delete]), max_size=8))
    def batch(self, verbs: dict[str, Verb]) -> None:
        """Do something to each of several objects in one batch."""
        makes: dict[Verb, Callable[[Url], Request[object]]] = {
            Write: lambda url: Write(url, str(url).encode(errors="replace")),
            Read: Read,
            Delete: Delete,
        }
        known: dict[str, Verb] = {}
        for key, verb in verbs.items():
            # Which of two that clash comes first would differ from run to run.
            if self.takes(key) and not clash(key, known):
                known[key] = verb
        self.model.tried |= known.keys()
        requests = [makes[verb](self.model.url(key)) for key, verb in known.items()]
        outcomes = sorted(self.store.run(requests), key=lambda outcome: outcome.index)
        seen = [outcome.index for outcome in outcomes]
        expected = [*range(len(requests))]
        expect(seen == expected, did="a batch", expected=expected, seen=seen)
        for key, request, outcome in zip(known, requests, outcomes, strict=True):
            if isinstance(request, Write):
                self.model.settle_made(key, bytes(request.data), request, outcome)
            else:
                self.model.settle(key, request, outcome)

    # Preparing objects.

    @_offered(Prepare, Complete, Abort)
    @rule(draw=st.data(), data=_bodies, is_draft=st.booleans(), target=preparations)
    def prepare(
        self,
        draw: st.DataObject,
        data: bytes,
        is_draft: bool,  # noqa: FBT001 - a rule
    ) -> _Preparation | MultipleResults[_Preparation]:
        """Prepare an object of a local file, often in place of one that is there."""
        key = self.known(draw) if draw.draw(st.booleans()) else draw.draw(_keys)
        if not self.takes(key):
            return multiple()
        self.model.tried.add(key)
        source, url = Url.local(self.path(data)), self.model.url(key)
        request = Prepare(source, url, self.draft_of(url) if is_draft else None)
        outcome = self.outcome(request)
        if isinstance(outcome, Failed):
            self.model.expect_failed(key, request, outcome)
            return multiple()
        self.pending.add(outcome.value)
        return key, data, outcome.value

    @rule(preparation=consumes(preparations), again=st.booleans())
    def complete(self, preparation: _Preparation, again: bool) -> None:  # noqa: FBT001 - a rule
        """Complete a preparation, once or twice, or take it back if it cannot be completed."""
        key, data, prepared = preparation
        request = Complete(prepared)
        if self.model.settle_made(key, data, request, self.outcome(request)):
            self.pending.discard(prepared)
            if again and prepared.draft is not None:
                self.model.settle_made(key, data, request, self.outcome(request))
        else:
            self.abort_prepared(prepared)

    @rule(preparation=consumes(preparations), again=st.booleans())
    def abort(self, preparation: _Preparation, again: bool) -> None:  # noqa: FBT001 - a rule
        """Take a preparation back, once or twice."""
        for _ in range(1 + again):
            self.abort_prepared(preparation[2])


def store_state_machine(make_store: Callable[[], Store], root: Url) -> type[StoreMachine]:
    """The state machine of a store; ``run_state_machine_as_test`` of Hypothesis runs it.

    Args:
        make_store: Gives the store, for each example anew.
        root: A prefix that examples may write below.
    """

    class Machine(StoreMachine):
        pass

    Machine.make_store = staticmethod(make_store)
    Machine.root = root
    return Machine
