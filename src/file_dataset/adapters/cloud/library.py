"""obstore itself: where it works, and which names it has."""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec
from typing import Any

from file_dataset.domain.errors import InvalidUrlError, MissingDependencyError, UnsupportedError
from file_dataset.domain.url import Url

_has_control = re.compile(r"[\x00-\x1f\x7f]").search


def spelled(url: Url) -> str:
    """The key of an object or a prefix. Raises InvalidUrlError if obstore would change it."""
    key = url.key.removesuffix("/") if not url.name else url.key
    if key and ({"", ".", ".."}.intersection(key.split("/")) or _has_control(key)):
        raise InvalidUrlError(
            f"{url.redacted!r}: obstore has no names with empty segments, '.', '..' or control "
            f"characters"
        )
    return key


def check_installed() -> None:
    """Raise MissingDependencyError if there is no obstore.

    It is not imported before it is used, since a process that has not used it may fork.
    """
    if find_spec("obstore") is None:
        raise MissingDependencyError(
            "az:// and gs:// need obstore: pip install 'file-dataset[obstore]'"
        )


def obstore_here() -> Any:  # noqa: ANN401 - its types tell less than its documentation
    """The library, in a process where it works.

    Raises:
        UnsupportedError: In a child of a process that had it.
    """
    if _is_lost:
        raise UnsupportedError(
            "this process was forked from one that had obstore, whose threads it lacks; start "
            "worker processes by 'spawn' or 'forkserver' to use az:// and gs:// in them"
        )
    import obstore

    return obstore


_is_lost = False


def _look_for_it() -> None:
    # Its threads are not here, and whoever calls it waits for them for ever.
    global _is_lost  # noqa: PLW0603 - it is the process that has lost them
    _is_lost = "obstore" in sys.modules


os.register_at_fork(after_in_child=_look_for_it)
