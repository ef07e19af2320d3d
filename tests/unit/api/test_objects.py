"""Copying one object: from anywhere to anywhere, under its own name or another."""

from __future__ import annotations

from pathlib import Path

import pytest

from file_dataset import NotFoundError, UnsupportedSchemeError, copy


@pytest.mark.parametrize(
    ("target", "written"),
    [
        ("memory://out/b.txt", "memory://out/b.txt"),
        ("memory://out/dir/", "memory://out/dir/a.txt"),
        ("memory://out", "memory://out/a.txt"),
        ("memory://out/", "memory://out/a.txt"),
    ],
)
def test_a_target_that_is_a_place_keeps_the_name(target, written, options, put, held):
    assert copy(put("memory://in/a.txt", b"data"), target, options=options) == written
    assert held()[written] == held()["memory://in/a.txt"] == b"data"


@pytest.mark.parametrize("make", [str, Path, "{}/".format])
def test_a_directory_of_this_machine_is_a_place(make, options, put, tmp_path):
    written = copy(put("memory://in/a.txt", b"data"), make(tmp_path), options=options)
    assert written == str(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_bytes() == b"data"


def test_a_local_file_goes_up(options, held, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"data")
    assert copy(tmp_path / "a.txt", "memory://out/", options=options) == "memory://out/a.txt"
    assert held() == {"memory://out/a.txt": b"data"}


def test_what_is_there_is_replaced(options, put, held):
    put("memory://out/a", b"old")
    copy(put("memory://in/a", b"new"), "memory://out/a", options=options)
    assert held()["memory://out/a"] == b"new"


def test_what_is_missing_is_told_and_leaves_nothing(options, held, tmp_path):
    for target in ("memory://out/a", tmp_path / "a"):
        with pytest.raises(NotFoundError, match=r"memory://in/gone: not found"):
            copy("memory://in/gone", target, options=options)
    assert held() == {}
    assert list(tmp_path.iterdir()) == []


def test_a_place_is_no_source(options):
    with pytest.raises(ValueError, match="names no object to copy"):
        copy("memory://in/", "memory://out/a", options=options)


def test_unknown_schemes_are_told_by_argument(options, put):
    with pytest.raises(UnsupportedSchemeError, match="source: unsupported scheme 'gopher://'"):
        copy("gopher://h/a", "memory://out/a", options=options)
    with pytest.raises(UnsupportedSchemeError, match="target: unsupported scheme 'gopher://'"):
        copy(put("memory://in/a"), "gopher://h/a", options=options)
