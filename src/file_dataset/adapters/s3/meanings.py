"""What the answers of S3 servers, and the exceptions of boto3's libraries, mean to this library.

Only data: ``errors`` looks things up here. In the words, ``{code}``, ``{status}`` and ``{message}``
are what the server said, ``{bucket}`` is the bucket's name, and ``{home}`` tells where the bucket
is, if the server gave that away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from file_dataset.domain.errors import (
    FileDatasetError,
    IntegrityError,
    InvalidUrlError,
    NoSpaceError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    StoreError,
    ThrottledError,
    TransientError,
    UnauthenticatedError,
    UnsupportedError,
)


class ConflictError(TransientError):
    """A conditional write met another one, and was not carried out: it may be repeated."""


class Meaning(NamedTuple):
    """Which error it is, and in which words."""

    kind: type[FileDatasetError]
    words: str
    again: bool | None = None
    """Whether another attempt may help, where it is not the kind that says so."""
    systemic: bool = False
    """Whether no other request would fare better, though the kind does not say so."""


_ASKED_TO_SLOW_DOWN = Meaning(
    ThrottledError,
    "the store asks its callers to slow down ({code}); run it again later, or ask for less at a "
    "time, as by Options(max_in_flight=...)",
)
_WENT_WRONG = Meaning(TransientError, "something went wrong inside the store ({code}): {message}")
_NO_KEY = Meaning(NotFoundError, "not found: there is no such key")
_DENIED = Meaning(
    PermissionDeniedError,
    "permission denied ({code}): {message}. 403 may also mean that the object is missing and that "
    "these credentials are not allowed to list the bucket, which would tell the two apart; or that "
    "who asks is to pay, which Options(requester_pays=True) agrees to; and the answer to a HEAD "
    "request does not say if the credentials themselves are wrong",
)
_BAD_SIGNATURE = Meaning(
    UnauthenticatedError,
    "the signature does not match ({code}): the secret key is not the one of the access key, or "
    "something on the way has changed the request",
)
_BAD_TOKEN = Meaning(
    UnauthenticatedError,
    "the session token has expired or is not valid ({code}): get new credentials, or name the "
    "profile or role they come from, so that they are renewed",
)
_CLOCK = Meaning(
    UnauthenticatedError,
    "the clock of this machine is too far from the store's ({code}): set the clock, best by NTP",
)
_ELSEWHERE = Meaning(
    StoreError,
    "the bucket is in another region or at another endpoint ({code}){home}; set region_name, or "
    "endpoint_url, to where it is, or mount() the bucket with options of its own",
    systemic=True,
)
_BAD_NAME = Meaning(InvalidUrlError, "the store cannot hold such a name ({code}): {message}")
_TOO_LARGE = Meaning(
    StoreError,
    "the object is too large for one request ({code}); above 5 GiB it takes a multipart transfer, "
    "which needs a multipart_threshold below its size and a write without conditions",
)
_FULL = Meaning(NoSpaceError, "the store is full, or a quota is used up ({code}): {message}")
_DAMAGED_ON_THE_WAY = Meaning(
    IntegrityError, "the store got other bytes than were sent ({code}): {message}", again=True
)
KMS = Meaning(
    PermissionDeniedError,
    "the object is encrypted with a KMS key that cannot be used ({code}): allow these credentials "
    "kms:Decrypt and kms:GenerateDataKey, and see that the key is there and enabled. {message}",
)
SSE_C = Meaning(
    StoreError,
    "the object is encrypted with a key that its owner keeps (SSE-C), without which it cannot be "
    "read ({code}): have it copied to one that S3 encrypts by itself, or add the key to the "
    "requests by a hook on Options(...).s3_client, which boto3 then makes. {message}",
)
_BUSY = Meaning(
    ConflictError, "another write to the object was under way, so that nothing was written ({code})"
)

CHANGED = Meaning(IntegrityError, "was changed while it was being read", again=True)

UNKNOWN = Meaning(StoreError, "the store refused, HTTP {status} ({code}): {message}")

ODD_NAME = Meaning(
    InvalidUrlError,
    "the store refused the request ({code}), most likely for the key: it has an empty, '.' or '..' "
    "segment, which stores that keep objects as files cannot hold. {message}",
)

CODES: Mapping[str, Meaning] = {
    **dict.fromkeys(["NoSuchKey", "NoSuchVersion", "NoSuchUpload"], _NO_KEY),
    "NoSuchBucket": Meaning(NotFoundError, "not found: there is no bucket {bucket!r}"),
    **dict.fromkeys(["AccessDenied", "AllAccessDisabled", "AccountProblem"], _DENIED),
    "InvalidAccessKeyId": Meaning(
        UnauthenticatedError,
        "the store does not know the access key ({code}): check the credentials, and that they "
        "belong to this endpoint",
    ),
    "SignatureDoesNotMatch": _BAD_SIGNATURE,
    **dict.fromkeys(
        ["ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"],
        _BAD_TOKEN,
    ),
    **dict.fromkeys(["RequestTimeTooSkewed", "RequestExpired"], _CLOCK),
    "InvalidObjectState": Meaning(
        StoreError,
        "the object is archived (Glacier or Intelligent-Tiering) and cannot be read: restore it "
        "first, for example with `aws s3api restore-object`",
    ),
    **dict.fromkeys(
        [
            "PermanentRedirect",
            "Redirect",
            "TemporaryRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "IncorrectEndpoint",
        ],
        _ELSEWHERE,
    ),
    **dict.fromkeys(
        [
            "InvalidBucketName",
            "InvalidURI",
            "KeyTooLongError",
            "KeyTooLong",
            "XMinioInvalidObjectName",
            "XMinioInvalidResourceName",
        ],
        _BAD_NAME,
    ),
    **dict.fromkeys(["EntityTooLarge", "EntityTooSmall"], _TOO_LARGE),
    **dict.fromkeys(
        ["QuotaExceeded", "InsufficientCapacity", "XMinioStorageFull", "XMinioBucketQuotaExceeded"],
        _FULL,
    ),
    **dict.fromkeys(["BadDigest", "XAmzContentSHA256Mismatch"], _DAMAGED_ON_THE_WAY),
    **dict.fromkeys(["ConditionalRequestConflict", "OperationAborted"], _BUSY),
    **dict.fromkeys(
        [
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "PriorRequestNotComplete",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "ServiceUnavailable",
            "SlowDown",
            "SlowDownRead",
            "SlowDownWrite",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequests",
            "TooManyRequestsException",
        ],
        _ASKED_TO_SLOW_DOWN,
    ),
    **dict.fromkeys(
        ["IncompleteBody", "InternalError", "RequestTimeout", "RequestTimeoutException"],
        _WENT_WRONG,
    ),
}

STATUSES: Mapping[int, Meaning] = {
    301: _ELSEWHERE,
    307: _ELSEWHERE,
    400: Meaning(
        StoreError,
        "the store refused the request ({code}): {message}. If it does not say why, look for a "
        "wrong region, an expired session token, or a key for encryption that is missing",
    ),
    401: Meaning(UnauthenticatedError, "the store does not accept the credentials ({code})"),
    403: _DENIED,
    404: Meaning(NotFoundError, "not found: there is no such key, or no bucket {bucket!r}"),
    405: Meaning(UnsupportedError, "the store does not allow this ({code}): {message}"),
    408: _WENT_WRONG,
    409: Meaning(StoreError, "the store's state does not allow this now ({code}): {message}"),
    412: Meaning(PreconditionFailedError, "is no longer the version that was asked for"),
    413: _TOO_LARGE,
    416: Meaning(RangeNotSatisfiableError, "the span starts past the end of the object"),
    429: _ASKED_TO_SLOW_DOWN,
    500: _WENT_WRONG,
    501: Meaning(UnsupportedError, "the store has not implemented this ({code}): {message}"),
    502: _WENT_WRONG,
    503: _ASKED_TO_SLOW_DOWN,
    504: _WENT_WRONG,
    507: _FULL,
}

DELETED = Meaning(
    NotFoundError,
    "not found: the newest version is a delete marker; an older one can be had by taking the "
    "marker away",
)
