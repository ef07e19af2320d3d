from __future__ import annotations

import pickle

import pycurl
import pytest

from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.curl import faults
from file_dataset.domain.errors import StoreError, TransientError
from file_dataset.domain.url import Url

CALL = Call(Url.parse("s3://bucket/key"))

OTHER_PROTOCOLS = ("FTP", "LDAP", "TFTP", "TELNET", "RTSP", "SSH", "HTTP2", "REMOTE", "FILE")
CANNOT_COME = {
    "URL_MALFORMAT": "botocore made the address, and keys are quoted",
    "URL_MALFORMAT_USER": "libcurl does not use it any more",
    "MALFORMAT_USER": "libcurl does not use it any more",
    "NOT_BUILT_IN": "nothing is asked for that can be left out of libcurl",
    "HTTP_RETURNED_ERROR": "FAILONERROR is off: a refusal is an answer",
    "WRITE_ERROR": "a task broke off an answer, and says why in place of libcurl",
    "UPLOAD_FAILED": "of other protocols: a refused PUT is an answer",
    "READ_ERROR": "what is sent is in memory",
    "ABORTED_BY_CALLBACK": "no callback aborts",
    "QUOTE_ERROR": "of FTP",
    "RANGE_ERROR": "RESUME_FROM is not used: the Range header is the task's own",
    "HTTP_POST_ERROR": "nothing is posted",
    "BAD_DOWNLOAD_RESUME": "RESUME_FROM is not used",
    "LIBRARY_NOT_FOUND": "of LDAP",
    "FUNCTION_NOT_FOUND": "of LDAP",
    "BAD_FUNCTION_ARGUMENT": "a bug of this library's or of libcurl's",
    "BAD_CALLING_ORDER": "libcurl does not use it any more",
    "INTERFACE_FAILED": "no interface is asked for",
    "BAD_PASSWORD_ENTERED": "libcurl does not use it any more",
    "TOO_MANY_REDIRECTS": "FOLLOWLOCATION is off",
    "UNKNOWN_OPTION": "a bug of this library's",
    "SSL_ENGINE_SETFAILED": "no engine for cryptography is asked for",
    "SSL_ENGINE_INITFAILED": "no engine for cryptography is asked for",
    "SHARE_IN_USE": "nothing is shared between handles",
    "BAD_CONTENT_ENCODING": "ACCEPT_ENCODING is not set, so that nothing is decoded",
    "FILESIZE_EXCEEDED": "MAXFILESIZE is not set",
    "USE_SSL_FAILED": "of protocols that begin without TLS",
    "LOGIN_DENIED": "of other protocols: a 401 is an answer",
    "CONV_FAILED": "libcurl does not use it any more",
    "CONV_REQD": "libcurl does not use it any more",
    "AGAIN": "of curl_easy_recv, which is not called",
    "SSL_CRL_BADFILE": "no list of revoked certificates is configured",
    "SSL_ISSUER_ERROR": "no issuer is asked for",
    "CHUNK_FAILED": "of FTP",
    "NO_CONNECTION_AVAILABLE": "the number of connections is not limited",
    "SSL_PINNEDPUBKEYNOTMATCH": "no key is pinned",
    "SSL_INVALIDCERTSTATUS": "the status of certificates is not asked for",
    "CALL_MULTI_PERFORM": "of the multi handle's functions",
    "ALREADY_COMPLETE": "libcurl does not use it any more",
}
UNNAMED = range(92, 102)
UNNAMED_THAT_CANNOT_COME = {
    92: "of HTTP/2",
    93: "a bug of this library's: a callback that calls libcurl",
    94: "of other protocols",
    95: "of HTTP/3",
    96: "of HTTP/3",
    98: "a client certificate is boto3's business",
    101: "of ECH, which is not asked for",
}


def numbers():
    """libcurl's numbers for the faults of a transfer, with one or more names each."""
    found: dict[int, set[str]] = {}
    for name in dir(pycurl):
        kind = name.removeprefix("E_")
        if name.startswith("E_") and not kind.startswith("MULTI_") and kind != "OK":
            found.setdefault(getattr(pycurl, name), set()).add(kind)
    return found


def test_every_fault_has_a_meaning_or_cannot_come():
    missing = {
        number: names
        for number, names in numbers().items()
        if number not in faults.FAULTS
        and not names & CANNOT_COME.keys()
        and not any(name.startswith(OTHER_PROTOCOLS) for name in names)
    }
    assert missing == {}


def test_faults_that_pycurl_has_no_names_for_have_a_meaning_or_cannot_come():
    assert not set(UNNAMED) & numbers().keys()
    assert set(UNNAMED) - faults.FAULTS.keys() == UNNAMED_THAT_CANNOT_COME.keys()


def test_what_cannot_come_has_no_meaning():
    excused = {number for number, names in numbers().items() if names & CANNOT_COME.keys()}
    assert not excused & faults.FAULTS.keys()
    assert {name for names in numbers().values() for name in names} >= CANNOT_COME.keys()


@pytest.mark.parametrize("number", faults.FAULTS)
def test_an_error_tells_the_object_and_what_libcurl_said(number):
    error = faults.failed(number, "what libcurl says", CALL, want="9", got=5)

    assert isinstance(error, StoreError)
    assert error.url == CALL.url
    assert "s3://bucket/key" in str(error)
    said = "want 9, got 5 bytes" if number == pycurl.E_PARTIAL_FILE else "what libcurl says"
    assert said in str(error)
    assert error.detail == f"libcurl error {number}: what libcurl says"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_passwords_in_what_libcurl_says_are_not_told():
    error = faults.failed(pycurl.E_COULDNT_CONNECT, "to http://user:hush@host:1/", CALL)

    assert isinstance(error, StoreError)
    assert "hush" not in str(error) + str(error.detail)


def test_without_a_message_the_number_is_told():
    assert "error 7" in str(faults.failed(pycurl.E_COULDNT_CONNECT, "", CALL))


def test_what_no_attempt_mends_is_not_transient():
    errors = {number: faults.failed(number, "", CALL) for number in faults.FAULTS}
    lasting = {n for n, e in errors.items() if isinstance(e, StoreError) and not e.transient}

    assert lasting == {
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CIPHER,
        pycurl.E_SSL_ENGINE_NOTFOUND,
        pycurl.E_OUT_OF_MEMORY,
    }


def test_a_number_that_nobody_knows_is_an_error_and_final():
    error = faults.failed(4_711, "something new", CALL)

    assert isinstance(error, StoreError)
    assert not isinstance(error, TransientError)
    assert "something new" in str(error)
