"""Names: what is accepted is a path below its directory and round-trips; the rest is refused."""

from __future__ import annotations

import sys
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from file_dataset.adapters.local import LocalStore
from file_dataset.domain.names import (
    clashing_names,
    file_name_fault,
    row_id_fault,
    segment_fault,
)
from file_dataset.domain.url import Url

CONTROLS = [
    chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cc"
]

# Texts that are likelier than others to be taken for something else on their way to a disk.
NASTY = st.text(
    st.sampled_from("./\\~-*?#%+&= :;|<>'\"$`!\n\r\t\0\x7f\x85\u2028\ufeff\udc80aé𝄞"), max_size=8
)
TEXTS = st.one_of(NASTY, st.text(max_size=300), st.from_regex(r"(\.{0,3}/?){0,4}", fullmatch=True))


def refused_by_the_rules(segment: str) -> bool:
    """What api.md says of a segment, in other words than the code's."""
    try:
        encoded = segment.encode()
    except UnicodeEncodeError:
        return True  # a lone surrogate is no character, and no UTF-8
    return (
        segment in ("", ".", "..")
        or any(character in segment for character in ("/", "\\", *CONTROLS))
        or len(encoded) > 255
    )


@given(TEXTS)
@example("...")
@example(".hidden")
@example("~")
@example("-rf")
@example("con:")
@example("a\\b")
@example("a/b")
@example("a\0")
@example("\udc80")
def test_a_segment_is_refused_exactly_by_the_rules(text):
    assert bool(segment_fault(text)) == refused_by_the_rules(text)


@given(TEXTS)
def test_a_filename_is_refused_exactly_where_a_segment_of_it_is(text):
    assert bool(file_name_fault(text)) == any(map(refused_by_the_rules, text.split("/")))


@given(st.one_of(TEXTS, st.integers()))
def test_an_id_is_refused_exactly_where_its_text_is_no_segment(row_id):
    assert bool(row_id_fault(row_id)) == refused_by_the_rules(str(row_id))


@given(TEXTS.filter(lambda text: not file_name_fault(text)))
@example(".file_dataset")
@example("é/" + "é" * 127)
def test_what_is_accepted_round_trips_and_stays_inside(name):
    with tempfile.TemporaryDirectory() as place:
        row = Url.local(place).joined("into", "7")
        url = row.joined(name)
        store = LocalStore()
        store.write(url, name.encode())
        (file,) = (path for path in Path(place).rglob("*") if not path.is_dir())
        assert file.relative_to(row.path).as_posix() == name
        assert file.resolve().is_relative_to(Path(row.path).resolve())
        assert file.read_bytes() == store.read(url) == name.encode()
        assert Url.parse(str(url)) == url


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("a" * 255, False),
        ("a" * 256, True),
        ("é" * 127 + "a", False),
        ("é" * 128, True),
        ("𝄞" * 63 + "abc", False),
        ("𝄞" * 64, True),
    ],
    ids=[
        "255-ascii",
        "256-ascii",
        "255-two-byte",
        "256-two-byte",
        "255-four-byte",
        "256-four-byte",
    ],
)
def test_the_limit_counts_bytes_and_not_characters(tmp_path, text, is_refused):
    assert bool(segment_fault(text)) == is_refused
    assert bool(row_id_fault(text)) == is_refused
    assert bool(file_name_fault(f"x/{text}")) == is_refused
    if not is_refused:
        store = LocalStore()
        store.write(Url.local(tmp_path).joined(text, text), b"")
        assert (tmp_path / text / text).read_bytes() == b""


def test_a_filename_as_a_whole_may_be_longer_than_a_segment():
    assert file_name_fault("/".join(["a" * 255] * 3)) == ""


@pytest.mark.parametrize("character", CONTROLS, ids=[f"{ord(c):02x}" for c in CONTROLS])
def test_control_characters_are_refused(character):
    assert "control character" in segment_fault(f"a{character}b")


@pytest.mark.parametrize(
    "value", [None, True, 1.0, b"a", Path("a"), ("a",), float("nan")], ids=repr
)
def test_values_of_other_types_are_no_ids(value):
    assert type(value).__name__ in row_id_fault(value)


@pytest.mark.parametrize("value", [None, True, 1, b"a", Path("a")], ids=repr)
def test_values_of_other_types_are_no_filenames(value):
    assert type(value).__name__ in file_name_fault(value)


def test_no_row_is_called_like_the_directory_of_records():
    assert "records" in row_id_fault(".file_dataset")
    assert file_name_fault(".file_dataset/rows") == ""


@pytest.mark.parametrize("row_id", [0, -7, 10**254, "case 7", ".hidden", "..."])
def test_ids_of_both_types_are_accepted(row_id):
    assert row_id_fault(row_id) == ""


def test_an_integer_is_refused_for_its_digits():
    assert "255 bytes" in row_id_fault(10**255)


SEGMENTS = st.sampled_from(["a", "b", "a.b", "a b"])
NAMES = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join)


@given(st.lists(NAMES, max_size=6))
@example(["a", "a/b"])
@example(["a", "ab", "a.b/c"])
@example(["a/b/c", "a/b", "a"])
def test_names_clash_exactly_where_one_lies_above_another(names):
    clashes = clashing_names(names)
    above = {str(parent) for name in names for parent in Path(name).parents}
    assert clashes == sorted(set(names) & above)


def test_a_beside_a_b_cannot_both_be_files(tmp_path):
    assert clashing_names(["a", "a/b"]) == ["a"]
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(OSError, match="Not a directory"):
        (tmp_path / "a" / "b").write_bytes(b"")
