"""Pieces that lie together are read together, each of them once and whole."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.coalescing import AT_ONCE, GAP, SPAN, Piece, Stretch, batches, stretches
from file_dataset.domain.url import Url

SHARD = Url.parse("s3://bucket/shard.tar")

pieces = st.lists(
    st.tuples(
        st.integers(0, 50) | st.integers(0, 4 * SPAN), st.integers(1, 5000) | st.just(2 * SPAN)
    ),
    max_size=30,
).map(lambda places: [Piece(*place, n) for n, place in enumerate(places)])


@given(pieces)
def test_every_piece_is_in_one_stretch_and_no_stretch_is_larger_than_it_may_be(wanted):
    found = list(stretches(SHARD, wanted))
    assert sorted(piece for each in found for piece in each.pieces) == sorted(wanted)
    for each in found:
        assert each.start == min(piece.start for piece in each.pieces)
        assert each.stop == max(piece.start + piece.length for piece in each.pieces)
        assert len(each.pieces) == 1 or each.stop - each.start <= SPAN
        assert each.span.stop == each.stop


@given(pieces)
def test_neighbours_are_not_asked_for_apart(wanted):
    found = list(stretches(SHARD, wanted))
    for one, other in itertools.pairwise(found):
        first = min(other.pieces)
        too_far = first.start - one.stop > GAP
        too_large = max(one.stop, first.start + first.length) - one.start > SPAN
        assert too_far or too_large


@given(st.lists(st.integers(1, AT_ONCE + 10), max_size=20))
def test_batches_fit_into_memory(lengths):
    wanted = [Stretch(SHARD, 0, length) for length in lengths]
    found = list(batches(wanted))
    assert [each for batch in found for each in batch] == wanted
    for batch in found:
        assert len(batch) == 1 or sum(each.stop for each in batch) <= AT_ONCE
