"""The iterable dataset: each item once over workers and ranks, and from wherever a run was left."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import pickle
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.torch.support import loading
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data._utils import worker

import file_dataset
from file_dataset import LocalStore, MemoryStore, NotFoundError, Options, UnsupportedError, Url
from file_dataset.torch import FileIterableDataset, FileMapDataset, S3IterableDataset

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")

MANY = 200


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    """Files of all lengths, empty ones among them, each of which tells its number by its name."""
    directory = tmp_path_factory.mktemp("files")
    for number in range(MANY):
        (directory / f"{number:03}").write_bytes(b"x" * (number * 37 % 101) + b"%d" % number)
    return [str(directory / f"{number:03}") for number in range(MANY)]


def in_memory(number: int = MANY) -> tuple[list[str], Options]:
    """So many URLs, of objects that hold their keys."""
    memory = MemoryStore()
    urls = [Url("memory", "in", f"{n:03}") for n in range(number)]
    for url in urls:
        memory.write(url, url.key.encode())
    return [str(url) for url in urls], Options(stores={"memory://": memory})


def items_of(dataset, **chosen):
    """What a DataLoader gives, batches as lists."""
    return list(DataLoader(dataset, **chosen))


def flat(batches):
    return [item for batch in batches for item in batch]


# --- each item once ---------------------------------------------------------------------------


@settings(max_examples=12)
@given(
    data=st.data(),
    number=st.integers(0, 40) | st.sampled_from([0, 1, 40]),
    batch_size=st.integers(1, 7),
    is_told=st.booleans(),
)
def test_each_item_once_over_workers_and_ranks(data, number, batch_size, is_told, urls):
    workers = data.draw(st.sampled_from([0, 1, 2, 4]))
    world_size = data.draw(st.integers(1, 3))
    shuffle = data.draw(st.booleans())
    epoch = data.draw(st.integers(0, 2))
    chosen = {"shuffle": shuffle, "batch_size": batch_size if is_told else None, "prefetch": 5}
    found = []
    for rank in range(world_size):
        dataset = FileIterableDataset(urls[:number], chosen, rank=rank, world_size=world_size)
        dataset.set_epoch(epoch)
        loader = DataLoader(dataset, batch_size=batch_size, num_workers=workers)
        items = flat(loader)
        assert len(items) == len(dataset)
        if is_told:
            # Workers are not seen: the batches are those of one process, and but one is not full.
            assert items == list(dataset)
            assert len(loader) == len(list(loader))
        found += items
    contents = [Path(url).read_bytes() for url in urls[:number]]
    assert Counter(found) == Counter(contents)
    if not shuffle and world_size == 1 and is_told:
        assert found == contents


def test_without_batches_items_come_one_by_one_in_turn(urls):
    one = items_of(FileIterableDataset(urls[:21]), batch_size=None)
    assert items_of(FileIterableDataset(urls[:21]), batch_size=None, num_workers=2) == one


@pytest.mark.parametrize(("number", "each"), [(24, 12), (25, 12), (23, 8), (7, 0)])
def test_ranks_get_as_many_batches_where_the_last_is_dropped(number, each):
    urls, options = in_memory(number)
    chosen = {"batch_size": 4, "drop_last": True}
    ranks = [
        list(FileIterableDataset(urls, chosen, storage=options, rank=rank, world_size=2))
        for rank in range(2)
    ]
    assert [len(items) for items in ranks] == [each, each]
    assert len({*ranks[0], *ranks[1]}) == 2 * each


def test_workers_that_are_kept_hear_of_epochs(urls):
    dataset = FileIterableDataset(urls[:30], {"shuffle": True})
    loader = DataLoader(dataset, batch_size=None, num_workers=2, persistent_workers=True)
    orders = []
    for epoch in (0, 1, 1):
        dataset.set_epoch(epoch)
        orders.append(list(loader))
        assert orders[-1] == list(dataset)
    assert orders[0] != orders[1] == orders[2]
    assert set(orders[0]) == set(orders[1])


def test_rows_are_dicts_and_a_transform_makes_what_is_given(urls):
    frame = [{"id": n, "image.bin": urls[n], "mask.bin": None, "label": n % 2} for n in range(6)]
    dataset = FileIterableDataset(frame)
    assert next(iter(dataset)) == {"id": 0, "image.bin": b"0", "mask.bin": None, "label": 0}
    labels = FileIterableDataset(frame, transform=lambda row: (row["id"], row["label"]))
    ids, twos = items_of(labels, batch_size=6, num_workers=1)[0]
    assert (ids.tolist(), twos.tolist()) == ([0, 1, 2, 3, 4, 5], [0, 1, 0, 1, 0, 1])


def test_packed_shards_are_read_by_workers(urls, tmp_path):
    table = [{"id": n, "image.bin": urls[n]} for n in range(30)]
    packed = file_dataset.pack(table, tmp_path, shard_rows=10)
    for source in (packed, [f"tar://::{tmp_path}/shard-00000{n}.tar" for n in (1, 2, 3)]):
        dataset = FileIterableDataset(source, {"shuffle": True, "batch_size": 4})
        found = flat(items_of(dataset, batch_size=4, num_workers=2, collate_fn=list))
        assert found == list(dataset)
        assert len(found) == 30


def test_it_has_another_name():
    assert S3IterableDataset is FileIterableDataset


def _frozen(_):
    return gc.get_freeze_count()


@pytest.mark.parametrize("kind", [FileIterableDataset, FileMapDataset])
def test_a_worker_does_not_look_for_garbage_among_what_its_parent_had(kind, urls):
    # It would copy all of that for nothing.
    frozen = gc.get_freeze_count()
    dataset = kind(urls[:3], transform=_frozen)
    (counts,) = items_of(dataset, batch_size=3, num_workers=1, collate_fn=list)
    assert min(counts) > frozen
    assert _frozen(dataset[0] if kind is FileMapDataset else next(iter(dataset))) == frozen


# --- loops that are left ----------------------------------------------------------------------


def test_a_loop_that_is_left_leaves_nothing_running(urls):
    before = set(threading.enumerate())
    dataset = FileIterableDataset(urls, {"prefetch": 20})
    for item in dataset:
        assert item == b"0"
        break
    assert set(threading.enumerate()) <= before
    assert dataset.state_dict()["position"] == 1
    assert len(list(dataset)) == MANY


class InTurns(LocalStore):
    """Reads the first objects at once, and each of the others when somebody says so."""

    workers = 1

    def __init__(self) -> None:
        super().__init__()
        context = multiprocessing.get_context("fork")
        self.turns, self.begun = context.Semaphore(20), context.Value("i", 0)

    def _read(self, url, span):
        self.begun.value += 1
        assert self.turns.acquire(timeout=20)
        return super()._read(url, span)


def test_a_worker_of_a_loop_that_is_left_reads_nothing_more(urls):
    store = InTurns()
    dataset = FileIterableDataset(
        urls, {"prefetch": 40, "num_workers": 1}, storage=Options(stores={"file:///": store})
    )
    loader = DataLoader(dataset, batch_size=None, num_workers=1, prefetch_factor=1)
    items: Any = iter(loader)
    assert next(items) == b"0"
    leaving = threading.Thread(target=items._shutdown_workers)
    leaving.start()
    (process,) = items._workers
    given = 20
    while process.exitcode is None:
        # Only to who waits for it: a process that is slow to end is not one that reads on.
        if store.begun.value > given:
            store.turns.release()
            given += 1
        leaving.join(0.05)
    leaving.join()
    assert process.exitcode == 0
    # What was read ahead by then, and the object that it was at.
    assert store.begun.value <= 30


@pytest.mark.parametrize("are_kept", [False, True])
def test_a_loop_that_was_left_begins_anew(are_kept, urls):
    dataset = FileIterableDataset(urls[:30], {"prefetch": 4})
    whole = list(dataset)
    loader = DataLoader(dataset, batch_size=None, num_workers=2, persistent_workers=are_kept)
    for had in (1, 7):
        for _, expected in zip(loader, whole[:had], strict=False):
            assert _ == expected
    assert list(loader) == whole


def test_two_loaders_of_a_dataset_at_once(urls):
    dataset = FileIterableDataset(urls[:20])
    whole = list(dataset)
    loaders = [DataLoader(dataset, batch_size=None, num_workers=n) for n in (0, 2, 1, 0)]
    assert list(zip(*loaders, strict=True)) == list(zip(*[whole] * 4, strict=True))


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_reaches_the_loop_with_its_type_and_the_loop_may_go_on(workers, urls):
    broken = [*urls[:5], "/nonexistent", *urls[5:11]]
    with loading(FileIterableDataset(broken), num_workers=workers) as items:
        found = [next(items) for _ in range(5)]
        with pytest.raises(NotFoundError, match="/nonexistent: not found"):
            next(items)
        assert found + list(items) == list(FileIterableDataset(urls[:11]))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_transform_reaches_the_loop(workers, urls):
    def transform(item):
        if item == b"0":
            raise ZeroDivisionError(item)
        raise StopIteration

    dataset = FileIterableDataset(urls[:2], transform=transform)
    with loading(dataset, num_workers=workers) as items:
        with pytest.raises(ZeroDivisionError, match="0"):
            next(items)
        with pytest.raises(RuntimeError, match="the transform raised StopIteration"):
            next(items)


def test_an_error_that_cannot_be_sent_is_told_all_the_same(urls):
    class OwnError(Exception):
        pass

    def transform(item):
        raise OwnError(item)

    dataset = FileIterableDataset(urls[:1], transform=transform)
    with pytest.raises(OwnError):
        next(iter(dataset))
    for made in (dataset, FileMapDataset(urls[:1], transform=transform)):
        with (
            loading(made, num_workers=1) as items,
            pytest.raises(RuntimeError, match=r"the transform raised \S+OwnError: b'0'"),
        ):
            next(items)


def test_objects_that_live_in_one_process_are_refused_in_words():
    urls, options = in_memory(2)
    with (
        loading(FileIterableDataset(urls, storage=options), num_workers=1) as items,
        pytest.raises(UnsupportedError, match="MemoryStore"),
    ):
        next(items)


@pytest.mark.parametrize(
    ("rank", "world_size", "message"),
    [
        (0, None, "given together"),
        (None, 2, "given together"),
        (2, 2, "rank 2 is beyond a world of 2"),
        (-1, 2, "rank must be"),
        (0, 0, "world_size must be"),
    ],
)
def test_ranks_that_cannot_be_are_refused(rank, world_size, message):
    with pytest.raises(ValueError, match=message):
        FileIterableDataset([], rank=rank, world_size=world_size)


def test_bad_input_is_refused_when_it_is_made():
    with pytest.raises(ValueError, match="did you mean 'prefetch'"):
        FileIterableDataset([], {"prefech": 1})
    with pytest.raises(NotFoundError):
        FileIterableDataset("/nonexistent")


# --- resuming ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_run_goes_on_at_every_position(shuffle):
    urls, options = in_memory()

    def made():
        dataset = FileIterableDataset(urls, {"shuffle": shuffle, "seed": 3}, storage=options)
        dataset.set_epoch(2)
        return dataset

    whole = list(made())
    running = made()
    items = iter(running)
    for position in range(MANY + 1):
        dataset = FileIterableDataset(urls, {"shuffle": shuffle, "seed": 3}, storage=options)
        dataset.load_state_dict(running.state_dict())
        # A state of what has not begun is the same state.
        assert dataset.state_dict() == running.state_dict()
        dataset.set_epoch(2)
        assert list(dataset) == whole[position:]
        assert list(dataset) == whole
        assert next(items, None) == (whole[position] if position < MANY else None)


def test_a_state_is_of_what_the_loop_had_and_not_of_what_was_read_ahead():
    urls, options = in_memory()
    dataset = FileIterableDataset(urls, {"prefetch": 50}, storage=options)
    items = iter(dataset)
    for _ in range(3):
        next(items)
    assert dataset.state_dict()["position"] == 3


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_run_with_workers_goes_on_with_any_number_of_them(world_size, urls):
    chosen = {"shuffle": True, "batch_size": 8}

    def made(state=None):
        dataset = FileIterableDataset(urls, chosen, rank=world_size - 1, world_size=world_size)
        if state is not None:
            dataset.load_state_dict(state)
        return dataset

    running = made()
    whole = list(running)
    had = 0
    for batch in DataLoader(running, batch_size=8, num_workers=2):
        had += len(batch)
        state = pickle.loads(pickle.dumps(running.state_dict(taken=had)))
        assert list(made(state)) == whole[had:]
        if had in (8, 16, 56, len(whole)):
            for workers in (1, 2, 4):
                dataset = made(state)
                assert flat(items_of(dataset, batch_size=8, num_workers=workers)) == whole[had:]
    assert had == len(whole)


@contextlib.contextmanager
def as_worker(dataset, number, of, seed):
    """Be one of several workers of a DataLoader, as far as a dataset can tell."""
    worker._worker_info = worker.WorkerInfo(
        id=number, num_workers=of, seed=seed + number, dataset=dataset
    )
    yield
    worker._worker_info = None


@pytest.mark.parametrize(("workers", "batch_size"), [(2, 3), (4, 1)])
def test_workers_go_on_at_every_position_in_every_epoch(workers, batch_size):
    urls, options = in_memory()
    chosen = {"shuffle": True, "batch_size": batch_size, "prefetch": 2 * MANY}
    dataset = FileIterableDataset(urls, chosen, storage=options)

    def taken(seed):
        """What a loader gives that has so many workers, each of which gives a batch in turn."""
        found: list[list[bytes]] = []
        for number in range(workers):
            with as_worker(dataset, number, workers, seed):
                found.append(list(dataset))
        starts = range(0, len(found[0]), batch_size)
        return [item for n in starts for each in found for item in each[n : n + batch_size]]

    for position in range(MANY + 1):
        epoch = position % 3
        dataset.set_epoch(epoch)
        whole = [url.removeprefix("memory://in/").encode() for url in shuffled(dataset, epoch)]
        state = {**dataset.state_dict(taken=0), "position": position}
        dataset.load_state_dict(state)
        assert taken(position) == whole[position:]
        if not position % 40:
            assert taken(-position) == whole


def shuffled(dataset, epoch):
    order = dataset._source.order(MANY, epoch)
    urls = dataset.uris()
    return [urls[place] for place in order]


def test_a_state_of_a_state_counts_from_the_front(urls):
    dataset = FileIterableDataset(urls[:40], {"batch_size": 4})
    whole = list(dataset)
    dataset.load_state_dict(dataset.state_dict(taken=8))
    loader = DataLoader(dataset, batch_size=4, num_workers=2)
    assert next(iter(loader)) == whole[8:12]
    dataset.load_state_dict(dataset.state_dict(taken=4))
    assert flat(loader) == whole[12:]
    # That pass is over, and the next begins at the front.
    assert flat(loader) == whole
    assert dataset.state_dict(taken=4)["position"] == 4


@pytest.mark.parametrize("are_kept", [False, True])
@pytest.mark.parametrize("is_seeded", [False, True])
def test_only_one_pass_goes_on(are_kept, is_seeded, urls):
    dataset = FileIterableDataset(urls[:20])
    whole = list(dataset)
    dataset.load_state_dict({**dataset.state_dict(), "position": 6})
    loader = DataLoader(dataset, batch_size=None, num_workers=2, persistent_workers=are_kept)
    for expected in (whole[6:], whole, whole):
        if is_seeded:
            torch.manual_seed(0)
        assert list(loader) == expected


def test_more_workers_than_went_on_begin_at_the_front(urls):
    dataset = FileIterableDataset(urls[:20])
    whole = list(dataset)
    dataset.load_state_dict({**dataset.state_dict(), "position": 6})
    for workers, expected in ((1, whole[6:]), (2, whole), (0, whole)):
        torch.manual_seed(0)
        assert items_of(dataset, batch_size=None, num_workers=workers) == expected


def test_who_has_workers_is_asked_how_far_the_loop_is(urls):
    dataset = FileIterableDataset(urls[:6])
    next(iter(DataLoader(dataset, batch_size=None, num_workers=1)))
    with pytest.raises(ValueError, match=r"state_dict\(taken=\.\.\.\)"):
        dataset.state_dict()
    dataset.set_epoch(1)
    assert dataset.state_dict()["position"] == 0
    with pytest.raises(ValueError, match="taken must be"):
        dataset.state_dict(taken=-1)


def _has_given_nothing(_):
    info = get_worker_info()
    assert info is not None
    assert isinstance(info.dataset, FileIterableDataset)
    state = info.dataset.state_dict()
    assert (state["worker"], state["position"], state["given"]) == (0, 0, 0)


def test_a_worker_does_not_take_its_parents_pass_for_its_own(urls):
    dataset = FileIterableDataset(urls[:6])
    items = iter(dataset)
    assert next(items) == b"0"
    chosen = {"batch_size": 6, "num_workers": 1, "worker_init_fn": _has_given_nothing}
    assert items_of(dataset, **chosen) == [[b"0", *items]]


def test_an_item_that_failed_is_given_again_by_who_goes_on_from_there(urls, tmp_path):
    broken = [*urls[:3], str(tmp_path / "late"), *urls[3:5]]
    dataset = FileIterableDataset(broken)
    items = iter(dataset)
    found = [next(items) for _ in range(3)]
    with pytest.raises(NotFoundError):
        next(items)
    state = dataset.state_dict()
    assert state["position"] == 3
    found.append(next(items))
    assert dataset.state_dict()["position"] == 5
    (tmp_path / "late").write_bytes(b"late")
    again = FileIterableDataset(broken)
    again.load_state_dict(state)
    assert list(again) == [b"late", found[3], next(iter(FileIterableDataset(urls[4:5])))]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"items": 7}, "items=7; here is items=6"),
        ({"seed": 9}, "seed=9"),
        ({"rank": 1, "world_size": 2}, "rank=1, world_size=2; here is rank=0, world_size=1"),
        ({"worker": 0, "workers": 2}, "worker=0"),
    ],
)
def test_the_state_of_another_dataset_is_refused(changed, message, urls):
    dataset = FileIterableDataset(urls[:6])
    with pytest.raises(ValueError, match=message):
        dataset.load_state_dict({**dataset.state_dict(), **changed})
    assert len(list(dataset)) == 6
