"""libcurl as the engine of S3Store: processes, threads, limits and what is left over."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.forking import ended, forked
from tests.integration.static_server import static_server
from tests.support import more_open_files_than_select_sees

from file_dataset.domain.errors import StoreError
from file_dataset.domain.outcomes import Done, Failed
from file_dataset.domain.requests import Read, Stat, Write
from file_dataset.domain.url import Url

# Over plain HTTP its hash is made by a thread for that, where there is a second core.
HASHED_APART = bytes(2**18)

forks = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(scope="module")
def static():
    with static_server() as server:
        yield server


@pytest.fixture(scope="module")
def static_tls(tls):
    with static_server(tls=tls) as server:
        yield server


@pytest.fixture(params=["plain", "TLS"])
def server(request):
    return request.getfixturevalue("static" if request.param == "plain" else "static_tls")


def urls_of(name, number):
    return [Url("s3", "bucket", f"{name}/{each}") for each in range(number)]


def wrong(store, name, number=300):
    """How many of so many objects have not come as they are."""
    outcomes = list(store.run([Read(url) for url in urls_of(name, number)]))
    return number - sum(is_right(name, outcome) for outcome in outcomes)


def is_right(name, outcome):
    return isinstance(outcome, Done) and outcome.value == f"{name}/{outcome.index}".encode()


def middling(url):
    """What is in an object that is large enough to be hashed by a thread for that."""
    return f"{url}\n".encode() * (2**18 // len(f"{url}\n") + 1)


def fork(name, store):
    """A child that reads, and ends with 0 if nothing was wrong."""

    def reads() -> bool:
        found = wrong(store, name)
        # As any program ends: everything that it has is let go of, but for what other tests
        # have left, which is none of its business.
        gc.collect()
        return not found

    return forked(reads)


def read_in_child(store, name, answers):
    answers.put(wrong(store, name))


@pytest.fixture
def left_alone():
    """What there is already is not looked at when children let go of what is no longer used."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("left_alone")
class TestProcesses:
    @forks
    @pytest.mark.parametrize("is_used", [False, True], ids=["not used", "used"])
    def test_forked_children_and_the_parent_read_right(self, server, is_used):
        with server.store(max_in_flight=24) as store:
            if is_used:
                assert wrong(store, "before") == 0
            children = [fork(f"child-{number}", store) for number in range(3)]
            assert wrong(store, "meanwhile") == 0
            assert ended(*children) == [0, 0, 0]
            assert wrong(store, "after") == 0

    @forks
    def test_children_leave_the_connections_of_the_parent_alone(self, server):
        with server.store(max_in_flight=24) as store:
            assert wrong(store, "before") == 0
            opened = server.counts.accepted
            for number in range(3):
                assert ended(fork(f"child-{number}", store)) == [0]
            closed = server.counts
            assert wrong(store, "after") == 0
            assert server.counts.accepted == closed.accepted
            assert closed.accepted > opened

    @forks
    def test_children_of_threads_at_work_read_right(self, server):
        stop = threading.Event()
        found: list[int] = []
        with server.store(max_in_flight=24) as store:

            def read_on():
                while not stop.is_set():
                    found.append(wrong(store, "on and on"))

            reading = threading.Thread(target=read_on)
            reading.start()
            try:
                assert ended(*[fork(f"child-{number}", store) for number in range(4)]) == [0] * 4
            finally:
                stop.set()
                reading.join()
        assert not any(found)

    @forks
    def test_children_of_a_loop_over_outcomes_read_right(self, server):
        with server.store(max_in_flight=24) as store:
            requests = [Read(url) for url in urls_of("loop", 1_500)]
            children = []
            right = 0
            for number, outcome in enumerate(store.run(requests)):
                if number in (0, 700, 1_400):
                    children.append(fork(f"child-{number}", store))
                right += is_right("loop", outcome)
            assert ended(*children) == [0, 0, 0]
            assert right == 1_500

    @forks
    def test_a_child_does_not_wait_for_outcomes_of_its_parent(self, static):
        def is_refused() -> bool:
            with contextlib.suppress(RuntimeError):
                list(outcomes)
                return False
            return True

        with static.store(max_in_flight=24) as store:
            outcomes = store.run([Read(url) for url in urls_of("loop", 3_000)])
            next(outcomes)
            child = forked(is_refused)
            assert ended(child) == [0]
            assert sum(is_right("loop", outcome) for outcome in outcomes) == 2_999

    @forks
    def test_children_of_uploads_under_way_write_right(self, rclone_s3):
        def written(process):
            urls = urls_in(process)
            for outcome in store.run([Write(url, middling(url)) for url in urls]):
                yield isinstance(outcome, Done)

        def urls_in(process):
            return [bucket.joined(f"{process}/{each}") for each in range(40)]

        def child_writes() -> bool:
            is_right = all(written(os.getpid()))
            gc.collect()
            return is_right

        bucket = rclone_s3.make_bucket()
        with rclone_s3.store(engine="curl", max_in_flight=24) as store:
            children = []
            for count, is_right in enumerate(written(0)):
                assert is_right
                if count in (0, 20, 39):
                    children.append(forked(child_writes))
            assert ended(*children) == [0, 0, 0]
            for process in (0, *children):
                for url in urls_in(process):
                    assert rclone_s3.path_of(url).read_bytes() == middling(url)

    @pytest.mark.parametrize("how", ["spawn", "forkserver"])
    @pytest.mark.parametrize("is_used", [False, True], ids=["not used", "used"])
    def test_children_with_an_interpreter_of_their_own_read_right(self, server, how, is_used):
        context = multiprocessing.get_context(how)
        answers = context.SimpleQueue()
        with server.store(max_in_flight=24) as store:
            if is_used:
                assert wrong(store, "before") == 0
            child = context.Process(target=read_in_child, args=(store, how, answers))
            child.start()
            assert wrong(store, "meanwhile") == 0
            child.join(60)
            assert (child.exitcode, answers.get()) == (0, 0)

    def test_threads_read_right(self, server):
        with server.store(max_in_flight=24) as store, ThreadPoolExecutor(8) as threads:
            found = threads.map(lambda number: wrong(store, f"thread-{number}", 100), range(16))
            assert not any(found)


def threads_of_the_engine():
    return [each for each in threading.enumerate() if each.name.startswith("file_dataset.curl")]


def busy(store):
    """How many exchanges are under way on the connections that wait for the next batch."""
    engine = store.options._client.made[1].engines._made._engine
    return [len(handles) for handles in engine._idle]


def open_files():
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - their number is all that counts


class TestWhatIsLeft:
    @pytest.mark.parametrize("taken", [0, 1, 150, 200])
    @pytest.mark.parametrize(
        "verb",
        [Read, Stat, lambda url: Write(url, b"some bytes"), lambda url: Write(url, HASHED_APART)],
        ids=["read", "stat", "write", "write what is hashed apart"],
    )
    def test_a_batch_that_is_closed_early_leaves_nothing(self, server, taken, verb):
        before = server.counts.accepted
        with server.store(max_in_flight=32) as store:
            for _ in range(2):
                outcomes = store.run([verb(url) for url in urls_of("closed", 200)])
                for _ in range(taken):
                    next(outcomes)
                outcomes.close()
                assert threads_of_the_engine() == []
                assert not any(busy(store) if taken else [])
            assert wrong(store, "after", 200) == 0
            if taken == 200:
                assert server.counts.accepted - before <= 32

    def test_connections_are_kept_from_batch_to_batch(self, server):
        before = server.counts.accepted
        with server.store(max_in_flight=64) as store:
            assert wrong(store, "one", 200) + wrong(store, "two", 200) == 0
            assert server.counts.accepted - before <= 64

    def test_open_files_stay_as_many(self, static):
        # How many more connections are opened goes by how slow the server is at that moment.
        with static.store(max_in_flight=64) as store:
            assert wrong(store, "first") == 0
            before = open_files()
            for number in range(50):
                assert wrong(store, f"{number}", 100) == 0
            assert open_files() <= before
            store.close()
            assert open_files() <= before - 64

    def test_stores_that_nobody_closes_close_their_connections(self, static):
        assert wrong(static.store(), "first") == 0
        gc.collect()
        before = open_files()
        for number in range(3):
            assert wrong(static.store(), f"{number}", 50) == 0
            gc.collect()
        assert open_files() <= before

    def test_more_files_may_be_open_than_select_can_see(self, static):
        with more_open_files_than_select_sees(), static.store() as store:
            assert wrong(store, "above") == 0


class TestLimits:
    @pytest.mark.parametrize("limiter", ["bucket", "second"])
    @pytest.mark.parametrize("verb", [Read, Stat, lambda url: Write(url, b"some bytes")])
    def test_nothing_fails_at_a_server_that_allows_so_many_a_second(self, limiter, verb):
        with static_server(rate=500, limiter=limiter) as server, server.store() as store:
            outcomes = list(store.run([verb(url) for url in urls_of("slow", 1_000)]))
            counts = server.counts
        assert [outcome for outcome in outcomes if isinstance(outcome, Failed)] == []
        assert counts.served == len(outcomes) == 1_000
        assert counts.refused <= 0.5 * counts.served


class TestTLS:
    def test_who_is_not_trusted_is_told_so_at_once(self, rclone_s3_tls):
        bucket = rclone_s3_tls.make_bucket()
        store = rclone_s3_tls.store(engine="curl", client_kwargs={"verify": None})
        with pytest.raises(
            StoreError, match="certificate of the endpoint is not trusted"
        ) as caught:
            store.read(bucket.joined("key"))
        assert not caught.value.transient
        assert caught.value.attempts == 1

    def test_who_does_not_ask_is_served(self, rclone_s3_tls):
        bucket = rclone_s3_tls.make_bucket()
        store = rclone_s3_tls.store(engine="curl", client_kwargs={"verify": False})
        store.write(bucket.joined("key"), b"some bytes")
        assert store.read(bucket.joined("key")) == b"some bytes"
