import contextlib
import errno
import fcntl
import os
import resource
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.local.regular import regular
from file_dataset.domain.errors import (
    AlreadyExistsError,
    IntegrityError,
    InvalidUrlError,
    NoSpaceError,
    NotFoundError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.files import temporary_name
from file_dataset.domain.objects import CREATE, IfMatch, ObjectInfo, Prefix, Span
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Copy,
    Delete,
    Download,
    Draft,
    Prepare,
    Prepared,
    Read,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.url import Url

STORE = LocalStore()


@pytest.fixture
def root(tmp_path):
    return Url.local(tmp_path)


@pytest.fixture
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("elsewhere") / "source"
    path.write_bytes(b"source")
    return path


def tree(root):
    """Everything below a directory, also what a listing does not show."""
    return sorted(path.relative_to(root.path).as_posix() for path in Path(root.path).rglob("*"))


def error_of(request):
    (outcome,) = STORE.run([request])
    assert isinstance(outcome, Failed), outcome
    return outcome.error


def makers(source, url):
    """One request for each way to make an object of a file."""
    return [
        lambda mode=None: Write(url, b"data", *([mode] if mode else [])),
        lambda mode=None: Upload(source, url, *([mode] if mode else [])),
        lambda mode=None: Copy(Url.local(source), url, *([mode] if mode else [])),
    ]


# What is no file.


def test_a_directory_is_no_object(root, source):
    (Path(root.path) / "directory").mkdir()
    url = root.joined("directory")
    requests = [
        Stat(url),
        Read(url),
        Download(url, Path(root.path, "file")),
        Upload(Path(url.path), root.joined("copy")),
        Copy(url, root.joined("copy")),
        Prepare(url, root.joined("copy")),
        Delete(url),
        *(make() for make in makers(source, url)),
        *(make(IfMatch("tag")) for make in makers(source, url)),
    ]
    for request in requests:
        error = error_of(request)
        assert type(error) is UnsupportedError, request
        assert "directory" in str(error)
    for make in makers(source, url):
        assert type(error_of(make(CREATE))) is AlreadyExistsError
    assert tree(root) == ["directory"]


@pytest.mark.timeout(20)
def test_a_pipe_is_refused_and_nobody_waits_for_it(root, source):
    url = root.joined("pipe")
    os.mkfifo(url.path)
    requests = [
        Stat(url),
        Read(url),
        Read(url, Span(0, 1)),
        Download(url, Path(root.path, "file")),
        Upload(Path(url.path), root.joined("copy")),
        Copy(url, root.joined("copy")),
        Prepare(url, root.joined("copy")),
        *(make(IfMatch("tag")) for make in makers(source, url)),
    ]
    for request in requests:
        assert type(error_of(request)) is UnsupportedError, request
    assert list(STORE.list(root)) == list(STORE.list(root, recursive=False)) == []
    assert tree(root) == ["pipe"]


def test_what_lies_below_a_file_is_not_found_and_cannot_be_made(root, source):
    STORE.write(root.joined("file"), b"data")
    url = root.joined("file", "below")
    for request in (Stat(url), Read(url), Download(url, Path(root.path, "copy"))):
        assert type(error_of(request)) is NotFoundError
    for make in makers(source, url):
        assert type(error_of(make())) is NotFoundError
    assert type(error_of(Prepare(Url.local(source), url))) is NotFoundError
    STORE.delete(url)
    assert list(STORE.list(root.joined("file"))) == []
    assert tree(root) == ["file"]


def test_a_url_of_another_scheme_is_refused(tmp_path):
    url = Url.parse("s3://bucket/key")
    (outcome,) = STORE.run([Read(url)])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, InvalidUrlError)
    with pytest.raises(InvalidUrlError):
        list(STORE.list(url))


# Links.


def test_a_link_is_read_through_and_replaced(root, source):
    for number, make in enumerate(makers(source, root.joined("link"))):
        target, link = root.joined(f"target-{number}"), Path(root.path, "link")
        STORE.write(target, b"target")
        link.unlink(missing_ok=True)
        link.symlink_to(target.path)
        assert STORE.read(root.joined("link")) == b"target"
        assert STORE.stat(root.joined("link")).size == 6
        STORE.do(make())
        assert not link.is_symlink()
        assert STORE.read(target) == b"target"


def test_a_link_is_deleted_and_not_what_it_leads_to(root):
    STORE.write(root.joined("target"), b"target")
    Path(root.path, "link").symlink_to("target")
    STORE.delete(root.joined("link"))
    assert tree(root) == ["target"]


def test_a_listing_shows_linked_files_and_enters_no_linked_directory(root):
    STORE.write(root.joined("a", "file"), b"data")
    Path(root.path, "linked-file").symlink_to("a/file")
    Path(root.path, "linked-directory").symlink_to("a")
    Path(root.path, "up").symlink_to("..")
    Path(root.path, "leads-nowhere").symlink_to("none")
    Path(root.path, "leads-to-itself").symlink_to("leads-to-itself")
    names = [info.url.key.removeprefix(root.stem) for info in STORE.list(root)]
    assert names == ["a/file", "linked-file"]
    assert [item.url.name for item in STORE.list(root, recursive=False)] == ["a", "linked-file"]


def test_a_link_in_a_circle_cannot_be_read_and_can_be_replaced(root):
    url = root.joined("circle")
    Path(url.path).symlink_to("circle")
    for request in (Stat(url), Read(url), Download(url, Path(root.path, "file"))):
        error = error_of(request)
        assert type(error) is UnsupportedError
        assert "link" in str(error)
    assert type(error_of(Write(url, b"new", CREATE))) is AlreadyExistsError
    STORE.write(url, b"new")
    assert STORE.read(url) == b"new"


def test_create_does_not_write_through_a_link_that_leads_nowhere(root, source):
    url = root.joined("link")
    Path(url.path).symlink_to("none")
    for make in makers(source, url):
        assert type(error_of(make(CREATE))) is AlreadyExistsError
    assert tree(root) == ["link"]


# Listing.


def test_directories_without_files_are_not_listed(root):
    for name in ("empty/deep", "half", "pipes"):
        Path(root.path, name).mkdir(parents=True)
    Path(root.path, "half", temporary_name()).write_bytes(b"half")
    Path(root.path, temporary_name()).write_bytes(b"half")
    os.mkfifo(Path(root.path, "pipes/pipe"))
    assert list(STORE.list(root)) == list(STORE.list(root, recursive=False)) == []
    STORE.write(root.joined("empty/deep/file"), b"data")
    assert list(STORE.list(root, recursive=False)) == [Prefix(root.joined("empty"))]


def test_directories_that_begin_otherwise_are_not_entered(root, monkeypatch):
    for name in ("ab/1", "a/2", "b/3"):
        STORE.write(root.joined(name), b"")
    entered: list[str] = []
    scandir = os.scandir

    def noted(path):
        entered.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noted)
    found = [info.url.key.removeprefix(root.stem) for info in STORE.list_starting(root, "a")]
    assert found == ["a/2", "ab/1"]
    assert entered == [root.path, root.joined("a").path, root.joined("ab").path]


def test_a_file_that_goes_away_while_it_is_listed_is_left_out(root):
    for name in ("a", "b", "c", "d/e"):
        STORE.write(root.joined(name), b"data")
    listing = STORE.list(root)
    assert isinstance(first := next(listing), ObjectInfo)
    STORE.delete(root.joined("b"))
    STORE.delete(root.joined("d/e"))
    Path(root.path, "d").rmdir()
    assert [first.url.name, *(info.url.name for info in listing)] == ["a", "c"]


def test_names_that_are_no_text_are_listed_and_read(root):
    path = os.fsencode(root.path) + b"/caf\xe9"
    Path(os.fsdecode(path)).write_bytes(b"data")
    (info,) = STORE.list(root)
    assert STORE.read(info.url) == b"data"
    assert Url.parse(str(info.url)) == info.url


# Modes.


@pytest.mark.parametrize("mode", [0o600, 0o444, 0o755])
def test_copies_have_the_mode_of_their_source(root, source, mode):
    source.chmod(mode)
    url = root.joined("copy")
    for make in makers(source, url)[1:]:
        STORE.do(make())
        assert stat.S_IMODE(Path(url.path).stat().st_mode) == mode
    STORE.download(Url.local(source), Path(root.path, "downloaded"))
    assert stat.S_IMODE(Path(root.joined("downloaded").path).stat().st_mode) == mode
    STORE.do(Complete(STORE.do(Prepare(Url.local(source), url))))
    assert stat.S_IMODE(Path(url.path).stat().st_mode) == mode


# What fails leaves nothing.


@contextlib.contextmanager
def files_of_at_most(size):
    """As on a full disk: a file that grows past this fails, which no test needs a disk for."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("key", ["old", "new", "made/for/it"])
def test_a_write_that_fails_leaves_what_was_there_and_no_directory(root, source, key):
    STORE.write(root.joined("old"), b"old")
    before = tree(root)
    source.write_bytes(b"x" * 5000)
    url = root.joined(key)
    requests = [
        Write(url, b"x" * 5000),
        Upload(source, url),
        Copy(Url.local(source), url),
        Prepare(Url.local(source), url),
        Download(Url.local(source), Path(root.path, "old")),
    ]
    for request in requests:
        with files_of_at_most(1000):
            error = error_of(request)
        assert type(error) is NoSpaceError, request
        assert tree(root) == before
        assert STORE.read(root.joined("old")) == b"old"


@pytest.fixture
def written_to(source, monkeypatch):
    """Somebody who writes to the source while it is being copied, so many times."""
    copy, left = os.copy_file_range, [0]

    def copied(*arguments):
        if left[0]:
            left[0] -= 1
            os.utime(source, ns=(left[0], left[0]))
        return copy(*arguments)

    monkeypatch.setattr(os, "copy_file_range", copied)
    return left


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="only Linux copies by itself")
@pytest.mark.parametrize("kind", ["upload", "copy", "download", "prepare", "draft"])
def test_a_file_that_somebody_writes_to_is_not_taken_for_whole(root, source, written_to, kind):
    url = root.joined("made", "for", "it")
    draft = Draft(root.joined("made"), "attempt-1")
    request = {
        "upload": Upload(source, url),
        "copy": Copy(Url.local(source), url),
        "download": Download(Url.local(source), Path(root.path, "downloaded")),
        "prepare": Prepare(Url.local(source), url),
        "draft": Prepare(Url.local(source), url, draft),
    }[kind]
    written_to[0] = 1
    error = error_of(request)
    assert type(error) is IntegrityError
    assert error.transient
    assert str(error).startswith(f"{source}: was changed while it was being read")
    assert tree(root) == []
    # Once it is left alone, the next attempt brings all of it; and a second time it is told.
    for times, ends in ((1, Done), (100, Failed)):
        written_to[0] = times
        (outcome,) = Retrying(STORE, base=0.0).run([request])
        assert type(outcome) is ends


@pytest.mark.parametrize("kind", ["write", "upload", "prepared"])
def test_what_is_swept_while_it_is_written_is_written_anew(root, source, kind, monkeypatch):
    """recover() may take a living process for a dead one."""
    url = root.joined("made", "for", "it")
    swept: list[str] = []

    def sweeping(mode):
        def change(path, *arguments, **named):
            if not swept:
                swept.extend(each.prepared.url.path for each in STORE.pending(root))
                for each in swept:
                    Path(each).unlink()
            return mode(path, *arguments, **named)

        return change

    prepared = STORE.do(Prepare(Url.local(source), url)) if kind == "prepared" else None
    name = "utime" if kind != "prepared" else "replace"
    monkeypatch.setattr(os, name, sweeping(getattr(os, name)))
    if prepared is not None:
        error = error_of(Complete(prepared))
        assert (type(error), error.transient) == (TransientError, True)
        assert str(error).startswith(f"{url}: what was being written was taken away, as recover()")
        return
    request = Write(url, b"source") if kind == "write" else Upload(source, url)
    assert list(Retrying(STORE, base=0.0).run([request])) == [Done(0, None)]
    assert len(swept) == 1
    assert STORE.read(url) == b"source"


def test_a_copy_of_what_is_missing_makes_no_directory(root):
    missing = root.joined("missing")
    url = root.joined("made", "for", "it")
    for request in (Copy(missing, url), Upload(Path(missing.path), url), Prepare(missing, url)):
        error = error_of(request)
        assert type(error) is NotFoundError
        assert missing.path in str(error)
        assert "not found" in str(error)
    assert tree(root) == []


def test_directories_that_others_use_by_now_stay(root):
    url = root.joined("made", "for", "it")
    first = STORE.do(Prepare(Url.local(__file__), url))
    STORE.write(root.joined("made", "other"), b"data")
    STORE.do(Abort(first))
    assert tree(root) == ["made", "made/other"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_what_prepared_files_brought_goes_with_the_last_of_them(root, order):
    urls = [root.joined("made", "a"), root.joined("made", "b"), root.joined("made", "deep", "c")]
    prepared = [STORE.do(Prepare(Url.local(__file__), url)) for url in urls]
    assert list(STORE.list(root)) == []
    for number in order:
        assert Path(root.path, "made").exists()
        STORE.do(Abort(prepared[number]))
    assert tree(root) == []


def test_an_aborted_preparation_leaves_a_directory_that_was_there(root):
    Path(root.path, "there").mkdir()
    prepared = STORE.do(Prepare(Url.local(__file__), root.joined("there", "file")))
    STORE.do(Abort(prepared))
    assert tree(root) == ["there"]


def test_neighbours_do_not_take_each_others_directories_away(root):
    # Each pair wants the same new directory; one of the two fails and cleans up after itself.
    requests = []
    for number in range(200):
        requests.append(Write(root.joined(f"{number}", "deep", "x" * 256), b"too long"))
        requests.append(Write(root.joined(f"{number}", "deep", "file"), b"data"))
    outcomes = sorted(STORE.run(requests), key=lambda outcome: outcome.index)
    assert [type(outcome) for outcome in outcomes] == [Failed, Done] * 200
    assert len(list(STORE.list(root))) == 200


@pytest.mark.parametrize(
    "token",
    ["", "token", '{"file": "x"}', "../../file:1", "file:1", ".file_dataset-x.tmp", ":", "x:-1"],
)
def test_a_token_of_somebody_else_is_not_found_and_moves_nothing(root, token):
    STORE.write(root.joined("file"), b"data")
    for settle in (Complete, Abort):
        error = error_of(settle(Prepared(root.joined("target"), token)))
        assert type(error) is NotFoundError
    assert tree(root) == ["file"]


# Names.


@pytest.mark.parametrize(("name", "fits"), [("x" * 255, True), ("x" * 256, False)])
@pytest.mark.parametrize("place", ["{}", "deep/{}", "{}/below"])
def test_a_name_fits_or_is_no_url(root, source, name, fits, place):
    url = root.joined(*place.format(name).split("/"))
    for make in makers(source, url):
        (outcome,) = STORE.run([make()])
        if fits:
            assert outcome == Done(0, None)
            assert STORE.stat(url).size in (4, 6)
            assert [info.url for info in STORE.list(root)] == [url]
            STORE.delete(url)
        else:
            assert isinstance(outcome, Failed)
            assert type(outcome.error) is InvalidUrlError
            assert tree(root) == []


def test_a_name_that_does_not_fit_is_no_url_to_whoever_looks_at_it(root):
    url = root.joined("x" * 256)
    for request in (Stat(url), Read(url), Delete(url), Download(url, Path(root.path, "file"))):
        assert type(error_of(request)) is InvalidUrlError
    assert tree(root) == []


def test_names_of_what_is_half_written_are_refused(root, source):
    url = root.joined(temporary_name())
    for make in makers(source, url):
        assert type(error_of(make())) is InvalidUrlError
    assert type(error_of(Prepare(Url.local(source), url))) is InvalidUrlError
    assert tree(root) == []


# Spans and versions.


def test_a_span_far_past_the_end_takes_no_memory(root):
    url = root.joined("file")
    STORE.write(url, b"0123456789")
    assert STORE.read(url, span=Span(3, 2**60)) == b"3456789"
    with pytest.raises(RangeNotSatisfiableError):
        STORE.read(url, span=Span(2**60))


def test_quick_writes_of_one_size_have_their_own_etags(root, source):
    url = root.joined("file")
    steps = [*makers(source, url), lambda: Complete(STORE.do(Prepare(Url.local(source), url)))]
    tags = set()
    for number in range(200):
        STORE.do(steps[number % len(steps)]())
        tags.add(STORE.stat(url).etag)
    assert len(tags) == 200


def test_the_time_of_writing_is_finer_than_the_systems_own(root, source, monkeypatch):
    url = root.joined("file")
    steps = [*makers(source, url), lambda: Complete(STORE.do(Prepare(Url.local(source), url)))]
    for number, make in enumerate(steps):
        monkeypatch.setattr(time, "time_ns", lambda now=10**18 + number: now)
        STORE.do(make())
        assert Path(url.path).stat().st_mtime_ns == 10**18 + number


@pytest.mark.parametrize("maker", range(3))
def test_of_those_who_replace_one_version_exactly_one_wins(root, maker, tmp_path_factory):
    files = tmp_path_factory.mktemp("files")
    for round_ in range(20):
        url = root.joined(f"file-{round_}")
        STORE.write(url, b"old")
        mode = IfMatch(STORE.stat(url).etag or "")
        gate = threading.Barrier(6)
        outcomes: dict[int, Outcome[None]] = {}

        def replace(racer, url=url, mode=mode, gate=gate, outcomes=outcomes):
            path = files / f"{racer}"
            path.write_bytes(b"racer %d" % racer)
            requests = [Write(url, b"racer %d" % racer, mode), Upload(path, url, mode)]
            requests.append(Copy(Url.local(path), url, mode))
            gate.wait(20)
            (outcomes[racer],) = STORE.run([requests[maker]])

        threads = [threading.Thread(target=replace, args=(racer,)) for racer in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = [racer for racer, each in outcomes.items() if isinstance(each, Done)]
        losers = [each.error for each in outcomes.values() if isinstance(each, Failed)]
        assert {type(error) for error in losers} == {PreconditionFailedError}
        assert STORE.read(url) == b"racer %d" % winner
    assert len(tree(root)) == 20


def test_a_version_that_changes_under_the_lock_is_stale(root, monkeypatch):
    url = root.joined("file")
    STORE.write(url, b"old")
    mode = IfMatch(STORE.stat(url).etag or "")
    lock = fcntl.flock

    def overtaken(file, how):
        # Between opening the file and having its lock, somebody else replaces it.
        STORE.write(url, b"other")
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", overtaken)
    with pytest.raises(PreconditionFailedError):
        STORE.write(url, b"new", mode=mode)
    assert STORE.read(url) == b"other"


def test_a_span_is_of_the_file_that_is_read_and_not_of_one_before_it(root, monkeypatch):
    url = root.joined("file")
    STORE.write(url, b"0123456789")

    def overtaken(url):
        status = regular(url)
        Path(url.path).write_bytes(b"01")
        return status

    monkeypatch.setattr("file_dataset.adapters.local.store.regular", overtaken)
    with pytest.raises(RangeNotSatisfiableError):
        STORE.read(url, span=Span(5))


def refuse(*_):
    raise OSError(errno.EXDEV, "Invalid cross-device link")


COPIERS = {
    "the system": os.copy_file_range,
    "a system that refuses": refuse,
    "a system that stops half-way": lambda read, written, count: 0,
    "a system without": None,
}


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="only Linux copies by itself")
@pytest.mark.parametrize("copier", COPIERS)
def test_a_copy_is_whole_whatever_the_system_does_of_it(root, monkeypatch, copier):
    data = os.urandom(3_000_000)
    STORE.write(root.joined("source"), data)
    if COPIERS[copier] is None:
        monkeypatch.delattr(os, "copy_file_range")
    else:
        monkeypatch.setattr(os, "copy_file_range", COPIERS[copier])
    STORE.copy(root.joined("source"), root.joined("copy"))
    assert STORE.read(root.joined("copy")) == data


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="only Linux copies by itself")
def test_a_copy_that_the_system_cannot_make_fails(root, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    STORE.write(root.joined("source"), b"data")
    monkeypatch.setattr(os, "copy_file_range", full)
    with pytest.raises(NoSpaceError):
        STORE.copy(root.joined("source"), root.joined("copy"))
    assert tree(root) == ["source"]
