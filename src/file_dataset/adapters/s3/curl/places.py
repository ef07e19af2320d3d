"""Where the objects of a bucket are and how requests for them are signed: as botocore has it.

Its rules (endpoints, addressing styles, access points, signers) are many and change; so none is
repeated here. A client is made to prepare requests for an object that nobody has, and what it
would have sent is taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit
from uuid import uuid4

import attrs

from file_dataset.adapters.s3.curl.signing import Scope

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from types_boto3_s3 import S3Client

_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=.+/\d{8}/([^/]+)/([^/]+)/aws4_request, ")
_PORTS = {"http": 80, "https": 443}
# Whoever adds another one means something by it, for objects or methods that cannot be foreseen.
_HEADERS = frozenset(
    {
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "authorization",
        "content-length",
        "content-md5",
        "expect",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
        "x-amzn-trace-id",
    }
)
# It means the same whatever is asked.
_CARRIED = ("x-amz-request-payer",)
# Directory buckets and their access points want a session, for which botocore asks the network.
_DIRECTORY_BUCKETS = ("--x-s3", "--xa-s3", ":s3express:")
_CHECKSUMS = ("request_checksum_calculation", "response_checksum_validation")


@attrs.frozen
class Place:
    """How the objects of one bucket are addressed, and how requests for them are signed.

    Args:
        base: The URL to which a quoted key is appended.
        host: The Host header, as it is signed.
        path: The path of ``base``.
        scope: Where signatures are valid; None if requests are not signed.
        hashes: Whether what is written has to be hashed for its signature.
        headers: What all requests carry besides the usual.
    """

    base: str
    host: str
    path: str
    scope: Scope | None
    hashes: bool
    headers: tuple[tuple[str, str], ...] = ()


class OnlyBoto3Error(Exception):
    """Nobody but boto3 can serve; the text says why."""


class _CaughtError(Exception):
    """A request on its way to the network."""

    def __init__(self, request: AWSPreparedRequest) -> None:
        super().__init__(request.url)
        self.request = request


def unsuited(client: S3Client) -> str | None:
    """What in a client's configuration only boto3 can follow, in words, or None."""
    config: Any = client.meta.config  # its stub knows none of its attributes
    if config.client_cert:
        return "a client certificate is configured"
    if config.proxies_config:
        return "proxies_config is configured"
    for name in _CHECKSUMS:
        if getattr(config, name, "when_required") != "when_required":
            return f"{name} is {getattr(config, name)}"
    return None


def learn(client: S3Client, bucket: str) -> Place:
    """The place of a bucket; nothing is sent, but credentials may be fetched.

    Raises:
        OnlyBoto3Error: If requests for it are anything but plain ones with Signature Version 4.
    """
    if any(mark in bucket for mark in _DIRECTORY_BUCKETS):
        raise OnlyBoto3Error(f"{bucket} is a directory bucket")
    read = _prepared(client, "GetObject", lambda key: client.get_object(Bucket=bucket, Key=key))
    # A part, and not an object: even if it were sent, nothing could come into being of it.
    written = _prepared(
        client,
        "UploadPart",
        lambda key: client.upload_part(
            Bucket=bucket, Key=key, UploadId=key, PartNumber=1, Body=b"part"
        ),
    )
    # What objects are to have besides their bytes is said where an upload begins.
    begun = _prepared(
        client,
        "CreateMultipartUpload",
        lambda key: client.create_multipart_upload(Bucket=bucket, Key=key),
    )
    if not read == written == begun:
        raise OnlyBoto3Error(f"{bucket} is read and written in different ways")
    url = urlsplit(read.base)
    host = _host(url)
    return Place(
        base=f"{url.scheme}://{host}{url.path}",
        host=host,
        path=url.path,
        scope=read.scope,
        hashes=read.scope is not None and _has_to_hash(client, url.scheme),
        headers=read.headers,
    )


@attrs.frozen
class _Prepared:
    """What matters of a request as botocore prepares it."""

    base: str
    scope: Scope | None
    headers: tuple[tuple[str, str], ...]


def _prepared(client: S3Client, operation: str, ask: Callable[[str], object]) -> _Prepared:
    """A request for an object that nobody has, caught on its way to the network."""
    key = uuid4().hex

    def catch(*, request: AWSPreparedRequest, **_: object) -> None:
        if key in request.url:
            raise _CaughtError(request)

    event = f"before-send.s3.{operation}"
    # Before all others, who might answer it, count it, or make it wait for its turn.
    client.meta.events.register_first(event, catch)
    try:
        ask(key)
    except _CaughtError as caught:
        return _taken_apart(caught.request, key)
    except Exception as error:
        # Not its text, which goes to logs and can have the password of an endpoint in it.
        kind = type(error).__name__
        raise OnlyBoto3Error(f"botocore makes no request, but a {kind}") from error
    finally:
        client.meta.events.unregister(event, catch)
    raise OnlyBoto3Error("something answers in place of the network")


def _taken_apart(request: AWSPreparedRequest, key: str) -> _Prepared:
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    scope = _scope(headers.get("authorization"))
    carried = tuple((name, headers.pop(name)) for name in _CARRIED if name in headers)
    host = _host(urlsplit(request.url))
    # The signers of awscrt say it, where others leave it to whoever sends.
    if headers.pop("host", host) != host:
        raise OnlyBoto3Error("requests name another host than they are sent to")
    if further := headers.keys() - _HEADERS:
        raise OnlyBoto3Error(f"requests carry further headers: {', '.join(sorted(further))}")
    base, _, rest = request.url.partition(key)
    parameters = set(rest.removeprefix("?").split("&")) - {""}
    if parameters - {"partNumber=1", f"uploadId={key}", "uploads"} or not base.endswith("/"):
        raise OnlyBoto3Error("requests are addressed in a way of their own")
    return _Prepared(base, scope, carried)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _scope(authorization: str | None) -> Scope | None:
    if authorization is None:
        return None
    credential = _CREDENTIAL.match(authorization)
    if credential is None:
        raise OnlyBoto3Error("requests are not signed with AWS Signature Version 4")
    return Scope(region=credential[1], service=credential[2])


def _host(url: SplitResult) -> str:
    """The Host header of a request: no user, and no port that the scheme implies."""
    name = url.hostname or ""
    if ":" in name:
        name = f"[{name}]"
    return name if url.port in {None, _PORTS.get(url.scheme)} else f"{name}:{url.port}"


def _has_to_hash(client: S3Client, scheme: str) -> bool:
    """Whether the hash of a body is required; botocore makes it even where TLS protects it."""
    config: Any = client.meta.config
    configured: bool | None = (config.s3 or {}).get("payload_signing_enabled")
    return scheme == "http" if configured is None else configured
