"""SIGINT and SIGTERM: the first of them ends a command the orderly way, the next one at once."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

_CAUGHT = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal has come, and the command is to leave nothing behind but its report.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code: int = 128 + number


def catch_signals() -> None:
    """Have the first signal raise Interrupted in the main thread."""
    for number in _CAUGHT:
        signal.signal(number, _interrupted)


def _interrupted(number: int, _frame: FrameType | None) -> NoReturn:
    # Whoever sends another one does not want to wait for functions that take their time.
    for each in _CAUGHT:
        signal.signal(each, signal.SIG_DFL)
    raise Interrupted(number)
