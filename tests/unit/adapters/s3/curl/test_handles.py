"""libcurl's handles against a server that is this test's own hand."""

from __future__ import annotations

import contextlib
import gc
import select
import socket
import weakref
from typing import Any

import pycurl
import pytest
from tests.support import open_files

from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.handles import Handles
from file_dataset.adapters.s3.curl.network import Network

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbytes"


class Server:
    """Where requests arrive; the test answers them."""

    def __init__(self, stack):
        self._stack = stack
        self._listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"

    def accept(self):
        self._listening.settimeout(10)
        connection, _ = self._listening.accept()
        self._stack.enter_context(connection)
        connection.settimeout(10)
        return connection


@pytest.fixture
def server():
    with contextlib.ExitStack() as stack:
        yield Server(stack)


@pytest.fixture
def handles():
    made = Handles(Network({pycurl.PROXY: "", pycurl.CONNECTTIMEOUT_MS: 10_000}), connections=4)
    yield made
    made.close()


def exchange(method="GET", **more) -> Exchange:
    task: Any = object()
    return Exchange(task, method, **more)


def started(handles, server, *exchanges):
    """The connections on which the requests have arrived."""
    connections = []
    for each in exchanges:
        handles.start(each, server.url, ["X-Test: 1", "Expect:"])
        list(handles.wait(0))
        connection = server.accept()
        until(handles, lambda connection=connection: readable(connection))
        connection.recv(65_536)
        connections.append(connection)
    return connections


def readable(connection):
    return bool(select.select([connection], [], [], 0)[0])


def until(handles, holds):
    """What ends until something holds; each wait is short, so that nothing hangs."""
    ended = []
    for _ in range(2_000):
        ended += list(handles.wait(0.01))
        if holds():
            return ended
    raise AssertionError("it never came to that")


def finished(handles):
    return until(handles, lambda: not len(handles))


def test_an_answer_is_told(handles, server):
    asked = exchange()
    (connection,) = started(handles, server, asked)
    assert len(handles) == 1
    connection.sendall(OK)
    (ended,) = finished(handles)

    assert (ended, ended.fault, asked.status) == (asked, 0, 200)
    assert b"".join(asked.said) == b"bytes"
    assert asked.head[0] == b"HTTP/1.1 200 OK\r\n"
    assert asked.latency > 0


def test_a_fault_is_told(handles, server):
    asked = exchange()
    (connection,) = started(handles, server, asked)
    connection.sendall(OK[:-1])
    connection.close()
    (ended,) = finished(handles)

    assert (ended, ended.fault) == (asked, pycurl.E_PARTIAL_FILE)
    assert ended.message


def test_a_connection_is_used_again(handles, server):
    (connection,) = started(handles, server, exchange())
    for _ in range(3):
        connection.sendall(OK)
        finished(handles)
        handles.start(exchange("HEAD"), server.url, [])
        until(handles, lambda: readable(connection))
        assert connection.recv(65_536).startswith(b"HEAD / HTTP/1.1\r\n")
        connection.sendall(OK[:-5])
        finished(handles)
        handles.start(exchange(), server.url, [])
        until(handles, lambda: readable(connection))
        assert connection.recv(65_536).startswith(b"GET / HTTP/1.1\r\n")


def test_a_body_is_sent_and_again_if_the_connection_was_closed_meanwhile(handles, server):
    (connection,) = started(handles, server, exchange())
    connection.sendall(OK)
    finished(handles)
    asked = exchange("PUT", body=b"some bytes")
    handles.start(asked, server.url, ["Expect:"])
    until(handles, lambda: readable(connection))
    # Unread, and closed with no answer: libcurl takes another connection.
    connection.close()
    again = None
    while again is None:
        list(handles.wait(0.01))
        with contextlib.suppress(TimeoutError):
            server._listening.settimeout(0.01)
            again, _ = server._listening.accept()
    with again:
        until(handles, lambda: readable(again))
        assert again.recv(65_536).endswith(b"\r\n\r\nsome bytes")
        again.sendall(OK)
        (ended,) = finished(handles)
    assert (ended.fault, asked.status) == (0, 200)


@pytest.mark.parametrize(
    ("method", "body"), [("PUT", b"some bytes"), ("POST", b"some bytes"), ("POST", b"")]
)
def test_what_is_sent_once_is_not_sent_again(handles, server, method, body):
    asked = exchange(method, body=body, once=True)
    (connection,) = started(handles, server, asked)
    connection.sendall(OK)
    finished(handles)
    asked = exchange(method, body=b"some bytes", once=True)
    handles.start(asked, server.url, ["Expect:"])
    until(handles, lambda: readable(connection))
    connection.close()
    (ended,) = finished(handles)

    # The server may have done what it was told before it closed the connection.
    assert ended.fault == pycurl.E_SEND_FAIL_REWIND
    assert not readable(server._listening)


@pytest.mark.parametrize("body", [b"", b"some bytes"])
def test_a_post_says_how_long_it_is_and_not_that_it_comes_from_a_form(handles, server, body):
    asked = exchange("POST", body=body)
    handles.start(asked, server.url, ["Expect:"])
    list(handles.wait(0))
    connection = server.accept()
    until(handles, lambda: readable(connection))
    head, _, sent = connection.recv(65_536).partition(b"\r\n\r\n")

    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
    assert b"content-type" not in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert sent == body


def test_a_delete_has_no_body_and_an_answer(handles, server):
    asked = exchange("DELETE")
    (connection,) = started(handles, server, asked)
    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    (ended,) = finished(handles)
    assert (ended.fault, asked.status) == (0, 204)

    refused = exchange("DELETE")
    handles.start(refused, server.url, [])
    until(handles, lambda: readable(connection))
    assert connection.recv(65_536).startswith(b"DELETE / HTTP/1.1\r\n")
    connection.sendall(OK.replace(b"200 OK", b"404 No"))
    finished(handles)
    assert (refused.status, refused.take_said()) == (404, b"bytes")


def test_what_ends_together_may_be_stopped_by_the_first(handles, server):
    asked = [exchange() for _ in range(3)]
    connections = started(handles, server, *asked)
    for connection in connections:
        connection.sendall(OK)
    ended: list[Exchange] = []
    while not ended:
        # All three are there before the first is looked at.
        select.select(connections, [], [], 0.05)
        for each in handles.wait(0.1):
            ended.append(each)
            for other in asked:
                handles.stop(other)

    assert len(ended) == 1
    assert len(handles) == 0
    assert list(handles.wait(0)) == []


def test_bodies_are_let_go_of(handles, server):
    class Taking(bytearray):
        def take(self, _, data):
            self.extend(data)

    taking, sent = Taking(), Taking(b"some bytes")
    seen = [weakref.ref(taking), weakref.ref(sent)]
    asked = [exchange(take=taking.take), exchange("PUT", body=memoryview(sent))]
    for connection in started(handles, server, *asked):
        connection.sendall(OK)
    finished(handles)
    assert taking == b"bytes"
    del asked, taking, sent
    gc.collect()

    assert [reference() for reference in seen] == [None, None]


@pytest.mark.parametrize("is_answered", [False, True], ids=["silent", "answered"])
def test_reads_are_broken_off_at_once(handles, server, is_answered):
    asked = [exchange(), exchange("HEAD")]
    connections = started(handles, server, *asked)
    if is_answered:
        connections[0].sendall(OK[:-2])
        until(handles, lambda: asked[0].said)
    handles.stop_all()

    assert len(handles) == 0
    assert all(connection.recv(1) == b"" for connection in connections)


def test_writes_that_the_server_has_are_waited_for(handles, server):
    asked = exchange("PUT", body=b"some bytes")
    (connection,) = started(handles, server, asked)
    connection.sendall(OK)
    handles.stop_all()

    assert (len(handles), asked.status) == (0, 200)


def test_writes_that_the_server_has_only_in_part_are_broken_off(handles, server):
    asked = exchange("PUT", body=bytes(2**26))
    (connection,) = started(handles, server, asked)
    handles.stop_all()

    assert (len(handles), asked.status) == (0, 0)
    while connection.recv(2**20):
        pass


def test_a_hung_transfer_ends_by_its_timeout_and_costs_no_turns(server):
    settings = {pycurl.PROXY: "", pycurl.LOW_SPEED_LIMIT: 1, pycurl.LOW_SPEED_TIME: 1}
    handles = Handles(Network(settings), connections=4)
    connections = started(handles, server, exchange())
    connections[0].sendall(OK[:-2])
    turns, ended = 0, []
    while len(handles):
        turns += 1
        ended += list(handles.wait(60.0))
    handles.close()

    assert [each.fault for each in ended] == [pycurl.E_OPERATION_TIMEDOUT]
    # libcurl looks once or twice a second; a loop that does not wait would have many thousand.
    assert turns < 50


def test_a_ring_ends_a_wait_and_never_waits_itself(handles):
    for _ in range(70_000):
        handles.ring()
    while readable(handles._alarm):
        assert list(handles.wait(60.0)) == []
    handles.ring()
    assert list(handles.wait(60.0)) == []


def test_nothing_stays_open(server):
    gc.collect()
    before = open_files()
    for is_closed in (True, False):
        handles = Handles(Network({pycurl.PROXY: ""}), connections=4)
        with started(handles, server, exchange())[0] as connection:
            connection.sendall(OK)
            finished(handles)
        if is_closed:
            handles.close()
        del handles
        gc.collect()
    assert open_files() <= before
