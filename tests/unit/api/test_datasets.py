"""Datasets of objects: what they are made of, in which order, and how it is refused."""

from __future__ import annotations

import pickle
import uuid
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.api.support import KINDS, table

import file_dataset
from file_dataset import (
    FileDatasetError,
    FsspecStore,
    MemoryStore,
    NotFoundError,
    Options,
    UnsupportedSchemeError,
    Url,
    create_async_loader,
    create_dataset,
)
from file_dataset.api.loader_options import LoaderOptions

NAMES = ["a.bin", "b.txt", "d/c.bin", "d/e/f.bin"]


@pytest.fixture(params=["memory://objects/in", "{tmp_path}/in", "file://{tmp_path}/in"])
def root(request, tmp_path, options):
    """A place with four files, each of which holds its name, and one beside it."""
    root = request.param.format(tmp_path=tmp_path)
    for name in NAMES:
        file_dataset.put(f"{root}/{name}", name.encode(), options=options)
    file_dataset.put(f"{root}2/other", b"other", options=options)
    return root


@pytest.fixture
def made(root, options):
    """Make a dataset of what is below the root; gives the names of its items."""

    def made(tail="", /, **chosen):
        dataset = create_dataset(f"{root}{tail}", chosen, storage=options)
        plain = root.removeprefix("file://")
        assert [uri.removeprefix(f"{plain}/").encode() for uri in dataset.uris()] == list(dataset)
        return [item.decode() for item in dataset]

    return made


# --- what it is made of -----------------------------------------------------------------------


def test_a_prefix_is_all_that_is_below(made):
    assert made() == made("/") == NAMES
    assert made(recursive=False) == ["a.bin", "b.txt"]


def test_an_object_is_one_item(made):
    assert made("/d/c.bin") == ["d/c.bin"]


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("/*", ["a.bin", "b.txt"]),
        ("/?.bin", ["a.bin"]),
        ("/*/*.bin", ["d/c.bin"]),
        ("/**", NAMES),
        ("/**/*.bin", ["a.bin", "d/c.bin", "d/e/f.bin"]),
        ("/d/[!f].bin", ["d/c.bin"]),
    ],
)
def test_a_glob_in_a_url_is_that_of_a_path(glob, names, made):
    assert made(glob) == names


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*.bin", ["a.bin", "d/c.bin", "d/e/f.bin"]), (["*.txt", "d/*"], ["b.txt", "d/c.bin"])],
)
def test_a_pattern_is_that_of_a_listing(pattern, names, made):
    assert made(pattern=pattern) == names


def test_an_object_that_is_called_like_a_glob_is_meant_itself(made, root, options):
    for name in ("x[1].bin", "x1.bin"):
        file_dataset.put(f"{root}/{name}", name.encode(), options=options)
    assert made("/x[1].bin") == ["x[1].bin"]
    assert made("/x[12].bin") == ["x1.bin"]
    only = create_dataset(Url.parse(f"{root}/x[1].bin"), storage=options)
    assert list(only) == [b"x[1].bin"]
    with pytest.raises(NotFoundError):
        create_dataset(Url.parse(f"{root}/x[12].bin"), storage=options)


def test_a_directory_that_is_called_like_a_glob_is_meant_itself(tmp_path):
    for name in ("x[1]", "x1"):
        file_dataset.put(tmp_path / name / "a", name.encode())
    assert list(create_dataset(str(tmp_path / "x[1]"))) == [b"x[1]"]
    assert list(create_dataset(str(tmp_path / "x[1]" / "*"))) == [b"x1"]


@pytest.mark.parametrize("make", [list, tuple, pd.Series, iter])
def test_urls_are_items_in_their_order(make, root, options, tmp_path):
    (tmp_path / "local").write_bytes(b"local")
    urls = [f"{root}/b.txt", str(tmp_path / "local"), f"{root}/a.bin", f"{root}/b.txt"]
    dataset = create_dataset(make(urls), storage=options)
    assert list(dataset) == [b"b.txt", b"local", b"a.bin", b"b.txt"]


def test_urls_may_be_of_any_kind(root, options, tmp_path):
    (tmp_path / "local").write_bytes(b"local")
    urls = [Url.parse(f"{root}/a.bin"), tmp_path / "local"]
    assert list(create_dataset(urls, storage=options)) == [b"a.bin", b"local"]


def test_packed_shards_are_their_members_and_packed_rows_are_rows(options, put):
    table = [{"id": n, "image.bin": put(f"memory://in/{n}", bytes([n]))} for n in range(6)]
    packed = file_dataset.pack(table, "memory://packed", shard_rows=4, options=options)
    shards = [f"tar://::memory://packed/shard-00000{n}.tar" for n in (2, 1)]
    assert list(create_dataset(shards[1], storage=options)) == [bytes([n]) for n in range(4)]
    both = create_dataset([*shards, "memory://in/0"], storage=options)
    assert list(both) == [bytes([n]) for n in (4, 5, 0, 1, 2, 3, 0)]
    assert both.uris()[0] == "tar://4.image.bin::memory://packed/shard-000002.tar"
    rows = create_dataset(packed, {"shuffle": True}, storage=options)
    assert sorted(row["id"] for row in rows) == list(range(6))
    assert all(row["image.bin"] == bytes([row["id"]]) for row in rows)


def test_no_urls_are_no_items():
    dataset = create_dataset([])
    assert (len(dataset), list(dataset), dataset.uris()) == (0, [], [])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_rows_are_dicts(kind, options, put):
    put("memory://in/1", b"one")
    put("memory://in/2", b"")
    frame = table(
        kind,
        {
            "id": [1, 2],
            "image.bin": ["memory://in/1", "memory://in/2"],
            "label": ["cat", "dog"],
            "mask.bin": ["memory://in/2", None],
        },
    )
    dataset = create_dataset(frame, storage=options)
    assert list(dataset) == [
        {"id": 1, "image.bin": b"one", "label": "cat", "mask.bin": b""},
        {"id": 2, "image.bin": b"", "label": "dog", "mask.bin": None},
    ]
    assert list(dataset[1]) == ["id", "image.bin", "label", "mask.bin"]
    assert dataset.uris() == ["memory://in/1", "memory://in/2", "memory://in/2"]


def test_a_row_that_cannot_be_read_tells_all_its_files(options, put):
    frame = [{"id": 1, "a.bin": "memory://in/x", "b.bin": put("memory://in/b"), "c.bin": "/no/y"}]
    with pytest.raises(NotFoundError, match="in/x: not found") as caught:
        create_dataset(frame, storage=options)[0]
    assert list(caught.value.file_errors) == ["a.bin", "c.bin"]


# --- a sequence -------------------------------------------------------------------------------


@given(
    number=st.integers(0, 12),
    shuffle=st.booleans(),
    batch_size=st.integers(1, 5),
    drop_last=st.booleans(),
    prefetch=st.integers(1, 9),
    num_workers=st.integers(0, 3),
    epoch=st.integers(0, 3),
)
def test_it_is_a_sequence_in_every_order(number, batch_size, epoch, **chosen):
    memory = MemoryStore()
    urls = [Url("memory", "", str(n)) for n in range(number)]
    for url in urls:
        memory.write(url, url.key.encode() * int(url.key))
    options = Options(stores={"memory://": memory})
    dataset = create_dataset(urls, {"batch_size": batch_size, **chosen}, storage=options)
    dataset.set_epoch(epoch)
    items = list(dataset)
    assert sorted(items) == sorted(str(n).encode() * n for n in range(number))
    assert chosen["shuffle"] or items == [str(n).encode() * n for n in range(number)]
    assert items == [dataset[n] for n in range(number)] == dataset[:]
    assert items[::-1] == list(reversed(dataset)) == dataset[::-1]
    assert [
        Url.parse(uri).key.encode() * int(Url.parse(uri).key) for uri in dataset.uris()
    ] == items
    batches = list(dataset.batches())
    whole = number // batch_size * batch_size if chosen["drop_last"] else number
    assert [item for batch in batches for item in batch] == items[:whole]
    assert all(len(batch) == batch_size for batch in batches[:-1])


def test_an_epoch_has_its_order_and_keeps_it(options, put):
    urls = [put(f"memory://in/{n}", bytes([n])) for n in range(30)]

    def order(seed, epoch):
        dataset = create_dataset(urls, {"shuffle": True, "seed": seed}, storage=options)
        dataset.set_epoch(epoch)
        return dataset.uris()

    assert order(1, 0) == order(1, 0) != order(1, 1) != order(2, 1)
    assert order(0, 0) != urls


def test_a_place_outside_of_it_is_an_index_error(options, put):
    dataset = create_dataset(put("memory://in/a"), storage=options)
    assert dataset[-1] == b"data"
    for outside in (1, -2):
        with pytest.raises(IndexError):
            dataset[outside]


def test_batches_need_a_size(options, put):
    with pytest.raises(ValueError, match="needs the option 'batch_size'"):
        create_dataset(put("memory://in/a"), storage=options).batches()


def test_an_item_alone_costs_one_request(options, put, store):
    urls = [put(f"memory://in/{n}") for n in range(20)]
    dataset = create_dataset(urls, {"prefetch": 4}, storage=options)
    assert dataset[3] == b"data"
    assert store.verbs_used() == ["Read"]


def test_it_costs_a_look_and_a_listing_to_make_one(options, put, store):
    put("memory://in/d/a")
    create_dataset("memory://in/d", storage=options)
    create_dataset("memory://in/d/", storage=options)
    assert store.verbs_used() == ["Stat"]


# --- bad input, at once -----------------------------------------------------------------------


BOTH = pytest.mark.parametrize("make", [create_dataset, create_async_loader])


@BOTH
def test_an_unknown_scheme_is_unsupported(make):
    for source in (
        "gopher://host/a",
        ["/a", "gopher://host/a"],
        [{"id": 1, "a.b": "gopher://h/a"}],
    ):
        with pytest.raises(UnsupportedSchemeError, match="unsupported scheme 'gopher://'"):
            make(source)


@pytest.mark.parametrize("missing", ["file:///nonexistent", "/nonexistent/", "/nonexistent/*.bin"])
def test_what_is_missing_is_not_found(missing):
    with pytest.raises(NotFoundError, match=r"/nonexistent: not found$"):
        create_dataset(missing)
    with pytest.raises(FileNotFoundError, match="memory://nobody/x: not found: there is no such"):
        create_dataset("memory://nobody/x")


def test_an_empty_directory_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="the directory is empty"):
        create_dataset(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_bytes(b"")
    with pytest.raises(NotFoundError, match="nothing is directly below it"):
        create_dataset(tmp_path, {"recursive": False})


@pytest.mark.filterwarnings("ignore:.*O_DIRECT:RuntimeWarning")
@pytest.mark.parametrize("place", ["direct://{tmp_path}", "memory://{unique}"])
def test_a_directory_of_any_store_needs_no_slash(place, tmp_path):
    options = Options(stores={"memory://": FsspecStore("memory")})
    place = place.format(tmp_path=tmp_path, unique=uuid.uuid4().hex)
    file_dataset.put(f"{place}/d/a.bin", b"data", options=options)
    assert list(create_dataset(f"{place}/d", storage=options)) == [b"data"]
    file_dataset.delete(f"{place}/d/a.bin", options=options)
    with pytest.raises(NotFoundError, match=r"/d: .*, and nothing .*below it"):
        create_dataset(f"{place}/d", storage=options)


def test_a_pattern_that_matches_nothing_is_told(made, root):
    with pytest.raises(NotFoundError, match=r"nothing below it matches '\*.png'"):
        made(pattern="*.png")
    with pytest.raises(NotFoundError, match=r"nothing directly below it matches '\*.png'"):
        made("/*.png")
    with pytest.raises(NotFoundError, match=r"matches '\*.png', '\*.jpg'"):
        made(pattern=["*.png", "*.jpg"])


@BOTH
@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
        ({"batch_size": 2.0}, "batch_size must be a whole number"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"prefetch": 0}, "prefetch must be a whole number of at least 1"),
        ({"prefetch": None}, "prefetch must be a whole number of at least 1"),
        ({"num_workers": -1}, "num_workers must be a whole number of at least 0"),
        ({"part_size": 0}, "part_size must be"),
        ({"max_concurrent": 0}, "max_concurrent must be"),
        ({"pattern": "[a"}, "is not closed"),
        ({"pattern": []}, "pattern is an empty list"),
        ({"batchsize": 1}, "no option 'batchsize'; did you mean 'batch_size'"),
        ({"prefech": 1}, "did you mean 'prefetch'"),
        ({"x": 1}, "there is no option 'x'; did you mean"),
        ({7: 1}, "there is no option 7"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_asked(
    chosen, message, make, options, store
):
    with pytest.raises(ValueError, match=message):
        make("memory://in/", chosen, storage=options)
    assert store.requests == []


@BOTH
@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"shuffle": "yes"}, "shuffle is True or False, not 'yes'"),
        ({"seed": 1.5}, "seed is a whole number"),
        (Options(), r"storage=Options\(\.\.\.\)"),
        ([("batch_size", 1)], "options are a mapping"),
    ],
)
def test_options_of_another_type_are_refused(chosen, message, make):
    with pytest.raises(TypeError, match=message):
        make([], chosen)


@BOTH
def test_storage_is_told_by_options(make):
    with pytest.raises(TypeError, match="storage is told by Options, not dict"):
        make([], storage={"endpoint_url": "http://localhost"})


@BOTH
@pytest.mark.parametrize(
    "source", [7, None, b"/a", {"id": 1}, [7], [None], [b"/a"], [[]], [""], ["s3://bucket/dir/"]]
)
def test_what_is_no_source_is_refused(source, make):
    with pytest.raises(ValueError, match=r"dataset is made of|neither a URL|is no URL|no object"):
        make(source)


@BOTH
def test_a_pattern_is_for_a_place(make, options):
    with pytest.raises(ValueError, match="which a list is not"):
        make(["memory://in/a"], {"pattern": "*.bin"}, storage=options)
    with pytest.raises(ValueError, match="one too many"):
        make("memory://in/*", {"pattern": "*.bin"}, storage=options)


@pytest.mark.parametrize("name", list(LoaderOptions.__annotations__))
def test_every_option_is_taken_for_every_scheme(name, tmp_path, options, put):
    (tmp_path / "a.bin").write_bytes(b"data")
    put("memory://in/a.bin")
    others = {"shuffle": True, "recursive": False, "drop_last": True, "pattern": "*.bin"}
    chosen = {name: others.get(name, 1)}
    for place in (str(tmp_path), "memory://in/", Path(tmp_path)):
        assert list(create_dataset(place, chosen, storage=options)) == [b"data"]


def test_parts_are_told_to_the_transfers_of_s3():
    options = LoaderOptions.of({"part_size": 1000})
    mine = Options(s3_client_kwargs={"endpoint_url": "http://localhost"})
    told = options.storage(mine)
    assert told is not None
    assert told.s3_transfer_config is not None
    assert told.s3_transfer_config.multipart_chunksize == 1000
    assert told.s3_client_kwargs == mine.s3_client_kwargs
    assert mine.s3_transfer_config is None
    assert LoaderOptions().storage(mine) is mine


def test_a_dataset_can_be_pickled_where_its_stores_can(tmp_path):
    (tmp_path / "a").write_bytes(b"data")
    dataset = pickle.loads(pickle.dumps(create_dataset(tmp_path)))
    assert list(dataset) == [b"data"]
    with pytest.raises(FileDatasetError):
        create_dataset([tmp_path / "b"])[0]
