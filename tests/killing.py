"""Work that is watched call by call in a process of its own, and disturbed or killed at one."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

Work = Callable[[], object]

# What Python tells an audit hook of what is asked of the system. It knows no os.stat, os.write and
# os.fsync, which change nothing that others see, or which a kill in between cannot split.
_CALLS = ("open", "os.", "fcntl.", "shutil.", "tempfile.", "glob.", "pathlib.")
_NO_CALLS = ("os.fork", "os.fwalk", "os.walk", "os.putenv")


def calls(work: Work) -> list[str]:
    """What work asks of the system, in order."""
    seen: list[str] = []

    def watched() -> list[str]:
        with _told(lambda number, event: seen.append(event)):
            work()
        return seen

    return result_of(watched)


def killed_at(number: int, work: Work) -> bool:
    """Whether work was killed just before one of its calls, and had not ended before."""

    def kill(at: int, _: str) -> None:
        if at == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched() -> None:
        with _told(kill):
            work()

    return _ended(_forked(watched)) == -signal.SIGKILL


def was_killed(work: Work) -> bool:
    """Whether work, which may kill its own process, did so before it ended."""
    ended = _ended(_forked(work))
    assert ended in (0, -signal.SIGKILL)
    return ended == -signal.SIGKILL


def disturbed_at(number: int, disturb: Work, work: Callable[[], Any]) -> Any:
    """What work gives while somebody else does something just before one of its calls."""

    def watched() -> Any:
        with _told(lambda at, _: disturb() if at == number else None):
            return work()

    return result_of(watched)


def result_of(work: Callable[[], Any]) -> Any:
    """What a forked child gives; an exception of it is raised here."""
    reading, writing = os.pipe()

    def told() -> None:
        os.close(reading)
        try:
            answer = (True, work())
        except Exception as error:  # noqa: BLE001 - it is raised again in the parent
            answer = (False, error)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(answer))

    child = _forked(told)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    assert _ended(child) == 0
    done, value = pickle.loads(answer)
    if not done:
        raise value
    return value


@contextlib.contextmanager
def _told(tell: Callable[[int, str], object]) -> Iterator[None]:
    """Tell each call, by its number and name. Once begun it cannot end: for a child only."""
    number = 0
    is_watched = True

    def hook(event: str, _: tuple[object, ...]) -> None:
        nonlocal number, is_watched
        if is_watched and event.startswith(_CALLS) and event not in _NO_CALLS:
            at, number = number, number + 1
            is_watched = False
            tell(at, event)
            is_watched = True

    sys.addaudithook(hook)
    yield
    is_watched = False


def _forked(work: Work) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # tests of their own have no threads
        child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def _ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
