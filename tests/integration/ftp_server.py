"""An FTP server of a directory, in a process of its own."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

USER, PASSWORD = "tests", "hush"


@contextlib.contextmanager
def ftp_server(root: Path) -> Iterator[int]:
    """A server of what is below a directory, until the context ends; gives its port."""
    with subprocess.Popen(
        [sys.executable, __file__, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the server did not start"
        yield int(port)
        process.terminate()


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
