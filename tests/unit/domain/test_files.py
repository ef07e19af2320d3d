import array
import errno
import os
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.layers.fakes import in_forked_child

from file_dataset.domain import files
from file_dataset.domain.errors import (
    AlreadyExistsError,
    InvalidUrlError,
    NoSpaceError,
    NotFoundError,
    PermissionDeniedError,
    StoreError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.files import (
    beside,
    is_temporary,
    linked,
    local_errors,
    replacing,
    small_file,
    temporary_name,
    write_whole,
)
from file_dataset.domain.url import Url

URL = Url.local("/some/file")


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


MEANINGS = {
    "ENOENT": NotFoundError,
    "ENOTDIR": NotFoundError,
    "EACCES": PermissionDeniedError,
    "EPERM": PermissionDeniedError,
    "EROFS": PermissionDeniedError,
    "EEXIST": AlreadyExistsError,
    "EISDIR": UnsupportedError,
    "ENOTEMPTY": UnsupportedError,
    "ELOOP": UnsupportedError,
    "EXDEV": UnsupportedError,
    "EBUSY": UnsupportedError,
    "ENOSPC": NoSpaceError,
    "EDQUOT": NoSpaceError,
    "EFBIG": NoSpaceError,
    "EMFILE": TransientError,
    "ENFILE": TransientError,
    "EAGAIN": TransientError,
    "EINTR": TransientError,
    "ESTALE": TransientError,
    "ETIMEDOUT": TransientError,
    "EIO": StoreError,
}


@pytest.mark.parametrize(("name", "kind"), MEANINGS.items())
def test_a_system_error_becomes_the_error_that_fits(name, kind):
    cause = OSError(getattr(errno, name), "said the system", "/some/other")
    with pytest.raises(StoreError) as caught, local_errors(URL):
        raise cause
    assert type(caught.value) is kind
    assert caught.value.url == URL
    assert caught.value.__cause__ is cause
    assert "said the system" in caught.value.detail
    assert str(caught.value).startswith("/some/other: ")


def test_every_meaning_is_tested():
    assert {getattr(errno, name) for name in MEANINGS} == {*files._MEANINGS, errno.EIO}


def test_what_is_missing_is_not_found():
    with pytest.raises(NotFoundError, match="not found"), local_errors(URL):
        Path("/no/such/file").read_bytes()


def test_a_name_that_is_too_long_is_no_url():
    with pytest.raises(InvalidUrlError, match="too long"), local_errors(URL):
        Path("x" * 256).stat()


@pytest.mark.parametrize("error", [NotFoundError("mine"), InvalidUrlError("mine"), KeyError("bug")])
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as caught, local_errors(URL):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("name", [None, 3, b"/bytes", "/some/.file_dataset-0.tmp", "stage"])
def test_an_error_of_no_file_that_the_user_knows_is_about_the_url(name):
    with pytest.raises(NotFoundError, match=r"^/some/file: "), local_errors(URL):
        raise FileNotFoundError(errno.ENOENT, "gone", name)


def test_temporary_names_are_hidden_beside_and_like_no_other():
    path = Path("/some/file")
    names = {Path(beside(path)) for _ in range(100)}
    assert len(names) == 100
    assert {name.parent for name in names} == {path.parent}
    assert all(is_temporary(name.name) and name.name.startswith(".") for name in names)
    assert not is_temporary("file")
    assert not is_temporary(".hidden.tmp")


def test_a_forked_child_makes_other_temporary_names():
    assert in_forked_child(temporary_name) != temporary_name()


@pytest.mark.parametrize("old", [b"old", None])
def test_a_file_is_replaced_when_the_body_ends(tmp_path, old):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert (path.read_bytes() if path.exists() else None) == old
    assert path.read_bytes() == b"new"
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
@pytest.mark.parametrize("begun", [True, False])
def test_nothing_is_left_when_the_body_fails(tmp_path, error, begun):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def replace():
        with replacing(path) as temporary:
            if begun:
                temporary.write_bytes(b"new")
            raise error

    with pytest.raises(error):
        replace()
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_nothing_is_left_when_the_place_is_taken(tmp_path):
    path = tmp_path / "directory"
    path.mkdir()
    with pytest.raises(IsADirectoryError), replacing(path) as temporary:
        temporary.write_bytes(b"new")
    assert names_in(tmp_path) == ["directory"]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_gets_a_second_name_or_is_copied_with_its_time(has_links, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EOPNOTSUPP, "there are no links here")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"data")
    os.utime(source, ns=(7, 1_234_567_890))
    linked(source, target)
    assert target.read_bytes() == b"data"
    assert target.stat().st_mtime_ns == 1_234_567_890
    assert source.samefile(target) == has_links
    with pytest.raises(FileNotFoundError):
        linked(tmp_path / "nothing", tmp_path / "more")


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "target").write_bytes(b"target")
    (tmp_path / "link").symlink_to("target")
    with replacing(tmp_path / "link") as temporary:
        temporary.write_bytes(b"new")
    assert (tmp_path / "target").read_bytes() == b"target"
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is full")
def test_a_full_device_has_no_space():
    with pytest.raises(NoSpaceError, match="no space left"), local_errors(URL):
        Path("/dev/full").write_bytes(b"data")


@given(st.binary(), st.none() | st.binary(), st.integers(1, 9))
def test_a_file_is_written_whole_however_little_the_system_takes_at_once(data, old, most):
    write = os.write
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "file")
        if old is not None:
            path.write_bytes(old)
        with (
            mock.patch("os.write", lambda file, rest: write(file, rest[:most])),
            mock.patch("os.writev", lambda file, rest: write(file, b"".join(rest)[:most])),
        ):
            write_whole(path, data)
            assert path.read_bytes() == data
            write_whole(path, data, data, b"")

        assert path.read_bytes() == data * 2
        assert names_in(path.parent) == ["file"]


def test_a_view_of_words_is_written_as_bytes(tmp_path):
    words = array.array("I", range(9))
    write = os.write
    with mock.patch("os.writev", lambda file, rest: write(file, b"".join(rest)[:5])):
        write_whole(tmp_path / "file", memoryview(words))

    assert (tmp_path / "file").read_bytes() == words.tobytes()


def test_a_file_without_a_directory_is_written_to_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with mock.patch("os.open", wraps=os.open) as opened:
        write_whole(Path("file"), b"data")

    assert Path(opened.call_args.args[0]).resolve().parent == tmp_path.resolve()
    assert (tmp_path / "file").read_bytes() == b"data"
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()], ids=str)
@pytest.mark.parametrize("call", ["os.write", "os.replace"])
def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path, call, error):
    (tmp_path / "file").write_bytes(b"old")
    with (
        mock.patch("os.close", wraps=os.close) as close,
        mock.patch(call, side_effect=error),
        pytest.raises(type(error)) as caught,
    ):
        write_whole(tmp_path / "file", b"new")

    assert caught.value is error
    assert close.call_count == 1
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_a_file_is_new_and_its_mode_is_what_the_user_wants(tmp_path):
    write_whole(tmp_path / "written", b"data")
    (tmp_path / "plain").write_bytes(b"data")

    assert (tmp_path / "written").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_is_replaced_by_a_whole_file_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "target").write_bytes(b"target")
    (tmp_path / "link").symlink_to("target")
    write_whole(tmp_path / "link", b"new")

    assert (tmp_path / "target").read_bytes() == b"target"
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("no/file", FileNotFoundError), ("directory", IsADirectoryError), ("x" * 256, OSError)],
)
def test_where_no_file_can_be_the_system_says_so_and_nothing_is_left(tmp_path, name, kind):
    (tmp_path / "directory").mkdir()
    with pytest.raises(kind):
        write_whole(tmp_path / name, b"data")

    assert names_in(tmp_path) == ["directory"]


def test_a_small_file_is_taken_as_it_is_unless_somebody_writes_to_it(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    assert small_file(str(path), most=3) == b"one"
    assert small_file(str(path), most=2) is None
    assert small_file(str(tmp_path), most=3) is None
    read = os.read

    def while_written(file: int, size: int) -> bytes:
        content = read(file, size)
        path.write_bytes(b"two")
        os.utime(path, ns=(1, 1))
        return content

    monkeypatch.setattr(os, "read", while_written)
    assert small_file(str(path), most=3) is None
