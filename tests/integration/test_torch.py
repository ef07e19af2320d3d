"""The datasets for PyTorch in real loaders: on S3, over ranks, spawned, and resumed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.integration.test_object_verbs_s3 import reached
from tests.unit.torch.support import loading
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

from file_dataset import NotFoundError
from file_dataset.torch import FileIterableDataset, FileMapDataset

NUMBER = 40


@pytest.fixture(scope="module")
def place(rclone_s3):
    """A prefix of a real server, with objects that hold their numbers."""
    bucket = rclone_s3.make_bucket()
    root = rclone_s3.path_of(bucket.joined("train"))
    root.mkdir()
    for number in range(NUMBER):
        (root / f"{number:02}.bin").write_bytes(b"%d" % number)
    return f"{bucket}/train/"


@pytest.mark.parametrize("workers", [0, 2])
def test_objects_of_s3_are_read_by_workers(workers, place, rclone_s3):
    chosen = {"batch_size": 7, "pattern": "*.bin"}
    dataset = FileIterableDataset(place, chosen, storage=reached(rclone_s3))
    loader = DataLoader(dataset, batch_size=7, num_workers=workers)
    expected = [b"%d" % n for n in range(NUMBER)]
    # A client that was used here already is not the workers' client.
    assert list(dataset) == expected
    assert [item for batch in loader for item in batch] == expected
    mapped = FileMapDataset(place, storage=reached(rclone_s3))
    assert mapped[3] == b"3"
    loader = DataLoader(mapped, batch_size=7, num_workers=workers)
    assert [item for batch in loader for item in batch] == expected


def test_an_object_that_is_gone_is_told_by_its_type(place, rclone_s3):
    urls = [f"{place}00.bin", f"{place}gone.bin"]
    dataset = FileIterableDataset(urls, storage=reached(rclone_s3))
    with loading(dataset, num_workers=1) as items:
        assert next(items) == b"0"
        with pytest.raises(NotFoundError, match=r"gone\.bin: not found"):
            next(items)


_RANK = """
import json, sys
from torch import distributed
from torch.utils.data import DataLoader
from file_dataset.torch import FileIterableDataset

def number(item):
    return int(item)

if __name__ == "__main__":
    rank, place, meeting = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    # Made before it is known who is who.
    dataset = FileIterableDataset(place, {"batch_size": 3, "shuffle": True}, transform=number)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=2
    )
    # Each start of Python with torch takes seconds.
    spawned = {"num_workers": 2, "multiprocessing_context": "spawn"} if rank == 1 else {}
    loader = DataLoader(dataset, batch_size=3, **spawned)
    print(json.dumps([batch.tolist() for batch in loader]))
    print(json.dumps(list(dataset)))
    distributed.destroy_process_group()
"""


@pytest.mark.timeout(300)  # four interpreters that load torch
def test_ranks_share_the_items_and_so_do_their_spawned_workers(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    for number in range(20):
        (files / f"{number:02}").write_bytes(b"%d" % number)
    script = tmp_path / "rank.py"
    script.write_text(_RANK)
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", script, str(rank), files, tmp_path / "meeting"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    found = []
    for rank in ranks:
        said, _ = rank.communicate(timeout=140)
        assert rank.returncode == 0
        batches, items = map(json.loads, said.splitlines())
        assert [item for batch in batches for item in batch] == items
        found += items
    assert sorted(found) == list(range(20))


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_stateful_loader_resumes_to_the_item(workers, batch_size, tmp_path):
    for number in range(22):
        (tmp_path / f"{number:02}").write_bytes(b"%d" % number)

    def made():
        dataset = FileIterableDataset(tmp_path, {"shuffle": True, "batch_size": batch_size})
        return StatefulDataLoader(dataset, batch_size=batch_size, num_workers=workers)

    whole = list(made())
    running = made()
    states = [running.state_dict() for _ in running]
    for had in (1, 2, 3, len(whole) - 1):
        loader = made()
        loader.load_state_dict(states[had - 1])
        assert list(loader) == whole[had:]
        assert list(loader) == whole
