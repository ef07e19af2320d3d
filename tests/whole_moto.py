"""moto with conditions that hold among threads, in this process or as a server of its own.

It looks whether a condition holds and then writes, in two steps, between which others may write;
and what it finds to read is closed if others overwrite it before it is read.
Run as a program it is a server, which says its port and ends with its standard input.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

_writing = threading.RLock()


def make_whole() -> None:
    """Have moto look and write in one step; and uploads that are gone are missing, as in S3."""
    S3Response.put_object = _in_one_step(S3Response.put_object)  # type: ignore[method-assign]
    S3Response._key_response_get = _in_one_step(S3Response._key_response_get)  # type: ignore[method-assign]
    completed = S3Backend.complete_multipart_upload

    def complete(self: S3Backend, bucket_name: str, multipart_id: str, body: Any) -> Any:
        # It has no word for an upload that is gone, and trips over who completes it meanwhile.
        if multipart_id not in self.get_bucket(bucket_name).multiparts:
            raise NoSuchUpload(upload_id=multipart_id)
        return completed(self, bucket_name, multipart_id, body)

    S3Backend.complete_multipart_upload = complete  # type: ignore[method-assign]
    S3Response._key_response_post = _in_one_step(S3Response._key_response_post)  # type: ignore[method-assign]
    # Aborts are deletions.
    S3Response._key_response_delete = _in_one_step(S3Response._key_response_delete)  # type: ignore[method-assign]


def _in_one_step(answer: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(answer)
    def answered(*args: Any, **kwargs: Any) -> Any:
        with _writing:
            return answer(*args, **kwargs)

    return answered


def _serve() -> None:
    make_whole()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    sys.stdout.write(f"{server.get_host_and_port()[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    _serve()
