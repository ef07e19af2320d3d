"""The order of items: a permutation, fixed for ever, and shares that are whole together."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.order import share, shuffled

SMALL = st.integers(0, 60)


@given(number=SMALL, seed=st.integers(), epoch=st.integers())
def test_a_shuffle_is_a_permutation_that_seed_and_epoch_say(number, seed, epoch):
    order = shuffled(number, seed=seed, epoch=epoch)
    assert sorted(order) == list(range(number))
    assert order == shuffled(number, seed=seed, epoch=epoch)


def test_seeds_and_epochs_all_have_orders_of_their_own():
    orders = {tuple(shuffled(50, seed=n, epoch=m)) for n in range(12) for m in range(12)}
    assert len(orders) == 144


def test_every_place_is_had_by_every_item_about_as_often():
    places = [shuffled(4, seed=7, epoch=epoch).index(0) for epoch in range(400)]
    assert all(60 < places.count(place) < 140 for place in range(4))


def test_an_order_is_the_same_in_every_process():
    told = "from file_dataset.domain.order import shuffled; print(shuffled(6, seed=3, epoch=2))"
    said = subprocess.check_output([sys.executable, "-c", told], text=True)
    assert said.strip() == str(shuffled(6, seed=3, epoch=2)) == "[3, 1, 5, 0, 2, 4]"


@given(number=SMALL, of=st.integers(1, 6), block=st.integers(1, 7))
def test_shares_are_whole_blocks_in_turn(number, of, block):
    shares = [list(share(range(number), which, of, block=block)) for which in range(of)]
    assert sorted(item for each in shares for item in each) == list(range(number))
    for which, each in enumerate(shares):
        assert each == [n for n in range(number) if n // block % of == which]
    lengths = [len(each) for each in shares]
    assert max(lengths) - min(lengths) <= block
