"""Rows in shards: which rows in which, what they are called, and what a failure costs."""

from __future__ import annotations

import io
import itertools
import tarfile
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.layers.faulty import Faulty
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.scratch import TempScratch
from file_dataset.domain import packing as module
from file_dataset.domain.errors import InvalidDatasetError, NoSpaceError, TransientError
from file_dataset.domain.gathering import Gathered
from file_dataset.domain.packing import Packing, check_member_names, member_name
from file_dataset.domain.rows import Cause, Row, RowDone, RowFailure
from file_dataset.domain.shard_index import ShardIndex, index_of
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

INTO = Url.parse("memory://bucket/packed")


def gathered(row_id, **files):
    """A row whose files are here; a name's underscore is its dot."""
    contents = {name.replace("_", "."): data for name, data in files.items()}
    sources = {name: Url("memory", "in", f"{row_id}/{name}") for name in contents}
    return Gathered(Row(row_id, sources), contents)


def packed(rows, *, store=None, shard_bytes=1 << 20, shard_rows=None):
    store = store or MemoryStore()
    with TempScratch() as scratch:
        packing = Packing(store, INTO, scratch, shard_bytes, shard_rows)
        return list(packing.pack(iter(rows))), store


def shards(store):
    """The members of each shard, as Python reads them, and as its index has them."""
    found = {}
    for info in store.list(INTO):
        if not info.url.key.endswith(".tar"):
            continue
        raw = store.read(info.url)
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            members = {m.name: file.read() for m in archive if (file := archive.extractfile(m))}
        index = ShardIndex.from_json(store.read(index_of(info.url)))
        places = zip(index.starts, index.sizes, strict=True)
        by_index = [raw[start : start + size] for start, size in places]
        assert dict(zip(index.names, by_index, strict=True)) == members
        assert index.archive_size == len(raw)
        found[info.url.name] = members
    return found


@given(
    st.lists(st.lists(st.binary(max_size=2000), max_size=3), max_size=12),
    st.integers(1, 20_000),
    st.integers(1, 5) | st.none(),
)
def test_every_row_is_in_one_shard_in_their_order_and_within_the_bounds(rows, most, most_rows):
    named = [{f"f{n}_bin": data for n, data in enumerate(row)} for row in rows]
    results, store = packed(
        [gathered(number, **files) for number, files in enumerate(named)],
        shard_bytes=most,
        shard_rows=most_rows,
    )
    assert [result.row_id for result in results] == list(range(len(rows)))
    found = shards(store)
    members = [pair for name in sorted(found) for pair in found[name].items()]
    assert members == [
        (f"{number}.f{n}.bin", data)
        for number, row in enumerate(rows)
        for n, data in enumerate(row)
    ]
    urls = [url for result in results for url in result.values.values()]
    assert [url.key for url in urls] == [name for name, _ in members]
    by_shard: dict[str, set[object]] = {}
    for result in results:
        for url in result.values.values():
            assert found[url.archive.name][url.key] is not None
            by_shard.setdefault(url.archive.name, set()).add(result.row_id)
    for name, ids in by_shard.items():
        size = store.stat(INTO.joined(name)).size
        assert len(ids) == 1 or size <= most
        assert most_rows is None or len(ids) <= most_rows


@pytest.mark.parametrize("name", ["\u00fc" * 20, "long" * 40])
def test_long_names_count_for_what_a_shard_takes(name):
    rows = [gathered(number, **{name: bytes(100)}) for number in range(40)]
    _, store = packed(rows, shard_bytes=20_480)
    assert len(found := shards(store)) > 1
    assert all(store.stat(INTO.joined(shard)).size <= 20_480 for shard in found)


def test_the_same_rows_are_the_same_bytes():
    rows = [gathered(n, a_bin=bytes([n]) * 700, b_txt=b"text") for n in range(20)]
    first, second = (packed(rows, shard_bytes=5000)[1] for _ in range(2))
    assert {i.url: first.read(i.url) for i in first.list(INTO)} == {
        i.url: second.read(i.url) for i in second.list(INTO)
    }


def test_a_row_that_failed_before_is_handed_on_and_absent_files_stay_absent():
    failure = RowFailure("bad", "read", (Cause("NotFoundError", "not found"),))
    row = Row(7, {"a.bin": Url("memory", "in", "a"), "b.bin": None})
    results, store = packed([failure, Gathered(row, {"a.bin": b"1"})])
    assert results[0] is failure
    assert results[1].values["b.bin"] is None
    assert shards(store) == {"shard-000001.tar": {"7.a.bin": b"1"}}


def test_a_row_that_fails_when_it_is_begun_leaves_nothing_in_the_shard(tmp_path):
    # The first of a shard is not looked at before it is put in.
    rows = [gathered(1, a_bin=b"before", b_bin=tmp_path / "gone"), gathered(2, a_bin=b"2")]
    results, store = packed(rows)
    assert [type(each) for each in results] == [RowFailure, RowDone]
    assert shards(store) == {"shard-000001.tar": {"2.a.bin": b"2"}}


def test_a_row_whose_file_went_away_leaves_nothing_in_the_shard(tmp_path):
    (tmp_path / "there").write_bytes(b"2")
    rows = [
        gathered(1, a_bin=b"1"),
        gathered(2, a_bin=b"before", b_bin=tmp_path / "gone"),
        gathered(3, a_bin=tmp_path / "there"),
    ]
    results, store = packed(rows)
    assert [type(each) for each in results] == [RowFailure, RowDone, RowDone]
    assert results[0].causes[0].error == "NotFoundError"
    assert shards(store) == {"shard-000001.tar": {"1.a.bin": b"1", "3.a.bin": b"2"}}


@pytest.mark.parametrize("what", ["tar", "json"])
def test_a_shard_that_cannot_be_written_costs_its_rows_and_is_not_seen(what):
    def fault(request):
        is_first = "000001" in request.url.key and request.url.key.endswith(what)
        return NoSpaceError("full", url=request.url) if is_first else None

    inner = MemoryStore()
    rows = [gathered(n, a_bin=b"1") for n in range(4)]
    results, _ = packed(rows, store=Faulty(inner, fault), shard_rows=2)
    assert [type(each) for each in results] == [RowFailure, RowFailure, RowDone, RowDone]
    assert {each.causes[0].error for each in results[:2]} == {"NoSpaceError"}
    assert shards(inner).keys() == {"shard-000002.tar"}


def test_a_packer_that_is_killed_at_any_request_leaves_no_shard_without_its_index():
    for kill in range(1, 7):
        inner, numbers = MemoryStore(), itertools.count(1)

        def fault(request, kill=kill, numbers=numbers):
            if next(numbers) == kill:
                raise KeyboardInterrupt

        rows = [gathered(n, a_bin=b"1" * 100) for n in range(6)]
        with pytest.raises(KeyboardInterrupt):
            packed(rows, store=Faulty(inner, fault), shard_rows=2)
        assert len(shards(inner)) == (kill - 1) // 2


def test_shards_are_gone_from_the_disk_however_it_ends(tmp_path):
    def rows():
        yield from (gathered(n, a_bin=b"1") for n in range(10))
        raise RuntimeError("the table ends badly")

    with TempScratch(tmp_path) as scratch:
        packing = Packing(MemoryStore(), INTO, scratch, 1 << 20, 2)
        with pytest.raises(RuntimeError, match="ends badly"):
            list(packing.pack(rows()))
        with closing(packing.pack(gathered(n, a_bin=b"1") for n in range(10))) as results:
            next(results)
    assert list(tmp_path.iterdir()) == []


def test_what_is_gathered_is_released(tmp_path):
    released: list[int] = []
    row = gathered(1, a_bin=b"1")
    rows = [Gathered(row.row, row.files, partial(released.append, n)) for n in range(3)]
    packed(rows)
    assert released == [0, 1, 2]


def test_a_shard_has_no_more_members_than_an_index_may_have(monkeypatch):
    monkeypatch.setattr(module, "MOST_MEMBERS", 4)
    _, store = packed([gathered(n, a_bin=b"1", b_bin=b"2") for n in range(5)])
    assert [len(members) for members in shards(store).values()] == [4, 4, 2]


@pytest.mark.parametrize(
    ("ids", "names", "why"),
    [
        (["a", "a.b"], ["b.c", "c"], "'a.b.c'"),
        (["x", "x.y"], ["y.z", "z/w"], "file and a directory"),
        (["a::b"], ["c.txt"], "colon"),
        (["a"], ["c:"], "colon"),
        (["a" * 200], ["b" * 100], "longer than 255 bytes"),
    ],
)
def test_rows_that_would_share_a_member_or_have_an_impossible_one_are_refused(ids, names, why):
    with pytest.raises(InvalidDatasetError, match=why):
        check_member_names(ids, names)


def test_usual_names_are_fine():
    check_member_names(["a", "a.b", 7], ["image.mha", "d/mask.mha"])
    assert member_name(7, "d/mask.mha") == "7.d/mask.mha"


def test_a_transient_fault_of_the_upload_says_so():
    inner = MemoryStore()
    results, _ = packed(
        [gathered(1, a_bin=b"1")],
        store=Faulty(inner, lambda request: TransientError("down", url=request.url)),
    )
    assert results[0].causes[0].retryable
