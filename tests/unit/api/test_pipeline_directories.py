"""A pipeline's directories: each row has its own, which are gone in the end unless kept."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from file_dataset import NoSpaceError, Pipeline, Url


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where the system keeps temporary files, for the time of a test."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.fixture
def items(put):
    return [
        {"id": n, "a.txt": put(f"memory://in/{n}", f"{n}".encode()), "sub/b.txt": None}
        for n in range(8)
    ]


def files(directory: Path) -> dict[str, bytes]:
    found = [path for path in directory.rglob("*") if path.is_file()]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in found}


def odd_fails(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    (output_dir / "b.txt").write_bytes(b"made")
    if int((input_dir / "a.txt").read_text()) % 2:
        raise ValueError
    return {"b.txt": output_dir / "b.txt"}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("prefetch", [0, 4])
def test_every_row_has_directories_of_its_own_and_they_are_gone_in_the_end(
    workers, prefetch, items, options, temporary
):
    seen: list[Path] = []

    def edits(input_dir: Path, output_dir: Path) -> dict[str, Path]:
        assert files(output_dir) == {}
        assert list(files(input_dir)) == ["a.txt"]
        seen.extend([input_dir, output_dir])
        (input_dir / "a.txt").write_bytes(b"edited")
        (input_dir / "more").mkdir()
        (input_dir / "more").chmod(0o500)
        return {"b.txt": input_dir / "a.txt"}

    pipeline = Pipeline(
        edits, into_path="memory://out", options=options, workers=workers, prefetch=prefetch
    )
    assert pipeline.run(items).stats.rows == 8
    assert len(set(seen)) == 16
    assert all(path.is_relative_to(temporary) for path in seen)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_the_directories_are_gone_when_a_run_is_stopped(workers, end, items, options, temporary):
    def stops(directory: Path) -> dict[str, Path]:
        if (directory / "a.txt").read_text() == "3":
            raise end
        return {"b.txt": directory / "a.txt"}

    pipeline = Pipeline(stops, into_path="memory://out", options=options, workers=workers)
    with pytest.raises(end):
        pipeline.run(items)
    assert list(temporary.iterdir()) == []


def test_the_directories_are_gone_when_a_failure_is_raised(items, options, temporary):
    pipeline = Pipeline(odd_fails, into_path="memory://out", options=options, on_error="raise")
    with pytest.raises(Exception, match="row 1"):
        pipeline.run(items)
    assert list(temporary.iterdir()) == []


def test_a_function_that_moves_elsewhere_does_not_move_the_outputs(items, options, held, tmp_path):
    def moves(directory: Path) -> dict[str, str]:
        os.chdir(directory)
        Path("b.txt").write_bytes(b"made")
        return {"b.txt": "b.txt"}

    before = Path.cwd()
    try:
        Pipeline(moves, into_path="memory://out", options=options).run(items[:1])
    finally:
        os.chdir(before)
    assert held()["memory://out/0/b.txt"] == b"made"


# Kept directories.


@pytest.mark.parametrize("workers", [1, 3])
def test_directories_of_rows_that_failed_in_the_function_are_kept(
    workers, items, options, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pipeline = Pipeline(
        odd_fails, into_path="memory://out", options=options, workers=workers, keep_failed="kept"
    )
    monkeypatch.chdir("/")
    for _ in range(2):  # what was kept the last time is replaced
        pipeline.run(items)
        assert files(tmp_path / "kept") == {
            f"{n}/{name}": data
            for n in (1, 3, 5, 7)
            for name, data in (("input/a.txt", f"{n}".encode()), ("output/b.txt", b"made"))
        }


def test_of_a_function_of_one_directory_that_one_is_kept(items, options, tmp_path):
    def fails(directory: Path) -> dict[str, Path]:
        (directory / "b.txt").write_bytes(b"half")
        raise ValueError

    pipeline = Pipeline(fails, into_path="memory://out", options=options, keep_failed=tmp_path)
    pipeline.run(items[:1])
    assert files(tmp_path) == {"0/input/a.txt": b"0", "0/input/b.txt": b"half"}


def test_nothing_is_kept_of_rows_that_could_not_be_read(options, tmp_path):
    pipeline = Pipeline(
        odd_fails, into_path="memory://out", options=options, keep_failed=tmp_path / "kept"
    )
    pipeline.run([{"id": 1, "a.txt": "memory://in/gone"}])
    assert not (tmp_path / "kept").exists()


def test_directories_of_rows_that_could_not_be_written_are_kept(items, options, store, tmp_path):
    put = store.store._upload

    def full(path: Path, url: Url, mode: object) -> None:
        if "/0/" in str(url):
            raise NoSpaceError(f"{url}: no space left")
        put(path, url, mode)

    store.store._upload = full
    pipeline = Pipeline(odd_fails, into_path="memory://out", options=options, keep_failed=tmp_path)
    (failure,) = pipeline.run([items[0], items[2]]).failures
    assert (failure["id"], failure["stage"], failure["error"]) == (0, "write", "NoSpaceError")
    assert files(tmp_path) == {"0/input/a.txt": b"0", "0/output/b.txt": b"made"}


def test_what_a_link_in_the_place_of_a_directory_leads_to_is_neither_kept_nor_removed(tmp_path):
    elsewhere, kept = tmp_path / "elsewhere", tmp_path / "kept"
    elsewhere.mkdir()
    (elsewhere / "precious").write_bytes(b"data")
    (tmp_path / "a.txt").write_bytes(b"data")

    def fn(inside: Path, out: Path):
        out.rmdir()
        out.symlink_to(elsewhere)
        raise ValueError

    pipeline = Pipeline(fn, into_path=tmp_path / "out", keep_failed=kept)
    assert pipeline.run([{"id": 7, "a.txt": tmp_path / "a.txt"}]).stats.failed == 1
    assert [each.name for each in (kept / "7").iterdir()] == ["input"]
    assert [each.name for each in elsewhere.iterdir()] == ["precious"]
