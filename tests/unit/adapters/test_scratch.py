import contextlib
import errno
import fcntl
import gc
import logging
import os
import pickle
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import NOBODY, as_nobody, open_files
from tests.unit.adapters.layers.fakes import in_forked_child

from file_dataset.adapters.scratch import TempScratch, sweep
from file_dataset.domain.errors import NotFoundError, PermissionDeniedError


@pytest.fixture
def as_a_user():
    """A directory of a user whom modes bind, as they do not bind root."""
    with as_nobody() as directory:
        yield directory


def modes(*paths):
    return [stat.S_IMODE(path.stat().st_mode) for path in paths]


def test_directories_are_fresh_private_and_gone_in_the_end(tmp_path):
    with TempScratch(tmp_path) as scratch:
        assert list(tmp_path.iterdir()) == []
        with scratch.open() as first, scratch.open() as second:
            assert first != second
            assert first.parent == second.parent
            assert first.parent.parent == tmp_path
            assert modes(first.parent, first, second) == [0o700] * 3
            assert list(first.iterdir()) == []
            (first / "a").mkdir()
            (first / "a" / "b").write_bytes(b"")
        assert list(tmp_path.iterdir()) == []
        with scratch.open() as third:
            assert third.name == "3"
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30))
def test_the_root_is_there_while_something_is_open(steps):
    with tempfile.TemporaryDirectory() as parent, TempScratch(parent) as scratch:
        opened: dict[int, contextlib.ExitStack] = {}
        for step in steps:
            if step in opened:
                opened.pop(step).close()
            else:
                opened[step] = contextlib.ExitStack()
                opened[step].enter_context(scratch.open())
            roots = list(Path(parent).iterdir())
            assert len(roots) == (1 if opened else 0)
            assert sum(len(list(root.iterdir())) for root in roots) == len(opened)


def test_closing_removes_what_is_open_still_and_it_can_be_used_again(tmp_path):
    scratch = TempScratch(tmp_path)
    with scratch.open() as directory:
        (directory / "a").write_bytes(b"")
        scratch.close()
        assert list(tmp_path.iterdir()) == []
        with scratch.open() as another:
            assert another.is_dir()
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
    scratch.close()


def test_the_directory_is_gone_also_after_an_error(tmp_path):
    with contextlib.suppress(ZeroDivisionError), TempScratch(tmp_path).open() as directory:
        (directory / "a").write_bytes(b"")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_who_removes_the_directory_itself_does_no_harm(tmp_path):
    with TempScratch(tmp_path).open() as directory:
        directory.rmdir()
    assert list(tmp_path.iterdir()) == []


def test_modes_do_not_keep_anything(as_a_user):
    scratch = TempScratch(as_a_user)
    with scratch.open() as open_still:
        with scratch.open() as directory:
            deep = directory / "a" / "b"
            deep.mkdir(parents=True)
            (deep / "file").write_bytes(b"")
            (deep / "file").chmod(0)
            deep.chmod(0)
            (directory / "a").chmod(0o500)
            directory.chmod(0o100)
        assert list(open_still.parent.iterdir()) == [open_still]
    assert list(as_a_user.iterdir()) == []


def test_what_links_lead_to_is_left_alone(as_a_user):
    outside = as_a_user / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"")
    outside.chmod(0o500)
    with TempScratch(as_a_user).open() as directory:
        (directory / "locked").mkdir()
        (directory / "locked" / "link").symlink_to(outside)
        (directory / "link").symlink_to(outside)
        (directory / "locked").chmod(0o500)
    assert list(as_a_user.iterdir()) == [outside]
    assert (outside / "kept").exists()
    assert modes(outside) == [0o500]


@pytest.mark.parametrize("holds", ["files", "a directory"])
def test_what_a_link_in_the_place_of_a_directory_leads_to_is_left_alone(tmp_path, holds, caplog):
    outside, place = tmp_path / "outside", tmp_path / "place"
    for each in (outside, place):
        each.mkdir()
    if holds == "files":
        (outside / "precious").write_bytes(b"")
    else:
        (outside / "precious").mkdir(mode=0o755)
    with TempScratch(place) as scratch, scratch.open() as open_still:
        with scratch.open() as directory:
            directory.rmdir()
            directory.symlink_to(outside)
        with scratch.open() as directory:
            directory.rmdir()
            directory.write_bytes(b"")
        assert list(open_still.parent.iterdir()) == [open_still]
    assert [each.name for each in outside.iterdir()] == ["precious"]
    assert holds == "files" or modes(outside / "precious") == [0o755]
    assert (list(place.iterdir()), caplog.text) == ([], "")


def test_what_cannot_be_removed_is_told_and_the_rest_is_gone(as_a_user, caplog, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(path)

    with caplog.at_level(logging.WARNING), TempScratch(as_a_user).open() as directory:
        for name in "abc":
            (directory / name).mkdir()
            (directory / name / "file").write_bytes(b"")
        (directory / "b").chmod(0o500)
        monkeypatch.setattr(Path, "chmod", refuse)  # as it is for the files of another user
    monkeypatch.undo()
    assert [path.name for path in directory.iterdir()] == ["b"]
    assert str(directory) in caplog.text
    assert "could not be removed" in caplog.text
    (directory / "b").chmod(0o700)


def test_an_open_file_does_not_keep_anything(tmp_path):
    with contextlib.ExitStack() as files, TempScratch(tmp_path).open() as directory:
        files.enter_context((directory / "a").open("wb"))
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_that_nobody_closes_is_removed_when_it_is_forgotten(tmp_path):
    scratch = TempScratch(tmp_path)
    # Not by open(), whose context removes its directory when it is forgotten in turn.
    (scratch._root().make() / "a").write_bytes(b"")
    assert len(list(tmp_path.iterdir())) == 1
    del scratch
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_that_nobody_closes_is_removed_when_the_process_ends(tmp_path):
    program = (
        "import sys\n"
        "from file_dataset.adapters.scratch import TempScratch\n"
        "scratch = TempScratch(sys.argv[1])\n"
        "(scratch._root().make() / 'a').write_bytes(b'')\n"
        "cycle = [scratch]; cycle.append(cycle)\n"
        "sys.exit(3)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    assert ended.returncode == 3
    assert list(tmp_path.iterdir()) == []


def test_a_forked_child_removes_nothing_of_its_parents(tmp_path):
    program = (
        "import os, sys\n"
        "from file_dataset.adapters.scratch import TempScratch\n"
        "scratch = TempScratch(sys.argv[1])\n"
        "with scratch.open() as directory:\n"
        "    if os.fork() == 0:\n"
        "        with scratch.open() as own:\n"
        "            assert own.parent != directory.parent\n"
        "        scratch.close()\n"
        "        sys.exit(0)\n"  # the child leaves by way of every context and finalizer
        "    assert os.wait()[1] == 0\n"
        "    assert directory.is_dir()\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_is_forked_while_the_lock_is_held_does_not_hang(tmp_path):
    scratch = TempScratch(tmp_path)

    def in_child():
        with scratch.open() as directory:
            return directory.is_dir()

    with scratch._root()._lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert in_forked_child(in_child)
    assert list(tmp_path.iterdir()) == []


def test_threads_get_directories_of_their_own(tmp_path):
    start = threading.Barrier(8)
    seen = []
    errors = []

    def work(scratch):
        start.wait(20)
        try:
            for _ in range(25):
                with scratch.open() as directory:
                    (directory / "a").touch(exist_ok=False)
                    seen.append(directory)
        except BaseException as error:
            errors.append(error)
            raise

    with TempScratch(tmp_path) as scratch:
        threads = [threading.Thread(target=work, args=[scratch]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert not errors
    assert len(set(seen)) == len(seen) == 200
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_is_told_before_anything_happens(tmp_path):
    with pytest.raises(NotFoundError, match="not found"):
        TempScratch(tmp_path / "missing")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotFoundError, match="no directory"):
        TempScratch(tmp_path / "file")


def test_a_directory_that_cannot_be_written_is_told_in_words(as_a_user):
    as_a_user.chmod(0o500)
    with pytest.raises(PermissionDeniedError), TempScratch(as_a_user).open():
        pass
    as_a_user.chmod(0o700)


def test_it_pickles_and_starts_afresh(tmp_path):
    scratch = TempScratch(tmp_path)
    with scratch.open() as directory:
        again = pickle.loads(pickle.dumps(scratch))
        with again.open() as another:
            assert another.parent != directory.parent
            assert another.parent.parent == tmp_path
        assert directory.is_dir()


def test_without_a_directory_it_is_the_systems(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with TempScratch().open() as directory:
        assert directory.parent.parent == tmp_path


# What was killed.


def killed(parent, *, age=0.0):
    """The root of a process that was killed while it had two directories open."""
    program = (
        "import os, sys\n"
        "from file_dataset.adapters.scratch import TempScratch\n"
        "scratch = TempScratch(sys.argv[1])\n"
        "with scratch.open() as one, scratch.open() as other:\n"
        "    (one / 'file').write_bytes(b'')\n"
        "    one.chmod(0o500)\n"
        "    print(one.parent, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, parent], stdout=subprocess.PIPE, text=True, check=False
    )
    assert ran.returncode == -9
    root = Path(ran.stdout.strip())
    os.utime(root, (time.time() - age, time.time() - age))
    return root


def test_what_a_killed_process_left_is_swept_and_what_is_alive_stays(tmp_path):
    dead = killed(tmp_path)
    with TempScratch(tmp_path).open() as alive:
        assert sweep(tmp_path, age=0) == [dead]
        assert list(tmp_path.iterdir()) == [alive.parent]
    assert sweep(tmp_path, age=0) == []


def test_what_was_begun_lately_stays(tmp_path):
    # As a root is whose process has not come to lock it.
    young, old = killed(tmp_path, age=3000), killed(tmp_path, age=4000)
    assert sweep(tmp_path) == [old]
    assert list(tmp_path.iterdir()) == [young]


def test_a_forked_child_keeps_what_its_parent_had(tmp_path):
    program = (
        "import os, sys\n"
        "from file_dataset.adapters.scratch import TempScratch\n"
        "with TempScratch(sys.argv[1]).open():\n"
        "    if os.fork() == 0:\n"
        "        sys.stdin.read()\n"
        "        os._exit(0)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.wait()
        assert sweep(tmp_path, age=0) == []
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.read()  # until the child has ended
    assert len(sweep(tmp_path, age=0)) == 1


def test_what_is_not_ours_is_left_alone(tmp_path):
    ours = f"file_dataset-{'0' * 32}.tmp"
    precious = tmp_path / "precious"
    (precious / "1").mkdir(parents=True)
    for place in ("link", "file", "names"):
        (tmp_path / place).mkdir()
    (tmp_path / "link" / ours).symlink_to(precious)
    (tmp_path / "file" / ours).write_bytes(b"data")
    for name in ("file_dataset-results", "file_dataset-abcdefgh", f"{ours}2", f"my-{ours}"):
        (tmp_path / "names" / name).mkdir()
    before = sorted(tmp_path.rglob("*"))
    (precious / "1").chmod(0o750)
    for place in ("link", "file", "names"):
        assert sweep(tmp_path / place, age=0) == []
    assert sorted(tmp_path.rglob("*")) == before
    assert modes(precious / "1") == [0o750]


def test_what_its_process_removes_at_this_moment_is_not_said_to_be_swept(tmp_path, monkeypatch):
    dead = killed(tmp_path)
    lock = fcntl.flock

    def overtaken(file, how):
        shutil.rmtree(dead)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", overtaken)
    assert sweep(tmp_path, age=0) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have files of somebody else")
def test_what_another_user_left_is_his(tmp_path):
    root = killed(tmp_path)
    os.chown(root, NOBODY, -1)
    assert sweep(tmp_path, age=0) == []
    os.chown(root, 0, -1)
    assert sweep(tmp_path, age=0) == [root]


def test_two_who_sweep_are_in_nobodys_way(tmp_path):
    dead = {killed(tmp_path) for _ in range(3)}
    start = threading.Barrier(4)
    swept = []

    def work():
        start.wait(20)
        swept.append(sweep(tmp_path, age=0))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(path for paths in swept for path in paths) == sorted(dead)
    assert list(tmp_path.iterdir()) == []


def test_where_locks_are_not_to_be_had_nothing_is_swept_and_everything_works(tmp_path, monkeypatch):
    dead = killed(tmp_path)

    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with TempScratch(tmp_path).open() as directory:
        assert directory.is_dir()
        assert sweep(tmp_path, age=0) == []
    assert list(tmp_path.iterdir()) == [dead]


def test_a_place_that_cannot_be_swept_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="not found"):
        sweep(tmp_path / "missing")


def test_files_are_not_left_open(tmp_path):
    before = open_files()
    scratch = TempScratch(tmp_path)
    for _ in range(3):
        with scratch.open():
            pass
    killed(tmp_path)
    sweep(tmp_path, age=0)
    assert open_files() <= before
