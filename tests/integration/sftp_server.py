"""An SFTP server of a directory, in a process of its own."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

USER, PASSWORD = "tests", "hush"


@contextlib.contextmanager
def sftp_server(root: Path) -> Iterator[int]:
    """A server of what is below a directory, until the context ends; gives its port."""
    # Not by the server itself, which is a program and has no such path.
    from tests.integration.own_process import serving

    with serving(__file__, str(root)) as port:
        yield port


def _door(paramiko: Any) -> type:
    """Who may come in."""

    def check_auth_password(_: object, username: str, password: str) -> Any:
        is_known = (username, password) == (USER, PASSWORD)
        return paramiko.AUTH_SUCCESSFUL if is_known else paramiko.AUTH_FAILED

    def check_channel_request(*_: object) -> Any:
        return paramiko.OPEN_SUCCEEDED

    ways = {f.__name__: f for f in (check_auth_password, check_channel_request)}
    return type("Door", (paramiko.ServerInterface,), ways)


def _files(paramiko: Any, root: Path) -> type:
    """What is done to the files."""

    def at(path: str) -> Path:
        return Path(root, os.path.normpath(f"/{path}").lstrip("/"))

    def described(status: os.stat_result, name: str = "") -> Any:
        return paramiko.SFTPAttributes.from_stat(status, name)

    def answering(act: Callable[..., Any]) -> Callable[..., Any]:
        def answer(_: object, *args: Any) -> Any:
            try:
                found = act(*args)
            except OSError as error:
                return paramiko.SFTPServer.convert_errno(error.errno)
            return paramiko.SFTP_OK if found is None else found

        return answer

    def opened(path: str, flags: int, _: object) -> Any:
        handle = paramiko.SFTPHandle(flags)
        mode = "r+b" if flags & (os.O_WRONLY | os.O_RDWR) else "rb"
        file = os.fdopen(os.open(at(path), flags, 0o600), mode, buffering=0)
        handle.readfile = handle.writefile = file
        handle.stat = lambda: described(os.fstat(file.fileno()))
        return handle

    def renamed(old: str, new: str) -> None:
        if at(new).exists():
            raise FileExistsError(errno.EEXIST, "it is there")
        at(old).rename(at(new))

    def removed(path: str) -> None:
        if stat.S_ISDIR(at(path).stat().st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        at(path).unlink()

    return type(
        "Files",
        (paramiko.SFTPServerInterface,),
        {
            "open": answering(opened),
            "stat": answering(lambda path: described(at(path).stat())),
            "lstat": answering(lambda path: described(at(path).lstat())),
            "list_folder": answering(
                lambda path: [described(each.lstat(), each.name) for each in at(path).iterdir()]
            ),
            "remove": answering(removed),
            "mkdir": answering(lambda path, _: at(path).mkdir()),
            "rmdir": answering(lambda path: at(path).rmdir()),
            "rename": answering(renamed),
            "posix_rename": answering(lambda old, new: os.replace(at(old), at(new))),  # noqa: PTH105
            "chattr": answering(lambda *_: None),
        },
    )


def main() -> None:
    import paramiko

    logging.basicConfig(level=logging.CRITICAL)
    key, door = paramiko.ECDSAKey.generate(), _door(paramiko)
    files = _files(paramiko, Path(sys.argv[1]))

    def serve(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(key)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, files)
        with contextlib.suppress(paramiko.SSHException, EOFError):
            transport.start_server(server=door())

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
