"""Pace against servers that exist as little as its clock does."""

from __future__ import annotations

import heapq
import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3.curl.pace import Pace
from file_dataset.adapters.s3.curl.rate import Rate

# What a request costs the client, of which the simulation has one.
COST = 1 / 15_000


class Bucket:
    """A server that has a token for a request now and then, and keeps a few."""

    def __init__(self, rate):
        self.rate = rate
        self._tokens = self._most = max(5.0, rate / 50)
        self._filled = 0.0

    def takes(self, now):
        self._tokens = min(self._most, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Second:
    """A server that counts from zero in each second of its clock."""

    def __init__(self, rate, *, phase=0.3):
        self.rate = rate
        self._phase = phase
        self._second, self._taken = -1, 0

    def takes(self, now):
        second = math.floor(now + self._phase)
        if second != self._second:
            self._second, self._taken = second, 0
        self._taken += 1
        return self._taken <= self.rate


class Moody:
    """A server that refuses some, whatever the rate, and perhaps others for coming too fast."""

    def __init__(self, share, limiter=None):
        self.share = share
        self._limiter = limiter
        self._random = random.Random(1)

    def takes(self, now):
        is_in_the_mood = self._random.random() >= self.share
        return is_in_the_mood and (self._limiter is None or self._limiter.takes(now))


def simulated(server, *, latency, seconds, pace=None, changes=(math.inf, 0.0), start=0.0):
    """The times at which requests were served, and those at which they were refused."""
    pace = pace or Pace(256, Rate(now=start), now=start)
    now, under_way, order = start, 0, itertools.count()
    answers: list[tuple[float, int, float, bool]] = []
    served: list[float] = []
    refused: list[float] = []
    while now < start + seconds:
        if now >= changes[0]:
            server.rate, changes = changes[1], (math.inf, 0.0)
        if answers and answers[0][0] <= now:
            _, _, sent, is_served = heapq.heappop(answers)
            under_way -= 1
            if is_served:
                pace.answered(latency, now)
            else:
                pace.throttled(sent, now)
            (served if is_served else refused).append(now)
            now += COST / 2
            continue
        wait = pace.wait(under_way, now)
        if wait == 0:
            pace.sent(now)
            reply = (now + latency, next(order), now, server.takes(now + latency / 2))
            heapq.heappush(answers, reply)
            under_way += 1
            now += COST / 2
        else:
            later = min(now + wait, answers[0][0] if answers else math.inf)
            assert later < math.inf, "it waits for ever"
            now = max(later, now + 1e-9)
    return served, refused


def between(times, start, stop):
    return sum(start <= time < stop for time in times)


limiters = st.sampled_from([Bucket, Second])
latencies = st.floats(0.0002, 0.05)


class TestLimits:
    @given(limiters, st.integers(20, 5_000), latencies)
    def test_a_server_with_a_limit_is_kept_busy(self, limiter, rate, latency):
        served, refused = simulated(limiter(rate), latency=latency, seconds=10)

        # What 256 in flight can fetch at all is less than a far server may allow.
        possible = min(rate, 0.95 * 256 / (latency + 256 * COST / 2))
        assert len(served) >= 0.8 * 10 * possible
        assert between(served, 2, 10) >= 0.8 * 8 * possible
        assert between(refused, 2, 10) <= 0.25 * between(served, 2, 10) + 30

    @pytest.mark.parametrize("latency", [0.0002, 0.05])
    @pytest.mark.parametrize("limiter", [Bucket, Second])
    @pytest.mark.parametrize(
        ("before", "after"), [(200, 2_000), (2_000, 200), (50, 5_000), (5_000, 20)]
    )
    def test_a_limit_that_changes_is_followed(self, limiter, latency, before, after):
        served, _ = simulated(limiter(before), latency=latency, seconds=15, changes=(5, after))

        assert between(served, 0, 5) >= 0.75 * 5 * before
        assert between(served, 12, 15) >= 0.75 * 3 * after

    @pytest.mark.parametrize("latency", [0.001, 0.02])
    @pytest.mark.parametrize("share", [0.001, 0.01, 0.03])
    def test_refusals_here_and_there_are_no_limit(self, latency, share):
        calm, _ = simulated(Moody(0), latency=latency, seconds=2)
        served, refused = simulated(Moody(share), latency=latency, seconds=2)

        assert refused
        assert len(served) >= 0.9 * len(calm)

    @pytest.mark.parametrize("latency", [0.001, 0.02])
    @pytest.mark.parametrize("share", [0.06, 0.1, 0.2])
    def test_as_many_refusals_at_any_rate_are_no_limit_either(self, latency, share):
        calm, _ = simulated(Moody(0), latency=latency, seconds=6)
        served, _ = simulated(Moody(share), latency=latency, seconds=6)

        # A limit is tried for two seconds, and is found to be of no use.
        assert len(served) >= 0.8 * (1 - share) * len(calm)
        assert between(served, 4, 6) >= 0.95 * (1 - share) * between(calm, 4, 6)

    @pytest.mark.parametrize("latency", [0.001, 0.02])
    def test_who_is_taken_for_overloaded_at_first_is_not_for_ever(self, latency):
        calm, _ = simulated(Moody(0), latency=latency, seconds=2)
        served, _ = simulated(Moody(0.3), latency=latency, seconds=14)

        assert between(served, 12, 14) >= 0.9 * (1 - 0.3) * len(calm)

    @pytest.mark.parametrize("limiter", [Bucket, Second])
    @pytest.mark.parametrize("rate", [300, 3_000])
    def test_a_limit_is_found_behind_them(self, limiter, rate):
        share = 0.1
        served, refused = simulated(Moody(share, limiter(rate)), latency=0.002, seconds=15)

        assert between(served, 5, 15) >= 0.75 * 10 * rate
        moods = share / (1 - share) * len(served)
        assert between(refused, 5, 15) <= 0.25 * between(served, 5, 15) + moods

    def test_that_all_is_refused_is_never_usual(self):
        rate = Rate(now=0.0)
        # Of 50 a second a fifth, so that less is sent; and then all of the few that are.
        for number in range(65):
            now = number / 50
            if number % 5:
                rate.answered(now)
            else:
                rate.throttled(now - 0.001, now)
        for number in range(8):
            now = 1.5 + 0.3 * number
            rate.throttled(now - 0.001, now)

        assert rate._usual == 0

    def test_what_was_usual_is_forgotten(self):
        rate, server = Rate(now=0.0), Moody(0.4)
        simulated(server, latency=0.002, seconds=6, pace=Pace(256, rate, now=0.0))
        server.share = 0
        simulated(server, latency=0.002, seconds=15, pace=Pace(256, rate, now=6.0), start=6.0)
        pace = Pace(256, rate, now=21.0)
        served, refused = simulated(Bucket(1_000), latency=0.002, seconds=10, pace=pace, start=21.0)

        assert len(served) >= 0.75 * 10 * 1_000
        assert between(refused, 25, 31) <= 0.2 * between(served, 25, 31)

    def test_without_refusals_there_is_no_limit(self):
        served, refused = simulated(Moody(0), latency=0.0002, seconds=1)

        assert not refused
        assert len(served) >= 0.99 / COST

    def test_batches_share_what_they_know(self):
        rate, server = Rate(now=0.0), Bucket(300)
        simulated(server, latency=0.002, seconds=5, pace=Pace(256, rate, now=0.0))
        pace = Pace(256, rate, now=5.0)
        served, refused = simulated(server, latency=0.002, seconds=1, pace=pace, start=5.0)

        assert len(served) >= 0.8 * 300
        assert len(refused) <= 0.1 * len(served)

    def test_a_limit_is_not_outgrown_while_nothing_is_sent(self):
        rate, server = Rate(now=0.0), Bucket(300)
        simulated(server, latency=0.002, seconds=5, pace=Pace(256, rate, now=0.0))
        pace = Pace(256, rate, now=1_000.0)
        answers = simulated(server, latency=0.002, seconds=0.5, pace=pace, start=1_000.0)

        assert sum(map(len, answers)) <= 1.5 * 150


class TestHopelessness:
    def test_who_is_refused_for_seconds_is_told_so(self):
        pace = Pace(256, Rate(now=0.0), now=0.0)
        answers = [pace.throttled(now, now + 0.001) for now in (0.0, 1.0, 2.0, 2.9, 3.1)]

        assert answers == [True, True, True, True, False]

    def test_one_answer_between_gives_hope(self):
        pace = Pace(256, Rate(now=0.0), now=0.0)
        pace.throttled(0.0, 0.001)
        pace.answered(0.001, 2.0)

        assert pace.throttled(3.4, 3.5)
        assert pace.served == 1

    def test_refusals_of_long_ago_do_not_count(self):
        rate = Rate(now=0.0)
        Pace(256, rate, now=0.0).throttled(0.0, 0.001)

        assert Pace(256, rate, now=100.0).throttled(100.0, 100.001)

    def test_requests_that_will_be_refused_do_not_wait_long_for_it(self):
        _, refused = simulated(Moody(1), latency=0.001, seconds=10)

        assert between(refused, 1, 3) <= 20
        assert between(refused, 5, 10) >= 5 * 100

    @pytest.mark.parametrize(("pause", "expected"), [(2.0, True), (3_600.0, False)])
    def test_a_long_pause_is_for_others_to_wait(self, pause, expected):
        pace = Pace(256, Rate(now=0.0), now=0.0)

        assert pace.throttled(0.0, 1.0, pause=pause) is expected
        assert min(pause, 2.9) <= pace.wait(0, 1.0) <= 3.1


class TestRequestsUnderWay:
    @pytest.mark.parametrize(
        ("latency", "most", "expected"),
        [
            (0.0002, 256, 64),
            (0.004, 256, 64),
            (0.01, 256, 150),
            (0.02, 256, 256),
            (0.2, 1_000, 1_000),
            (0.02, 10, 10),
        ],
    )
    def test_they_grow_with_the_distance(self, latency, most, expected):
        pace = Pace(most, Rate(now=0.0), now=0.0)
        pace.answered(latency, 0.01)

        assert pace.wait(expected - 1, 0.1) == 0
        assert pace.wait(expected, 0.1) == math.inf

    def test_they_do_not_grow_with_a_queue(self):
        pace = Pace(256, Rate(now=0.0), now=0.0)
        for number in range(2_000):
            pace.answered(0.001 if number == 0 else 0.1, number / 1_000)

        assert pace.wait(64, 2.0) == math.inf

    def test_one_lucky_answer_is_forgotten(self):
        pace = Pace(256, Rate(now=0.0), now=0.0)
        for number in range(60_000):
            pace.answered(0.001 if number == 0 else 0.02, number / 1_000)

        assert pace.wait(255, 60.0) == 0

    def test_it_tells_what_it_does(self):
        pace = Pace(256, Rate(now=0.0), now=0.0)
        assert repr(pace) == "Pace(64 at once, Rate(inf a second))"

    @pytest.mark.parametrize(
        ("latency", "enough"),
        [(0.0002, 2**21), (0.001, 2**21), (0.01, 20e6), (0.02, 40e6), (0.1, 200e6)],
    )
    def test_the_farther_a_server_is_the_more_bytes_are_on_their_way_to_it(self, latency, enough):
        pace = Pace(1024, Rate(now=0.0), now=0.0)
        assert pace.bytes_at_once == 2**21
        pace.answered(latency, 0.1)
        # 2 GB a second, and on the way for as long as an answer takes.
        assert pace.bytes_at_once == enough
