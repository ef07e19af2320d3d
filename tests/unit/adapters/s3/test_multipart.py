from __future__ import annotations

import logging
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.multipart import parts_of, upload_parts
from file_dataset.domain.errors import IntegrityError, StoreError
from file_dataset.domain.url import Url

MIB = 2**20
TIB = 2**40
URL = Url.parse("s3://bucket/dir/key")

sizes = st.integers(1, 50 * MIB) | st.integers(1, 48 * TIB)
part_sizes = st.integers(1, 64 * MIB)


@given(sizes, part_sizes)
def test_parts_cover_a_file_exactly_and_in_order(size, part_size):
    parts = parts_of(size, part_size=part_size)

    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    starts = [part.span.start for part in parts]
    stops = [part.span.stop for part in parts]
    assert starts == [0, *stops[:-1]]
    assert stops[-1] == size


@given(sizes, part_sizes)
def test_parts_are_such_as_s3_takes(size, part_size):
    parts = parts_of(size, part_size=part_size)
    lengths = [part.span.length or 0 for part in parts]

    assert len(parts) <= 10_000
    assert max(lengths) <= 5 * 1024 * MIB
    assert all(length >= 5 * MIB for length in lengths[:-1])
    assert lengths[-1] > 0


@given(st.integers(1, 2**30), st.integers(5 * MIB, 64 * MIB))
def test_parts_are_as_large_as_asked_for_where_s3_takes_that(size, part_size):
    lengths = [part.span.length for part in parts_of(size, part_size=part_size)]

    assert set(lengths[:-1]) <= {part_size}
    assert lengths[-1] <= part_size


def test_nothing_has_no_parts():
    assert parts_of(0, part_size=MIB) == []


class Client:
    """Notes what it is asked to do, and fails where it is told to."""

    def __init__(self, **errors: BaseException) -> None:
        self.calls: list[tuple[str, dict]] = []
        self.errors = errors

    def _call(self, name, arguments, answer=None):
        self.calls.append((name, arguments))
        if name in self.errors:
            raise self.errors[name]
        return answer

    def create_multipart_upload(self, **arguments):
        return self._call("create", arguments, {"UploadId": "upload"})

    def complete_multipart_upload(self, **arguments):
        return self._call("complete", arguments)

    def abort_multipart_upload(self, **arguments):
        return self._call("abort", arguments)


class Carrier:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.sent: list[Any] = []

    def send_parts(self, path, url, parts, *, upload, at_once):
        self.sent.append((path, url, upload, at_once))
        if self.error is not None:
            raise self.error
        return [f'"{part.number}"' for part in parts]


PARTS = parts_of(12 * MIB, part_size=5 * MIB)
NAMED = {"Bucket": "bucket", "Key": "dir/key"}


def uploaded(client, carrier, tmp_path):
    (tmp_path / "file").touch()
    upload_parts(cast(Any, client), cast(Any, carrier), tmp_path / "file", URL, PARTS, at_once=3)


def refused(code="InternalError"):
    return ClientError({"Error": {"Code": code, "Message": "made up"}}, "Operation")


def test_an_upload_is_begun_sent_and_completed_in_the_order_of_its_parts(tmp_path):
    client, carrier = Client(), Carrier()
    uploaded(client, carrier, tmp_path)

    assert carrier.sent == [(tmp_path / "file", URL, "upload", 3)]
    assert client.calls == [
        ("create", {**NAMED, "Metadata": {}}),
        (
            "complete",
            {
                **NAMED,
                "UploadId": "upload",
                "MultipartUpload": {
                    "Parts": [
                        {"PartNumber": 1, "ETag": '"1"'},
                        {"PartNumber": 2, "ETag": '"2"'},
                        {"PartNumber": 3, "ETag": '"3"'},
                    ]
                },
            },
        ),
    ]


ERRORS = [StoreError("made up"), Declined(), refused(), KeyboardInterrupt(), ValueError("a bug")]
kinds = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


@kinds
@pytest.mark.parametrize("where", ["parts", "complete"])
def test_nothing_is_left_of_an_upload_that_fails(error, where, tmp_path, caplog):
    client = Client(**({"complete": error} if where == "complete" else {}))
    with pytest.raises(type(error)) as caught:
        uploaded(client, Carrier(error if where == "parts" else None), tmp_path)

    assert caught.value is error
    assert client.calls[-1] == ("abort", {**NAMED, "UploadId": "upload"})
    assert not caplog.records


@kinds
def test_what_was_not_begun_is_not_aborted(error, tmp_path):
    client, carrier = Client(create=error), Carrier()
    with pytest.raises(type(error)):
        uploaded(client, carrier, tmp_path)

    assert [name for name, _ in client.calls] == ["create"]
    assert not carrier.sent


@kinds
@pytest.mark.parametrize(
    "second",
    [refused("NoSuchUpload"), EndpointConnectionError(endpoint_url="http://127.0.0.1:9")],
    ids=["refused", "unreachable"],
)
def test_an_upload_that_cannot_be_aborted_is_told_in_the_log(error, second, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "file_dataset")
    with pytest.raises(type(error)) as caught:
        uploaded(Client(abort=second), Carrier(error), tmp_path)

    assert caught.value is error
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(
        "Could not abort the upload upload of s3://bucket/dir/key: "
    )


def test_an_upload_of_a_file_that_changes_meanwhile_is_aborted(tmp_path):
    class Writing(Carrier):
        def send_parts(self, path, *rest, **more):
            path.write_bytes(b"more")
            return super().send_parts(path, *rest, **more)

    client = Client()
    with pytest.raises(IntegrityError, match="was changed while it was being read"):
        uploaded(client, Writing(), tmp_path)

    assert [name for name, _ in client.calls] == ["create", "abort"]
