"""Azure and Google Cloud Storage: what the laws do not say."""

import os
import pickle
import subprocess
import sys
import warnings

import pytest
from tests.integration.servers import saying_server, unused_endpoint
from tests.unit.adapters.layers.fakes import in_forked_child

from file_dataset import AzureStore, GcsStore, Options, get, reader, write_files
from file_dataset.domain.errors import (
    InvalidUrlError,
    MissingDependencyError,
    NotFoundError,
    PermissionDeniedError,
    StoreError,
    TransientError,
    UnauthenticatedError,
    UnsupportedError,
)
from file_dataset.domain.objects import Prefix
from file_dataset.domain.url import Url

pytestmark = pytest.mark.xdist_group("clouds")


@pytest.fixture(params=["azure", "gcs"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def bucket(server):
    return server.make_bucket()


def names(found):
    return sorted((type(each) is Prefix, each.url.key) for each in found)


def test_directory_markers_are_no_files(server, bucket):
    store = server.store()
    for key, data in (("a/b", b"b"), ("a/dir/", b""), ("a/dir/x", b"x"), ("a/lone/", b"")):
        server.put_directly(Url(bucket.scheme, bucket.authority, key), data)
    for key in ("a/empty", "a/both", "a/both/y"):
        store.write(bucket.joined(key), b"")
    server.put_directly(Url(bucket.scheme, bucket.authority, "a/both/"), b"")
    found = store.list(bucket.joined("a"))
    files = ["a/b", "a/both", "a/both/y", "a/dir/x", "a/empty"]
    assert names(found) == [(False, key) for key in files]
    direct = [(False, "a/b"), (False, "a/both"), (False, "a/empty")]
    assert names(store.list(bucket.joined("a"), recursive=False)) == [
        *direct,
        (True, "a/both"),
        (True, "a/dir"),
        *([(True, "a/lone")]),
    ]


def test_names_of_others_that_obstore_cannot_spell_are_told(server, bucket):
    server.put_directly(Url(bucket.scheme, bucket.authority, "a//b"), b"")
    with pytest.raises(InvalidUrlError, match=r"obstore cannot spell .*a//b"):
        list(server.store().list(bucket.joined("a")))


def test_a_bucket_that_is_not_there_is_not_found(server):
    store = server.store()
    url = Url(server.scheme, "no-such-bucket", "a")
    for act in (store.stat, store.read, lambda at: store.write(at, b"")):
        with pytest.raises(NotFoundError, match="no-such-bucket"):
            act(url)


def test_what_one_bucket_has_is_copied_to_another(server, bucket):
    store, other = server.store(), server.make_bucket()
    store.write(bucket.joined("a"), b"text")
    store.copy(bucket.joined("a"), other.joined("b"))
    assert store.read(other.joined("b")) == b"text"


def test_large_files_are_uploaded_in_parts(azure, tmp_path):
    data = os.urandom(12 * 2**20)
    (tmp_path / "large").write_bytes(data)
    url = azure.make_bucket().joined("large")
    with azure.store() as store:
        store.upload(tmp_path / "large", url)
        assert store.stat(url).size == len(data)
        store.download(url, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


def test_backslashes_are_refused_where_they_would_become_slashes(azure, bucket):
    with pytest.raises(InvalidUrlError, match="backslash"):
        azure.store().write(azure.make_bucket().joined("a\\b"), b"")


def test_an_endpoint_where_nobody_is_may_be_tried_again(server, bucket):
    name = "endpoint" if server.scheme == "az" else "base_url"
    store = server.store_with({**server.store()._config, name: unused_endpoint()})
    with pytest.raises(TransientError, match="cannot be reached"):
        store.read(bucket.joined("a"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, UnauthenticatedError),
        (403, PermissionDeniedError),
        (418, StoreError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
    ],
)
def test_what_a_server_answers_is_an_error_of_its_kind(status, kind):
    said = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with saying_server(said, then_hang=True) as server:
        store = GcsStore(
            {"base_url": server.endpoint, "bearer_token": "x"},
            client_options={"allow_http": True},
        )
        with pytest.raises(kind) as caught:
            store.read(Url.parse("gs://bucket/a"))
    assert isinstance(caught.value, TransientError) == (kind is TransientError)


def test_signatures_are_not_told(azure):
    query = "sv=2021-12-02&sp=r&sr=c&sig=hush%2Bhush"
    store = azure.store_with(
        {
            "account_name": "devstoreaccount1",
            "endpoint": f"{azure.endpoint}/devstoreaccount1",
            "sas_key": query,
        }
    )
    with pytest.raises(StoreError) as caught:
        store.read(azure.make_bucket().joined("a"))
    told = [str(caught.value), caught.value.detail, repr(store), repr(caught.value.__cause__)]
    assert "hush" not in " ".join(told)
    assert "sas_key" in repr(store)


def test_settings_that_are_not_right_stop_the_job():
    with pytest.raises(StoreError, match="Account must be specified") as caught:
        AzureStore().read(Url.parse("az://container/a"))
    assert caught.value.systemic
    with pytest.raises(StoreError, match="'nonsense'") as caught:
        GcsStore({"nonsense": "x"}).read(Url.parse("gs://bucket/a"))
    assert caught.value.systemic


def test_tables_are_read_and_written_there(server, bucket, tmp_path):
    options = Options(stores={f"{server.scheme}://": server.store()})
    (tmp_path / "a b.txt").write_bytes(b"text")
    rows = [{"id": 7, "a.txt": tmp_path / "a b.txt"}]
    written = write_files(rows, into_path=f"{bucket}/out", options=options)
    assert written == [{"id": 7, "a.txt": f"{bucket}/out/7/a.txt"}]
    table = reader(dataframe=written, options=options).into_blob_table()
    assert table["a.txt"].to_pylist() == [b"text"]
    assert get(f"{bucket}/out/7/a.txt", options=options) == b"text"


def test_it_pickles_with_its_settings():
    store = AzureStore({"account_name": "a"}, client_options={"timeout": "1s"})
    copy = pickle.loads(pickle.dumps(store))
    assert (copy._config, copy._client_options) == (store._config, store._client_options)


def test_a_child_of_a_process_that_used_obstore_says_what_to_do(server, bucket):
    store = server.store()
    store.write(bucket.joined("a"), b"text")

    def in_child():
        with pytest.raises(UnsupportedError, match="'spawn' or 'forkserver'"):
            store.read(bucket.joined("a"))
        return "refused"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert in_forked_child(in_child) == "refused"
    assert store.read(bucket.joined("a")) == b"text"


FORKING = """
import os, sys
from file_dataset import AzureStore, GcsStore, Url
store = {"az": AzureStore, "gs": GcsStore}[sys.argv[1]](
    eval(sys.argv[2]), client_options={"allow_http": True}
)
assert "obstore" not in sys.modules
if os.fork() == 0:
    print(store.read(Url.parse(sys.argv[3])), flush=True)
    os._exit(0)
os.wait()
"""


def test_a_child_of_one_that_made_a_store_and_did_not_use_it_works(server, bucket):
    store, url = server.store(), bucket.joined("a")
    store.write(url, b"text")
    command = [sys.executable, "-c", FORKING, server.scheme, repr(store._config), str(url)]
    assert subprocess.check_output(command, text=True, timeout=60).strip() == "b'text'"


def test_without_obstore_the_extra_is_told(monkeypatch):
    monkeypatch.setattr("file_dataset.adapters.cloud.library.find_spec", lambda name: None)
    for kind in (AzureStore, GcsStore):
        with pytest.raises(MissingDependencyError, match=r"file-dataset\[obstore\]"):
            kind()
