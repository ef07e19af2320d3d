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
    Draft,
    Pending,
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
    (prepared,) = getattr(request_, "prepared", (None,))
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


def test_who_knows_his_own_bytes_may_write_them_twice():
    assert Write(URL, b"data", CREATE, repeatable=True).idempotent


DRAFT = Draft(Url.parse("s3://bucket/row"), "attempt-1")


def of_draft(name, draft=DRAFT):
    return Prepared(Url.parse(f"s3://bucket/row/{name}"), "token", draft)


@pytest.mark.parametrize("kind", [Complete, Abort])
def test_a_draft_is_settled_as_one(kind):
    both = kind([of_draft("a"), of_draft("b")])
    assert both.prepared == (of_draft("a"), of_draft("b"))
    assert both.url == DRAFT.root
    assert both.idempotent
    assert kind(of_draft("a")) == kind((of_draft("a"),))


@pytest.mark.parametrize("kind", [Complete, Abort])
@pytest.mark.parametrize(
    "prepared",
    [
        (),
        (Prepared(URL, "1"), Prepared(URL, "2")),
        (of_draft("a"), Prepared(URL, "2")),
        (of_draft("a"), of_draft("b", Draft(DRAFT.root, "attempt-2"))),
        (of_draft("a"), of_draft("b", Draft(DRAFT.root.joined("below"), "attempt-1"))),
    ],
)
def test_what_is_settled_together_is_of_one_draft(kind, prepared):
    with pytest.raises(ValueError, match="one draft"):
        kind(prepared)


@pytest.mark.parametrize("root", ["s3://bucket", "s3://bucket/row/", "row"])
def test_a_draft_has_a_root(root):
    with pytest.raises((InvalidUrlError, TypeError)):
        Draft(Url.parse(root) if "://" in root else root, "attempt")


@pytest.mark.parametrize("attempt", ["", "a/b", "..", "a.b", "x" * 65, "é", 1])
def test_an_attempt_is_a_name_that_fits_everywhere(attempt):
    with pytest.raises((ValueError, TypeError)):
        Draft(DRAFT.root, attempt)


@pytest.mark.parametrize("key", ["row", "rows/a", "ro", "other/row/a"])
def test_what_is_prepared_for_a_draft_lies_below_its_root(key):
    url = Url.parse(f"s3://bucket/{key}")
    with pytest.raises(InvalidUrlError, match="not below"):
        Prepare(SOURCE, url, DRAFT)
    assert Prepare(SOURCE, DRAFT.root.joined("a"), DRAFT).draft == DRAFT


def test_what_is_pending_is_a_value():
    assert Pending(of_draft("a")) == Pending(of_draft("a"), None)


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
