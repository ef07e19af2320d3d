import re
from pathlib import Path

import pytest

from file_dataset.domain.errors import NotFoundError, PermissionDeniedError
from file_dataset.domain.objects import CREATE, ObjectInfo, Span
from file_dataset.domain.outcomes import Done, Failed
from file_dataset.domain.requests import (
    Copy,
    Delete,
    Download,
    Read,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

URL = Url.parse("memory://bucket/key")
SOURCE = Url.parse("memory://bucket/source")


class Scripted(Store):
    """Notes what it is asked, and gives what it is told to."""

    verbs = frozenset({Stat, Read})

    def __init__(self, answer=None):
        self.answer = answer
        self.asked = []
        self.closed = 0

    def run(self, requests, /):
        self.asked.append(list(requests))
        for index in range(len(requests)):
            failed = isinstance(self.answer, Exception)
            yield Failed(index, self.answer) if failed else Done(index, self.answer)

    def list(self, prefix, /, *, recursive=True):
        yield from ()

    def close(self):
        self.closed += 1


@pytest.mark.parametrize(
    ("ask", "request_"),
    [
        (lambda store: store.stat(URL), Stat(URL)),
        (lambda store: store.read(URL), Read(URL)),
        (lambda store: store.read(URL, span=Span(1, 2)), Read(URL, Span(1, 2))),
        (lambda store: store.write(URL, b"data"), Write(URL, b"data")),
        (lambda store: store.write(URL, b"data", mode=CREATE), Write(URL, b"data", CREATE)),
        (lambda store: store.download(URL, "file"), Download(URL, Path("file"))),
        (lambda store: store.upload("file", URL), Upload(Path("file"), URL)),
        (lambda store: store.upload("file", URL, mode=CREATE), Upload(Path("file"), URL, CREATE)),
        (lambda store: store.copy(SOURCE, URL), Copy(SOURCE, URL)),
        (lambda store: store.copy(SOURCE, URL, mode=CREATE), Copy(SOURCE, URL, CREATE)),
        (lambda store: store.delete(URL), Delete(URL)),
        (lambda store: store.do(Stat(URL)), Stat(URL)),
    ],
)
def test_asking_for_one_thing_is_a_batch_of_one(ask, request_):
    store = Scripted("answer")
    returns = isinstance(request_, Stat | Read | Download)
    assert ask(store) == ("answer" if returns else None)
    assert store.asked == [[request_]]
    error = NotFoundError("not found")
    with pytest.raises(NotFoundError) as caught:
        ask(Scripted(error))
    assert caught.value is error


def test_only_what_is_not_found_does_not_exist():
    store = Scripted(ObjectInfo(URL, 3))
    assert store.exists(URL)
    assert store.asked == [[Stat(URL)]]
    assert not Scripted(NotFoundError("not found")).exists(URL)
    with pytest.raises(PermissionDeniedError):
        Scripted(PermissionDeniedError("no")).exists(URL)


def test_a_store_can_do_its_verbs_to_any_object():
    assert Scripted().can(Stat, URL)
    assert not Scripted().can(Write, URL)


def test_a_store_is_closed_in_the_end():
    with Scripted() as store:
        assert store.closed == 0
    assert store.closed == 1
    with pytest.raises(KeyError), store:
        raise KeyError
    assert store.closed == 2


@pytest.mark.parametrize("missing", ["run", "list", "verbs"])
def test_a_store_needs_no_more_than_three_things(missing):
    members = {
        name: getattr(Scripted, name) for name in ("run", "list", "verbs") if name != missing
    }
    with pytest.raises(TypeError, match=missing):
        type("Half", (Store,), members)()
    assert (
        type("Whole", (Store,), {**members, missing: getattr(Scripted, missing)})().deviations == {}
    )


def test_the_laws_are_numbered_from_one_to_fifteen():
    numbers = re.findall(r"^ {4}(\d+)\. ", Store.__doc__ or "", re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 16)]
