from __future__ import annotations

from tests.unit.adapters.s3.curl.simulated import PLACE, URL

from file_dataset.adapters.s3.curl.exchange import Exchange
from file_dataset.adapters.s3.curl.signing import EMPTY
from file_dataset.adapters.s3.curl.tasks import Describe

TASK = Describe(URL, PLACE)


def test_what_is_said_is_kept_unless_somebody_takes_it():
    taken: list[bytes] = []
    keeping = Exchange(TASK, "GET")
    passing = Exchange(TASK, "GET", lambda _, piece: taken.append(piece))
    for exchange in (keeping, passing):
        # None is what libcurl takes for "all of it".
        assert [exchange.receive(piece) for piece in (b"some", b"thing")] == [None, None]

    assert keeping.said == taken == [b"some", b"thing"]
    assert passing.said == []


def test_what_was_said_is_taken_once():
    exchange = Exchange(TASK, "GET")
    exchange.receive(b"some")
    exchange.receive(b"thing")

    assert exchange.take_said() == b"something"
    assert exchange.take_said() == b""


def test_an_exchange_that_begins_anew_has_no_answer_and_takes_another():
    exchange = Exchange(TASK, "GET")
    exchange.head.append(b"HTTP/1.1 503 Slow Down\r\n")
    exchange.receive(b"slow")
    exchange.status = 503
    exchange.begin_anew()
    exchange.receive(b"down")

    assert (exchange.head, exchange.status) == ([], 0)
    assert exchange.take_said() == b"down"


def test_a_request_without_a_body_is_signed_as_one():
    exchange = Exchange(TASK, "GET")

    assert exchange.body is None
    assert exchange.status == 0
    assert exchange.payload == EMPTY
