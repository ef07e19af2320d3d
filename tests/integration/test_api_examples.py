"""The examples of the API as users write them, on a make-believe AWS and on a real server."""

from __future__ import annotations

import uuid
from pathlib import Path

import boto3
import pandas as pd
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from file_dataset import FileDataset, Pipeline, reader, write_files


@pytest.fixture
def moto(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


@pytest.fixture
def rclone(monkeypatch, rclone_s3):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", rclone_s3.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone_s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rclone_s3.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture(params=["moto", "rclone"], autouse=True)
def s3(request, tmp_path, monkeypatch):
    """A client, with files in ``s3://my-bucket/`` and in the working directory."""
    request.getfixturevalue(request.param)
    client = boto3.client("s3")
    client.create_bucket(Bucket="my-bucket")
    for number in (1, 2, 3):
        for name in ("image.mha", "mask.mha"):
            body = f"{name} {number}".encode()
            client.put_object(Bucket="my-bucket", Key=f"raw/{number}/{name}", Body=body)
    monkeypatch.chdir(tmp_path)
    Path("a.mha").write_bytes(b"a")
    yield client
    for item in client.list_objects_v2(Bucket="my-bucket")["Contents"]:
        client.delete_object(Bucket="my-bucket", Key=item["Key"])
    client.delete_bucket(Bucket="my-bucket")


@pytest.fixture
def df():
    return pd.DataFrame(
        {
            "id": [1, 2, 3],
            "image.mha": [f"s3://my-bucket/raw/{n}/image.mha" for n in (1, 2, 3)],
            "mask.mha": [f"s3://my-bucket/raw/{n}/mask.mha" for n in (1, 2, 3)],
        }
    )


def body(client, key):
    return client.get_object(Bucket="my-bucket", Key=key)["Body"].read()


def resample(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    image = (input_dir / "image.mha").read_text() + " resampled"
    (output_dir / "image.mha").write_text(image)
    return {"image.mha": output_dir / "image.mha"}


def check_resampled(result, client, prefix="resampled"):
    assert result["id"].tolist() == [1, 2, 3]
    assert result["id"].dtype == "int64"
    for number, url in zip(result["id"], result["image.mha"], strict=True):
        assert url == f"s3://my-bucket/{prefix}/{number}/image.mha"
        assert body(client, f"{prefix}/{number}/image.mha").decode() == (
            f"image.mha {number} resampled"
        )


def test_a_row_into_a_temporary_directory():
    row = {"image.mha": "s3://my-bucket/raw/1/image.mha", "mask.mha": None}
    with reader(row=row).into_temp_dir() as tmp:
        assert [path.name for path in tmp.iterdir()] == ["image.mha"]
        assert (tmp / "image.mha").read_text() == "image.mha 1"
    assert not tmp.exists()


def test_the_rows_of_a_table_into_temporary_directories(df):
    seen = {}
    for row_id, tmp in reader(dataframe=df).into_temp_dir():
        seen[row_id] = {path.name: path.read_text() for path in Path(str(tmp)).iterdir()}
    assert seen == {
        n: {"image.mha": f"image.mha {n}", "mask.mha": f"mask.mha {n}"} for n in (1, 2, 3)
    }


def test_tables_of_sizes_and_contents(df):
    assert reader(dataframe=df).into_size_table().to_pydict() == {
        "id": ["1", "2", "3"],
        "image.mha": [11] * 3,
        "mask.mha": [10] * 3,
    }
    contents = reader(dataframe=df).into_blob_table(head=1, max_bytes=1000)
    assert contents.to_pylist() == [
        {"id": "1", "image.mha": b"image.mha 1", "mask.mha": b"mask.mha 1"}
    ]


@pytest.mark.parametrize("into", ["s3://my-bucket/resampled/", "s3://my-bucket/resampled"])
def test_files_are_written(into, s3):
    written = write_files(row={"a.mha": Path("./a.mha")}, into_path=into, id=1)
    assert written == {"a.mha": "s3://my-bucket/resampled/1/a.mha"}
    assert body(s3, "resampled/1/a.mha") == b"a"


def test_a_pipeline(df, s3):
    pipeline = Pipeline(resample, write_options={"into_path": "s3://my-bucket/resampled/"})
    result = pipeline(df)
    check_resampled(result, s3)
    again = Pipeline(resample, into_path="s3://my-bucket/again", workers=2)(result)
    assert body(s3, "again/3/image.mha").decode() == "image.mha 3 resampled resampled"
    assert again["id"].tolist() == [1, 2, 3]


def test_a_session_of_credentials(df, s3):
    credentials = boto3.Session().get_credentials()
    assert credentials is not None
    for each in (credentials, credentials.get_frozen_credentials()):
        fd = FileDataset(credentials=each)
        with fd.downloader({"image.mha": df["image.mha"][0]}).into_temp_dir() as tmp:
            assert (tmp / "image.mha").read_text() == "image.mha 1"


def test_the_session_object(df, s3):
    fd = FileDataset()
    written = fd.upload_files({"a.mha": Path("./a.mha")}, into_path="./resampled/")
    path = written["a.mha"]
    assert isinstance(path, Path)
    assert path.read_bytes() == b"a"
    assert path.parent.parent == Path("resampled").absolute()
    assert str(uuid.UUID(path.parent.name)) == path.parent.name

    result = fd.map_batch(df, fn=resample, upload_options={"into_path": "s3://my-bucket/mapped/"})
    check_resampled(result, s3, "mapped")


def test_what_is_missing_is_told(df, s3):
    df.loc[1, "mask.mha"] = "s3://my-bucket/raw/gone.mha"
    result = Pipeline(resample, into_path="s3://my-bucket/out").run(df)
    assert result.rows["id"].tolist() == [1, 3]
    (failure,) = result.failures.to_dict("records")
    assert failure["id"] == 2
    assert (failure["file"], failure["stage"], failure["error"]) == (
        "mask.mha",
        "read",
        "NotFoundError",
    )
    with pytest.raises(ClientError, match=r"NoSuchKey|does not exist"):
        body(s3, "out/2/image.mha")
