"""What libcurl wants to hear of, and who forks meanwhile."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from unittest import mock

import pycurl
import pytest
from tests.forking import ended, forked
from tests.support import more_open_files_than_select_sees

from file_dataset.adapters.libcurl import forks
from file_dataset.adapters.libcurl import single as module
from file_dataset.adapters.libcurl.multi import Multi
from file_dataset.adapters.libcurl.single import Single


@pytest.fixture
def multi():
    made = Multi(connections=4)
    yield made
    made.close()


@pytest.fixture
def many_files():
    with more_open_files_than_select_sees():
        yield


def test_other_files_are_listened_to(multi):
    one, other = socket.socketpair()
    with one, other:
        multi.listen(one.fileno(), lambda: one.recv(1))
        other.send(b"!")
        multi.wait(60.0)
        assert select.select([one], [], [], 0)[0] == []


def test_a_file_that_select_cannot_see_does_not_let_it_wait(many_files, multi):
    one, other = socket.socketpair()
    with one, other:
        multi.listen(one.fileno(), lambda: None)
        with mock.patch("select.select", wraps=select.select) as looked:
            multi.wait(60.0)
        *_, seconds = looked.call_args.args
        assert seconds < 1


@pytest.fixture
def server():
    """Where one connection arrives."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


@pytest.fixture
def single(server):
    made = Single()
    made.easy.setopt(pycurl.URL, f"http://127.0.0.1:{server.getsockname()[1]}/")
    made.easy.setopt(pycurl.PROXY, "")
    yield made
    made.close()


def answered(server, body):
    connection, _ = server.accept()
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)
    return connection


def test_an_answer_that_select_cannot_see_is_not_waited_for_in_vain(
    many_files, single, server, monkeypatch
):
    monkeypatch.setattr(module, "LONGEST_WAIT", 600.0)
    bodies: list[bytes] = []
    single.easy.setopt(pycurl.WRITEFUNCTION, bodies.append)
    thread = threading.Thread(target=lambda: answered(server, b"bytes").close())
    thread.start()
    single.perform()
    thread.join()
    assert b"".join(bodies) == b"bytes"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_does_not_wait_for_an_answer_but_for_what_is_done_with_it(single, server):
    bodies, inside = [], []

    def take(data):
        inside.append(forks._gate._inside)
        bodies.append(data)

    single.easy.setopt(pycurl.WRITEFUNCTION, take)
    thread = threading.Thread(target=single.perform)
    thread.start()
    with contextlib.closing(answered(server, b"by")) as connection:
        while not bodies:
            pass
        # The rest is waited for now, outside.
        with forks._gate._changed:
            assert forks._gate._changed.wait_for(lambda: not forks._gate._inside, 10)
        assert ended(forked(lambda: True)) == [0]
        connection.sendall(b"tes")
        thread.join()
    assert b"".join(bodies) == b"bytes"
    assert set(inside) == {1}


def test_the_thread_of_an_exchange_takes_leave_of_openssl(single, server, monkeypatch):
    left = []
    monkeypatch.setattr(module, "end_thread", lambda: left.append(threading.get_ident()))
    single.easy.setopt(pycurl.WRITEFUNCTION, lambda _: None)
    thread = threading.Thread(target=single.perform)
    thread.start()
    answered(server, b"bytes").close()
    thread.join()
    assert left == [thread.ident]


def test_what_failed_is_told_as_libcurl_tells_it(single, server):
    thread = threading.Thread(target=lambda: answered(server, b"by").close())
    thread.start()
    single.easy.setopt(pycurl.WRITEFUNCTION, lambda _: None)
    with pytest.raises(pycurl.error) as caught:
        single.perform()
    thread.join()
    assert caught.value.args[0] == pycurl.E_PARTIAL_FILE
    assert forks._gate._inside == 0
