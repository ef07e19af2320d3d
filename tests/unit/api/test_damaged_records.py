"""Records that somebody has damaged: what runs, recover() and verify() make of them."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

from tests.soak import times, tried

from file_dataset import FileDatasetError, Pipeline, recover, verify

NAMES = ("b.txt", "c.txt")
ODD: list[Any] = [
    *(
        "",
        " ",
        "\n",
        "é",
        "a" * 5000,
        "?x&y=1",
        "../../precious",
        "a/b",
        "\ud800",
        "\x00",
        "<x>&'\"",
    ),
    *("0" * 64, "-1", "1-2-3", None, 5, -1, 1e99, True, [], {}, ["a"], {"a": 1}),
]


def damaged(chance: random.Random, data: bytes) -> bytes:
    """A record with one to three parts that are something else."""
    record = json.loads(data)
    for _ in range(chance.randint(1, 3)):
        odd, outputs = chance.choice(ODD), record["outputs"]
        field = chance.choice([*record, "token", "receipt", "size", "name", "input"])
        if field in record:
            record[field] = odd
        elif field == "input":
            record["inputs"] = {"a.txt": dict.fromkeys(("url", "size", "etag", "modified"), odd)}
        elif isinstance(outputs, dict) and outputs.get("b.txt"):
            if field == "name":
                outputs[str(odd)] = outputs.pop("b.txt")
            else:
                outputs["b.txt"][field] = odd
        if not isinstance(record["outputs"], dict):
            break
    return json.dumps(record).encode()


def work(inside: Path, out: Path) -> dict[str, Path]:
    for name in NAMES:
        (out / name).write_text((inside / "a.txt").read_text())
    return {name: out / name for name in NAMES}


def test_none_leads_elsewhere_and_each_is_told_in_words(memory_path, record_property):
    into, precious = memory_path / "up/out", memory_path / "up/precious"
    precious.mkdir(parents=True)
    (precious / "b.txt").write_text("mine")
    (memory_path / "a").write_text("data")
    rows = [{"id": "7", "a.txt": memory_path / "a"}]

    def run(if_exists: Any) -> Any:
        return Pipeline(work, into_path=into, if_exists=if_exists).run(rows)

    assert run("skip").stats.rows == 1
    path = into / ".file_dataset/rows/7.json"
    sound, number = path.read_bytes(), times(40, most=2_000)
    for seed in range(number):
        chance = random.Random(seed)
        path.write_bytes(damaged(chance, sound))
        with contextlib.suppress(FileDatasetError):
            recover(into)
        verify(into)
        result = run(chance.choice(["skip", "replace", "error"]))
        told = {row["id"] for row in [*result.rows, *result.failures, *result.skipped]}
        assert told == {"7"}, seed
        assert {line["error"] for line in result.failures} <= {
            "AlreadyExistsError",
            "OtherRowError",
            "UnsupportedError",
        }, seed
        seen = {each.name: each.read_text() for each in (into / "7").iterdir()}
        assert seen == dict.fromkeys(NAMES, "data"), seed
    assert {each.name for each in (memory_path / "up").iterdir()} == {"out", "precious"}
    assert (precious / "b.txt").read_text() == "mine"
    path.unlink()
    assert run("skip").stats.rows == 1
    record_property(*tried("damaged records at a destination", number))
