import os
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from file_dataset.adapters.local import DirectStore, uncached
from file_dataset.domain.errors import InvalidUrlError, NotFoundError, UnsupportedError
from file_dataset.domain.objects import Span
from file_dataset.domain.url import Url

BLOCK = 4096
# Small, so that a test that crosses pieces does not need megabytes.
PIECE = 4 * BLOCK
EDGES = sorted({max(0, n * BLOCK + off) for n in (0, 1, 3, 4, 5, 8, 9) for off in (-1, 0, 1)})


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(uncached, "_PIECE", PIECE)
    monkeypatch.setattr(uncached, "_warned", set())


def url_of(path):
    return Url("direct", "", str(path).removeprefix("/"))


@pytest.fixture
def store():
    return DirectStore()


@pytest.mark.parametrize("size", EDGES)
def test_a_file_of_any_size_is_what_was_written(store, tmp_path, size):
    data = os.urandom(size)
    store.write(url_of(tmp_path / "a"), data)
    assert (tmp_path / "a").read_bytes() == data
    assert store.read(url_of(tmp_path / "a")) == data
    info = store.download(url_of(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == data
    assert (info.url, info.size) == (url_of(tmp_path / "a"), size)
    store.copy(url_of(tmp_path / "a"), url_of(tmp_path / "c"))
    store.upload(tmp_path / "a", url_of(tmp_path / "d"))
    assert (tmp_path / "c").read_bytes() == (tmp_path / "d").read_bytes() == data


def test_any_span_is_a_part_of_the_file(tmp_path_factory):
    store, path = DirectStore(), tmp_path_factory.mktemp("spans") / "a"
    data = os.urandom(9 * BLOCK + 17)
    path.write_bytes(data)

    @settings(deadline=None)
    @given(
        st.sampled_from(EDGES) | st.integers(0, len(data) - 1),
        st.none() | st.sampled_from(EDGES[1:]) | st.integers(1, len(data)),
    )
    def check(start, length):
        span = Span(start, length)
        assert store.read(url_of(path), span=span) == data[span.start : span.stop]

    check()


def test_the_files_are_opened_past_the_cache(store, tmp_path, monkeypatch):
    flags = []
    opened = os.open

    def spy(path, how, *args, **kwargs):
        if str(path).startswith(str(tmp_path)):
            flags.append((how & os.O_ACCMODE, bool(how & os.O_DIRECT)))
        return opened(path, how, *args, **kwargs)

    monkeypatch.setattr(os, "open", spy)
    store.write(url_of(tmp_path / "a"), b"text")
    assert store.read(url_of(tmp_path / "a")) == b"text"
    assert (os.O_WRONLY, True) in flags
    assert flags[-1] == (os.O_RDONLY, True)


def test_where_the_file_system_refuses_it_says_so_once_and_reads_all_the_same(store):
    with pytest.warns(RuntimeWarning, match=r"direct:///proc/\S+ .*O_DIRECT"):
        assert store.read(url_of("/proc/version")) == Path("/proc/version").read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.read(url_of("/proc/version")) == Path("/proc/version").read_bytes()


def test_a_disk_that_takes_no_such_blocks_is_read_and_written_all_the_same(
    store, tmp_path, monkeypatch
):
    def refusing(call):
        def act(file, *args):
            if uncached._uses_direct(file):
                raise OSError(22, "Invalid argument")
            return call(file, *args)

        return act

    monkeypatch.setattr(os, "preadv", refusing(os.preadv))
    monkeypatch.setattr(os, "pwrite", refusing(os.pwrite))
    with pytest.warns(RuntimeWarning, match="O_DIRECT"):
        store.write(url_of(tmp_path / "a"), b"text" * BLOCK)
    assert store.read(url_of(tmp_path / "a")) == b"text" * BLOCK


@pytest.fixture
def device(tmp_path):
    """A block device of 8 blocks and half a sector."""
    data = os.urandom(8 * BLOCK + 512)
    (tmp_path / "image").write_bytes(data)
    losetup = shutil.which("losetup", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if losetup is None:
        pytest.skip("there is no losetup here")
    made = subprocess.run(
        [losetup, "--find", "--show", "--read-only", tmp_path / "image"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"a loop device takes a system administrator: {made.stderr}")
    path = made.stdout.strip()
    yield path, data
    subprocess.run([losetup, "--detach", path], check=True)


def test_a_block_device_is_read_and_nothing_else(store, device, tmp_path):
    path, data = device
    url = url_of(path)
    assert store.stat(url).size == len(data)
    assert store.read(url) == data
    assert store.read(url, span=Span(BLOCK + 1, 3 * BLOCK)) == data[BLOCK + 1 : 4 * BLOCK + 1]
    assert store.download(url, tmp_path / "copy").size == len(data)
    assert (tmp_path / "copy").read_bytes() == data
    with pytest.raises(UnsupportedError, match="only read"):
        store.write(url, b"")
    store.delete(url)
    assert store.read(url, span=Span(0, 10)) == data[:10]


@pytest.mark.parametrize("text", ["direct://data/a", "direct:///data/../a", "direct:///data//a"])
def test_a_url_with_a_host_or_an_odd_path_is_refused(store, text):
    with pytest.raises(InvalidUrlError, match=r"three slashes|plain"):
        store.read(Url.parse(text))


def test_errors_are_about_the_url_that_was_asked_for(store, tmp_path):
    url = url_of(tmp_path / "missing")
    for act in (store.stat, store.read, lambda at: store.copy(at, url_of(tmp_path / "b"))):
        with pytest.raises(NotFoundError) as caught:
            act(url)
        assert caught.value.url == url
