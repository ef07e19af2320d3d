"""Members of archives on S3 by fsspec, without s3fs, and how often S3 is asked for them."""

import sys

import fsspec
import pandas as pd
from tests.noted import Noted

import file_dataset.fsspec
from file_dataset import Options, Url, pack, put


def test_a_member_on_s3_costs_one_ranged_get_once_its_archive_is_known(rclone_s3, monkeypatch):
    # As where there is no s3fs, whether there is one here or not.
    monkeypatch.setattr(file_dataset.fsspec, "find_spec", lambda name: None)
    known = dict(fsspec.registry)
    monkeypatch.setattr(sys.modules["fsspec.registry"], "_registry", known)
    monkeypatch.setattr(sys.modules["fsspec.registry"], "registry", known)
    file_dataset.fsspec.register()
    store = Noted(rclone_s3.store())
    options = Options(stores={"s3://": store})
    bucket = rclone_s3.make_bucket()
    rows: list[dict] = [
        {"id": number, "t.csv": f"{bucket}/in/{number}.csv"} for number in range(200)
    ]
    for number, row in enumerate(rows):
        put(row["t.csv"], b"a,b\n%d,x\n" % number, options=options)
    cells = [f"fd{row['t.csv']}" for row in pack(rows, f"{bucket}/packed", options=options)]
    shard = Url.parse(f"{bucket}/packed/shard-000001.tar")

    costs = []
    for number in (7, 150):
        store.requests.clear()
        found = pd.read_csv(cells[number], storage_options={"options": options})
        assert found.to_dict("list") == {"a": [number], "b": ["x"]}
        costs.append([(each.operation, each.url == shard) for each in store.requests])
    # First the archive's size and its index; a look whether it is the same still; the member.
    assert costs[0] == [("Stat", True), ("Read", False), ("Read", True)]
    assert costs[1] == [("Stat", True), ("Read", True)]
    span = store.requests[-1].span  # type: ignore[attr-defined]
    assert span.length < 2048

    with fsspec.open(str(shard), options=options) as file:
        assert len(file.read()) == store.stat(shard).size
    fs, root = fsspec.url_to_fs(f"{bucket}/packed", options=options)
    assert fs.find(root) == sorted(
        f"{shard.authority}/{shard.key}{end}" for end in ("", ".index.json")
    )
