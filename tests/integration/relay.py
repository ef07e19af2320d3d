"""What goes over the wire, counted in between, whoever sends it."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator

_request = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) \S+ HTTP/1\.1\r\n")
_head = re.compile(rb"HTTP/1\.1 \d{3} [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")
_LONGEST_LINE = 4096


class Relay:
    """Hands on connections to a server, and counts requests, and bytes of bodies."""

    def __init__(self, endpoint: str) -> None:
        host, _, port = endpoint.rpartition("/")[2].partition(":")
        self._server = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self._counting = threading.Lock()
        self.methods: Counter[str] = Counter()
        self.received = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    @property
    def requests(self) -> int:
        return self.methods.total()

    def forget(self) -> None:
        self.methods.clear()
        self.received = 0

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                self._held += [client, server]
                for ends in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_asking: bool) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                with self._counting:
                    rest = self._count(rest + data) if is_asking else b""
                    # A head comes in one piece: a server sends it so.
                    self.received += 0 if is_asking else len(_head.sub(b"", data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _count(self, said: bytes) -> bytes:
        """Count the requests that begin in some bytes; gives what the next ones go on with."""
        end = 0
        for found in _request.finditer(said):
            self.methods[found[1].decode()] += 1
            end = found.end()
        return said[max(end, len(said) - _LONGEST_LINE) :]

    def refuse(self) -> None:
        """Let nobody in any more."""
        self._listening.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Break off all connections, of which none is added any more."""
        self._listening.close()
        for each in self._held:
            # Closing alone does not wake who waits in recv().
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextlib.contextmanager
def relay(endpoint: str) -> Iterator[Relay]:
    """A relay to the server at an endpoint, until the context ends."""
    relay = Relay(endpoint)
    thread = threading.Thread(target=relay.serve, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.refuse()
        thread.join()
        relay.close()
