"""What a server's refusal means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from file_dataset.adapters.s3 import meanings
from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.meanings import Meaning
from file_dataset.domain.errors import (
    AlreadyExistsError,
    FileDatasetError,
    NotFoundError,
    PreconditionFailedError,
    ThrottledError,
)
from file_dataset.domain.objects import CREATE, OVERWRITE, IfMatch, WriteMode

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_UNMET: Mapping[WriteMode, Meaning] = {
    CREATE: Meaning(AlreadyExistsError, "exists already"),
    # Nobody makes a condition then but who reads in parts, so that they are of one version.
    OVERWRITE: meanings.CHANGED,
}


def answered(error: ClientError, call: Call) -> FileDatasetError:
    """What a server's answer to a call means, by its code and status."""
    said = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    status = metadata.get("HTTPStatusCode", 0)
    code = str(said.get("Code", ""))
    message = (said.get("Message") or "it gives no reason").rstrip(".")
    words = {
        "code": code or "no code",
        "status": status,
        "message": message,
        "bucket": said.get("BucketName") or call.url.authority,
        "home": _home(said, headers),
    }
    failed = call.failed(
        _meaning(code, status, message, headers, call),
        words,
        attempts=1 + metadata.get("RetryAttempts", 0),
        detail=f"{error} [request {metadata.get('RequestId', 'without an id')}]",
    )
    if isinstance(failed, ThrottledError):
        failed.retry_after = _seconds(headers.get("retry-after", ""))
    if code == "NoSuchBucket" and isinstance(failed, NotFoundError):
        failed.common_cause = "no such bucket"
    return failed


def _meaning(
    code: str, status: int, message: str, headers: Mapping[str, str], call: Call
) -> Meaning:
    return (
        _of_the_call(code, status, headers, call)
        or _of_encryption(code, message)
        or meanings.CODES.get(code)
        or meanings.STATUSES.get(status)
        or meanings.STATUSES.get(min(status, 500), meanings.UNKNOWN)
    )


def _of_the_call(code: str, status: int, headers: Mapping[str, str], call: Call) -> Meaning | None:
    """What an answer means because of what was asked, if it does."""
    if status in (404, 405) and headers.get("x-amz-delete-marker") == "true":
        return meanings.DELETED
    if isinstance(call.mode, IfMatch) and code == "NoSuchKey" and call.source is None:
        # AWS answers so to If-Match where there is nothing.
        return Meaning(PreconditionFailedError, "is gone, so no longer the version of the etag")
    if status == 412:
        return _UNMET.get(call.mode)
    return meanings.ODD_NAME if code in ("InvalidArgument", "400") and _is_odd(call) else None


def _of_encryption(code: str, message: str) -> Meaning | None:
    """S3 has no codes of their own for these: only the message tells."""
    if code.startswith("KMS.") or (code == "AccessDenied" and " kms:" in message):
        return meanings.KMS
    is_of_customer = code == "InvalidRequest" and "Server Side Encryption" in message
    return meanings.SSE_C if is_of_customer else None


def _is_odd(call: Call) -> bool:
    keys = [url.key for url in (call.url, call.source) if url is not None and url.name]
    return any({"", ".", ".."}.intersection(key.split("/")) for key in keys)


def _home(said: Mapping[str, object], headers: Mapping[str, str]) -> str:
    region = said.get("Region") or headers.get("x-amz-bucket-region")
    endpoint = said.get("Endpoint")
    return (f": the region is {region}" if region else "") + (
        f": the endpoint is {endpoint}" if endpoint else ""
    )


def _seconds(header: str) -> float | None:
    """Seconds to wait; the form with a date, which no S3 server uses, is passed over."""
    return float(header) if header.isdecimal() else None
