"""What libcurl's error numbers mean to this library.

Only data and the look-up. In the words, ``{message}`` is what libcurl says; ``{want}`` and
``{got}`` are how many bytes the body of the answer has, and how many of them came.
"""

from __future__ import annotations

from collections.abc import Mapping

import pycurl

from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.meanings import Meaning
from file_dataset.domain.errors import FileDatasetError, NoSpaceError, StoreError, TransientError

# Numbers that pycurl has no names for: https://curl.se/libcurl/c/libcurl-errors.html
_E_PROXY = 97
_E_UNRECOVERABLE_POLL = 99
_E_TOO_LARGE = 100

_BROKE_OFF = Meaning(TransientError, "the connection broke off: {message}")
_NO_ANSWER = Meaning(TransientError, "no answer in time: {message}")
_TLS = Meaning(TransientError, "TLS failed: {message}")
_UNREACHABLE = Meaning(
    TransientError,
    "the endpoint cannot be reached: {message}. Check endpoint_url, region_name and network",
)
_NOT_S3 = Meaning(
    TransientError,
    "the answer is not one of S3: it was cut off, or the endpoint is something else: {message}",
)
_PROXY = Meaning(TransientError, "the proxy cannot be reached: {message}")
_RESOURCES = Meaning(TransientError, "libcurl could not get what it needs of the system: {message}")
_TLS_SETTINGS = Meaning(StoreError, "the settings for TLS are not right: {message}", systemic=True)
_OTHER = Meaning(StoreError, "libcurl failed: {message}")

FAULTS: Mapping[int, Meaning] = {
    pycurl.E_COULDNT_RESOLVE_PROXY: _PROXY,
    _E_PROXY: _PROXY,
    pycurl.E_COULDNT_RESOLVE_HOST: _UNREACHABLE,
    pycurl.E_COULDNT_CONNECT: _UNREACHABLE,
    pycurl.E_PARTIAL_FILE: Meaning(TransientError, "truncated read: want {want}, got {got} bytes"),
    pycurl.E_OPERATION_TIMEDOUT: _NO_ANSWER,
    pycurl.E_GOT_NOTHING: _BROKE_OFF,
    pycurl.E_SEND_ERROR: _BROKE_OFF,
    pycurl.E_RECV_ERROR: _BROKE_OFF,
    pycurl.E_SEND_FAIL_REWIND: _BROKE_OFF,
    pycurl.E_FAILED_INIT: _RESOURCES,
    _E_UNRECOVERABLE_POLL: _RESOURCES,
    # Their names are from the days of FTP, and of HTTP before it had heads: what an answer without
    # one is taken for. The scheme of the request is always one that libcurl knows.
    **dict.fromkeys([pycurl.E_FTP_WEIRD_SERVER_REPLY, pycurl.E_UNSUPPORTED_PROTOCOL], _NOT_S3),
    _E_TOO_LARGE: _NOT_S3,
    pycurl.E_SSL_CONNECT_ERROR: _TLS,
    pycurl.E_SSL_SHUTDOWN_FAILED: _TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Meaning(
        StoreError,
        "the certificate of the endpoint is not trusted: {message}. If the store has a "
        "certificate authority of its own, name its bundle by `verify` or AWS_CA_BUNDLE",
        systemic=True,
    ),
    pycurl.E_SSL_CACERT_BADFILE: _TLS_SETTINGS,
    pycurl.E_SSL_CERTPROBLEM: _TLS_SETTINGS,
    pycurl.E_SSL_CIPHER: _TLS_SETTINGS,
    pycurl.E_SSL_ENGINE_NOTFOUND: _TLS_SETTINGS,
    pycurl.E_OUT_OF_MEMORY: Meaning(NoSpaceError, "libcurl is out of memory: {message}"),
}


def failed(
    fault: int, message: str, call: Call, *, want: str = "?", got: int = 0
) -> FileDatasetError:
    """The error that libcurl's number for it means.

    Args:
        fault: The number.
        message: What libcurl says of it.
        call: What it was about.
        want: How many bytes the body has, as the answer said.
        got: How many of them came.
    """
    meaning = FAULTS.get(fault, _OTHER)
    text = message or f"error {fault}"
    return call.failed(
        meaning,
        {"message": text, "want": want, "got": got},
        detail=f"libcurl error {fault}: {text}",
    )
