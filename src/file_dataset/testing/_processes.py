"""Other processes: one that is spawned with a pickled store, and one that is forked."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import select
import signal
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import TypeVar

from file_dataset.domain.outcomes import Outcome
from file_dataset.domain.requests import Request
from file_dataset.domain.store import Store

T = TypeVar("T")


class PeerError(Exception):
    """The other process could not carry out a batch."""


class Peer:
    """Another process that has a copy of a store.

    Args:
        pickled: The store.
        patience: Seconds after which the process counts as hanging.

    Raises:
        PeerError: If the process cannot make a store of what was pickled.
    """

    def __init__(self, pickled: bytes, *, patience: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._patience = patience
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(pickled, theirs), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self._answer()
        except PeerError:
            self.close()
            raise

    def run(self, requests: Sequence[Request[T]]) -> list[Outcome[T]]:
        """The outcomes of a batch over there, in the order of the requests.

        Raises:
            PeerError: If there are none.
        """
        try:
            self._pipe.send(requests)
        except OSError:
            raise PeerError("the process died") from None
        outcomes: list[Outcome[T]] = self._answer()
        return sorted(outcomes, key=lambda outcome: outcome.index)

    def _answer(self) -> list[Outcome[T]]:
        try:
            if not self._pipe.poll(self._patience):
                raise PeerError(f"no answer within {self._patience:g} seconds")
            answer: list[Outcome[T]] | str = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise PeerError("the process died") from None
        if isinstance(answer, str):
            raise PeerError(answer)
        return answer

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._pipe.close()
        self._process.join(self._patience)
        self._process.kill()
        self._process.join()
        self._process.close()


def _serve(pickled: bytes, pipe: Connection) -> None:
    try:
        store: Store = pickle.loads(pickled)
        pipe.send([])
        while (requests := pipe.recv()) is not None:
            pipe.send(list(store.run(requests)))
        store.close()
    except Exception as error:  # noqa: BLE001 - the process that waits is told
        pipe.send(f"{type(error).__name__}: {error}")


def in_fork(function: Callable[[], str], *, patience: float) -> str:
    """What a function says in a forked copy of this process, or what became of that copy.

    Args:
        function: Says what is wrong; an empty text means that nothing is.
        patience: Seconds after which the copy counts as hanging, and is killed.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # To fork beside running threads is the point here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        _say(function, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        in_time = bool(select.select([pipe], [], [], patience)[0])
        if not in_time:
            os.kill(child, signal.SIGKILL)
        said = pipe.read().decode()
    os.waitpid(child, 0)
    if not in_time:
        return f"no answer within {patience:g} seconds"
    return said.removeprefix(_SAID) if said.startswith(_SAID) else "the forked process died"


_SAID = "said: "


def _say(function: Callable[[], str], writing: int) -> None:
    """Write what the function says and end this process, whatever happens."""
    try:
        try:
            text = function()
        except Exception as error:  # noqa: BLE001 - the process that waits is told
            text = f"{type(error).__name__}: {error}"
        with os.fdopen(writing, "wb") as pipe:
            pipe.write((_SAID + text).encode(errors="replace"))
    finally:
        os._exit(0)
