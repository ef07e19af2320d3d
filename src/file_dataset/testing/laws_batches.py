"""The laws about batches: 1, 2, 3 and 13."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Mapping

import attrs

from file_dataset.domain.errors import (
    NotFoundError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.outcomes import Done, Failed
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
from file_dataset.domain.store import Verb
from file_dataset.domain.url import Url
from file_dataset.testing._kit import Kit, body

_MANY = 200

SETTLING: tuple[Verb, ...] = (Prepare, Complete, Abort)
VERBS: tuple[Verb, ...] = (Stat, Read, Write, Download, Upload, Copy, Delete, *SETTLING)


def one_outcome_each(kit: Kit) -> None:
    """Law 1: an empty batch, a large mixed one, and one request many times."""
    kit.expect(kit.run([]) == [], did="run([])", expected="nothing", seen="outcomes")
    objects = kit.given(*range(1, 21))
    prefix = kit.fresh()
    verbs = [verb for verb in _MIXED if kit.can(verb)]
    requests = [
        sample(kit, verb, url, data, prefix.joined(f"{number}"))
        for number, (verb, (url, data)) in enumerate(
            itertools.islice(itertools.product(verbs, objects.items()), _MANY)
        )
    ]
    random.Random(1).shuffle(requests)
    for batch in (requests, [requests[0]] * 50):
        for request, outcome in zip(batch, kit.run(batch), strict=True):
            if isinstance(outcome, Done):
                _expect_own_value(kit, request, outcome.value, objects)


# Each with every object; the store must tell apart what is asked, so reading comes most.
_MIXED: tuple[Verb, ...] = (Read, Stat, Download, Read, Write, Upload, Copy, Read, Stat, Download)


def _expect_own_value(
    kit: Kit, request: Request[object], value: object, objects: Mapping[Url, bytes]
) -> None:
    seen: object = value
    expected: object = None
    if isinstance(request, Read):
        expected = objects[request.url]
    elif isinstance(request, Stat):
        seen = value.url if isinstance(value, ObjectInfo) else value
        expected = request.url
    elif isinstance(request, Download):
        told = value.url if isinstance(value, ObjectInfo) else value
        seen = told, request.path.read_bytes()
        expected = request.url, objects[request.url]
    kit.expect(seen == expected, did=f"{request} in a batch", expected=expected, seen=seen)


def failures_stay_inside(kit: Kit) -> None:
    """Law 2: what cannot be done fails by itself, with an error that says what and where."""
    (url, data), *_ = kit.given(100).items()
    missing = kit.fresh().joined("missing")
    good = kit.fresh()
    bad: list[Request[object]] = [
        Stat(missing),
        Read(missing),
        Copy(missing, good.joined("copied")),
        Download(missing, kit.unused_path()),
        Download(url, kit.unused_path() / "in no directory"),
        Upload(kit.unused_path(), good.joined("uploaded")),
        Upload(kit.scratch, good.joined("a directory")),
        Prepare(missing, good.joined("prepared")),
        Complete(Prepared(good.joined("prepared"), "a token of no one")),
    ]
    requests = [request for request in bad if kit.can(type(request))]
    mixed = [each for request in requests for each in (request, kit.looking(url))]
    for request, outcome in zip(mixed, kit.run(mixed), strict=True):
        if request in requests:
            _expect_told(kit, request, outcome)
        else:
            seen = kit.looked(request, outcome)
            did = f"{request} in a batch with failures"
            kit.expect(seen == data, did=did, expected=data, seen=seen)
    if kit.can(Abort):
        kit.run([Abort(Prepared(good.joined("prepared"), "a token of no one"))])
    kit.expect_objects(good, {}, did="a batch of what cannot be done")


def _expect_told(kit: Kit, request: Request[object], outcome: object) -> None:
    did = f"{request} in a batch"
    error = outcome.error if isinstance(outcome, Failed) else None
    if not isinstance(error, StoreError):
        raise kit.broken(did, expected="a StoreError", seen=outcome)
    if isinstance(request, Stat | Read):
        kit.expect(isinstance(error, NotFoundError), did=did, expected="NotFoundError", seen=error)
    told = {"operation": error.operation, "url": error.url, "words": str(error)}
    kit.expect(
        error.operation == request.operation and error.url is not None and bool(str(error)),
        did=did,
        expected=f"an error with operation={request.operation!r}, the url, and words",
        seen=told,
    )


def nothing_left_running(kit: Kit) -> None:
    """Law 3: whoever stops taking outcomes has stopped the work."""
    objects = kit.given(*[1000] * 40)
    prefix = kit.fresh()
    requests = (
        [kit.making(prefix.joined(f"{n}"), body(n, 1000)) for n in range(80)]
        if kit.writable
        else [kit.looking(url) for url in objects] * 2
    )
    _expect_no_threads(kit, lambda: _take(kit.store.run(requests), 0), "close run() at once")
    _expect_no_threads(kit, lambda: _take(kit.store.run(requests), 1), "close run() after one")
    before = _below(kit, prefix)
    # As long as this takes, what still ran could have had an effect.
    _expect_no_threads(kit, lambda: kit.run([kit.looking(url) for url in objects]), "run()")
    after = _below(kit, prefix)
    kit.expect(
        before == after,
        did=f"run({len(requests)} requests), closed after the first outcome",
        expected="nothing more happens",
        seen=f"{len(before)} objects, and later {len(after)}",
    )
    if kit.lists:
        _expect_no_threads(kit, lambda: _take(kit.store.list(kit.root), 1), "close list()")


def _below(kit: Kit, prefix: Url) -> set[Url]:
    return {item.url for item in kit.listed(prefix)} if kit.lists else set()


def _take(items: Iterable[object], number: int) -> None:
    """Take the first few items and close the iterator."""
    for _ in itertools.islice(items, number):
        pass
    close = getattr(items, "close", None)
    if close is not None:
        close()


def _expect_no_threads(kit: Kit, function: Callable[[], object], did: str) -> None:
    before = set(threading.enumerate())
    function()
    left = set(threading.enumerate()) - before
    kit.expect(not left, did=did, expected="no thread of it is alive", seen=left)


def verbs_are_true(kit: Kit) -> None:
    """Law 13: what is offered is done, and what is not offered is refused."""
    for verb in VERBS:
        if not kit.can(verb):
            refuses(kit, verb)
        else:
            _expect_offered(kit, verb)
    (url, _), *_ = kit.given(100).items()
    _expect_refused(kit, _Dance(url))


@attrs.frozen
class _Dance(Request[None]):
    """What no store can do."""

    url: Url


def refuses(kit: Kit, verb: Verb) -> None:
    """By law 13 the store refuses a verb that it does not offer, and does nothing."""
    with kit.judging_by(13):
        (url, data), *_ = kit.given(100).items()
        prefix = kit.fresh()
        _expect_refused(kit, sample(kit, verb, url, data, prefix.joined("target")))
        kit.expect_objects(prefix, {}, did=f"a {verb.__name__} that was refused")
        kit.expect_bytes(url, data, did=f"a {verb.__name__} that was refused")


def _expect_refused(kit: Kit, request: Request[object]) -> None:
    (outcome,) = kit.run([request])
    if not (isinstance(outcome, Failed) and isinstance(outcome.error, UnsupportedError)):
        raise kit.broken(request, expected="UnsupportedError", seen=outcome)
    offered = kit.store.can(type(request), request.url)
    kit.expect(not offered, did=f"can({request.operation})", expected=False, seen=offered)


def _expect_offered(kit: Kit, verb: Verb) -> None:
    (url, data), *_ = kit.given(100).items()
    target = kit.fresh().joined("target")
    request = sample(kit, verb, url, data, target)
    offered = kit.store.can(verb, request.url)
    kit.expect(offered, did=f"can({verb.__name__}, {request.url})", expected=True, seen=offered)
    kit.do(request)
    if verb in (Write, Upload, Copy, Complete):
        kit.expect_bytes(target, data, did=request)
    elif verb is Delete:
        kit.expect_missing(url, did=request)
    elif isinstance(request, Download):
        seen = request.path.read_bytes()
        kit.expect(seen == data, did=request, expected=data, seen=seen)


def sample(kit: Kit, verb: Verb, url: Url, data: bytes, target: Url) -> Request[object]:
    """A request that can be carried out wherever its verb is offered.

    Args:
        kit: The store.
        verb: The kind of request.
        url: An object that is there.
        data: Its bytes.
        target: A URL where nothing is yet.
    """
    if verb in (Complete, Abort):
        offered = kit.can(*SETTLING)
        prepared = kit.prepare(target, data) if offered else Prepared(target, "no token")
        return Complete(prepared) if verb is Complete else Abort(prepared)
    makes: dict[Verb, Callable[[], Request[object]]] = {
        Stat: lambda: Stat(url),
        Read: lambda: Read(url),
        Write: lambda: Write(target, data),
        Download: lambda: Download(url, kit.unused_path()),
        Upload: lambda: Upload(kit.file(data), target),
        Copy: lambda: Copy(url, target),
        Delete: lambda: Delete(url),
        Prepare: lambda: Prepare(url, target),
    }
    return makes[verb]()
