import os
import pathlib
import pickle
import subprocess
import sys

import attrs
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from file_dataset.domain.errors import InvalidUrlError
from file_dataset.domain.names import member_name_fault
from file_dataset.domain.url import Url, scheme_of
from file_dataset.testing import file_names

_TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_AUTHORITIES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"))
_SEGMENTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0/")
    | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]),
    min_size=1,
).filter(lambda segment: segment not in (".", ".."))

remote_urls = st.builds(
    Url,
    st.sampled_from(["s3", "gs", "az", "http", "https", "memory", "x", "a+b.c-9"]),
    _AUTHORITIES,
    st.text(_TEXT) | st.sampled_from(["a#b", "a?b", "a%20b", "a//b", "/a", "a/", "//", "s3://b/k"]),
)
local_urls = st.lists(_SEGMENTS, max_size=4).map(
    lambda names: Url("file", "", "/" + "/".join(names))
)
urls = remote_urls | local_urls


@given(urls)
def test_what_is_written_out_reads_back(url):
    assert Url.parse(str(url)) == url


@given(st.text() | urls.map(str) | urls.map(lambda url: f"{url.scheme}://{url.key}"))
@example("file://localhost/a%20b")
@example("/a/../b")
@example("/a/")
@example("/.a")
@example("s3:/b/k")
@example("s3://b/\0")
@example("s3://é/k")
@example("S3://b/k")
def test_a_text_of_a_known_scheme_is_a_url_that_is_written_out_as_the_same_text(text):
    if scheme := scheme_of(text):
        url = Url.parse(text)
        assert url.scheme == scheme
        assert str(url).removesuffix("/") == text.removesuffix("/")


@pytest.mark.parametrize("text", ["s3://b/k", "s3://b", "memory://", "a+b.c-9://x//y", "/a/b.c"])
def test_plain_texts_are_of_a_known_scheme(text):
    assert scheme_of(text) == Url.parse(text).scheme


@given(urls)
def test_a_url_pickles_and_sorts_by_its_parts(url):
    assert pickle.loads(pickle.dumps(url)) == url
    other = attrs.evolve(url, scheme="memory", key="k")
    assert (url < other) == (attrs.astuple(url) < attrs.astuple(other))


@given(local_urls)
def test_a_local_url_is_a_path_that_python_takes(url):
    assert str(url) == url.path == os.fsdecode(os.fsencode(url.path))
    assert Url.local(url.path) == Url.parse(pathlib.Path(url.path)) == url


@given(urls, file_names())
def test_a_joined_name_is_below_and_makes_no_double_slash(url, name):
    assume("//" not in url.key)
    joined = url.joined(name)
    assert "//" not in joined.key
    assert url.contains(joined)
    assert joined.key.endswith(name)
    assert joined == url.joined(*name.split("/"))


@given(remote_urls, file_names())
def test_a_slash_at_the_end_makes_no_difference_to_what_is_joined(url, name):
    assume(url.key.strip("/"))
    assert attrs.evolve(url, key=url.key + "/").joined(name) == url.joined(name)


@given(remote_urls, st.text(_TEXT, min_size=1), st.text(_TEXT, min_size=1))
def test_what_only_begins_alike_is_not_contained(url, more, rest):
    assume(url.key and not url.key.endswith("/") and not more.startswith("/"))
    alike = attrs.evolve(url, key=url.key + more)
    assert not url.contains(alike)
    assert not url.contains(attrs.evolve(alike, key=f"{alike.key}/{rest}"))
    assert url.contains(attrs.evolve(url, key=f"{url.key}/{rest}"))


@given(urls)
def test_nothing_contains_itself_or_what_is_elsewhere(url):
    assert not url.contains(url)
    below = url.joined("x")
    assert not below.contains(url)
    assert not attrs.evolve(url, scheme="memory", key="").contains(attrs.evolve(below, scheme="s3"))
    assert not Url("s3", "bucket", "").contains(Url("s3", "bucket2", "x"))


@given(remote_urls, st.text(_TEXT), st.text(_TEXT, min_size=1))
def test_a_child_contains_what_is_below_it_even_without_a_name(url, name, rest):
    assume("/" not in name)
    child = url.child(name)
    below = attrs.evolve(url, key=f"{url.stem}{name}/{rest}")
    assert child.contains(below)
    assert url.contains(child)


@given(remote_urls)
def test_the_name_is_the_last_segment(url):
    assert url.key.endswith(url.name)
    assert "/" not in url.name


@given(
    st.sampled_from(["http", "https", "s3"]),
    st.text("abcXYZ0123456789", min_size=12),
    st.text("abc/", max_size=5),
)
def test_what_may_be_secret_is_redacted(scheme, secret, path):
    for url in (Url(scheme, f"user:{secret}@host", path), Url("http", "host", f"p?sig={secret}")):
        assert secret in str(url)
        assert secret not in url.redacted
        assert secret not in repr(url)
        assert "host" in repr(url)
    assert Url("s3", "bucket", f"k?{secret}").redacted == f"s3://bucket/k?{secret}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s3://bucket", ("s3", "bucket", "")),
        ("s3://bucket/", ("s3", "bucket", "")),
        ("S3://Bucket/Key", ("s3", "Bucket", "Key")),
        ("s3://bucket//key", ("s3", "bucket", "/key")),
        ("s3://bucket/a#b?c", ("s3", "bucket", "a#b?c")),
        ("memory:///a", ("memory", "", "a")),
        ("file:///a%20b/c", ("file", "", "/a b/c")),
        ("file://localhost/a", ("file", "", "/a")),
        ("FILE:///a", ("file", "", "/a")),
        ("file:///a%FF", ("file", "", "/a\udcff")),
        ("/a//b/./c/", ("file", "", "/a/b/c")),
        ("//a", ("file", "", "/a")),
        ("/", ("file", "", "/")),
        ("/a%20b", ("file", "", "/a%20b")),
        ("/s3://b/k", ("file", "", "/s3:/b/k")),
        ("/a/..", ("file", "", "/")),
    ],
)
def test_texts_are_read(text, parts):
    assert attrs.astuple(Url.parse(text)) == parts


@pytest.mark.parametrize("text", ["a", "./a", "a/b/", "x/s3://b", "s3", "a:b", "c:/x"])
def test_a_relative_path_is_made_absolute(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Url.parse(text).path == str(pathlib.Path(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s3:/bucket/key",
        "file:/a",
        "://a",
        "1s3://a",
        "s_3://a",
        "file://host/a",
        "s3://bucket/\0",
        "s3://bucket/\ud800",
        "/a\0",
        "/a\0/../b",
        "/a\ud800/../b",
        "file:///a%00",
        b"s3://bucket/key",
    ],
)
def test_what_is_no_url_is_refused(text):
    with pytest.raises(InvalidUrlError):
        Url.parse(text)


@pytest.mark.parametrize(
    "parts",
    [
        ("", "a", "b"),
        ("S3", "a", "b"),
        ("s3:", "a", "b"),
        ("s3", "a/b", "c"),
        ("s3", "a\0", "c"),
        ("file", "host", "/a"),
        ("file", "", "a"),
        ("file", "", ""),
        ("file", "", "/a/"),
        ("file", "", "/a//b"),
        ("file", "", "/a/../b"),
        ("file", "", "/."),
    ],
)
def test_parts_that_would_not_read_back_are_refused(parts):
    with pytest.raises(InvalidUrlError):
        Url(*parts)


@given(st.text())
@example("a\0b/../c")
def test_any_text_is_a_url_or_is_refused(text):
    try:
        url = Url.parse(text)
    except InvalidUrlError:
        return
    assert Url.parse(str(url)) == url


def test_up_means_what_the_links_before_it_say(tmp_path):
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "link").symlink_to("deep/er")
    assert Url.parse(f"{tmp_path}/link/../file").path == f"{tmp_path}/deep/file"
    assert Url.parse(f"{tmp_path}/link/file").path == f"{tmp_path}/link/file"


def test_an_absolute_path_needs_no_working_directory(tmp_path):
    # In a process of its own, because the directory that goes away is the process's.
    gone = "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone');"
    parse = "from file_dataset.domain.url import Url; print(Url.parse('/a/b'))"
    run = [sys.executable, "-c", gone + parse]
    source = pathlib.Path(__file__).parents[3] / "src"
    done = subprocess.run(
        run,
        cwd=tmp_path,
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("/a/b\n", 0), done.stderr


def test_only_a_local_url_has_a_path():
    with pytest.raises(InvalidUrlError, match="no local path"):
        Url.parse("http://user:secret@host/a?secret").path  # noqa: B018 - it raises


members = st.builds(
    lambda scheme, archive, name: Url(scheme, str(archive), name),
    st.sampled_from(["tar", "zip"]),
    urls.filter(lambda url: url.name),
    st.just("") | file_names().filter(lambda name: not member_name_fault(name)),
)


@given(members)
def test_a_member_is_written_out_as_fsspec_chains_urls_and_reads_back(url):
    assert str(url) == f"{url.scheme}://{url.key}::{url.archive}"
    assert Url.parse(str(url)) == url
    assert str(url.archive) == url.authority
    assert url.schemes == f"{url.scheme}::{url.archive.scheme}"
    assert scheme_of(str(url)) in ("", url.schemes)


@given(members, file_names().filter(lambda name: not member_name_fault(name)))
def test_members_are_joined_and_contained_as_files_in_directories_are(url, name):
    joined = url.joined(name)
    assert joined.archive == url.archive
    assert url.contains(joined)
    assert joined.parent.stem + joined.name == joined.key


@pytest.mark.parametrize(
    ("text", "archive", "name"),
    [
        ("tar://a::s3://b/k.tar", "s3://b/k.tar", "a"),
        ("TAR://a/b.c::S3://b/k", "s3://b/k", "a/b.c"),
        ("zip://::/x/y.zip", "/x/y.zip", ""),
        ("zip://d/::file:///x%20y/z", "/x y/z", "d/"),
        ("tar://a::s3://b/k::c", "s3://b/k::c", "a"),
        ("tar://a:b::memory:///k", "memory:///k", "a:b"),
    ],
)
def test_a_member_and_its_archive_are_told_apart(text, archive, name):
    url = Url.parse(text)
    assert (str(url.archive), url.key, url.is_member, url.is_local) == (archive, name, True, False)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tar://a", "names no archive"),
        ("tar://a::", "names no archive"),
        ("tar://a::s3://b", "names no archive"),
        ("tar://a::s3://b/k/", "names no archive"),
        ("tar://../a::s3://b/k", "leads elsewhere"),
        ("tar://a/../../b::s3://b/k", "leads elsewhere"),
        ("tar:///etc/passwd::s3://b/k", "absolute"),
        ("tar://a//b::s3://b/k", "empty"),
        ("tar://a\\b::s3://b/k", "backslash"),
        ("tar://a\n::s3://b/k", "control character"),
        ("tar://a::tar://b::s3://b/k", "archives in archives"),
        ("tar://a::s3:/b/k", "slash missing"),
    ],
)
def test_what_names_no_member_is_refused(text, why):
    with pytest.raises(InvalidUrlError, match=why):
        Url.parse(text)


def test_a_member_is_not_built_of_what_would_read_back_as_another():
    for name in ("a::b", "a:", "::"):
        with pytest.raises(InvalidUrlError, match="colon"):
            Url("tar", "s3://b/k", name)
    for archive in ("relative.tar", "/x//y", "FILE:///x"):
        with pytest.raises(InvalidUrlError, match="plain spelling"):
            Url("tar", archive, "a")
    with pytest.raises(InvalidUrlError, match="no member"):
        _ = Url.parse("s3://b/k").archive


def test_secrets_of_an_archive_are_redacted():
    url = Url.parse("zip://a::https://user:secret@host/x.zip?sig=secret")
    assert "secret" not in repr(url)
    assert "a::https://***@host/x.zip" in url.redacted
