"""What pack() makes, read by WebDataset."""

from __future__ import annotations

import importlib

import pytest

from file_dataset import pack


# It leaves archives open, and Python to close them.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_webdataset_has_a_sample_for_each_row_with_its_files_by_their_names(tmp_path):
    webdataset = importlib.import_module("webdataset")
    rows = []
    for number in range(5):
        row: dict[str, object] = {"id": f"case-{number}"}
        for name in ("image.mha", "notes.json"):
            path = tmp_path / f"{number}-{name}"
            path.write_bytes(f"{name} of {number}".encode())
            row[name] = path
        rows.append(row)
    pack(rows, tmp_path / "packed", shard_rows=2)
    shards = sorted(map(str, (tmp_path / "packed").glob("*.tar")))
    assert len(shards) == 3
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    assert [
        {name: data for name, data in sample.items() if not name.startswith("__")}
        for sample in samples
    ] == [
        {name: f"{name} of {number}".encode() for name in ("image.mha", "notes.json")}
        for number in range(5)
    ]
    assert [sample["__key__"] for sample in samples] == [f"case-{number}" for number in range(5)]
