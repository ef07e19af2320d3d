"""Listings of S3: how many requests they cost, how much memory, and that nothing is lost."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import unicodedata
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from moto import mock_aws

from file_dataset import Options, frame_from_layout, ingest, list_files, pack, put, unpack
from file_dataset.adapters.s3 import lanes
from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.curl.carrier import Carrier

KEYS = 50_000


@contextlib.contextmanager
def listings(options):
    """The prefixes that are asked for, a request each."""
    asked: list[str] = []

    def note(request, **_):
        asked.append(parse_qs(urlsplit(request.url).query, keep_blank_values=True)["prefix"][0])

    events = options.s3_client.meta.events
    events.register_first("before-send.s3.ListObjectsV2", note)
    yield asked
    events.unregister("before-send.s3.ListObjectsV2", note)


@pytest.fixture(scope="class")
def bucket():
    """A make-believe AWS with a bucket of 1,200 files and some more."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="bucket")
        for number in range(1_200):
            client.put_object(Bucket="bucket", Key=f"data/{number:04}.bin", Body=b"")
        for key in ("data2/x.bin", "data/", "data/dir/", "data/dir/y.json", "other"):
            client.put_object(Bucket="bucket", Key=key, Body=b"yz")
        yield


@pytest.mark.usefixtures("bucket")
class TestMoto:
    @pytest.fixture
    def options(self):
        return Options()

    def test_1200_objects_are_1200(self, options):
        with listings(options) as asked:
            frame = list_files("s3://bucket/data", extension=".bin", options=options)
        assert len(frame) == frame["url"].nunique() == 1_200
        assert frame["path"].tolist() == [f"data/{number:04}.bin" for number in range(1_200)]
        assert asked == ["data/"] * 2

    def test_the_whole_bucket_has_no_markers(self, options):
        frame = list_files("s3://bucket", options=options)
        assert len(frame) == 1_203
        assert not frame["path"].str.endswith("/").any()

    def test_it_stops_within_a_page_of_what_is_enough(self, options):
        with listings(options) as asked:
            assert len(list_files("s3://bucket/data", max_files=900, options=options)) == 900
            assert len(list_files("s3://bucket/data", max_files=1, options=options)) == 1
        assert asked == ["data/"] * 2

    @pytest.mark.parametrize(
        ("pattern", "prefixes", "number"),
        [
            ("011*.bin", ["data/011"], 10),
            ("011?.bin", ["data/011"], 10),
            ("dir/*.json", ["data/dir/"], 1),
            (["0007.bin", "dir/*", "1199*"], ["data/0007.bin", "data/1199", "data/dir/"], 3),
            ("*7.bin", ["data/", "data/"], 120),
        ],
    )
    def test_the_server_is_told_what_a_glob_says_literally(
        self, pattern, prefixes, number, options
    ):
        with listings(options) as asked:
            frame = list_files("s3://bucket/data", pattern=pattern, options=options)
        assert (asked, len(frame)) == (prefixes, number)

    def test_a_listing_of_direct_children_does_not_go_deeper(self, options):
        with listings(options) as asked:
            found = list_files("s3://bucket", recursive=False, options=options)["name"].tolist()
        assert (found, len(asked)) == (["other"], 1)

    def test_a_layout_lists_what_it_begins_with(self, options):
        with listings(options) as asked:
            frame = frame_from_layout("s3://bucket/data/011{id}.{filename}", options=options)
        assert (asked, len(frame)) == (["data/011"], 10)

    def test_a_bucket_that_is_missing_is_told(self, options):
        with pytest.raises(FileNotFoundError, match="nobody"):
            list_files("s3://nobody/data", options=options)

    def test_a_url_without_a_bucket_is_refused(self, options):
        with pytest.raises(ValueError, match="s3://"):
            list_files("s3://", options=options)


# What a process needs beyond what it needs for one file, in MiB, for all of them.
_LISTS = """
import resource, sys
from pathlib import Path
from file_dataset import list_files
def peak():
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # Linux counts the memory of who started a process in its ru_maxrss.
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
list_files(sys.argv[1], max_files=1)
before = peak()
frame = list_files(sys.argv[1])
print(len(frame), frame["url"].nunique(), peak() - before, frame["size"].sum())
"""


@pytest.fixture
def many(rclone_s3):
    """A bucket with 50,000 files, made by the back door."""
    bucket = rclone_s3.make_bucket()
    root = rclone_s3.path_of(bucket.joined("big"))
    for directory in range(50):
        (root / f"{directory:02}").mkdir(parents=True)
        for number in range(KEYS // 50):
            (root / f"{directory:02}" / f"image-{number:04}.mha").touch()
    return bucket


def test_50000_keys_of_a_real_server_take_little_memory(rclone_s3, many, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", rclone_s3.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone_s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rclone_s3.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    said = subprocess.check_output([sys.executable, "-c", _LISTS, f"{many}/big"], text=True)
    lines, different, mebibytes, total = said.split()
    assert (int(lines), int(different), int(total)) == (KEYS, KEYS, 0)
    # The table itself is 22 MiB of texts.
    assert float(mebibytes) < 60


def test_a_long_listing_of_a_real_server_goes_on_in_parts(rclone_s3, monkeypatch):
    monkeypatch.setattr(lanes, "_SLOW", 0.0)
    several: list[int] = []
    asked = lanes.Lanes.asked

    def noted(self):
        found = asked(self)
        several.append(len(found))
        return found

    monkeypatch.setattr(lanes.Lanes, "asked", noted)
    bucket = rclone_s3.make_bucket()
    root = rclone_s3.path_of(bucket.joined("long"))
    for directory in range(20):
        (root / f"{directory:02}").mkdir(parents=True)
        for number in range(300):
            (root / f"{directory:02}" / f"{number:04}").touch()
    store = rclone_s3.store(engine="curl")
    place = bucket.joined("long")
    found = [each.url for each in store.list_all(place)]
    assert len(found) == len(set(found)) == 6_000
    assert set(found) == {each.url for each in store.list(place)}
    assert max(several) > 1
    # A server that says half-way that it is only for boto3 is listed to its end by that.
    several.clear()
    told = Carrier._told

    def declining(self, value, prefix):
        if several[-1] > 2:
            raise Declined
        return told(self, value, prefix)

    monkeypatch.setattr(Carrier, "_told", declining)
    again = [each.url for each in store.list_all(place)]
    assert sorted(again) == sorted(found)
    assert max(several) > 1


ODD = [
    *("a b", "a+b", "a%2Fb", "a%20b", "#", "?x=1", "&amp;", "日本", "🙂", "tail ", "'quoted'"),
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
]
LONG = "/".join(["long" * 50] * 4)


def test_odd_keys_come_through_listing_rows_ingest_and_packing(moto_s3, tmp_path):
    bucket = moto_s3.make_bucket()
    told = Options(stores={"s3://": moto_s3.store(engine="curl")})
    bodies = {f"{odd}/{name}": odd.encode() * n for odd in ODD for n, name in enumerate("ab")}
    for key, body in bodies.items():
        put(f"{bucket}/raw/{key}.txt", body, options=told)
    put(f"{bucket}/deep/{LONG}", b"", options=told)
    frame = list_files(bucket, options=told)
    assert set(frame["path"]) == {f"raw/{key}.txt" for key in bodies} | {f"deep/{LONG}"}
    paths = ingest(f"{bucket}/raw", into=tmp_path / "here", options=told)
    assert {str(p.relative_to(tmp_path / "here"))[:-4]: p.read_bytes() for p in paths} == bodies
    (deep,) = ingest(f"{bucket}/deep", into=tmp_path / "deep", options=told)
    assert deep == tmp_path / "deep" / LONG
    rows = frame_from_layout(f"{bucket}/raw/{{id}}/{{filename}}", options=told)
    unpack(pack(rows, f"{bucket}/packed", options=told), tmp_path / "out", options=told)
    for row_id in ODD:
        for name in "ab":
            path = tmp_path / "out" / row_id / f"{name}.txt"
            assert path.read_bytes() == bodies[f"{row_id}/{name}"]
