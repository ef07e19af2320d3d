"""The engine: batches of tasks, each driven by a thread of its own over kept connections."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Final

from file_dataset.adapters.libcurl.forks import end_thread
from file_dataset.adapters.libcurl.multi import LONGEST_WAIT
from file_dataset.adapters.s3.carried import Carried
from file_dataset.adapters.s3.curl.drive import Drive, MakeTask
from file_dataset.adapters.s3.curl.handles import Handles
from file_dataset.adapters.s3.curl.network import Network
from file_dataset.adapters.s3.curl.pace import Pace
from file_dataset.adapters.s3.curl.rate import Rate
from file_dataset.adapters.s3.curl.signing import Keys
from file_dataset.adapters.s3.curl.tasks import Streams

# Sets of connections that are kept for the next batch: one to read, one to write, and as many more.
_KEPT: Final = 4
# Results that may wait to be taken; a body counts once more for each of so many bytes.
_UNTAKEN: Final = 1024
_WEIGHT: Final = 2**16
# So many results are handed over at once, or what there is after so many seconds: with each, the
# two threads change places, which takes longer than a request does.
_TOGETHER: Final = 128
_PATIENCE: Final = 0.005


class Engine:
    """Carries batches of tasks, any number of them at a time.

    Each batch is driven by a thread that it has for itself, so that what is under way goes on
    while the results are worked on; connections stay open for the next batch.

    Args:
        network: How connections are made.
        keys: Gives the credentials as they are now.
        most: How many requests of a batch may be under way at once.
    """

    def __init__(self, network: Network, keys: Callable[[], Keys], *, most: int) -> None:
        self._network = network
        self._keys = keys
        self._most = most
        self._rate = Rate(now=time.monotonic())
        self._idle: list[Handles] = []

    def run(
        self, tasks: Iterator[tuple[int, MakeTask]], streams: Streams, *, most: int | None = None
    ) -> Iterator[Carried]:
        """What becomes of the tasks, as soon as it is known.

        Closing it breaks off what is under way.

        Args:
            tasks: What makes each task when its turn comes, with its index.
            streams: The connections for parts of large objects.
            most: How many requests may be under way at once, if fewer than the engine allows.
        """
        handles = self._take()
        pace = Pace(min(self._most, most or self._most), self._rate, now=time.monotonic())
        drive = Drive(tasks, handles, pace, self._keys, streams)
        process = os.getpid()
        try:
            yield from _Driven(drive, handles).results()
        finally:
            # A child forked meanwhile ends this too, and its parent goes on.
            if os.getpid() == process:
                self._give_back(handles)

    def close(self) -> None:
        """Close the connections that no batch uses; what runs later makes new ones."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Handles:
        try:
            return self._idle.pop()
        except IndexError:
            return Handles(self._network, connections=self._most)

    def _give_back(self, handles: Handles) -> None:
        if not len(handles) and len(self._idle) < _KEPT:
            self._idle.append(handles)
        else:
            handles.close()


class _Driven:
    """A drive in a thread of its own, and its results on their way out of there."""

    def __init__(self, drive: Drive, handles: Handles) -> None:
        self._drive = drive
        self._handles = handles
        self._results: SimpleQueue[list[Carried] | BaseException | None] = SimpleQueue()
        self._made = 0
        self._taken = 0
        self._is_full = False
        self._is_stopped = False

    def results(self) -> Iterator[Carried]:
        thread = threading.Thread(target=self._work, name="file_dataset.curl", daemon=True)
        process = os.getpid()
        try:
            thread.start()
            while (results := self._results.get()) is not None:
                if isinstance(results, BaseException):
                    raise results
                weight = _weight(results)
                yield from results
                self._taken += weight
                if os.getpid() != process:
                    raise RuntimeError(
                        "the batch is being carried out by the process that began it, and not by "
                        "this one, which was forked from that meanwhile: begin another one here"
                    )
                if self._is_full:
                    self._handles.ring()
        finally:
            self._is_stopped = True
            if thread.ident is not None and os.getpid() == process:
                self._handles.ring()
                thread.join()

    def _work(self) -> None:
        try:
            try:
                self._go_on()
            finally:
                self._drive.stop()
                end_thread()
            self._results.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the results are taken
            self._results.put(error)

    def _go_on(self) -> None:
        drive = self._drive
        together: list[Carried] = []
        since = 0.0
        try:
            while not self._is_stopped and not drive.is_over:
                has_room = self._has_room()
                if together and (
                    not has_room
                    or len(together) >= _TOGETHER
                    or time.monotonic() - since >= _PATIENCE
                ):
                    self._results.put(together)
                    together = []
                if not has_room and not len(self._handles):
                    self._handles.wait(LONGEST_WAIT)
                    continue
                patience = _PATIENCE if together else LONGEST_WAIT
                if results := drive.step(may_send=has_room, patience=patience):
                    since = since if together else time.monotonic()
                    together += results
                    self._made += _weight(results)
        finally:
            self._results.put(together)

    def _has_room(self) -> bool:
        # Said before it is looked at: who takes a result meanwhile rings.
        self._is_full = True
        self._is_full = self._made - self._taken >= _UNTAKEN
        return not self._is_full


def _weight(results: Sequence[Carried]) -> int:
    bodies = [each.value for each in results if isinstance(each.value, bytes)]
    return len(results) + sum([len(body) // _WEIGHT for body in bodies])
