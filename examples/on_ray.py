"""A table over Ray: as one run, as a part of a Ray Data job, and as contents in columns.

python examples/on_ray.py     on the cluster that RAY_ADDRESS names, or on this machine alone
"""

import tempfile
from pathlib import Path
from typing import Any

import ray

import file_dataset
import file_dataset.ray


def count(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    words = (input_dir / "text.txt").read_text().split()
    (output_dir / "count.txt").write_text(str(len(words)))
    return {"count.txt": output_dir / "count.txt"}


def some_table(directory: Path) -> list[dict[str, object]]:
    """Make a table, whose last row has no file."""
    for number in range(8):
        file_dataset.put(directory / f"{number}.txt", b"word " * number)
    return [{"id": n, "text.txt": str(directory / f"{n}.txt")} for n in range(9)]


def as_one_run(table: list[dict[str, object]], out: str) -> None:
    pipeline = file_dataset.Pipeline(count, into_path=out)
    result = file_dataset.ray.run(table, pipeline)
    print(f"run: {len(result.rows)} rows, {len(result.failures)} failed")
    # In steps, of which the last can still be had after an interrupt.
    again = file_dataset.ray.begin(result.failed_rows(), pipeline)
    again.finish()
    print("again:", again.result())


def as_part_of_a_job(table: list[dict[str, object]], out: str) -> None:
    pipeline = file_dataset.Pipeline(count, into_path=out, on_error="keep")
    rows = ray.data.read_datasource(file_dataset.ray.read_rows(table))
    done = rows.map_batches(pipeline, batch_format="pandas", batch_size=8)
    lines = done.take_all()
    print(f"job: {len(lines)} lines, {sum(line['error'] is not None for line in lines)} failed")


def by_actors(table: list[dict[str, object]], out: str) -> None:
    pipeline = file_dataset.Pipeline(count, into_path=out)
    rows = ray.data.read_datasource(file_dataset.ray.read_rows(table))
    done = rows.map_batches(
        file_dataset.ray.PipelineActor,
        fn_constructor_args=(pipeline,),
        batch_format="pandas",
        batch_size=8,
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    print(f"actors: {len(done.take_all())} lines")


def upper(batch: dict[str, Any]) -> dict[str, Any]:
    batch["text.txt"] = [text.upper() for text in batch["text.txt"]]
    return batch


def as_contents(table: list[dict[str, object]], out: str) -> None:
    blobs = ray.data.read_datasource(file_dataset.ray.blob_reader(table, batch_size=500))
    sink = file_dataset.ray.RowSink(out)
    blobs.map_batches(upper).write_datasink(sink)
    assert isinstance(sink.result, file_dataset.ray.SinkResult)
    print(f"contents: {sink.result.rows} rows, {sink.result.bytes} bytes")


if __name__ == "__main__":
    ray.data.DataContext.get_current().enable_progress_bars = False
    with tempfile.TemporaryDirectory() as made:
        texts = some_table(Path(made, "texts"))
        as_one_run(texts, f"{made}/run")
        as_part_of_a_job(texts, f"{made}/job")
        by_actors(texts, f"{made}/actors")
        as_contents(texts, f"{made}/contents")
