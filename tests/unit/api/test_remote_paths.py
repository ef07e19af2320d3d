"""Paths of universal_pathlib as sources."""

import uuid
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from upath import UPath

from file_dataset import InvalidDatasetError, InvalidUrlError, Url, create_dataset, get, put, reader


@pytest.fixture
def place():
    url = f"memory://{uuid.uuid4().hex}/a b.txt"
    put(url, b"text")
    return UPath(url)


def test_a_remote_path_is_a_source_wherever_a_url_is_one(place, tmp_path):
    (tmp_path / "b.txt").write_bytes(b"local")
    rows = [{"id": 1, "a.txt": place, "b.txt": UPath(tmp_path / "b.txt")}]
    table = reader(dataframe=rows).into_blob_table().to_pylist()
    assert [(row["a.txt"], row["b.txt"]) for row in table] == [(b"text", b"local")]
    assert reader(row={"a.txt": place}).into_blob_table()["a.txt"][0].as_py() == b"text"
    assert get(place) == b"text"
    assert [*create_dataset(place)] == [*create_dataset([place])] == [b"text"]


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("s3://bucket/a/b#c.mha", "s3://bucket/a/b#c.mha"),
        ("gs://bucket/a", "gs://bucket/a"),
        ("az://container/a", "az://container/a"),
        ("file:///data/a", "/data/a"),
        ("/data/a", "/data/a"),
    ],
)
def test_it_means_what_its_text_means(path, url):
    assert Url.parse(UPath(path)) == Url.parse(url)


def test_how_it_is_reached_is_not_taken_from_a_path():
    secret = UPath("s3://bucket/a", key="me", secret="hush")
    with pytest.raises(InvalidUrlError, match=r"\['key', 'secret'\].*mount\(\)") as caught:
        get(secret)
    assert "hush" not in str(caught.value)
    with pytest.raises(InvalidDatasetError, match=r"row 1, file 'a.txt'.*\['host'\]"):
        reader(dataframe=[{"id": 1, "a.txt": UPath("ftp://host/a.txt")}])
