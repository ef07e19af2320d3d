"""Drafts on disks: what a crash leaves of them, and that links lead nobody out of a destination."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import shutil
import stat
from pathlib import Path

import pytest
from tests.killing import calls, disturbed_at, killed_at, result_of
from tests.namespaces import NotAllowedError, small_disk
from tests.soak import times, tried
from tests.support import as_nobody

from file_dataset.adapters.local import LocalStore, drafts
from file_dataset.domain.errors import (
    InvalidUrlError,
    PermissionDeniedError,
    PreconditionFailedError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.files import temporary_name
from file_dataset.domain.requests import Abort, Complete, Draft, Prepare, Prepared
from file_dataset.domain.url import Url

OLD = {"a": b"old", "kept": b"kept", "deep/b": b"old", "deep/kept": b"kept"}
NEW = {"a": b"new data", "deep/b": b"newer data", "deep/er/c": b"newest data"}


class Attempt:
    """A draft of the row 7 of a destination, on its way."""

    def __init__(self, directory: Path, name: str = "1", row: str = "7") -> None:
        self.store = LocalStore()
        self.into = directory / "out"
        self.root = self.into / row
        self.draft = Draft(Url.local(self.root), f"attempt-{name}")
        self.attempt = self.into / ".file_dataset/stage" / self.draft.attempt
        self.sources = directory / "sources"
        for source, data in NEW.items():
            (self.sources / source).parent.mkdir(parents=True, exist_ok=True)
            (self.sources / source).write_bytes(data)

    def prepare(self) -> tuple[Prepared, ...]:
        """Prepare all files; a new store each time, as another process has."""
        requests = [
            Prepare(Url.local(self.sources / name), self.draft.root.joined(name), self.draft)
            for name in NEW
        ]
        return tuple(LocalStore().do(request) for request in requests)

    def put_old(self) -> None:
        for name, data in OLD.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(data)


def files(directory: Path) -> dict[str, bytes]:
    """Everything in a directory, what is hidden too, and nothing that links lead to."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def everything(directory: Path) -> dict[str, object]:
    """The files in a directory, and the modes of all that is in it."""
    modes = {str(path): stat.S_IMODE(path.lstat().st_mode) for path in directory.rglob("*")}
    return {**files(directory), **modes}


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def abort_all(into: Path) -> None:
    """Take back all that is pending, as who comes after a crash does."""
    store = LocalStore()
    for each in store.pending(Url.local(into)):
        store.do(Abort(each.prepared))


@pytest.fixture
def attempt(tmp_path):
    return Attempt(tmp_path)


# Links that somebody has put where directories should be.

PLACES = {
    "the records": ".file_dataset",
    "the stage": ".file_dataset/stage",
    "the attempt": ".file_dataset/stage/attempt-1",
    "the staged directory": ".file_dataset/stage/attempt-1/7",
    "a directory in it": ".file_dataset/stage/attempt-1/7/deep",
    "the root": "7",
}


def plant(link: Path, outside: Path) -> None:
    """Move a directory away, if there is one, and let a link lead to one that looks the same."""
    lookalike = outside / "lookalike"
    if lookalike.exists():
        return
    lookalike.mkdir()
    (lookalike / "precious").write_bytes(b"data")
    if link.exists():
        shutil.copytree(link, lookalike, dirs_exist_ok=True)
        link.rename(outside.parent / "away")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(lookalike)


@pytest.fixture
def outside(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    return outside


@pytest.mark.parametrize("verb", ["prepare", "complete", "abort", "abort all"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_a_link_leads_to_is_not_touched(attempt, outside, place, verb):
    attempt.put_old()
    prepared = attempt.prepare()
    plant(attempt.into / place, outside)
    before = everything(outside)
    with contextlib.suppress(StoreError):
        if verb == "prepare":
            attempt.prepare()
        elif verb == "complete":
            attempt.store.do(Complete(prepared))
        elif verb == "abort":
            attempt.store.do(Abort(prepared))
        else:
            abort_all(attempt.into)
    assert everything(outside) == before


@pytest.mark.parametrize("place", ["the records", "the stage", "the attempt", "a directory in it"])
def test_a_link_is_named_with_what_to_do_about_it(attempt, outside, place):
    link = attempt.into / PLACES[place]
    plant(link, outside)
    with pytest.raises(UnsupportedError) as caught:
        attempt.prepare()
    assert str(caught.value) == (
        f"{link}: is a symbolic link, where only a directory may be; take it away"
    )


def test_a_link_that_comes_once_all_is_done_makes_nothing_undone(attempt, outside, monkeypatch):
    prepared = attempt.prepare()
    complete = drafts.Place.complete

    def overtaken(place, prepared):
        complete(place, prepared)
        plant(attempt.into / ".file_dataset", outside)

    monkeypatch.setattr(drafts.Place, "complete", overtaken)
    attempt.store.do(Complete(prepared))
    assert files(attempt.root) == NEW
    assert (outside / "lookalike/precious").exists()


@pytest.mark.parametrize("target", ["link", "dangling link", "file", "pipe"])
def test_a_root_that_is_no_directory_is_left_alone(attempt, outside, target):
    prepared = attempt.prepare()
    if target == "file":
        attempt.root.write_bytes(b"mine")
    elif target == "pipe":
        os.mkfifo(attempt.root)
    else:
        attempt.root.symlink_to(outside if target == "link" else "nowhere")
    before = os.lstat(attempt.root)
    for request in (
        Prepare(Url.local(__file__), prepared[0].url, attempt.draft),
        Complete(prepared),
    ):
        with pytest.raises(UnsupportedError, match="move it out of the way"):
            attempt.store.do(request)
    attempt.store.do(Abort(prepared))
    assert os.lstat(attempt.root) == before
    assert names_in(attempt.into) == ["7"]


@pytest.mark.parametrize("verb", ["prepare", "complete", "abort"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_link_that_comes_between_a_look_and_its_use_leads_nowhere(tmp_path, place, verb):
    def begun(number: int) -> tuple[Attempt, Path, tuple[Prepared, ...]]:
        attempt = Attempt(tmp_path / str(number))
        attempt.put_old()
        outside = tmp_path / str(number) / "outside"
        outside.mkdir()
        return attempt, outside, attempt.prepare() if verb != "prepare" else ()

    def work(attempt: Attempt, prepared: tuple[Prepared, ...]) -> object:
        if verb == "prepare":
            return attempt.prepare()
        settle = Complete if verb == "complete" else Abort
        return attempt.store.do(settle(prepared))

    attempt, _, prepared = begun(0)
    count = len(calls(lambda: work(attempt, prepared)))
    assert count > 10
    for number in range(1, count, times(1 + count // 20, most=1)):
        attempt, outside, prepared = begun(number)
        inside: dict[str, object] = {}

        def disturb(link=attempt.into / place, outside=outside, inside=inside):
            plant(link, outside)
            inside.update(everything(outside))

        def attacked(attempt=attempt, prepared=prepared, outside=outside, inside=inside):
            with contextlib.suppress(StoreError):
                work(attempt, prepared)
            return not inside or everything(outside) == inside

        assert disturbed_at(number, disturb, attacked), number


def test_others_drafts_above_that_nobody_may_see_are_in_nobodys_way():
    with as_nobody() as directory:
        attempt = Attempt(directory / "deeper")
        prepared = attempt.prepare()
        (directory / ".file_dataset").mkdir()
        (directory / ".file_dataset").chmod(0)
        found = {each.prepared.url for each in attempt.store.pending(Url.local(attempt.into))}
    assert found == {each.url for each in prepared}


# Crashes.


@pytest.mark.parametrize("replaces", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize("can_exchange", [True, False], ids=["exchanged", "moved aside"])
def test_a_kill_at_any_call_leaves_the_old_row_or_the_new_one(
    memory_path, monkeypatch, replaces, can_exchange, record_property
):
    if not can_exchange:
        monkeypatch.setattr(drafts, "exchange", lambda *_: False)
    old = OLD if replaces else {}
    new = old | NEW

    def begun(name: str) -> Attempt:
        attempt = Attempt(memory_path / name)
        if replaces:
            attempt.put_old()
        return attempt

    def work(attempt: Attempt) -> None:
        attempt.store.do(Complete(attempt.prepare()))

    attempt = begun("counted")
    count = len(calls(functools.partial(work, attempt)))
    assert count > 50
    was_complete = False
    points = range(0, count, times(3, most=1))
    for number in points:
        attempt = begun(f"{number}")
        assert killed_at(number, functools.partial(work, attempt))
        seen = files(attempt.root)
        is_seen_by_all = can_exchange or not replaces
        assert seen in (old, new) or (not is_seen_by_all and seen == {}), number
        was_complete |= seen == new
        # What the next one does that comes by; here it knows nothing of the attempt.
        abort_all(attempt.into)
        assert files(attempt.root) == (new if seen == new else old), number
        assert not list(attempt.into.glob(".file_dataset/stage/*")), number
    assert was_complete
    record_property(*tried("SIGKILLs at a local disk", len(points)))


@pytest.mark.parametrize("replaces", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize("can_exchange", [True, False], ids=["exchanged", "moved aside"])
def test_what_was_killed_while_it_was_completed_is_completed_by_the_next(
    memory_path, monkeypatch, replaces, can_exchange, record_property
):
    if not can_exchange:
        monkeypatch.setattr(drafts, "exchange", lambda *_: False)

    def begun(name: str) -> tuple[Attempt, tuple[Prepared, ...]]:
        attempt = Attempt(memory_path / name)
        if replaces:
            # With all files of the new row, so that their names do not tell which one it is.
            attempt.put_old()
            (attempt.root / "deep/er").mkdir()
            (attempt.root / "deep/er/c").write_bytes(b"old")
        return attempt, attempt.prepare()

    attempt, prepared = begun("counted")
    count = len(calls(lambda: attempt.store.do(Complete(prepared))))
    points = range(0, count, times(2, most=1))
    for number in points:
        attempt, prepared = begun(f"{number}")
        complete = functools.partial(attempt.store.do, Complete(prepared))
        assert killed_at(number, complete)
        # Another one is killed at the same, half as far, before one comes through.
        killed_at(number // 2, complete)
        LocalStore().do(Complete(prepared))
        assert files(attempt.root) == ((OLD if replaces else {}) | NEW), number
        assert not list(attempt.into.glob(".file_dataset/stage/*")), number
    record_property(*tried("SIGKILLs at a local disk", len(points)))


def test_a_root_that_another_draft_replaces_meanwhile_is_looked_at_once_more(attempt, monkeypatch):
    attempt.put_old()
    other = Attempt(attempt.into.parent, "2")
    mine = attempt.prepare()
    others = other.store.do(
        Prepare(Url.local(__file__), other.draft.root.joined("other"), other.draft)
    )
    lock = fcntl.flock
    locked: list[int] = []

    def overtaken(file: int, how: int) -> None:
        locked.append(how)
        if locked.count(fcntl.LOCK_EX) == 2:  # the first is of the attempt, this one of the root
            other.store.do(Complete(others))
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", overtaken)
    attempt.store.do(Complete(mine))
    assert files(attempt.root) == OLD | NEW | {"other": Path(__file__).read_bytes()}


def test_what_one_who_was_killed_left_in_the_draft_does_not_get_to_be_seen(attempt):
    prepared = attempt.prepare()
    (attempt.attempt / "7/deep/stray").write_bytes(b"half")
    (attempt.attempt / "7/stray").mkdir()
    (attempt.attempt / "7/stray/link").symlink_to("/")
    attempt.store.do(Complete(prepared))
    assert files(attempt.root) == NEW
    assert not (attempt.root / "stray").exists()


# What the system refuses.


def test_a_directory_that_is_read_only_is_neither_replaced_nor_in_the_way():
    with as_nobody() as directory:
        attempt = Attempt(directory)
        attempt.put_old()
        prepared = attempt.prepare()
        attempt.root.chmod(0o555)
        with pytest.raises(PermissionDeniedError, match=f"{attempt.root}: permission denied"):
            attempt.store.do(Complete(prepared))
        attempt.store.do(Abort(prepared))
        assert files(attempt.root) == OLD
        assert names_in(attempt.into) == ["7"]


def test_directories_in_a_row_that_are_read_only_are_carried_over_and_cleared_away():
    with as_nobody() as directory:
        attempt = Attempt(directory)
        attempt.put_old()
        (attempt.root / "locked/in").mkdir(parents=True)
        (attempt.root / "locked/in/file").write_bytes(b"data")
        for locked in ("locked/in", "locked"):
            (attempt.root / locked).chmod(0o500)
        attempt.store.do(Complete(attempt.prepare()))
        assert files(attempt.root) == OLD | NEW | {"locked/in/file": b"data"}
        modes = [stat.S_IMODE((attempt.root / name).stat().st_mode) for name in ("locked", "deep")]
        assert modes[0] == 0o500
        assert names_in(attempt.into) == ["7"]


def test_where_nothing_can_be_written_nothing_is_left():
    with as_nobody() as directory:
        attempt = Attempt(directory)
        attempt.into.mkdir()
        attempt.into.chmod(0o555)
        with pytest.raises(PermissionDeniedError, match="permission denied"):
            attempt.prepare()
        assert names_in(attempt.into) == []


def test_a_row_that_is_a_mount_point_is_left_alone_and_told(tmp_path):
    def work() -> tuple[str, list[str]]:
        attempt = Attempt(tmp_path)
        attempt.root.mkdir(parents=True)
        try:
            small_disk(attempt.root, "1m")
        except NotAllowedError:  # as it is where the system allows no file systems of one's own
            monkeypatch.setattr(drafts, "rename", refused)
        prepared = attempt.prepare()
        with pytest.raises(UnsupportedError) as caught:
            attempt.store.do(Complete(prepared))
        attempt.store.do(Abort(prepared))
        return str(caught.value), names_in(attempt.into)

    def refused(*_: object) -> bool:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), "7", None, "7")

    monkeypatch = pytest.MonkeyPatch()
    message, names = result_of(work)
    assert message.startswith(f"{tmp_path}/out/7: is ")
    assert "a mount point" in message
    assert message.endswith("choose another destination")
    assert names == ["7"]


@pytest.mark.parametrize("row", ["x" * 255, "ü" * 127])
def test_names_of_255_bytes_are_as_good_as_others(tmp_path, row):
    attempt = Attempt(tmp_path, row=row)
    prepared = attempt.prepare()
    long = attempt.draft.root.joined("deep", "y" * 255)
    prepared += (attempt.store.do(Prepare(Url.local(__file__), long, attempt.draft)),)
    attempt.store.do(Complete(prepared))
    assert Path(long.path).read_bytes() == Path(__file__).read_bytes()


def test_a_path_may_be_as_long_as_the_system_allows(tmp_path):
    # The path out of sight is longer than the one in the end, and is never spelled out.
    attempt = Attempt(tmp_path)
    rest = 4095 - len(str(tmp_path)) - len("/out/7/deep/er/c")
    into = Path(tmp_path, *["d" * 100] * (rest // 101 - 1), "e" * (100 + rest % 101), "out")
    draft = Draft(Url.local(into / "7"), "attempt-1")
    url = draft.root.joined("deep/er/c")
    assert len(url.path) == 4095
    attempt.store.do(Complete(attempt.store.do(Prepare(Url.local(__file__), url, draft))))
    assert Path(url.path).is_file()


@pytest.mark.parametrize("name", ["x" * 256, "deep/" + "x" * 256, "x" * 256 + "/file"])
def test_a_name_that_is_too_long_leaves_nothing(attempt, name):
    with pytest.raises(InvalidUrlError, match="too long"):
        attempt.store.do(
            Prepare(Url.local(__file__), attempt.draft.root.joined(name), attempt.draft)
        )
    assert not attempt.into.exists()


def test_no_draft_can_take_the_place_of_the_records(attempt):
    draft = Draft(Url.local(attempt.into / ".file_dataset"), "attempt-1")
    with pytest.raises(InvalidUrlError, match="what is not complete"):
        attempt.store.do(Prepare(Url.local(__file__), draft.root.joined("a"), draft))
    assert not attempt.into.exists()


def test_a_file_that_nobody_would_see_is_refused(attempt):
    hidden = attempt.draft.root.joined("deep", temporary_name())
    with pytest.raises(InvalidUrlError, match="half written"):
        attempt.store.do(Prepare(Url.local(__file__), hidden, attempt.draft))
    assert not attempt.into.exists()


def test_where_there_can_be_no_second_name_files_are_copied(attempt, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    attempt.put_old()
    (attempt.root / "link").symlink_to("kept")
    os.utime(attempt.root / "kept", ns=(10**18, 10**18))
    (attempt.root / "kept").chmod(0o640)
    monkeypatch.setattr(os, "link", refused)
    attempt.store.do(Complete(attempt.prepare()))
    assert files(attempt.root) == OLD | NEW
    assert (attempt.root / "link").readlink() == Path("kept")
    status = (attempt.root / "kept").stat()
    assert (status.st_mtime_ns, stat.S_IMODE(status.st_mode)) == (10**18, 0o640)


@pytest.mark.parametrize("made", ["9" * 5000, "٣", "-1", "", "99"])
def test_a_receipt_that_somebody_wrote_is_no_number_to_count_on(attempt, made):
    (attempt.into / "empty").mkdir(parents=True)
    (prepared, *_) = attempt.prepare()
    receipt = f"1-1-{made}"
    attempt.store.do(Abort(Prepared(prepared.url, prepared.token, attempt.draft, receipt)))
    assert names_in(attempt.into) == ["empty"]


@pytest.mark.parametrize("place", ["a", "deep"])
def test_a_link_in_the_place_of_what_was_prepared_is_not_completed(attempt, tmp_path, place):
    prepared = attempt.prepare()
    staged = attempt.attempt / "7" / place
    # It has the time and the size of what was prepared.
    if place == "deep":
        shutil.copytree(staged, tmp_path / "elsewhere")
        staged.rename(tmp_path / "away")
        staged.symlink_to(tmp_path / "elsewhere")
    else:
        written = staged.stat().st_mtime_ns
        staged.unlink()
        staged.symlink_to("x" * len(NEW["a"]))
        os.utime(staged, ns=(written, written), follow_symlinks=False)
    with pytest.raises(PreconditionFailedError):
        attempt.store.do(Complete(prepared))
    assert not attempt.root.exists()


def test_what_is_no_directory_in_the_stage_can_be_taken_back_too(attempt):
    stage = attempt.into / ".file_dataset/stage"
    stage.mkdir(parents=True)
    (stage / "file").write_bytes(b"")
    (stage / "link").symlink_to("/")
    os.mkfifo(stage / "pipe")
    abort_all(attempt.into)
    assert names_in(attempt.into) == []
