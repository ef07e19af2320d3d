from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3.carried import Carried, Declined
from file_dataset.adapters.s3.curl.apart import Apart
from file_dataset.domain.errors import NotFoundError, TransientError
from file_dataset.domain.requests import Abort, Complete, Draft, Prepared, Read
from file_dataset.domain.url import Url

ROOT = Url.parse("s3://bucket/row")
DRAFT = Draft(ROOT, "attempt")
BOTO3S = Declined()
LASTING, PASSING = NotFoundError("gone"), TransientError("a moment")

kinds = st.one_of(st.just(Read), st.tuples(st.sampled_from([Complete, Abort]), st.integers(1, 4)))


def made(kind):
    if kind is Read:
        return Read(ROOT)
    verb, size = kind
    return verb([Prepared(ROOT.joined(f"{n}"), f"{n}", DRAFT) for n in range(size)])


def parts_of(request):
    """What libcurl is to do for a request, one object each."""
    return [request] if isinstance(request, Read) else [type(request)(p) for p in request.prepared]


@given(st.lists(kinds, max_size=8), st.randoms(), st.data())
def test_every_request_gets_one_result_of_all_its_objects(given_kinds, shuffle, data):
    batch = [made(kind) for kind in given_kinds]
    apart = Apart(batch)
    expected = [(index, part) for index, request in enumerate(batch) for part in parts_of(request)]
    assert list(apart.requests) == [part for _, part in expected]

    values = data.draw(
        st.lists(
            st.sampled_from([None, None, BOTO3S, LASTING, PASSING]),
            min_size=len(expected),
            max_size=len(expected),
        )
    )
    order = list(range(len(expected)))
    random.Random(shuffle.random()).shuffle(order)
    results = {}
    for position, number in enumerate(order):
        carried = apart.together(Carried(number, values[number]))
        if carried is not None:
            assert carried.index not in results
            results[carried.index] = carried.value
            # Nothing is told of a request before all of it is done.
            left = {expected[later][0] for later in order[position + 1 :]}
            assert carried.index not in left

    assert results.keys() == set(range(len(batch)))
    for index, value in results.items():
        told = [values[n] for n, (owner, _) in enumerate(expected) if owner == index]
        worst = next((each for each in (BOTO3S, PASSING, LASTING) if each in told), None)
        assert value is worst
