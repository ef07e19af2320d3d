"""Loaders for ``async for``: all items, in order, and nothing left running by who leaves."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset import (
    MemoryStore,
    NotFoundError,
    Options,
    Url,
    create_async_loader,
    create_dataset,
)


def storage(number: int) -> tuple[list[str], Options]:
    """So many URLs, of objects that hold their keys."""
    memory = MemoryStore()
    urls = [Url("memory", "in", str(n)) for n in range(number)]
    for url in urls:
        memory.write(url, url.key.encode())
    return [str(url) for url in urls], Options(stores={"memory://": memory})


async def all_of(loader):
    return [item async for item in loader]


@given(
    number=st.integers(0, 20),
    shuffle=st.booleans(),
    batch_size=st.none() | st.integers(1, 6),
    drop_last=st.booleans(),
    prefetch=st.integers(1, 9),
    num_workers=st.integers(0, 3),
    epoch=st.integers(0, 2),
)
def test_it_gives_what_a_dataset_gives(number, epoch, **chosen):
    urls, options = storage(number)
    dataset = create_dataset(urls, chosen, storage=options)
    loader = create_async_loader(urls, chosen, storage=options)
    dataset.set_epoch(epoch)
    loader.set_epoch(epoch)
    expected = list(dataset) if chosen["batch_size"] is None else list(dataset.batches())
    assert asyncio.run(all_of(loader)) == expected
    assert asyncio.run(all_of(loader)) == expected


def test_what_is_missing_is_told_by_the_loop_and_never_hangs(options, put):
    for source in ("memory://nobody/", "/nonexistent", ["memory://in/gone"]):
        loader = create_async_loader(source, storage=options)
        with pytest.raises(NotFoundError, match="not found"):
            asyncio.run(asyncio.wait_for(all_of(loader), 20))


def test_items_before_an_error_are_given(options, put):
    urls = [put("memory://in/a"), put("memory://in/b"), "memory://in/c", put("memory://in/d")]

    async def main():
        items = aiter(create_async_loader(urls, storage=options))
        assert [await anext(items), await anext(items)] == [b"data"] * 2
        with pytest.raises(NotFoundError, match="in/c"):
            await anext(items)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("batch_size", "prefetch", "most"),
    [(None, 1, 1), (None, 7, 7), (2, 7, 7), (4, 8, 8), (5, 3, 5)],
)
def test_no_more_items_are_under_way_than_prefetch_says(batch_size, prefetch, most, options, store):
    urls = [f"memory://in/{n}" for n in range(40)]
    for url in urls:
        store.store.write(Url.parse(url), b"")
    chosen = {"batch_size": batch_size, "prefetch": prefetch, "num_workers": 2}
    under_way = []

    async def main():
        had = 0
        async for item in create_async_loader(urls, chosen, storage=options):
            # Those of the batch that is given now were under way until now.
            under_way.append(len(store.requests) - had)
            had += 1 if batch_size is None else len(item)
        assert had == 40

    asyncio.run(main())
    assert max(under_way) <= most


class Gate(MemoryStore):
    """Reads of ``last``, and listings at each object, wait until they are let through."""

    def __init__(self):
        super().__init__()
        self.reached, self.open = threading.Event(), threading.Event()
        self.reads = []

    def _read(self, url, span):
        if url.key == "last":
            self.reached.set()
            assert self.open.wait(20)
        self.reads.append(url.key)
        return super()._read(url, span)

    def list(self, prefix, /, *, recursive=True):
        for each in super().list(prefix, recursive=recursive):
            self.reached.set()
            assert self.open.wait(20)
            self.reads.append(each.url.key)
            yield each


@pytest.fixture
def gate():
    store = Gate()
    for key in ("first", "last", "never"):
        store.write(Url("memory", "in", key), key.encode())
    return store


URLS = ["memory://in/first", "memory://in/last", "memory://in/never"]


@pytest.fixture
def reading_threads():
    """The threads that read now, without those that others may have left."""
    before = set(threading.enumerate())

    def reading_threads():
        now = set(threading.enumerate()) - before
        return [each for each in now if each.name.startswith("file_dataset")]

    return reading_threads


@contextlib.contextmanager
def no_other_thread_before(reading):
    """The loop has no thread left for anything until this one has ended."""
    with ThreadPoolExecutor(1) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        threads.submit(reading.join, 5)
        yield


def test_the_loop_goes_on_while_it_reads(gate):
    async def main():
        loader = create_async_loader(URLS, storage=Options(stores={"memory://": gate}))
        waiting = asyncio.create_task(all_of(loader))
        await asyncio.to_thread(gate.reached.wait, 20)
        gate.open.set()
        return await waiting

    assert asyncio.run(asyncio.wait_for(main(), 20)) == [b"first", b"last", b"never"]


def test_who_is_cancelled_leaves_nothing_running(gate, reading_threads):
    async def main():
        loader = create_async_loader(URLS, storage=Options(stores={"memory://": gate}))
        waiting = asyncio.create_task(all_of(loader))
        await asyncio.to_thread(gate.reached.wait, 20)
        (reading,) = reading_threads()
        with no_other_thread_before(reading):
            waiting.cancel()
            for _ in range(10):
                await asyncio.sleep(0)
            # What is at an object is not torn away from it.
            assert not waiting.done()
            assert reading.is_alive()
            gate.open.set()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert not reading_threads()

    asyncio.run(asyncio.wait_for(main(), 20))
    assert gate.reads == ["first", "last"]


def test_who_is_cancelled_does_not_wait_for_a_whole_listing(gate):
    async def main():
        loader = create_async_loader("memory://in/", storage=Options(stores={"memory://": gate}))
        waiting = asyncio.create_task(all_of(loader))
        await asyncio.to_thread(gate.reached.wait, 20)
        waiting.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(asyncio.wait_for(main(), 20))
    assert gate.reads == ["first"]


def test_who_leaves_the_loop_leaves_nothing_running(reading_threads):
    urls, options = storage(50)

    async def main():
        loader = create_async_loader(urls, {"prefetch": 8, "num_workers": 3}, storage=options)
        async with contextlib.aclosing(aiter(loader)) as items:
            async for item in items:
                assert item == b"0"
                break
        assert not reading_threads()

    asyncio.run(main())
