"""What is found in tar archives, beside what Python's own module and the system's tar find."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.archives import reading, tar_of, tar_with, unpacked

from file_dataset.domain import tar_archives
from file_dataset.domain.archives import Contents
from file_dataset.domain.names import clashing_names, member_name_fault
from file_dataset.domain.tar_archives import BLOCK, scan
from file_dataset.testing import file_names

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]

names = file_names().filter(lambda name: not member_name_fault(name))
files = st.dictionaries(names, st.binary(max_size=2000), max_size=5).filter(
    lambda found: not clashing_names(found)
)


def scanned(raw):
    return scan(reading(raw), len(raw))


@given(files, st.sampled_from(FORMATS[1:]))
def test_what_was_packed_is_found(packed, style):
    raw = tar_of(packed, style=style)
    found = scanned(raw)
    assert unpacked(raw, found) == packed
    assert found == Contents(found.members)


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("name", ["a", "d/a", "x" * 100, f"{'d' * 90}/{'x' * 90}", "a b", "a.b.c"])
def test_names_of_every_style_are_read(name, style):
    raw = tar_of({name: b"1", "after": b"2"}, style=style)
    assert unpacked(raw, scanned(raw)) == {name: b"1", "after": b"2"}


def test_what_the_system_packs_is_found(tmp_path):
    (tmp_path / "d/deeper").mkdir(parents=True)
    packed = {"a.txt": b"1", "d/b.bin": b"2" * 5000, "d/deeper/" + "x" * 200: b"", "ü": b"3"}
    for name, data in packed.items():
        (tmp_path / name).write_bytes(data)
    made = subprocess.run(["tar", "-cf", "-", "-C", tmp_path, "."], capture_output=True, check=True)
    found = scanned(made.stdout)
    assert unpacked(made.stdout, found) == packed
    assert found == Contents(found.members)


@given(files)
def test_what_is_made_here_is_what_others_read(packed):
    raw = b""
    for name, data in packed.items():
        raw += tar_archives.header(name, len(data)) + data + bytes(-len(data) % BLOCK)
    raw += tar_archives.end(len(raw))
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        seen = {member.name: archive.extractfile(member) for member in archive}
        assert {name: file.read() for name, file in seen.items() if file} == packed
    assert len(raw) % 10240 == 0
    assert unpacked(raw, scanned(raw)) == packed


def test_a_header_says_nothing_of_who_made_it_and_when():
    member = tarfile.TarInfo.frombuf(tar_archives.header("a", 1), "utf-8", "strict")
    assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
    assert member.mode == 0o644


def test_a_size_beyond_what_a_plain_header_can_say_is_said():
    size = 9 << 30
    raw = tar_archives.header("large", size)
    found = scan(reading(raw), len(raw) + size + 1024)
    assert found.members["large"].size == size


@given(files.filter(bool), st.data())
def test_of_an_archive_that_is_cut_off_what_is_there_can_be_read_and_the_rest_is_told(packed, data):
    raw = tar_of(packed)
    whole = scanned(raw)
    ends = [m.start + m.length + -m.length % BLOCK for m in whole.members.values()]
    cut = raw[: data.draw(st.integers(0, max(ends) + BLOCK - 1))]
    found = scanned(cut)
    assert found.broken
    there = unpacked(cut, found)
    assert there.items() <= packed.items()
    for name, member in whole.members.items():
        assert (name in there) == (member.start + member.length <= len(cut))


OTHERS: dict[str, dict[str, Any]] = {
    "hard link": {"type": tarfile.LNKTYPE, "linkname": "good"},
    "symbolic link": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "device": {"type": tarfile.CHRTYPE},
    "block device": {"type": tarfile.BLKTYPE},
    "pipe": {"type": tarfile.FIFOTYPE},
    "unknown type": {"type": b"Q"},
    "sparse": {"pax_headers": {"GNU.sparse.size": "9", "GNU.sparse.map": "0,1"}},
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_file_is_told_and_not_followed(what):
    raw = tar_with(("good", b"1", {}), ("bad", b"", OTHERS[what]), ("z", b"", {}))
    found = scanned(raw)
    assert unpacked(raw, found) == {"good": b"1", "z": b""}
    assert what.split()[-1] in found.faults["bad"].text
    assert not found.faults["bad"].is_damage


def test_a_sparse_file_of_the_old_kind_is_told_and_what_follows_it_is_found():
    first = bytearray(tar_of({"bad": b"1234"})[: 2 * BLOCK])
    first[156:157], first[482] = b"S", 1
    first[148:156] = b" " * 8
    first[148:156] = f"{sum(first[:BLOCK]):06o}\0 ".encode()
    holes = bytes(504) + b"\1" + bytes(7) + bytes(BLOCK)
    raw = bytes(first[:BLOCK]) + holes + bytes(first[BLOCK:]) + tar_of({"good": b"1"})
    found = scanned(raw)
    assert unpacked(raw, found) == {"good": b"1"}
    assert "sparse" in found.faults["bad"].text


@pytest.mark.parametrize(
    "name",
    ["../out", "/etc/passwd", "a/../../out", "a//b", "..", "a\\b", "a::b", "new\nline", "x" * 256],
)
def test_a_name_that_leads_elsewhere_is_nobodys(name):
    raw = tar_of({name: b"bad", "good": b"1"})
    found = scanned(raw)
    assert unpacked(raw, found) == {"good": b"1"}
    assert len(found.nameless) == 1
    assert not found.faults


def test_what_is_there_twice_is_neither():
    raw = tar_with(("a", b"1", {}), ("b", b"2", {}), ("./a", b"3", {}))
    found = scanned(raw)
    assert unpacked(raw, found) == {"b": b"2"}
    assert "more than once" in found.faults["a"].text
    assert found.faults["a"].is_damage


def _with_size(field: bytes) -> bytes:
    block = bytearray(tar_of({"a": b"1"})[:BLOCK])
    block[124:136] = field
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


BROKEN = {
    "empty": (b"", "without an end mark"),
    "half a header": (tar_of({"a": b"1"})[:300], "cut off"),
    "text": (b"once upon a time " * 100, "no tar archive"),
    "gzip": (b"\x1f\x8b\x08" + bytes(2000), "compressed"),
    "a negative size": (_with_size(b"\xff" * 12), "none"),
    "a size beyond all": (_with_size(b"\x80" + b"\xff" * 11), "none"),
    "a size of letters": (_with_size(b"1234abcd\0\0\0\0"), "no tar archive"),
    "a size past the end": (_with_size(b"77777777777\0") + bytes(2048), "cut off"),
    "rubbish after a directory": (
        tar_with(("d", b"", {"type": tarfile.DIRTYPE}))[:BLOCK] + b"x" * 600,
        "is damaged",
    ),
    "a wrong checksum": (tar_of({"a": b"1"}).replace(b"a", b"b", 1), "no tar archive"),
    "one name for all": (
        tarfile.TarInfo.create_pax_global_header({"path": "a"}) + tar_of({"a": b"1"}),
        "all of its members",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_cannot_be_read_further_says_why(what):
    raw, why = BROKEN[what]
    found = scanned(raw)
    assert why in found.broken
    assert not found.members


@pytest.mark.parametrize(
    "record", [b"8 path=a\n", b"0 path=a\n", b"x path=a\n", b"10 path=aaaa", b"12 size=-12\n\n"]
)
def test_a_pax_header_that_lies_is_told(record):
    pax = tarfile.TarInfo("x")
    pax.type, pax.size = tarfile.XHDTYPE, len(record)
    raw = pax.tobuf(tarfile.USTAR_FORMAT) + record.ljust(BLOCK, b"\0") + tar_of({"a": b"1"})
    found = scanned(raw)
    assert "pax header" in found.broken
    assert not found.members


def test_a_header_that_says_too_much_of_one_member_is_not_read():
    read: list[int] = []

    def reads(start, length):
        read.append(length)
        return raw[start : start + length]

    long_name = tarfile.TarInfo("x")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    raw = long_name.tobuf(tarfile.GNU_FORMAT)
    found = scan(reads, 1 << 40)
    assert "of a single member" in found.broken
    assert sum(read) < 10_000


def test_an_archive_of_endless_members_is_given_up(monkeypatch):
    monkeypatch.setattr(tar_archives, "MOST_MEMBERS", 10)
    found = scanned(tar_of({f"{number}": b"" for number in range(12)}))
    assert len(found.members) == 10
    assert "more than 10 members" in found.broken


@given(files.filter(bool), st.data())
def test_whatever_an_archive_was_made_into_nothing_is_read_outside_of_it(packed, data):
    raw = bytearray(tar_of(packed))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = scanned(bytes(raw))
    for name, member in found.members.items():
        assert not member_name_fault(name)
        assert 0 <= member.start <= member.start + member.length <= len(raw)
        assert member.length == member.skip + member.size
    assert len(unpacked(bytes(raw), found)) == len(found.members)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=120).filter(
        lambda name: not name.endswith("/")
    ),
    st.integers(0, 8**11 + 1) | st.sampled_from([8**11 - 1, 8**11, 9 << 30]),
)
def test_headers_are_those_of_pythons_own_module(name, size):
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    made = tar_archives.header(name, size)
    assert made == member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
    assert tar_archives.taken(name, size) == len(made) + tar_archives.padded(size)


def test_a_file_that_no_plain_header_has_room_for_is_found():
    size = 9 << 30
    head = tar_archives.header("large.bin", size)
    after = len(head) + size
    parts = {0: head, after: tar_archives.header("b", 1), after + BLOCK: b"1".ljust(BLOCK, b"\0")}

    def read(start, length):
        for at, part in parts.items():
            if at <= start < at + len(part):
                return part[start - at : start - at + length].ljust(length, b"\0")
        return bytes(length)

    found = scan(read, after + 4 * BLOCK)
    assert not found.broken
    assert {name: each.size for name, each in found.members.items()} == {"large.bin": size, "b": 1}
    assert found.members["large.bin"].skip == len(head)
