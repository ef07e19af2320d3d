"""One batch of tasks on its way: what to send next, and what became of what was sent."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

from file_dataset.adapters.libcurl.multi import LONGEST_WAIT
from file_dataset.adapters.s3.carried import Carried, Declined
from file_dataset.adapters.s3.curl.answers import is_ended
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.failures import broken_off, refused
from file_dataset.adapters.s3.curl.handles import Handles
from file_dataset.adapters.s3.curl.helpers import Helpers
from file_dataset.adapters.s3.curl.pace import Pace
from file_dataset.adapters.s3.curl.signing import Keys, signed
from file_dataset.adapters.s3.curl.tasks import NOT_YET, Streams, Task
from file_dataset.domain.errors import FileDatasetError, ThrottledError

# How often a request may be refused for coming too fast while others, sent as fast, are served.
_PASSED_OVER: Final = 20
# Bytes that may be in memory on their way to the server, however far it is; helpers have their own.
_IN_MEMORY: Final = 2**26
# So many requests are under way at least, even if they take more than what a near server calls for.
_FEW: Final = 8

MakeTask: TypeAlias = Callable[[], Task]


class Drive:
    """One batch of tasks on its way.

    Args:
        tasks: What makes each task when its turn comes, with its index.
        handles: Carries the exchanges.
        pace: Says when the next may leave.
        keys: Gives the credentials as they are now.
        streams: The connections for parts, and the exchanges that are to use them.
        clock: Gives the time in seconds since some moment.
    """

    def __init__(
        self,
        tasks: Iterator[tuple[int, MakeTask]],
        handles: Handles,
        pace: Pace,
        keys: Callable[[], Keys],
        streams: Streams,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tasks = tasks
        self._handles = handles
        self._pace = pace
        self._keys = keys
        self._keys_now: Keys | None = None
        self._ready = streams.ready
        self._helpers = Helpers(handles.ring)
        self._clock = clock
        self._begun: dict[Task, int] = {}
        # What goes on in the place of tasks that have ended, with their indices.
        self._following: deque[tuple[int, MakeTask]] = deque()
        self._sending = 0
        self._all_begun = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self._all_begun and not self._begun and not self._following

    def step(self, *, may_send: bool, patience: float = LONGEST_WAIT) -> list[Carried]:
        """Send what may be sent, wait for the network, and give what became of tasks meanwhile.

        Args:
            may_send: Whether anything new may leave; what is under way goes on in any case.
            patience: Seconds to wait for the network at most.
        """
        carried: list[Carried] = []
        wait = self._send(carried) if may_send else math.inf
        if len(self._handles) or len(self._helpers) or math.isfinite(wait):
            # Who has something to give already does not wait for more.
            for exchange in self._handles.wait(0.0 if carried else min(wait, patience)):
                self._settle(exchange, carried)
        return carried

    def stop(self) -> None:
        """Break off what is under way."""
        self._handles.stop_all()
        self._helpers.stop()
        for task in self._begun:
            task.drop()

    def _send(self, carried: list[Carried]) -> float:
        """Send what may be sent; gives the seconds until more may, infinity if that depends."""
        # Asked for anew each time that something leaves, since those that expire are renewed.
        self._keys_now = None
        while not self._sending or self._has_room():
            now = self._clock()
            wait = self._pace.wait(len(self._handles), now)
            if wait:
                return wait
            exchange = self._next_exchange(carried)
            if exchange is None:
                break
            try:
                self._start(exchange, now)
            except Declined as why:
                self._give_up(exchange.task, why, carried)
        return math.inf

    def _has_room(self) -> bool:
        """Whether another body may be in memory: of more than is needed, none is in a cache."""
        is_little = self._sending < self._pace.bytes_at_once or len(self._handles) < _FEW
        return is_little and self._sending < _IN_MEMORY

    def _next_exchange(self, carried: list[Carried]) -> Exchange | None:
        if self._ready:
            return self._ready.popleft()
        while self._helpers.have_begun:
            task, begun = self._helpers.give()
            try:
                return begun.result()
            except (FileDatasetError, Declined) as why:
                self._give_up(task, why, carried)
        return None if self._helpers.have_enough else self._begin_next(carried)

    def _begin_next(self, carried: list[Carried]) -> Exchange | None:
        while (following := self._next()) is not None:
            index, make = following
            try:
                task = make()
            except (FileDatasetError, Declined) as why:
                carried.append(Carried(index, why))
                continue
            self._begun[task] = index
            try:
                size = task.open()
                if not self._helpers.take(task, size):
                    return task.begin()
            except (FileDatasetError, Declined) as why:
                self._give_up(task, why, carried)
            if self._helpers.have_enough:
                return None
        self._all_begun = True
        return None

    def _next(self) -> tuple[int, MakeTask] | None:
        return self._following.popleft() if self._following else next(self._tasks, None)

    def _start(self, exchange: Exchange, now: float) -> None:
        task = exchange.task
        place = task.place
        headers = (*place.headers, *exchange.headers)
        if place.scope is None:
            lines = [f"{name}: {value}" for name, value in headers]
        else:
            keys = self._keys_now
            if keys is None:
                keys = self._keys_now = self._keys()
            lines = signed(
                exchange.method,
                place.host,
                place.path + task.key,
                exchange.query,
                payload=exchange.payload,
                keys=keys,
                scope=place.scope,
                now=time.time(),
                headers=headers,
            )
        if exchange.body is not None:
            self._sending += exchange.held
            # libcurl would ask first whether it may send, and wait a second for the answer.
            lines.append("Expect:")
        url = place.base + task.key
        exchange.sent = now
        self._handles.start(exchange, f"{url}?{exchange.query}" if exchange.query else url, lines)
        self._pace.sent(now)

    def _settle(self, exchange: Exchange, carried: list[Carried]) -> None:
        task = exchange.task
        if exchange.body is not None:
            self._sending -= exchange.held
        try:
            if exchange.fault or not is_ended(exchange.head):
                value = task.broke(exchange, broken_off(exchange))
            elif 200 <= exchange.status < 300:
                self._pace.answered(exchange.latency, self._clock())
                value = task.end(exchange)
            else:
                error = refused(exchange)
                if not isinstance(error, ThrottledError):
                    self._pace.answered(exchange.latency, self._clock())
                elif self._is_to_wait(exchange, error):
                    return
                value = task.broke(exchange, error)
        except (FileDatasetError, Declined) as why:
            self._give_up(task, why, carried)
        else:
            if isinstance(value, Task):
                self._following.append((self._begun.pop(task), partial(_itself, value)))
            elif value is not NOT_YET:
                carried.append(Carried(self._begun.pop(task), value))

    def _is_to_wait(self, exchange: Exchange, error: ThrottledError) -> bool:
        """Whether a request that came too fast has its turn later, because others are served."""
        pace = self._pace
        may_wait = pace.throttled(exchange.sent, self._clock(), pause=error.retry_after or 0.0)
        if exchange.served != pace.served:
            exchange.served = pace.served
            exchange.passed_over += 1
        is_alone = len(self._begun) == 1 and not pace.served
        if not may_wait or is_alone or exchange.passed_over > _PASSED_OVER:
            return False
        exchange.begin_anew()
        self._ready.append(exchange)
        return True

    def _give_up(
        self, task: Task, why: FileDatasetError | Declined, carried: list[Carried]
    ) -> None:
        """Break off whatever else is under way for a task, and take back what it has begun."""
        for exchange in task.exchanges():
            if exchange in self._ready:
                self._ready.remove(exchange)
            else:
                self._handles.stop(exchange)
        task.drop()
        index = self._begun.pop(task)
        undoing = task.undoing(why)
        if undoing is None:
            carried.append(Carried(index, why))
        else:
            self._following.append((index, partial(_itself, undoing)))


def _itself(task: Task) -> Task:
    return task
