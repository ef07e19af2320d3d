"""Listings in parts: every key once, whatever keys there are, and not many requests more."""

import random
from bisect import bisect_right
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3 import lanes as module
from file_dataset.adapters.s3.lanes import MOST, Lanes, cuts
from file_dataset.adapters.s3.values import Page
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url

PAGE = 5


@pytest.fixture(autouse=True)
def short_pages(monkeypatch):
    monkeypatch.setattr(module, "_PAGE", PAGE)
    monkeypatch.setattr(module, "_LONG", 3 * PAGE)


class Server:
    """Keys that are listed a page at a time; the token is the last key that was given."""

    def __init__(self, keys, *, in_order=True, begins_behind=True):
        self.keys = sorted(keys) if in_order else list(keys)
        self.begins_behind = begins_behind
        self.requests = 0
        self.rounds = 0

    def page(self, lane, latency):
        self.requests += 1
        if lane.token:
            start = self.keys.index(lane.token) + 1
        elif self.begins_behind:
            start = bisect_right(self.keys, lane.behind)
        else:
            start = 0
        keys = self.keys[start : start + PAGE]
        is_last = start + PAGE >= len(self.keys)
        objects = [ObjectInfo(Url("s3", "bucket", key), 1) for key in keys]
        return Page(objects, [], latency), "" if is_last else keys[-1]

    def listed(self, lanes, *, shuffled=None, latency=1.0, pages=10**6):
        found: list[str] = []
        while asked := lanes.asked():
            self.rounds += 1
            assert len(asked) <= MOST
            asked = list(asked)
            if shuffled is not None:
                shuffled.shuffle(asked)
            for lane in asked:
                if pages == 0:
                    return found
                pages -= 1
                page = lanes.take(lane, *self.page(lane, latency))
                found += [each.url.key for each in page.objects]
        return found


texts = st.text("/-0149AZafz~é", min_size=1, max_size=6)
orders = st.randoms(use_true_random=False)


@st.composite
def many(draw):
    """Keys of a few characters, up to 120 of them."""
    chance = draw(orders)
    alphabet = draw(st.sampled_from(["/-0149AZafz~é", "01", "0123456789abcdef"]))
    return {
        "".join(chance.choices(alphabet, k=chance.randint(1, 8)))
        for _ in range(chance.randint(0, 120))
    }


@given(keys=many(), order=orders, stem=st.sampled_from(["", "a/", "z0/scan-"]))
def test_every_key_is_given_once_whatever_comes_first(keys, order, stem):
    server = Server({stem + key for key in keys})
    found = server.listed(Lanes(stem), shuffled=order)
    assert sorted(found) == server.keys
    assert server.requests <= 1 + len(keys) // PAGE * 3 // 2 + 16 + MOST


@given(keys=many(), order=orders, in_order=st.booleans(), begins_behind=st.booleans())
def test_servers_without_an_order_or_a_place_to_begin_are_listed_page_by_page(
    keys, order, in_order, begins_behind
):
    keys = sorted(keys)
    order.shuffle(keys)
    server = Server(keys, in_order=in_order, begins_behind=begins_behind)
    found = server.listed(Lanes(""), shuffled=order)
    assert sorted(found) == sorted(keys)


@given(keys=many(), order=orders, pages=st.integers(0, 40))
def test_what_is_left_is_what_has_not_come(keys, order, pages):
    server, lanes = Server(keys), Lanes("")
    found = server.listed(lanes, shuffled=order, pages=pages)
    for after, until in lanes.left():
        found += [key for key in keys if key > after and (until is None or key <= until)]
    assert sorted(found) == sorted(keys)


SHAPES = {
    "counted": [f"scans/{number:06}.mha" for number in range(2000)],
    "in directories": [f"{d:02}/image-{n:04}.mha" for d in range(40) for n in range(50)],
    "digests": [f"{random.Random(n).getrandbits(64):016x}" for n in range(2000)],
    "dates": [
        f"2024/{month:02}/{day:02}/{number:03}"
        for month, day, number in product(range(1, 13), range(1, 29), range(6))
    ],
    "names": [f"raw/{a}{b}{number}" for a, b, number in product("abcdefghij", "xyz", range(70))],
}


@pytest.mark.parametrize("keys", SHAPES.values(), ids=list(SHAPES))
def test_usual_keys_take_far_fewer_waits_and_few_more_requests(keys):
    server = Server(keys)
    stem = keys[0][: keys[0].rfind("/") + 1] if keys[0].startswith(("scans", "raw")) else ""
    assert len(server.listed(Lanes(stem))) == len(keys)
    pages = len(keys) // PAGE
    assert server.rounds < pages / 2.5
    assert server.requests < 1.5 * pages + 20


def test_where_pages_come_soon_and_where_they_are_few_nothing_is_cut():
    server = Server(SHAPES["counted"])
    server.listed(Lanes("scans/"), latency=0.001)
    assert (server.requests, server.rounds) == (400, 400)
    server = Server(SHAPES["counted"][: 3 * PAGE])
    server.listed(Lanes("scans/"))
    assert server.requests == 3


@given(after=texts, until=st.none() | texts, depth=st.integers(0, 6), most=st.integers(1, 9))
def test_cuts_lie_between_in_order(after, until, depth, most):
    found = cuts(after, until, min(depth, len(after)), most)
    assert found == sorted(set(found))
    assert len(found) <= most
    assert all(after < each and (until is None or each < until) for each in found)
