"""What went wrong with an exchange: it broke off, or the server refused it."""

from __future__ import annotations

from typing import Final

from pycurl import E_GOT_NOTHING

from file_dataset.adapters.s3.answers import answered
from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.carried import Declined, Redirected
from file_dataset.adapters.s3.curl import faults
from file_dataset.adapters.s3.curl.answers import described, headers, refusal
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.domain.errors import FileDatasetError, UnauthenticatedError

# Answers to which boto3 knows the remedy, or the right words.
_FOR_BOTO3: Final = frozenset({301, 302, 303, 305, 307, 308, 400})


def broken_off(exchange: Exchange) -> FileDatasetError:
    """What it means that an exchange ended before there was an answer, or all of one."""
    call = Call(exchange.task.url)
    if not exchange.fault:
        # libcurl takes a connection that ends there for the end of an empty body.
        return faults.failed(E_GOT_NOTHING, "the answer's head is cut off", call)
    want = described(exchange.head).get("content-length", "?")
    return faults.failed(exchange.fault, exchange.message, call, want=want, got=exchange.received)


def refused(exchange: Exchange) -> FileDatasetError:
    """What a server's refusal means. Raises Declined if boto3 knows better what to do."""
    if exchange.status in _FOR_BOTO3:
        raise Redirected
    task = exchange.task
    said = refusal(exchange.status, headers(exchange.head), exchange.take_said(), task.operation)
    exchange.code = said.response["Error"]["Code"]
    error = answered(said, Call(task.url, mode=task.mode))
    if isinstance(error, UnauthenticatedError):
        # There may be other credentials by now, which boto3 looks for.
        raise Declined from error
    return error
