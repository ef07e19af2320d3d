import pickle
from pathlib import Path

import attrs
import pytest

from file_dataset.domain.errors import InvalidUrlError
from file_dataset.domain.objects import CREATE, OVERWRITE, IfMatch, Span
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Copy,
    Delete,
    Download,
    Prepare,
    Prepared,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.url import Url

URL = Url.parse("s3://bucket/key")
SOURCE = Url.parse("s3://bucket/source")
NO_OBJECTS = [Url.parse("s3://bucket"), Url.parse("s3://bucket/directory/"), Url.local("/")]

EXAMPLES = [
    Stat(URL),
    Read(URL, Span(1)),
    Write(URL, b"data"),
    Download(URL, Path("file")),
    Upload(Path("file"), URL),
    Copy(SOURCE, URL),
    Delete(URL),
    Prepare(SOURCE, URL),
    Complete(Prepared(URL, "token")),
    Abort(Prepared(URL, "token")),
]
each_request = pytest.mark.parametrize("request_", EXAMPLES, ids=lambda r: r.operation)


def _kinds(cls=Request):
    subclasses = [kind for kind in cls.__subclasses__() if kind.__module__ == Request.__module__]
    return (
        {cls}.union(*map(_kinds, subclasses))
        if attrs.has(cls)
        else set().union(*map(_kinds, subclasses))
    )


def test_the_examples_are_all_there_is():
    assert {type(example) for example in EXAMPLES} == _kinds()


@each_request
def test_a_request_is_a_value_that_travels(request_):
    seen = pickle.loads(pickle.dumps(request_))
    assert seen == request_
    assert hash(seen) == hash(request_)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        request_.url = SOURCE


@each_request
def test_a_request_knows_its_object_and_its_verb(request_):
    assert request_.url == URL
    assert request_.operation == type(request_).__name__


@each_request
@pytest.mark.parametrize("url", [*NO_OBJECTS, "s3://bucket/key", None], ids=str)
def test_a_request_is_about_an_object(request_, url):
    prepared = getattr(request_, "prepared", None)
    for name in {"url", "source"} & attrs.fields_dict(type(request_)).keys():
        with pytest.raises((InvalidUrlError, TypeError)):
            attrs.evolve(request_, **{name: url})
    if prepared is not None:
        with pytest.raises((InvalidUrlError, TypeError)):
            attrs.evolve(prepared, url=url)


@each_request
def test_what_may_be_done_twice_says_so(request_):
    assert request_.idempotent == (type(request_) is not Complete)
    if hasattr(request_, "mode"):
        assert request_.mode is OVERWRITE
        for mode in (CREATE, IfMatch("tag")):
            assert not attrs.evolve(request_, mode=mode).idempotent


@each_request
def test_a_mode_is_one_of_three(request_):
    if hasattr(request_, "mode"):
        for mode in ("create", None, IfMatch):
            with pytest.raises(TypeError):
                attrs.evolve(request_, mode=mode)


@pytest.mark.parametrize("data", [b"secret", bytearray(b"secret"), memoryview(b"secret")])
def test_what_is_written_is_bytes_and_not_shown(data):
    assert "secret" not in repr(Write(URL, data))


@pytest.mark.parametrize("data", ["text", None, [1]])
def test_what_is_no_bytes_is_not_written(data):
    with pytest.raises(TypeError):
        Write(URL, data)


def test_paths_may_be_texts():
    assert Download(URL, "a/b").path == Upload("a/b", URL).path == Path("a/b")


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(Read, (URL, (0, 1))), (Prepared, (URL, b"token")), (Complete, ("token",)), (Abort, (None,))],
)
def test_fields_are_of_their_types(kind, arguments):
    with pytest.raises(TypeError):
        kind(*arguments)
