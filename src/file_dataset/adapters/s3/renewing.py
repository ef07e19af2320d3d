"""Credentials that a store no longer accepts are had anew from where they came from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials, ReadOnlyCredentials
    from botocore.model import OperationModel
    from botocore.session import Session as Core
    from types_boto3_s3 import S3Client

_OUTDATED: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidToken",
        "TokenRefreshRequired",
    }
)
# What is left of these in an answer to a HEAD request.
_UNSAID: Final = "400"

_SIGNED_WITH: Final = "file_dataset.signed_with"
_ASKED_AGAIN: Final = "file_dataset.asked_again"

# Seconds; where there was nothing new a moment ago nobody looks, though hundreds of requests fail.
_PAUSE: Final = 5.0


class _Source(Protocol):
    """What of botocore finds credentials."""

    def load_credentials(self) -> Credentials | None:
        """The first that are found, in botocore's order."""


class Renewable:
    """botocore's credentials, for whoever signs; they may be other ones later.

    Those that tell when they expire botocore renews by itself. Of others, as in a file that a
    log-in writes anew, only the store knows that they are too old.

    Args:
        load: Finds the credentials.
        found: Those that it found first.
        clock: Gives the time in seconds since some moment.

    Attributes:
        version: How often there were others.
    """

    def __init__(
        self,
        load: Callable[[], Credentials | None],
        found: Credentials,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.version: int = 0
        self._load = load
        self._found = found
        self._clock = clock
        self._not_before = clock()
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._found, name)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Those of now."""
        return self._found.get_frozen_credentials()

    def renew(self, version: int) -> bool:
        """Whether there are others by now than those of a version, which the store refused."""
        with self._lock:
            if version != self.version:
                return True
            if self._clock() < self._not_before:
                return False
            found = self._load()
            if found is None or (
                found.get_frozen_credentials() == self._found.get_frozen_credentials()
            ):
                self._not_before = self._clock() + _PAUSE
                return False
            self._found = found
            self.version += 1
            return True


class _Renewing:
    """Finds credentials as botocore does, such that can be renewed."""

    def __init__(self, source: _Source) -> None:
        self._source = source

    def load_credentials(self) -> Renewable | None:
        found = self._source.load_credentials()
        return None if found is None else Renewable(self._source.load_credentials, found)


def let_credentials_be_renewed(core: Core) -> None:
    """Make a session that has no credentials yet find such as can be renewed."""
    source = core.get_component("credential_provider")
    core.register_component("credential_provider", _Renewing(source))


def ask_again_with_others(client: S3Client, credentials: Renewable) -> None:
    """Make a client ask again, once, if a store refuses credentials and there are others by now."""
    hooks = _Hooks(credentials)
    client.meta.events.register("before-sign.s3", hooks.signs)
    is_to_ask_again: Any = hooks.is_to_ask_again  # its stub wants hooks that say nothing
    client.meta.events.register("needs-retry.s3", is_to_ask_again)


class _Hooks:
    """What takes part in a client's requests."""

    def __init__(self, credentials: Renewable) -> None:
        self._credentials = credentials

    def signs(self, *, request: AWSRequest, **_: object) -> None:
        # Noted before they are taken: at worst a request is sent once more in vain.
        request.context[_SIGNED_WITH] = self._credentials.version

    def is_to_ask_again(
        self,
        *,
        response: tuple[object, Mapping[str, Any]] | None,
        operation: OperationModel,
        request_dict: Mapping[str, Any],
        **_: object,
    ) -> float | None:
        """The seconds to wait before that, which are none; None for no."""
        context: MutableMapping[str, Any] = request_dict["context"]
        version = context.get(_SIGNED_WITH)
        if response is None or version is None or _ASKED_AGAIN in context:
            return None
        code = response[1].get("Error", {}).get("Code")
        if not (code in _OUTDATED or (code == _UNSAID and self._may_be_outdated(operation))):
            return None
        context[_ASKED_AGAIN] = True
        return 0.0 if self._credentials.renew(version) else None

    def _may_be_outdated(self, operation: OperationModel) -> bool:
        is_head = operation.http.get("method") == "HEAD"
        return is_head and self._credentials.get_frozen_credentials().token is not None
