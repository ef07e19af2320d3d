"""``file-dataset cp`` with S3: there, back, and within it, where the server copies."""

from __future__ import annotations

import json
import os

import pytest
from tests.commands import run_command
from tests.integration.relay import relay

from file_dataset import Options
from file_dataset.api.copying import copy_below


@pytest.fixture
def tree(tmp_path):
    for name in ("a.bin", "deep/b.bin", "deep/with space + #.bin"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 1000)
    return tmp_path / "tree"


def files_in(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_a_directory_goes_to_s3_through_it_and_back(rclone_s3, tree, tmp_path):
    bucket = rclone_s3.make_bucket()
    with relay(rclone_s3.endpoint) as wire:
        given = rclone_s3.options(client_kwargs={"endpoint_url": wire.endpoint})
        options = Options(given.session_kwargs, given.client_kwargs)
        there = copy_below(tree, bucket.joined("one"), options=options)
        assert not there.failed
        assert files_in(rclone_s3.path_of(bucket.joined("one"))) == files_in(tree)
        wire.forget()
        within = copy_below(bucket.joined("one"), bucket.joined("two"), options=options)
        assert not within.failed
        # The listings are its only answers with a body to speak of.
        assert wire.received < sum(each.size for each in within.objects) / 5
        back = copy_below(bucket.joined("two"), tmp_path / "back", options=options)
        assert not back.failed
    assert files_in(tmp_path / "back") == files_in(tree)


def test_the_command_accounts_for_each_object(rclone_s3, tree, tmp_path):
    bucket = rclone_s3.make_bucket()
    keys = {
        "AWS_ACCESS_KEY_ID": rclone_s3.access_key,
        "AWS_SECRET_ACCESS_KEY": rclone_s3.secret_key,
        "AWS_ENDPOINT_URL_S3": rclone_s3.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    told = ["cp", str(tree), f"{bucket}/x/", "--json"]
    code, out, err = run_command(told, cwd=tmp_path, env={**os.environ, **keys})
    assert (code, err) == (0, "")
    assert {each["target"]: each["size"] for each in json.loads(out)} == {
        f"{bucket}/x/{name}": len(data) for name, data in files_in(tree).items()
    }
    assert files_in(rclone_s3.path_of(bucket.joined("x"))) == files_in(tree)
