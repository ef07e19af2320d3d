"""Who takes part in a client's requests besides botocore, and would not be asked by libcurl.

In tests that is what stands in for the network: moto, a Stubber, a mock, a patched method. In
production it is a hook that adds something to requests, or counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_METHODS = (
    "get_object",
    "head_object",
    "put_object",
    "upload_part",
    "create_multipart_upload",
    "complete_multipart_upload",
    "abort_multipart_upload",
    "_make_api_call",
)
_OPERATIONS = (
    "GetObject",
    "HeadObject",
    "PutObject",
    "UploadPart",
    "CreateMultipartUpload",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
)
_EVENTS = (
    "provide-client-params",
    "before-parameter-build",
    "before-endpoint-resolution",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-send",
    "response-received",
    "needs-retry",
    "before-parse",
    "after-call",
    "after-call-error",
)
# Their hooks are what requests are made by, or look after boto3's own transfers.
_EXPECTED = frozenset({"boto3", "botocore", "file_dataset", "s3transfer"})


def stand_in(client: S3Client) -> str | None:
    """Who else takes part in a client's requests just now, in words, or None."""
    from botocore.client import BaseClient

    # The type is asked, since a mock made after a class passes for its instance.
    if not issubclass(type(client), BaseClient):
        return f"the client is a {_name(type(client))}"
    try:
        return _patched(client) or _hooked(client)
    except AttributeError as error:
        return f"this botocore does not tell who takes part in requests ({error})"


def _patched(client: S3Client) -> str | None:
    engine: Any = client
    endpoint = engine._endpoint  # noqa: SLF001 - what tests patch is private, too
    seams = [(engine, name) for name in _METHODS]
    seams += [(endpoint, "make_request"), (endpoint.http_session, "send")]
    for owner, name in seams:
        found = getattr(owner, name)
        if not _is_expected(found):
            return f"{name} is patched with a {_name(found)}"
    return None


def _hooked(client: S3Client) -> str | None:
    events: Any = client.meta.events
    emitter = events._emitter  # noqa: SLF001 - nothing public lists the hooks
    # botocore begins a new cache when a hook comes or goes, so what is kept in it is never stale.
    cache = emitter._lookup_cache  # noqa: SLF001 - as above
    hooks = cache.get(_Hooks)
    if hooks is None:
        hooks = cache[_Hooks] = _found(emitter._handlers.prefix_search)  # noqa: SLF001 - as above
    if any(hook.enabled for hook in hooks.moto):
        return "moto answers in place of the network"
    reason: str | None = hooks.reason
    return reason


@attrs.frozen
class _Hooks:
    """The hooks of a client that are not botocore's own.

    Args:
        reason: One that takes part in every request, in words.
        moto: Those that do so between the beginning and the end of a ``mock_aws``.
    """

    reason: str | None
    moto: tuple[Any, ...]


def _found(search: Callable[[str], list[Any]]) -> _Hooks:
    reason = None
    moto = []
    for event in _EVENTS:
        for operation in _OPERATIONS:
            for hook in search(f"{event}.s3.{operation}"):
                if hook.__module__ == "botocore.stub":
                    reason = "a botocore Stubber answers in place of the network"
                elif hook.__module__.startswith("moto."):
                    moto.append(hook)
                elif not _is_expected(hook):
                    reason = reason or f"the hook {_name(hook)} takes part in {event}"
    return _Hooks(reason, tuple(moto))


def _is_expected(found: object) -> bool:
    return found.__module__.partition(".")[0] in _EXPECTED


def _name(found: object) -> str:
    return f"{found.__module__}.{getattr(found, '__qualname__', type(found).__qualname__)}"
