"""The table of faults, line by line, as it concerns S3: with each engine, behind the retries.

A line tells what the servers do, which error comes of it in which words, how many requests are
made, and what is left behind.
"""

from __future__ import annotations

import os
from hashlib import md5

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from tests.integration.fault_server import Asked, Said, crc32, fault_server, object_of, said

from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.domain.errors import IntegrityError, StoreError, TransientError
from file_dataset.domain.objects import ObjectInfo, Span
from file_dataset.domain.url import Url

MiB = 2**20
URL = Url("s3", "bucket", "key")
BODY = bytes(range(256)) * 4
LARGE = os.urandom(3 * MiB + 17)
PARTS = TransferConfig(multipart_threshold=MiB, multipart_chunksize=MiB // 2, max_concurrency=4)


def flipped(body: bytes) -> bytes:
    """A body with one wrong bit, in its last quarter."""
    at = len(body) * 7 // 8
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@pytest.fixture(params=["curl", "boto3"])
def engine(request):
    return request.param


@pytest.fixture
def at(engine, tmp_path):
    """Makes a store, with its retries, in front of a server."""

    def make(server, **more):
        config = Config(connect_timeout=1, read_timeout=1, s3={"addressing_style": "path"})
        store = server.store(
            engine=engine, client_kwargs={"config": config}, transfer_config=PARTS, **more
        )
        return Retrying(store, base=0.001)

    return make


def once(first, then):
    """A server that answers the first request in another way than the others."""
    return lambda asked: (first if asked.number == 0 else then)(asked)


class TestFlippedBytes:
    @pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])
    @pytest.mark.parametrize("how", ["CRC-32", "MD5"])
    def test_they_are_noticed_twice_and_then_reported(self, at, body, how, tmp_path):
        etag, told = '"1"', {"x_amz_checksum_crc32": crc32(body)}
        if how == "MD5":
            etag, told = f'"{md5(body).hexdigest()}"', {}
        damaged = object_of(body, etag=etag, sent=flipped(body), told=told)
        with fault_server(damaged) as (server, asked):
            store = at(server, verify_reads="checksum" if how == "CRC-32" else "etag")
            for read in (store.read, lambda url: store.download(url, tmp_path / "file")):
                asked.clear()
                with pytest.raises(IntegrityError, match="checksum mismatch") as caught:
                    read(URL)
                assert (caught.value.attempts, caught.value.transient) == (2, False)
                wholes = [each for each in asked if "range" not in each.headers]
                assert len(wholes) == 2
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])
    def test_what_comes_right_the_second_time_is_given(self, at, body, tmp_path):
        told = {"x_amz_checksum_crc32": crc32(body), "x_amz_checksum_type": "FULL_OBJECT"}
        sound = object_of(body, told=told)
        with fault_server(once(object_of(body, sent=flipped(body), told=told), sound)) as (
            server,
            _,
        ):
            assert at(server).download(URL, tmp_path / "file") == ObjectInfo(URL, len(body), "1")
        assert (tmp_path / "file").read_bytes() == body
        assert len(list(tmp_path.iterdir())) == 1

    def test_a_checksum_of_parts_says_nothing_of_the_whole(self, at):
        told = {"x_amz_checksum_crc32": "AAAAAA==-3", "x_amz_checksum_type": "COMPOSITE"}
        with fault_server(object_of(BODY, told=told)) as (server, _):
            assert at(server).read(URL) == BODY

    def test_nobody_looks_who_is_not_asked_to(self, at):
        told = {"x_amz_checksum_crc32": "AAAAAA=="}
        with fault_server(object_of(BODY, told=told)) as (server, asked):
            assert at(server, verify_reads="size").read(URL) == BODY
            assert "x-amz-checksum-mode" not in asked[0].headers


class TestTooFewBytes:
    def test_a_body_that_ends_early_says_how_much_came(self, at, tmp_path):
        def answer(asked: Asked) -> Said:
            return said("200 OK", BODY[:100], then="close", Content_Length=1_024, ETag='"1"')

        with fault_server(answer) as (server, asked):
            with pytest.raises(
                TransientError, match=r"truncated read: want 1024, got 100"
            ) as caught:
                at(server).download(URL, tmp_path / "file")
            assert len(asked) == caught.value.attempts == 4
        assert list(tmp_path.iterdir()) == []

    def test_a_span_that_is_shorter_than_it_was_asked_for(self, at):
        def answer(asked: Asked) -> Said:
            return said("206 Partial Content", BODY[:100], Content_Range="bytes 0-99/1024")

        with fault_server(answer) as (server, _), pytest.raises(StoreError) as caught:
            at(server).read(URL, span=Span(0, 500))
        assert "truncated read: want 500, got 100 bytes" in str(caught.value)
        assert type(caught.value) is IntegrityError
