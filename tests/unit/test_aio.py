"""The verbs for those who live in a loop: the same verbs, and nothing left behind by who leaves."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import file_dataset
from file_dataset import LocalStore, MemoryStore, NotFoundError, Options, Url, aio
from file_dataset.domain.objects import OVERWRITE

VERBS = sorted({*aio.__all__, "list"} - {"AsyncObjectWriter"})
WRITERS = ["create_filesystem_writer", "create_s3_writer", "open_writer"]


@pytest.mark.parametrize("name", VERBS)
def test_each_is_a_verb_that_there_is_with_its_arguments_and_words(name):
    twin, verb = getattr(aio, name), getattr(file_dataset, name)
    arguments = inspect.signature(verb).parameters
    assert inspect.signature(twin).parameters == arguments
    words = [str(inspect.getdoc(each)).partition(">>>")[0].strip() for each in (twin, verb)]
    assert words[0] == words[1]
    assert inspect.iscoroutinefunction(twin) is (name not in WRITERS)


def test_what_was_put_is_got_in_every_way(tmp_path):
    async def main():
        url = f"{tmp_path}/a/b.bin"
        await aio.put(url, b"0123456789")
        assert LocalStore().read(Url.parse(url)) == b"0123456789"
        assert await aio.get(url) == b"0123456789"
        assert await aio.get_range(url, 4, 3) == b"456"
        assert (await aio.stat(url)).size == 10
        assert await aio.copy(url, f"{tmp_path}/c") == f"{tmp_path}/c"
        assert await aio.get_many([url, f"{tmp_path}/c"]) == [b"0123456789"] * 2
        assert await aio.list(tmp_path) == [url, f"{tmp_path}/c"]
        assert await aio.list_keys(tmp_path, recursive=False) == [f"{tmp_path}/c"]
        await aio.delete(url)
        assert not await aio.exists(url)
        with pytest.raises(NotFoundError, match="not found"):
            await aio.get(url)
        return await asyncio.gather(*(aio.get(f"{tmp_path}/c") for _ in range(50)))

    assert asyncio.run(main()) == [b"0123456789"] * 50


class Gate(MemoryStore):
    """Whose requests and listings wait at an object until they are let through."""

    def __init__(self):
        super().__init__()
        self.reached, self.open = threading.Event(), threading.Event()
        self.touched = []

    def pause(self):
        self.reached.set()
        assert self.open.wait(20)

    def _read(self, url, span):
        self.pause()
        self.touched.append(url.key)
        return super()._read(url, span)

    def _write(self, url, data, mode):
        self.pause()
        super()._write(url, data, mode)

    def list(self, prefix, /, *, recursive=True):
        for each in super().list(prefix, recursive=recursive):
            self.pause()
            self.touched.append(each.url.key)
            yield each


@pytest.fixture
def gate():
    store = Gate()
    for name in "abc":
        MemoryStore._write(store, Url("memory", "in", name), b"old", OVERWRITE)
    return store


async def cancelled_midway(gate, waiting):
    """Cancel what waits at the gate, thrice: it does not end before it is let through."""
    task = asyncio.ensure_future(waiting)
    await asyncio.to_thread(gate.reached.wait, 20)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not task.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task


def run(coroutine):
    asyncio.run(asyncio.wait_for(coroutine, 60))


@pytest.mark.parametrize(
    ("verb", "argument", "done"),
    [
        ("get", "memory://in/a", ["a"]),
        ("get_many", ["memory://in/a", "memory://in/b", "memory://in/c"], ["a"]),
        ("list", "memory://in/", ["a"]),
        ("list_keys", "memory://in/", ["a"]),
    ],
)
def test_who_is_cancelled_waits_for_one_object_and_not_for_all(verb, argument, done, gate):
    options = Options(stores={"memory://": gate})
    run(cancelled_midway(gate, getattr(aio, verb)(argument, options=options)))
    assert gate.touched == done


def test_what_is_cancelled_while_it_is_written_is_whole(gate):
    options = Options(stores={"memory://": gate})
    run(cancelled_midway(gate, aio.put("memory://in/a", b"new", options=options)))
    assert gate._objects[Url.parse("memory://in/a")].data == b"new"


def test_what_has_not_begun_when_it_is_cancelled_never_does(tmp_path):
    async def main():
        busy, go = threading.Event(), threading.Event()

        def occupy():
            busy.set()
            go.wait(20)

        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        occupied = loop.run_in_executor(None, occupy)
        while not busy.is_set():  # noqa: ASYNC110 - the only thread is the one that is waited for
            await asyncio.sleep(0)
        task = asyncio.ensure_future(aio.put(tmp_path / "a", b"new"))
        await asyncio.sleep(0)
        task.cancel()
        # At once, and not when the thread is free.
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        await occupied
        await asyncio.to_thread(int)

    run(main())
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(params=["in memory", "in a file"])
def scratch(request, monkeypatch, tmp_path_factory):
    """Where large objects wait; for half of the tests everything is large."""
    directory = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    if request.param == "in a file":
        monkeypatch.setattr("file_dataset.api.object_writer._IN_MEMORY", 10)
    return directory


def test_what_is_written_is_there_once_it_ends_well(scratch, tmp_path):
    async def main():
        async with aio.open_writer(tmp_path / "a") as writer:
            assert await writer.write(b"0" * 100) == 100
            await asyncio.gather(*(writer.write(b"1" * 100) for _ in range(5)))
            assert list(tmp_path.iterdir()) == []
        with pytest.raises(ValueError, match="is not open"):
            await writer.write(b"late")

    run(main())
    assert (tmp_path / "a").read_bytes() == b"0" * 100 + b"1" * 500
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
def test_who_leaves_the_body_leaves_nothing(error, scratch, tmp_path):
    async def main():
        async with aio.open_writer(tmp_path / "a") as writer:
            await writer.write(b"0" * 100)
            raise error

    with pytest.raises(error):
        run(main())
    assert list(tmp_path.iterdir()) == list(scratch.iterdir()) == []


def test_who_is_cancelled_at_the_end_leaves_a_whole_object(gate, scratch):
    options = Options(stores={"memory://": gate})

    async def write():
        async with aio.open_writer("memory://in/a", options=options) as writer:
            await writer.write(b"new" * 100)

    run(cancelled_midway(gate, write()))
    assert gate._objects[Url.parse("memory://in/a")].data == b"new" * 100
    assert list(scratch.iterdir()) == []
