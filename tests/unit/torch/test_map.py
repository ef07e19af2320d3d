"""The map-style dataset, bytes as tensors, and what is said where there is no torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.noted import Noted
from torch.utils.data import DataLoader, default_collate

from file_dataset import MemoryStore, NotFoundError, Options, Url
from file_dataset.torch import FileMapDataset, as_tensor


@pytest.fixture
def store():
    memory = MemoryStore()
    for number in range(20):
        memory.write(Url("memory", "in", f"{number:02}"), b"%d" % number)
    return Noted(memory)


@pytest.fixture
def storage(store):
    return Options(stores={"memory://": store})


def test_items_have_their_places(storage):
    dataset = FileMapDataset("memory://in/", storage=storage)
    assert len(dataset) == 20
    assert [dataset[n] for n in (0, 7, -1)] == [b"0", b"7", b"19"]
    assert dataset.uris() == [f"memory://in/{n:02}" for n in range(20)]
    with pytest.raises(IndexError):
        dataset[20]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_samplers_of_the_loader_choose(workers, tmp_path):
    for number in range(20):
        (tmp_path / f"{number:02}").write_bytes(b"%d" % number)
    dataset = FileMapDataset(tmp_path)
    found = []
    for seed in (1, 1, 2):
        generator = torch.Generator().manual_seed(seed)
        loader = DataLoader(
            dataset, batch_size=3, shuffle=True, generator=generator, num_workers=workers
        )
        found.append([item for batch in loader for item in batch])
    assert found[0] == found[1] != found[2]
    assert sorted(found[2]) == sorted(map(dataset.__getitem__, range(20)))


def test_a_batch_is_read_as_one(storage, store):
    batches = []
    run = store.store.run

    def note(requests, /):
        batches.append(len(requests))
        return run(requests)

    store.store.run = note
    dataset = FileMapDataset("memory://in/", storage=storage)
    assert len(list(DataLoader(dataset, batch_size=8))) == 3
    assert batches == [8, 8, 4]


def test_a_transform_makes_what_is_given(storage):
    frame = [{"id": n, "image.bin": f"memory://in/{n:02}"} for n in range(4)]
    dataset = FileMapDataset(
        frame, storage=storage, transform=lambda row: {**row, "image.bin": int(row["image.bin"])}
    )
    (batch,) = DataLoader(dataset, batch_size=4)
    assert batch["image.bin"].tolist() == batch["id"].tolist() == [0, 1, 2, 3]


def test_an_error_reaches_the_loop_with_its_type(storage):
    dataset = FileMapDataset(["memory://in/00", "memory://in/gone"], storage=storage)
    with pytest.raises(NotFoundError, match="gone: not found"):
        list(DataLoader(dataset, batch_size=2))


@pytest.mark.parametrize("name", ["shuffle", "seed", "batch_size", "drop_last", "prefetch"])
def test_what_is_the_loaders_is_left_to_it(name):
    with pytest.raises(ValueError, match=f"{name!r} is not for a FileMapDataset"):
        FileMapDataset([], {name: True if name in ("shuffle", "drop_last") else 1})
    with pytest.raises(ValueError, match="did you mean 'pattern'"):
        FileMapDataset([], {"patern": "*"})


def test_bytes_are_tensors_without_a_copy():
    data = bytes(range(256))
    tensor = as_tensor(data)
    assert tensor.tolist() == list(data)
    assert tensor.data_ptr() == np.frombuffer(data, np.uint8).ctypes.data
    assert as_tensor(b"").shape == (0,)
    assert default_collate([as_tensor(b"ab"), as_tensor(b"cd")]).tolist() == [[97, 98], [99, 100]]


def test_without_torch_the_extra_is_named():
    told = """
import sys
sys.modules["torch"] = None
from file_dataset import MissingDependencyError
try:
    import file_dataset.torch
except MissingDependencyError as error:
    print(error)
"""
    said = subprocess.check_output([sys.executable, "-c", told], text=True)
    assert "pip install 'file-dataset[torch]'" in said
