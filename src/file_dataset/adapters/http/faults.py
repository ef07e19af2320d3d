"""What libcurl's error numbers mean."""

from __future__ import annotations

from typing import Final

import pycurl

from file_dataset.domain.errors import StoreError, TransientError
from file_dataset.domain.url import Url

# Numbers that pycurl has no names for: https://curl.se/libcurl/c/libcurl-errors.html
_E_HTTP2_STREAM: Final = 92

_TRANSIENT: Final = {
    pycurl.E_COULDNT_RESOLVE_HOST: "the host cannot be found",
    pycurl.E_COULDNT_RESOLVE_PROXY: "the proxy cannot be found",
    pycurl.E_COULDNT_CONNECT: "the host cannot be reached",
    pycurl.E_PARTIAL_FILE: "truncated read",
    pycurl.E_OPERATION_TIMEDOUT: "no answer in time",
    pycurl.E_GOT_NOTHING: "the connection broke off",
    pycurl.E_SEND_ERROR: "the connection broke off",
    pycurl.E_RECV_ERROR: "the connection broke off",
    pycurl.E_SSL_CONNECT_ERROR: "TLS failed",
    pycurl.E_HTTP2: "the connection broke off",
    _E_HTTP2_STREAM: "the connection broke off",
}


def broken(fault: int, message: str, url: Url) -> StoreError:
    """The error that a number of libcurl's stands for."""
    if fault in _TRANSIENT:
        return TransientError(f"{url.redacted}: {_TRANSIENT[fault]}: {message}", url=url)
    if fault == pycurl.E_PEER_FAILED_VERIFICATION:
        return StoreError(
            f"{url.redacted}: the server's certificate is not trusted: {message}. If it is of an "
            f"authority of your own, name its bundle by HttpStore(ca_bundle=...)",
            url=url,
        )
    return StoreError(f"{url.redacted}: libcurl failed ({fault}): {message}", url=url)
