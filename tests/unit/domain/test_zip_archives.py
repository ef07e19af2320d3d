"""What is found in zip archives, beside what Python's own module finds."""

from __future__ import annotations

import io
import stat
import tracemalloc
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.archives import reading, unpacked, zip_of

from file_dataset.domain import archives
from file_dataset.domain.archives import Contents, content_of
from file_dataset.domain.errors import IntegrityError
from file_dataset.domain.names import clashing_names, member_name_fault
from file_dataset.domain.zip_archives import scan
from file_dataset.testing import file_names

names = file_names().filter(lambda name: not member_name_fault(name))
files = st.dictionaries(names, st.binary(max_size=2000), max_size=5).filter(
    lambda found: not clashing_names(found)
)


def scanned(raw):
    return scan(reading(raw), len(raw))


def zip_with(*entries, compression=zipfile.ZIP_STORED, comment=b""):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", compression) as archive:
        archive.comment = comment
        for name, data, said in entries:
            info = zipfile.ZipInfo(name)
            for field, value in said.items():
                setattr(info, field, value)
            archive.writestr(info, data)
    return raw.getvalue()


@given(files, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_what_was_packed_is_found(packed, compression):
    raw = zip_of(packed, compression=compression)
    found = scanned(raw)
    assert unpacked(raw, found) == packed
    assert found == Contents(found.members)


def test_what_was_streamed_with_its_sizes_behind_is_found():
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.raw = b""

        def writable(self):
            return True

        def write(self, data):
            self.raw += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"1" * 1000)
        with archive.open("b", "w", force_zip64=True) as file:
            file.write(b"2" * 5000)
    assert unpacked(pipe.raw, scanned(pipe.raw)) == {"a": b"1" * 1000, "b": b"2" * 5000}


def test_directories_are_no_files_and_a_comment_and_a_preface_are_not_in_the_way():
    raw = b"#!/bin/sh\n" + zip_with(("d/", b"", {}), ("d/a", b"1", {}), comment=b"c" * 60_000)
    assert unpacked(raw, scanned(raw)) == {"d/a": b"1"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"external_attr": (stat.S_IFLNK | 0o777) << 16}, "symbolic link"),
        ({"external_attr": (stat.S_IFCHR | 0o600) << 16}, "device"),
        ({"compress_type": zipfile.ZIP_BZIP2}, "method 12"),
    ],
)
def test_what_is_no_file_or_in_no_usual_way_compressed_is_told(said, why):
    raw = zip_with(("bad", b"/etc/passwd", {"create_system": 3, **said}), ("good", b"1", {}))
    found = scanned(raw)
    assert unpacked(raw, found) == {"good": b"1"}
    assert why in found.faults["bad"].text


def test_an_encrypted_member_is_told():
    raw = bytearray(zip_with(("bad", b"1", {}), ("good", b"2", {})))
    raw[raw.index(b"PK\1\2") + 8] |= 1
    found = scanned(bytes(raw))
    assert unpacked(bytes(raw), found) == {"good": b"2"}
    assert "encrypted" in found.faults["bad"].text


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../out", "a\\b", "a::b"])
def test_a_name_that_leads_elsewhere_is_nobodys(name):
    raw = zip_of({name: b"bad", "good": b"1"})
    found = scanned(raw)
    assert unpacked(raw, found) == {"good": b"1"}
    assert len(found.nameless) == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_there_twice_is_neither():
    raw = zip_with(("a", b"1", {}), ("b", b"2", {}), ("a", b"3", {}))
    found = scanned(raw)
    assert unpacked(raw, found) == {"b": b"2"}
    assert "more than once" in found.faults["a"].text


def _moved(raw: bytes, which: int, to: int) -> bytes:
    """The archive, with one member said to begin where another place is."""
    at = -1
    for _ in range(which + 1):
        at = raw.index(b"PK\1\2", at + 1)
    return raw[: at + 42] + to.to_bytes(4, "little") + raw[at + 46 :]


def test_members_in_one_another_are_told():
    raw = _moved(zip_with(("a", b"1", {}), ("b", b"1", {}), ("c", b"2", {})), 1, 0)
    found = scanned(raw)
    assert unpacked(raw, found) == {"c": b"2"}
    assert found.faults.keys() == {"a", "b"}


def test_a_member_behind_the_directory_is_told():
    raw = _moved(zip_with(("a", b"1", {}), ("b", b"1", {})), 1, 60_000)
    found = scanned(raw)
    assert "outside" in found.faults["b"].text


@pytest.mark.parametrize("raw", [b"", b"PK", b"no archive at all" * 10, bytes(100)])
def test_what_is_no_archive_says_so(raw):
    found = scanned(raw)
    assert "no zip archive" in found.broken
    assert not found.members


@given(files.filter(bool), st.data())
def test_an_archive_that_is_cut_off_has_no_directory(packed, data):
    raw = zip_of(packed)
    found = scanned(raw[: data.draw(st.integers(0, len(raw) - 1))])
    assert found.broken
    assert not found.members


def test_a_bomb_is_refused_by_what_it_says(monkeypatch):
    monkeypatch.setattr(archives, "FREE", 100_000)
    raw = zip_of({"bomb": bytes(1_000_000), "small": bytes(100_000), "good": b"1"})
    found = scanned(raw)
    assert found.members.keys() == {"small", "good"}
    assert "1000000 bytes" in found.faults["bomb"].text


def test_what_is_larger_than_memory_should_hold_is_refused(monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 100)
    raw = zip_of({"large": bytes(101), "good": bytes(100)}, compression=zipfile.ZIP_STORED)
    assert scanned(raw).faults.keys() == {"large"}


def test_a_bomb_that_lies_unpacks_no_more_than_it_says():
    raw = zip_of({"bomb": bytes(20_000_000)})
    at = raw.index(b"PK\1\2")
    lying = raw[: at + 24] + (5).to_bytes(4, "little") + raw[at + 28 :]
    found = scanned(lying)
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="more bytes than the 5"):
            unpacked(lying, found)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_member_that_is_said_to_lie_elsewhere_makes_no_other_longer():
    raw = bytearray(zip_of({"a": b"1", "b": b"2"}))
    offset = raw.rindex(b"PK\1\2") + 42
    raw[offset : offset + 4] = (10**6).to_bytes(4, "little")
    found = scanned(bytes(raw))
    assert unpacked(bytes(raw), found) == {"a": b"1"}
    assert found.members["a"].length < len(raw)


def test_a_member_without_a_name_is_reported_and_the_others_are_read():
    # Python writes none; here the first character of the name becomes a NUL, where it ends.
    raw = zip_of({"a": b"1", "b": b"2"})
    at = raw.index(b"PK\1\2") + 46
    found = scanned(raw[:at] + b"\0" + raw[at + 1 :])
    assert set(found.members) == {"b"}
    assert len(found.nameless) == 1


@given(files.filter(bool), st.data())
def test_whatever_an_archive_was_made_into_nothing_else_is_taken_for_a_member(packed, data):
    raw = bytearray(zip_of(packed))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = scanned(bytes(raw))
    for name, member in found.members.items():
        assert not member_name_fault(name)
        assert 0 <= member.start <= member.start + member.length <= len(raw)
        try:
            content = content_of(name, member, bytes(raw), member.start)
        except IntegrityError:
            continue
        # Its CRC-32 is that of something which was packed, if its name was not changed.
        assert name not in packed or content == packed[name] or content in packed.values()
