"""Two thousand archives that were made to be misread: row by row, the right bytes or an error."""

from __future__ import annotations

import io
import logging
import random
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from tests.archives import tar_with
from tests.soak import times

from file_dataset import MemoryStore, Options, Url, reader
from file_dataset.domain import archives
from file_dataset.domain.shard_index import ShardIndex, index_of
from file_dataset.domain.tar_archives import scan

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")

OUTWARD = ["../out", "/etc/passwd", "a/../../out", "..", "a\\..\\b", "d//x", "x\ny", "a::b", ""]
NO_FILES: list[dict[str, Any]] = [
    {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    {"type": tarfile.SYMTYPE, "linkname": "good-0"},
    {"type": tarfile.LNKTYPE, "linkname": "good-0"},
    {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5},
    {"type": tarfile.BLKTYPE},
    {"type": tarfile.FIFOTYPE},
    {"pax_headers": {"GNU.sparse.size": "99999", "GNU.sparse.map": "0,1"}},
]
FORMATS = [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


class Crafted(NamedTuple):
    """An archive, and what is to become of what it has.

    Attributes:
        archive: Its bytes.
        scheme: Its kind.
        good: What has to be read.
        bad: What must not be.
        maybe: What may be read as here, or fail; None if nobody can tell what it is.
        beside: Its index.
    """

    archive: bytes
    scheme: str
    good: dict[str, bytes]
    bad: set[str]
    maybe: Mapping[str, bytes | None] = MappingProxyType({})
    beside: bytes | None = None


def crafted(chance: random.Random) -> Crafted:
    """A hostile archive."""
    return chance.choice([_tar, _tar, _cut_tar, _indexed_tar, _rubbish, _zip, _zip_of_bombs])(
        chance
    )


def _body(chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice([0, 1, 511, 512, 513, 3000]))


def _members(chance: random.Random) -> tuple[list[Any], dict[str, bytes], set[str]]:
    members: list[Any] = []
    good: dict[str, bytes] = {}
    bad: set[str] = set()
    for number in range(chance.randint(1, 6)):
        name, data = f"{chance.choice(['', 'd/', './'])}good-{number}", _body(chance)
        kind = chance.randint(0, 5)
        if kind == 0:
            members.append((chance.choice(OUTWARD) or "x" * 300, data, {}))
        elif kind == 1:
            members.append((f"bad-{number}", b"", chance.choice(NO_FILES)))
            bad.add(f"bad-{number}")
        elif kind == 2:
            members += [(f"twice-{number}", data, {}), (f"./twice-{number}", b"other", {})]
            bad.add(f"twice-{number}")
        else:
            members.append((name, data, {}))
            good[name.removeprefix("./")] = data
    chance.shuffle(members)
    return members, good, bad


def _tar(chance: random.Random) -> Crafted:
    members, good, bad = _members(chance)
    # The oldest format has no room for long names, and only the latest for what tells of holes.
    has_pax = any("pax_headers" in said for _, _, said in members)
    style = tarfile.PAX_FORMAT if has_pax else chance.choice(FORMATS)
    return Crafted(tar_with(*members, style=style), "tar", good, bad)


def _cut_tar(chance: random.Random) -> Crafted:
    whole = _tar(chance)
    raw = whole.archive[: chance.randrange(len(whole.archive))]
    # Of two of a name the second may be what is cut off.
    twice = {name for name in whole.bad if name.startswith("twice")}
    return Crafted(raw, "tar", {}, whole.bad - twice, {**whole.good, **dict.fromkeys(twice)})


def _indexed_tar(chance: random.Random) -> Crafted:
    files = {f"good-{number}": _body(chance) + b"%d" % number for number in range(4)}
    raw = tar_with(*((name, data, {}) for name, data in files.items()))
    index = ShardIndex(archive_size=len(raw))
    for name, member in scan(lambda start, n: raw[start : start + n], len(raw)).members.items():
        crc = zlib.crc32(files[name])
        index.add(name, member.start + member.skip, member.size, crc)
    wrong = chance.randint(0, 6)
    if wrong == 0:
        index.names.reverse()
    elif wrong == 1:
        index.starts = [start + chance.choice([-1, 1, 512]) for start in index.starts]
    elif wrong == 2:
        index.sizes[1] += chance.choice([-1, 1, 10**9])
    elif wrong == 3:
        index.crcs[2] ^= 1 << chance.randrange(32)
    elif wrong == 4:
        broken = bytearray(raw)
        broken[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        raw = bytes(broken)
    elif wrong == 5:
        raw = raw[: chance.randrange(len(raw))]
    told = index.to_json()
    if wrong == 6:
        told = told[: chance.randrange(len(told))] + chance.randbytes(3)
    return Crafted(raw, "tar", {}, {"none"}, files, told)


def _rubbish(chance: random.Random) -> Crafted:
    good = _tar(chance)
    raw = bytearray(good.archive)
    for _ in range(chance.randint(1, 20)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    if chance.random() < 0.2:
        raw = bytearray(
            chance.choice([b"\x1f\x8b", b"PK\3\4", b"\0" * 512]) + chance.randbytes(2000)
        )
    # Without a checksum a body may be anything, and a header that was hit is no header.
    scheme = chance.choice(["tar", "zip"])
    return Crafted(bytes(raw), scheme, {}, set(), dict.fromkeys(good.good))


def _zip(chance: random.Random) -> Crafted:
    raw, good, bad = io.BytesIO(), {}, set()
    with zipfile.ZipFile(raw, "w") as archive:
        for number in range(chance.randint(1, 6)):
            kind, data = chance.randint(0, 4), _body(chance)
            name = f"{'good' if kind > 2 else 'bad'}-{number}"
            if kind == 0:
                name = chance.choice(OUTWARD) or "x" * 300
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.compress_type = chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
            if kind == 1:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, data)
            if kind == 2:
                archive.writestr(name, b"other")
            if kind in (1, 2):
                bad.add(name)
            elif kind > 2:
                good[name] = data
    found = raw.getvalue()
    if chance.random() < 0.3:
        return Crafted(found[: chance.randrange(len(found))], "zip", {}, {*bad, *good})
    return Crafted(found, "zip", good, bad)


def _zip_of_bombs(chance: random.Random) -> Crafted:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bad-bomb", bytes(50_000))
        archive.writestr("bad-liar", bytes(20_000))
        archive.writestr("good-0", b"good")
    found = raw.getvalue()
    at = found.index(b"PK\1\2", found.index(b"PK\1\2") + 1)
    told = chance.choice([0, 5, 19_999, 20_001, 1 << 31])
    lying = found[: at + 24] + told.to_bytes(4, "little") + found[at + 28 :]
    return Crafted(lying, "zip", {"good-0": b"good"}, {"bad-bomb", "bad-liar"})


_TOGETHER = 50


def check(made: list[Crafted], read: Callable[[Any], dict[str, bytes]]) -> None:
    """Read the members of archives, each as a row, and look at what comes of them."""
    store = MemoryStore()
    frame: list[dict[str, object]] = []
    asked: list[tuple[Crafted, str]] = []
    for number, each in enumerate(made):
        archive = Url("memory", "bucket", f"{number}")
        store.write(archive, each.archive)
        if each.beside is not None:
            store.write(index_of(archive), each.beside)
        for name in sorted({*each.good, *each.bad, *each.maybe, "not there"}):
            frame.append({"id": len(asked), "a.bin": f"{each.scheme}://{name}::{archive}"})
            asked.append((each, name))
    rows = reader(dataframe=frame, options=Options(stores={"memory://": store}))
    found = read(rows)
    failed = {str(failure.row_id) for failure in rows.failures}
    assert found.keys() | failed == {str(number) for number in range(len(asked))}
    assert not found.keys() & failed
    for number, (each, name) in enumerate(asked):
        data = found.get(str(number))
        if name in each.good:
            assert data == each.good[name]
        elif data is not None:
            assert each.maybe[name] in (data, None)


def from_table(rows: Any) -> dict[str, bytes]:
    found = rows.into_blob_table()
    return dict(zip(found["id"].to_pylist(), found["a.bin"].to_pylist(), strict=True))


def from_directories(rows: Any) -> dict[str, bytes]:
    with rows.into_temp_dir() as staged:
        found = {str(row_id): (path / "a.bin").read_bytes() for row_id, path in staged}
        rows.failures.extend(staged.failures)
    return found


@pytest.fixture(autouse=True)
def small_bombs(monkeypatch, caplog):
    """Bombs of a size that a test can make, and no words about each of them."""
    caplog.set_level(logging.CRITICAL, "file_dataset")
    monkeypatch.setattr(archives, "FREE", 10_000)
    monkeypatch.setattr(archives, "RATIO", 100)


@pytest.mark.parametrize("first", range(0, 2000, 500))
def test_every_member_is_read_right_or_is_an_error(first):
    for start in range(first, first + 500, _TOGETHER):
        some = range(start, start + _TOGETHER)
        check([crafted(random.Random(seed)) for seed in some], from_table)


def test_nothing_is_written_but_where_the_rows_are(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "etc").mkdir()
    for start in range(0, times(100, most=2000), _TOGETHER):
        some = range(start, start + _TOGETHER)
        check([crafted(random.Random(seed)) for seed in some], from_directories)
        assert [path.name for path in tmp_path.rglob("*")] == ["etc"]
