"""Ingest from S3: what it costs in requests, and how many are under way at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import threading
from collections import Counter
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from boto3.s3.transfer import TransferConfig
from tests.commands import COMMAND
from tests.integration.fault_server import Asked, Said, fault_server, object_of, said
from tests.noted import Noted

from file_dataset import FileDatasetError, Options, ingest

MIB = 2**20
TIME = "2024-07-01T12:00:00.000Z"


class Bucket:
    """Answers for a bucket, and counts what is asked for."""

    def __init__(self, objects):
        self.objects = objects
        self.bodies: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.inside: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.lock = threading.Lock()
        # As many requests for bodies have to be here at once for any to go on.
        self.gate = threading.Barrier(1)

    def __call__(self, asked: Asked) -> Said:
        url = urlsplit(asked.path)
        key = unquote(url.path).removeprefix("/bucket").removeprefix("/")
        if not key:
            self.others["LIST"] += 1
            return said("200 OK", self.listing(parse_qs(url.query)["prefix"][0]))
        if asked.method == "HEAD":
            self.others["HEAD"] += 1
            return self.head(key)
        with self.entered(key):
            return self.body(key)(asked)

    def body(self, key):
        data = self.objects[key]
        return object_of(data, etag=f'"{hashlib.md5(data).hexdigest()}"')

    def head(self, key):
        if key in self.objects:
            return self.body(key)(Asked(0, "HEAD", key, {}))
        return said("404 Not Found")

    @contextlib.contextmanager
    def entered(self, key):
        with self.lock:
            self.bodies[key] += 1
            for each in (key, ""):
                self.inside[each] += 1
                self.most[each] = max(self.most[each], self.inside[each])
        try:
            self.gate.wait(20)
            yield
        finally:
            with self.lock:
                self.inside.subtract([key, ""])

    def listing(self, prefix):
        contents = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(data)}</Size><LastModified>{TIME}</LastModified>"
            f"<ETag>&quot;{hashlib.md5(data).hexdigest()}&quot;</ETag></Contents>"
            for key, data in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        return (
            f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        ).encode()

    def taken(self):
        """The bodies that were asked for, and how often anything else was; and forget them."""
        taken = dict(self.bodies), dict(self.others)
        self.bodies.clear()
        self.others.clear()
        return taken


@pytest.fixture(params=["curl", "boto3"])
def engine(request):
    return request.param


@contextlib.contextmanager
def serving(objects, engine, **more):
    bucket = Bucket(objects)
    with fault_server(bucket) as (server, _):
        told = server.options()
        yield bucket, Options(told.session_kwargs, told.client_kwargs, engine=engine, **more)


def test_requests_are_those_for_what_has_changed(engine, tmp_path):
    objects = {f"raw/{number}": b"%d" % number for number in range(20)}
    with serving(objects, engine) as (bucket, options):

        def fetch(**more):
            paths = ingest("s3://bucket/raw", into=tmp_path, options=options, **more)
            assert {f"raw/{path.name}": path.read_bytes() for path in paths} == objects
            return bucket.taken()

        bodies, others = fetch()
        assert bodies == dict.fromkeys(objects, 1)
        assert others == {"LIST": 1, "HEAD": 1}
        assert fetch() == ({}, others)
        assert fetch(manifest=None) == ({}, {"LIST": 1})
        objects["raw/7"] = b"8"
        assert fetch() == ({"raw/7": 1}, others)
        objects["raw/manifest"] = json.dumps(
            {"entries": [{"url": f"s3://bucket/raw/{number}"} for number in range(20)]}
        ).encode()
        for bodies in ({"raw/manifest": 1}, {}):
            paths = ingest("s3://bucket/raw", into=tmp_path, options=options)
            assert (len(paths), bucket.taken()) == (20, (bodies, others))
        del objects["raw/manifest"]
        assert fetch(force=True)[0] == dict.fromkeys(objects, 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_as_many_files_are_on_their_way_as_was_asked_for(engine, workers, tmp_path):
    objects = {f"raw/{number:02}": b"x" for number in range(12)}
    with serving(objects, engine) as (bucket, options):
        bucket.gate = threading.Barrier(3)
        ingest(
            "s3://bucket/raw",
            into=tmp_path,
            options=options,
            max_concurrent_files=3,
            workers_per_file=workers,
        )
        assert bucket.most[""] == 3


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_requests_are_made_for_a_file_as_was_asked_for(engine, workers, tmp_path):
    objects = {"raw/large": bytes(range(256)) * 4 * 5 * 1024}
    parts = TransferConfig(multipart_threshold=MIB, multipart_chunksize=MIB)
    with serving(objects, engine, s3_transfer_config=parts) as (bucket, options):
        (path,) = ingest(
            "s3://bucket/raw", into=tmp_path, options=options, workers_per_file=workers
        )
        assert path.read_bytes() == objects["raw/large"]
        bodies, _ = bucket.taken()
        if workers == 1:
            assert bucket.most["raw/large"] == 1
        else:
            assert bodies["raw/large"] > 1
            assert 1 <= bucket.most["raw/large"] <= 3


def test_a_server_that_breaks_off_leaves_the_old_set_whole(engine, tmp_path):
    objects = {f"raw/{number}": b"old" for number in range(4)}
    with serving(objects, engine) as (bucket, options):
        paths = ingest("s3://bucket/raw", into=tmp_path, options=options)
        objects |= dict.fromkeys(objects, b"new")
        # As it is told by the listing, and is not there any more.
        bucket.body = lambda key: (
            lambda asked: said("404 Not Found" if key == "raw/3" else "200 OK", b"new", ETag='"x"')
        )
        with pytest.raises(FileDatasetError, match="unchanged: s3://bucket/raw/3") as raised:
            ingest("s3://bucket/raw", into=tmp_path, options=options)
        assert raised.value.file_errors.keys() == {"3"}
        assert [path.read_bytes() for path in paths] == [b"old"] * 4


class TestRealServer:
    @pytest.fixture
    def bucket(self, rclone_s3):
        bucket = rclone_s3.make_bucket()
        store = rclone_s3.store()
        for name in ("a b#?%+.txt", "sub/é.txt", "sub/c.txt"):
            store.write(bucket.joined("raw", name), name.encode())
        return bucket

    def test_what_has_changed_is_fetched_and_nothing_else(self, rclone_s3, bucket, tmp_path):
        store = Noted(rclone_s3.store())
        options = Options(stores={"s3://": store})
        source = f"{bucket}/raw"
        paths = ingest(source, into=tmp_path, options=options)
        names = [str(path.relative_to(tmp_path)) for path in paths]
        assert names == ["a b#?%+.txt", "sub/c.txt", "sub/é.txt"]
        assert [path.read_text() for path in paths] == names
        assert store.verbs_used() == ["Download"] * 3 + ["Stat"]
        store.requests.clear()
        assert ingest(source, into=tmp_path, options=options) == paths
        assert store.verbs_used() == ["Stat"]
        store.requests.clear()
        store.store.write(bucket.joined("raw/sub/c.txt"), b"sub/C.TXT")
        ingest(source, into=tmp_path, options=options)
        assert store.verbs_used() == ["Download", "Stat"]
        assert paths[1].read_bytes() == b"sub/C.TXT"

    def test_two_commands_at_once_give_the_same(self, rclone_s3, bucket, tmp_path, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", rclone_s3.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone_s3.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rclone_s3.secret_key)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        told = [COMMAND, "ingest", f"{bucket}/raw", "--into", "data", "--pattern", "sub/*"]
        running = [
            subprocess.Popen(told, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        found = [process.communicate(timeout=60)[0] for process in running]
        assert [process.returncode for process in running] == [0, 0]
        assert found == [f"{tmp_path}/data/sub/c.txt\n{tmp_path}/data/sub/é.txt\n"] * 2
