"""Temporary files beside their place, and the directories that come and go with them."""

from __future__ import annotations

import errno
import os

import pytest

from file_dataset.domain.errors import InvalidUrlError, NotFoundError
from file_dataset.domain.files import beside, is_temporary
from file_dataset.domain.half_written import begin, half_written, remove_empty, stamp
from file_dataset.domain.url import Url


@pytest.fixture
def url(tmp_path):
    return Url.local(tmp_path / "a" / "b" / "file")


def test_a_file_for_nothing_goes_with_the_directories_made_for_it(tmp_path, url):
    with half_written(url) as temporary:
        assert temporary.parent == tmp_path / "a" / "b"
        assert is_temporary(temporary.name)
        assert temporary.read_bytes() == b""
    assert not list(tmp_path.iterdir())


def test_a_file_that_took_its_place_keeps_its_directories(tmp_path, url):
    with half_written(url) as temporary:
        temporary.write_bytes(b"data")
        temporary.replace(url.path)
    assert (tmp_path / "a/b/file").read_bytes() == b"data"
    assert len(list((tmp_path / "a/b").iterdir())) == 1


def test_directories_that_were_there_or_are_used_stay(tmp_path, url):
    (tmp_path / "a").mkdir()
    with pytest.raises(RuntimeError, match="stop"), half_written(url):
        raise RuntimeError("stop")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with half_written(url):
        (tmp_path / "a/b/neighbour").touch()
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["neighbour"]


def test_a_forked_child_leaves_the_file_of_its_parent(url):
    with half_written(url) as temporary:
        child = os.fork()
        if child == 0:
            try:
                with half_written(url):
                    pass
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert temporary.exists()


def test_a_forked_child_that_ends_the_context_leaves_the_file_of_its_parent(url):
    child = -1
    try:
        with half_written(url) as temporary:
            child = os.fork()
            if child == 0:
                raise RuntimeError("out of it")
            assert os.waitpid(child, 0)[1] == 0
            assert temporary.exists()
    finally:
        if child == 0:
            os._exit(0)


def test_what_is_in_the_way_is_told(tmp_path, url):
    (tmp_path / "a").write_bytes(b"no directory")
    with pytest.raises(NotFoundError, match="not a directory"), half_written(url):
        pass
    assert (tmp_path / "a").read_bytes() == b"no directory"


def test_names_of_half_written_files_are_no_objects(tmp_path):
    with pytest.raises(InvalidUrlError, match="half written"):
        begin(Url.local(beside(tmp_path / "file")))
    assert not list(tmp_path.iterdir())


def test_begin_tells_how_many_directories_it_made(tmp_path, url):
    temporary, made = begin(url)
    assert made == 2
    temporary.unlink()
    assert remove_empty(url, made) == [tmp_path / "a" / "b", tmp_path / "a"]


def test_a_stamp_tells_two_quick_writes_apart(tmp_path):
    stamps = set()
    for _ in range(100):
        path = tmp_path / "file"
        path.touch()
        stamp(path)
        stamps.add(path.stat().st_mtime_ns)
    assert len(stamps) == 100


def test_a_directory_that_a_neighbour_takes_away_in_passing_is_made_again(url, monkeypatch):
    # mkdir finds the directory there, and when it looks whether it is one, it is gone.
    make, there = os.mkdir, [True]

    def mkdir(path, mode=0o777):
        if there and os.fspath(path).endswith("b"):
            there.clear()
            raise FileExistsError(errno.EEXIST, "File exists", os.fspath(path))
        make(path, mode)

    monkeypatch.setattr(os, "mkdir", mkdir)
    temporary, _ = begin(url)
    assert temporary.exists()
