"""A table over Ray: as one run, as a part of a Ray Data job, and as contents in columns.

python examples/on_ray.py     on the cluster that RAY_ADDRESS names, or on this machine alone
"""

import tempfile
from pathlib import Path

import ray

import file_dataset
import file_dataset.ray


def count(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    words = (input_dir / "text.txt").read_text().split()
    (output_dir / "count.txt").write_text(str(len(words)))
    return {"count.txt": output_dir / "count.txt"}


def some_rows(directory: Path) -> list[dict[str, object]]:
    """Make a table, whose last row has no file."""
    for number in range(8):
        file_dataset.put(directory / f"{number}.txt", b"word " * number)
    return [{"id": n, "text.txt": str(directory / f"{n}.txt")} for n in range(9)]


def as_one_run(rows: list[dict[str, object]], out: Path) -> None:
    pipeline = file_dataset.Pipeline(count, into_path=out)
    result = file_dataset.ray.run(rows, pipeline)
    print(f"run: {len(result.rows)} rows, {len(result.failures)} failed")
    # In steps, of which the last can still be had after an interrupt.
    again = file_dataset.ray.begin(result.failed_rows(), pipeline)
    again.finish()
    print("again:", again.result())


def as_part_of_a_job(rows: list[dict[str, object]], out: Path) -> None:
    pipeline = file_dataset.Pipeline(count, into_path=out, on_error="keep")
    dataset = ray.data.read_datasource(file_dataset.ray.read_rows(rows))
    done = dataset.map_batches(
        file_dataset.ray.PipelineActor,
        fn_constructor_args=(pipeline,),
        batch_format="pandas",
        batch_size=8,
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    lines = done.take_all()
    print(f"job: {len(lines)} lines, {sum(line['error'] is not None for line in lines)} failed")


def as_contents(rows: list[dict[str, object]], out: Path) -> None:
    contents = ray.data.read_datasource(file_dataset.ray.blob_reader(rows))
    sink = file_dataset.ray.RowSink(str(out))
    contents.write_datasink(sink)
    assert isinstance(sink.result, file_dataset.ray.SinkResult)
    print(f"contents: {sink.result.rows} rows, {sink.result.bytes} bytes")


if __name__ == "__main__":
    ray.data.DataContext.get_current().enable_progress_bars = False
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        table = some_rows(place / "texts")
        as_one_run(table, place / "run")
        as_part_of_a_job(table, place / "job")
        as_contents(table, place / "contents")
