"""Which engine serves a batch: libcurl where it can, and boto3 everywhere else."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from file_dataset.domain.errors import MissingDependencyError, UnsupportedError

if TYPE_CHECKING:
    from file_dataset.adapters.s3.client import Connected
    from file_dataset.adapters.s3.curl.carrier import Carrier
    from file_dataset.adapters.s3.options import S3Options

_log = logging.getLogger("file_dataset")


class Engines:
    """The engines beside boto3 that serve one client.

    Attributes:
        serving: Which one served last, and why, in words.
    """

    def __init__(self) -> None:
        self.serving: str = ""
        self._made: Carrier | str | None = None
        self._making = threading.Lock()

    def carrier(self, connected: Connected, options: S3Options) -> Carrier | None:
        """What carries a batch instead of boto3, or None if boto3 is to do it.

        Raises:
            MissingDependencyError: If libcurl is asked for and is not there.
            UnsupportedError: If libcurl is asked for and cannot do what the client is set to do.
        """
        found = self._found(connected, options)
        serving = f"boto3: {found}" if isinstance(found, str) else "curl"
        if serving != self.serving:
            self.serving = serving
            _log.debug("S3 is served by %s", serving)
        return None if isinstance(found, str) else found

    def close(self) -> None:
        """Close the connections that nobody uses."""
        if self._made is not None and not isinstance(self._made, str):
            self._made.close()

    def _found(self, connected: Connected, options: S3Options) -> Carrier | str:
        """What carries, or why boto3 does."""
        if options.engine == "boto3":
            return "it was asked for"
        with self._making:
            if self._made is None:
                self._made = _make(connected, options)
        if isinstance(self._made, str):
            if options.engine == "curl":
                raise UnsupportedError(f"engine='curl' cannot serve here: {self._made}")
            return self._made
        return (options.engine == "auto" and self._made.stand_in()) or self._made


def curl() -> tuple[str, str]:
    """The version of libcurl that is there, and why there is none, in words; one of them empty."""
    try:
        import pycurl
    except ImportError as error:
        return "", f"pycurl cannot be imported: {error}"
    return f"libcurl {pycurl.version_info()[1]}", ""


def _make(connected: Connected, options: S3Options) -> Carrier | str:
    """What carries instead of boto3, or why nothing can."""
    _, reason = curl()
    if reason:
        if options.engine == "curl":
            raise MissingDependencyError(f"engine='curl' cannot serve here: {reason}")
        return reason
    from file_dataset.adapters.s3.curl.carrier import Carrier
    from file_dataset.adapters.s3.curl.places import unsuited

    return unsuited(connected.client) or Carrier.of(
        connected,
        most=options.max_in_flight,
        verify_reads=options.verify_reads,
        verify_writes=options.verify_writes,
    )
