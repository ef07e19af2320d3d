"""Manifests: what is written comes back, and nothing else is believed."""

from __future__ import annotations

import json
import os

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.domain.manifests import Entry, LocalManifest, parse_source_manifest
from file_dataset.domain.url import Url

PREFIX = Url.parse("s3://bucket/raw")
MANIFEST = PREFIX.joined("manifest")

TEXTS = st.text(max_size=8)
ENTRIES = st.builds(
    Entry,
    TEXTS,
    st.integers(0),
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.integers(),
)
NAMES = st.text(st.sampled_from("abc é#%"), min_size=1).filter(str.strip)
MANIFESTS = st.builds(
    LocalManifest, TEXTS, st.dictionaries(NAMES, ENTRIES, max_size=3), st.none() | ENTRIES
)


@given(MANIFESTS)
def test_what_is_kept_comes_back(manifest):
    assert LocalManifest.parse(manifest.to_json()) == manifest


@given(MANIFESTS, st.data())
def test_a_part_of_one_is_none(manifest, data):
    kept = manifest.to_json()
    end = data.draw(st.integers(0, len(kept) - 1))
    with pytest.raises(ValueError, match=r"\w"):
        LocalManifest.parse(kept[:end])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)


@given(st.data())
def test_a_value_in_the_place_of_another_is_refused_or_kept(data):
    entry = attrs.asdict(Entry("s3://b/a", 1, None, None, 7))
    content = {"format": 1, "source": "s3://b", "manifest": None, "files": {"a": entry}}
    place = data.draw(st.sampled_from([content, content["files"], entry]))
    assert isinstance(place, dict)
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    kept = json.dumps(content).encode()
    try:
        manifest = LocalManifest.parse(kept)
    except ValueError:
        return
    assert json.loads(manifest.to_json()) == content


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a//b", "", "a\nb"])
def test_a_name_that_leads_elsewhere_is_not_believed(name):
    entry = attrs.asdict(Entry("s3://b/a", 1, None, None, 7))
    content = {"format": 1, "source": "s3://b", "manifest": None, "files": {name: entry}}
    with pytest.raises(ValueError, match=r"is|contains"):
        LocalManifest.parse(json.dumps(content).encode())


def test_an_entry_knows_whether_its_file_was_written_to(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    entry = Entry("s3://b/a", 3, None, None, path.stat().st_mtime_ns)
    assert entry.is_intact(path.stat())
    os.utime(path, ns=(0, entry.mtime + 1))
    assert not entry.is_intact(path.stat())
    path.write_bytes(b"ab")
    os.utime(path, ns=(0, entry.mtime))
    assert not entry.is_intact(path.stat())


@given(st.lists(st.tuples(NAMES, st.none() | st.integers(0)), max_size=4), st.data())
def test_a_manifest_of_the_source_may_be_written_in_many_ways(listed, data):
    ways = {
        "name": lambda name, size: name,
        "url": lambda name, size: {"url": str(PREFIX.joined(name)), "size": size},
        "unload": lambda name, size: {
            "url": str(PREFIX.joined(name)),
            "mandatory": True,
            "meta": {"content_length": size, "record_count": 7},
        },
        "length": lambda name, size: {"url": name, "content_length": size},
    }
    entries, expected = [], {}
    for name, size in listed:
        way = data.draw(st.sampled_from(sorted(ways)))
        entries.append(ways[way](name, size))
        expected[name] = None if way == "name" else size
    text = json.dumps({"entries": entries, "schema": {"elements": []}}).encode()
    assert parse_source_manifest(text, MANIFEST, PREFIX) == expected
