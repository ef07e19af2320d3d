"""What a server's refusal of an exchange means."""

from __future__ import annotations

from typing import Final

from file_dataset.adapters.s3.answers import answered
from file_dataset.adapters.s3.calls import Call
from file_dataset.adapters.s3.carried import Declined, Redirected
from file_dataset.adapters.s3.curl.answers import headers, refusal
from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.domain.errors import FileDatasetError, UnauthenticatedError

# Answers to which boto3 knows the remedy, or the right words.
_FOR_BOTO3: Final = frozenset({301, 302, 303, 305, 307, 308, 400})


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
