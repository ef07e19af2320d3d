"""Objects of a web server: what is asked of it, what it makes of that, and who may be asked."""

import pickle
import random
import threading

import pytest
from tests.archives import tar_of
from tests.forking import ended, forked
from tests.integration.web_server import web_server as serve

from file_dataset import (
    HttpStore,
    Options,
    create_dataset,
    get,
    list_files,
    mount,
    pack,
    reader,
    write_files,
)
from file_dataset.adapters.http import exchange
from file_dataset.adapters.http.way import Way
from file_dataset.api import _wiring
from file_dataset.domain.errors import (
    InvalidDatasetError,
    InvalidUrlError,
    NotFoundError,
    PermissionDeniedError,
    RangeNotSatisfiableError,
    StoreError,
    ThrottledError,
    TransientError,
    UnsupportedError,
)
from file_dataset.domain.objects import Span
from file_dataset.domain.outcomes import Done
from file_dataset.domain.requests import Read
from file_dataset.domain.url import Url

DATA = random.Random(1).randbytes(1000)


@pytest.fixture
def server(web_server):
    web_server.seen()
    return web_server


@pytest.fixture
def url(server):
    """The URL of the object of 1,000 bytes, served in some way."""
    return lambda way="", more="": Url.parse(f"{server.endpoint}{way}/files/root/data.bin{more}")


@pytest.fixture
def store():
    with HttpStore(allow_private=True) as made:
        yield made


def asked(server):
    return [(seen["method"], seen["path"].partition("?")[0]) for seen in server.seen()]


def test_what_a_server_tells_is_known_by_one_request(server, store, url, tmp_path):
    info = store.stat(url())
    assert (info.size, info.etag) == (1000, "1000")
    assert info.modified is not None
    assert info.modified.isoformat() == "2026-11-21T12:00:00+00:00"
    assert [method for method, _ in asked(server)] == ["HEAD"]
    assert store.download(url(), tmp_path / "data") == info
    assert (tmp_path / "data").read_bytes() == DATA
    assert store.read(url(), span=Span(100, 50)) == DATA[100:150]
    assert [method for method, _ in asked(server)] == ["GET", "GET"]
    assert store.stat(url("/weak")).etag is None


def test_where_there_is_no_answer_to_head_the_first_byte_tells_the_size(server, store, url):
    assert store.stat(url("/no-head", "?X-Signature=for+GET%2Falone")).size == 1000
    seen = server.seen()
    assert [(each["method"], each.get("Range")) for each in seen] == [
        ("HEAD", None),
        ("GET", "bytes=0-0"),
    ]
    # The query goes out as it is written.
    assert seen[1]["path"].endswith("?X-Signature=for+GET%2Falone")
    assert store.stat(Url.parse(f"{server.endpoint}/no-head/files/root/empty")).size == 0


def test_a_size_that_is_not_told_is_counted(store, url):
    assert store.stat(url("/no-length")).size == 1000
    assert store.read(url("/no-length")) == DATA


def test_a_server_that_ignores_spans_is_heard_out(store, url):
    assert store.read(url("/no-range"), span=Span(990, 50)) == DATA[990:]
    with pytest.raises(RangeNotSatisfiableError):
        store.read(url("/no-range"), span=Span(1000))
    with pytest.raises(TransientError, match="another span"):
        store.read(url("/other-range"), span=Span(10))


def test_a_body_that_is_cut_off_is_no_object(store, url, tmp_path):
    for act in (store.read, lambda at: store.download(at, tmp_path / "data")):
        with pytest.raises(TransientError, match="truncated read"):
            act(url("/cut"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, PermissionDeniedError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (410, NotFoundError),
        (418, StoreError),
        (429, ThrottledError),
        (500, TransientError),
        (503, ThrottledError),
        (599, TransientError),
    ],
)
def test_an_answer_without_the_object_is_an_error_of_its_kind(server, store, status, kind):
    url = Url.parse(f"{server.endpoint}/status/{status}/files/x?secret=hush")
    for act in (store.stat, store.read):
        with pytest.raises(kind) as caught:
            act(url)
        assert type(caught.value) is kind
        assert str(status) in str(caught.value)
        assert "hush" not in str(caught.value)
        assert not caught.value.systemic
        assert not isinstance(caught.value, ThrottledError) or caught.value.retry_after == 7


def test_a_connection_is_used_again(server, store, url):
    for _ in range(3):
        store.stat(url())
        store.read(url())
    (exchanges,) = store._exchanges._made.values()
    assert len(exchanges._idle) == 1


def redirect(server, to):
    return Url.parse(f"{server.endpoint}/redirect/files/x?to={to}")


def test_redirects_are_followed_and_headers_are_not_sent_elsewhere(server, url):
    with HttpStore({"Authorization": "Bearer hush"}, allow_private=True) as store:
        assert store.read(redirect(server, url())) == DATA
        elsewhere = str(url()).replace("127.0.0.1", "localhost")
        assert store.read(redirect(server, elsewhere)) == DATA
        sent = [each.get("Authorization") for each in server.seen()]
        assert sent == ["Bearer hush"] * 3 + [None]
        assert "hush" not in repr(store)
        assert "hush" not in repr(store._way)


def test_redirects_end_somewhere(server, store):
    with pytest.raises(StoreError, match="redirected more than"):
        store.read(Url.parse(f"{server.endpoint}/circle/files/x"))
    with pytest.raises(StoreError, match="redirected to ftp://"):
        store.read(redirect(server, "ftp://127.0.0.1/x"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_is_not_public_is_not_even_connected_to(server, url, host):
    at = Url.parse(str(url()).replace("127.0.0.1", host))
    with (
        HttpStore() as store,
        pytest.raises(PermissionDeniedError, match=r"not an address of the public.*allow_private"),
    ):
        store.read(at)
    assert asked(server) == []


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost"])
def test_a_redirect_to_what_is_not_public_is_not_followed(server, url, host, monkeypatch):
    # As if the server were a public one, which redirects to others that are not.
    monkeypatch.setattr(exchange, "is_public", lambda address: False)
    monkeypatch.setattr(exchange, "is_literal", lambda name: name == "127.0.0.2")
    monkeypatch.setattr(
        exchange.Exchanges,
        "_performed",
        performed_openly(exchange.Exchanges._performed, server.endpoint),
    )
    there = str(url()).replace("127.0.0.1", host)
    with HttpStore() as store, pytest.raises(PermissionDeniedError, match="not an address"):
        store.read(redirect(server, there))
    assert [path for _, path in asked(server)] == ["/redirect/files/x"]


def test_by_way_of_a_proxy_only_its_own_address_may_be_private(server):
    with HttpStore(proxy=server.endpoint) as store:
        with pytest.raises(PermissionDeniedError, match=r"leads to 10\.0\.0\.1"):
            store.read(Url.parse("http://10.0.0.1/files/root/data.bin"))
        assert asked(server) == []
        assert store.read(Url.parse("http://data.example/files/root/data.bin")) == DATA
    assert asked(server) == [("GET", "http://data.example/files/root/data.bin")]


def test_the_environment_names_no_proxy(server, store, url, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert store.read(url()) == DATA


def test_what_began_with_tls_does_not_go_on_without():
    begun = Url.parse("https://data.example/x")
    exchanges = exchange.Exchanges(Way({}))
    exchanges._check("https://other.example/x", begun)
    with pytest.raises(StoreError, match="redirected to http://"):
        exchanges._check("http://data.example/x", begun)


def performed_openly(performed, endpoint):
    def perform(self, at, *args):
        if not at.startswith(endpoint):
            return performed(self, at, *args)
        return performed(exchange.Exchanges(Way({}, allow_private=True)), at, *args)

    return perform


@pytest.mark.parametrize("key", ["a b", "a#b", "caf\u00e9", "a\nHost: x", 'a"b'])
def test_what_is_not_spelled_as_http_has_it_is_refused(server, store, key):
    with pytest.raises(InvalidUrlError, match="%20"):
        store.read(Url("http", server.endpoint.rpartition("/")[2], f"files/root/{key}"))
    assert asked(server) == []


def test_nothing_is_listed_or_written(server, store, url):
    with pytest.raises(UnsupportedError, match="cannot be listed"):
        list(store.list(url()))
    with pytest.raises(UnsupportedError, match="cannot write"):
        store.write(url(), b"")


def test_it_pickles_with_all_that_it_was_told():
    store = HttpStore({"X": "y"}, allow_private=True, proxy="http://proxy:1", ca_bundle="/ca")
    assert pickle.loads(pickle.dumps(store))._way == store._way


def test_a_certificate_of_nobody_is_not_trusted_unless_its_bundle_is_named(static_tls):
    url = Url.parse(f"{static_tls.endpoint}/bucket/key")
    with HttpStore(allow_private=True) as store, pytest.raises(StoreError, match="ca_bundle"):
        store.read(url)
    with HttpStore(allow_private=True, ca_bundle=static_tls.authority) as store:
        assert store.read(url) == b"key"


@pytest.mark.timeout(300)  # each of four rounds has its own patience
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_children_that_are_forked_of_threads_at_work_read_over_tls(static_tls):
    urls = [Url.parse(f"{static_tls.endpoint}/bucket/{number}") for number in range(60)]
    stop = threading.Event()
    wrong: list[int] = []
    with HttpStore(allow_private=True, ca_bundle=static_tls.authority) as store:

        def is_right() -> bool:
            outcomes = store.run([Read(url) for url in urls])
            return all(each == Done(each.index, b"%d" % each.index) for each in outcomes)

        def read_on() -> None:
            while not stop.is_set():
                wrong.append(not is_right())

        reading = threading.Thread(target=read_on)
        reading.start()
        try:
            for _ in range(4):
                assert ended(*[forked(is_right) for _ in range(3)]) == [0] * 3
        finally:
            stop.set()
            reading.join()
    assert not any(wrong)


# Tables.


@pytest.fixture
def no_mounts(monkeypatch):
    monkeypatch.setattr(_wiring.stores, "_mounted", {})


def test_a_table_names_web_servers_only_where_that_is_opted_into(server, url, no_mounts):
    rows = [{"id": 1, "data.bin": str(url())}]
    for act in (lambda: reader(dataframe=rows), lambda: write_files(rows, into_path="memory://x")):
        with pytest.raises(InvalidDatasetError, match=r"^row 1, file 'data.bin'.*HttpStore\(\)"):
            act()
    mount("http://127.0.0.1:1/", HttpStore(allow_private=True))
    with pytest.raises(InvalidDatasetError, match="opted into"):
        reader(dataframe=rows)
    assert asked(server) == []
    mount(f"{server.endpoint}/", HttpStore(allow_private=True))
    assert reader(dataframe=rows).into_blob_table()["data.bin"].to_pylist() == [DATA]


def test_what_is_opted_into_is_a_place_and_not_the_web(server, url, no_mounts):
    options = Options(stores={f"{server.endpoint}/files/": HttpStore(allow_private=True)})
    rows = [
        {"id": 1, "data.bin": str(url())},
        {"id": 2, "data.bin": str(url("/no-range"))},
    ]
    table = reader(dataframe=rows, options=options)
    assert table.into_blob_table()["id"].to_pylist() == ["1"]
    (failure,) = table.failures
    assert "opted into" in str(failure)
    assert asked(server) == [("GET", "/files/root/data.bin")]


def test_who_names_a_url_has_opted_into_it_but_not_into_private_addresses(server, url, no_mounts):
    with pytest.raises(PermissionDeniedError, match="allow_private"):
        get(url())
    mount("http://", HttpStore(allow_private=True))
    assert get(url()) == DATA


def test_a_dataset_of_a_table_has_to_be_opted_into_as_well(server, url, no_mounts):
    with pytest.raises(InvalidDatasetError, match="opted into"):
        create_dataset([{"id": 1, "data.bin": str(url())}])
    mount(f"{server.endpoint}/", HttpStore(allow_private=True))
    assert [*create_dataset([str(url())])] == [DATA]
    with pytest.raises(NotFoundError, match="not found"):
        create_dataset(f"{server.endpoint}/files/none")


# Archives.


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """A server of a shard with its index, and of a tar and a zip that others have made."""
    place = tmp_path_factory.mktemp("packed")
    (place / "in").write_bytes(DATA)
    pack([{"id": n, "data.bin": str(place / "in")} for n in range(300)], place)
    shard = (place / "shard-000001.tar").read_bytes()
    index = (place / "shard-000001.tar.index.json").read_bytes()
    others = {"others.tar": tar_of({"a/b.bin": DATA}), "cut.tar": shard[:1000]}
    with serve({"s.tar": shard, "s.tar.index.json": index, **others}) as server:
        yield server


def test_members_on_a_web_server_are_read_by_ranges_and_listed(archives, no_mounts):
    mount(f"{archives.endpoint}/", HttpStore(allow_private=True))
    files = f"{archives.endpoint}/files"
    archives.seen()
    rows = [{"id": n, "data.bin": f"tar://{n}.data.bin::{files}/s.tar"} for n in (3, 100)]
    assert reader(dataframe=rows).into_blob_table()["data.bin"].to_pylist() == [DATA] * 2
    told = [(seen["method"], seen["path"]) for seen in archives.seen()]
    assert sorted(told) == [
        ("GET", "/files/s.tar"),
        ("GET", "/files/s.tar.index.json"),
        ("HEAD", "/files/s.tar"),
    ]
    assert get(f"tar://a/b.bin::{files}/others.tar") == DATA
    assert list_files(f"tar://::{files}/others.tar")["path"].tolist() == ["a/b.bin"]
    assert len(list_files(f"tar://::{files}/s.tar", max_files=7)) == 7
    with pytest.raises(UnsupportedError):
        list_files(files)


def test_members_are_read_over_tls_as_well(archives, tls, no_mounts):
    with serve(archives.objects, tls=tls) as server:
        mount(f"{server.endpoint}/", HttpStore(allow_private=True, ca_bundle=tls.authority))
        files = f"{server.endpoint}/files"
        rows = [{"id": n, "data.bin": f"tar://{n}.data.bin::{files}/s.tar"} for n in (3, 100)]
        assert reader(dataframe=rows).into_blob_table()["data.bin"].to_pylist() == [DATA] * 2
        assert [row["data.bin"] for row in create_dataset(rows)] == [DATA] * 2
        spans = {seen.get("Range") for seen in server.seen() if seen["path"].endswith(".tar")}
        assert all(spans - {None})
        assert create_dataset(f"tar://::{files}/others.tar")[0] == DATA


def test_a_table_names_archives_on_the_web_only_where_that_is_opted_into(archives, no_mounts):
    rows = [{"id": 1, "data.bin": f"tar://1.data.bin::{archives.endpoint}/files/s.tar"}]
    archives.seen()
    with pytest.raises(InvalidDatasetError, match="opted into"):
        reader(dataframe=rows)
    assert archives.seen() == []
