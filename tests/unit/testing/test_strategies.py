from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.names import (
    clashing_names,
    file_name_fault,
    row_id_fault,
    segment_fault,
)
from file_dataset.domain.rows import Row
from file_dataset.domain.url import Url
from file_dataset.testing import (
    NASTY_KEYS,
    file_names,
    keys,
    nasty_names,
    refused_names,
    row_ids,
    rows,
    urls,
)
from file_dataset.testing._keys import below, clash, parent

ROOT = Url.parse("s3://bucket/root")


@given(row_ids())
def test_ids_are_good(row_id):
    assert row_id_fault(row_id) == ""


@given(file_names())
def test_file_names_are_good(name):
    assert file_name_fault(name) == ""


@given(nasty_names())
def test_nasty_names_are_good(name):
    assert segment_fault(name) == ""
    assert row_id_fault(name) == ""


@given(refused_names())
def test_refused_names_are_bad(name):
    assert file_name_fault(name)
    assert row_id_fault(name)


@given(row_ids(), rows())
def test_rows_are_good(row_id, files):
    assert files
    assert clashing_names(files) == []
    Row(row_id, {name: ROOT.joined(name) for name in files})


@given(keys())
def test_keys_name_objects(key):
    assert key
    assert not key.endswith("/")


@given(urls(ROOT))
def test_urls_are_below_the_root_and_name_objects(url):
    assert ROOT.contains(url)
    assert url.name
    assert Url.parse(str(url)) == url
    assert below(parent(url), url.name) == url


@given(urls(Url.local("/root")))
def test_local_urls_are_paths(url):
    assert url.path.startswith("/root/")


def test_nasty_keys_meet_nobody_elses_directories():
    assert len(set(NASTY_KEYS)) == len(NASTY_KEYS)
    assert not any(clash(key, NASTY_KEYS) for key in NASTY_KEYS)


@given(st.lists(st.sampled_from(["a", "b", "a/b", "a/b/c", "ab", "a//b", "/a"])))
def test_two_clash_where_one_is_a_directory_of_the_other(some):
    for key in some:
        expected = any(
            one != other and one.split("/") == other.split("/")[: one.count("/") + 1]
            for one, other in [(key, other) for other in some] + [(other, key) for other in some]
        )
        assert clash(key, some) == expected


def test_all_of_the_interesting_names_are_drawn():
    drawn = set()

    @given(st.lists(nasty_names(), min_size=20))
    def draw(names):
        drawn.update(names)

    draw()
    assert len(drawn) > 10
