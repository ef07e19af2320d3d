"""An FTP server of a directory, in a process of its own."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

USER, PASSWORD = "tests", "hush"


@contextlib.contextmanager
def ftp_server(root: Path) -> Iterator[int]:
    """A server of what is below a directory, until the context ends; gives its port."""
    # Not by the server itself, which is a program and has no such path.
    from tests.integration.own_process import serving

    with serving(__file__, str(root)) as port:
        yield port


def main() -> None:
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import ThreadedFTPServer

    logging.basicConfig(level=logging.ERROR)
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, sys.argv[1], perm="elradfmwMT")
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer, "tcp_no_delay": True})
    server = ThreadedFTPServer(("127.0.0.1", 0), handler)
    sys.stdout.write(f"{server.address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
