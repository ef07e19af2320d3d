"""The laws about reading and listing: 9 to 11."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from file_dataset.domain.errors import (
    InvalidUrlError,
    RangeNotSatisfiableError,
    UnsupportedError,
)
from file_dataset.domain.objects import ObjectInfo, Prefix, Span
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.requests import Complete, Delete, Download, Read, Stat
from file_dataset.domain.url import Url
from file_dataset.testing._keys import below, parent
from file_dataset.testing._kit import Kit, body
from file_dataset.testing.laws_batches import SETTLING


def spans_are_clipped(kit: Kit) -> None:
    """Law 9: every span of small objects, and the ends of a larger one."""
    for url, data in kit.given(0, 1, 5, 1000).items():
        kit.expect_bytes(url, data, did="an object")
        size = len(data)
        starts = {0, 1, 2, size // 2, size - 1, size, size + 1, 10**12} - {-1}
        lengths = {None, 1, 2, size - 1, size, size + 1, 10**12} - {0, -1}
        spans = [Span(start, length) for start in starts for length in lengths]
        requests = [Read(url, span) for span in spans]
        for request, span, outcome in zip(requests, spans, kit.run(requests), strict=True):
            if span.start >= size:
                error = outcome.error if isinstance(outcome, Failed) else None
                kit.expect(
                    isinstance(error, RangeNotSatisfiableError),
                    did=f"{request} of {size} bytes",
                    expected="RangeNotSatisfiableError",
                    seen=outcome,
                )
            else:
                seen = kit.value(request, outcome)
                expected = data[span.start : span.stop]
                did = f"{request} of {size} bytes"
                kit.expect(seen == expected, did=did, expected=expected, seen=seen)
    if kit.makers and kit.can(*SETTLING):
        url = kit.fresh().joined("empty")
        kit.do(Complete(kit.prepare(url, b"", of_file=True)))
        kit.expect_bytes(url, b"", did="Prepare an empty file, and Complete it")


_TREE = ("a/x", "a/d/y", "a/d/z", "a/e.d/y", "ab", "a.b", "abc/z", "a-b/q/r/s", "b/a/x")


def listing_is_by_segments(kit: Kit) -> None:
    """Law 10: what is below a prefix, and not what merely begins like it."""
    if not kit.lists:
        _refuses_to_list(kit)
        return
    top = kit.root if not kit.writable else kit.fresh()
    objects = {below(top, key): body(n) for n, key in enumerate(_TREE)}
    if kit.writable:
        kit.put_all(objects)
    else:
        objects = dict(kit.contents)
    prefixes = {top, below(top, "a"), below(top, "b/a"), below(top, "none"), below(top, "a/d/no")}
    for url in objects:
        segments = url.key.removeprefix(top.stem).split("/")
        prefixes |= {below(top, "/".join(segments[:n])) for n in range(1, len(segments) + 1)}
    for prefix in prefixes:
        for spelled in _spellings(prefix):
            for recursive in (True, False):
                _expect_listed(kit, spelled, objects, recursive=recursive)
    for start in ("a", "a.", "ab", "e", "none", "x y#?%"):
        for recursive in (True, False):
            _expect_picked(kit, top, start, recursive=recursive)


def _spellings(prefix: Url) -> Iterable[Url]:
    """A prefix with and without a slash at its end, where both can be written."""
    yield prefix
    try:
        yield Url(prefix.scheme, prefix.authority, prefix.stem)
    except InvalidUrlError:
        return


def _expect_listed(kit: Kit, prefix: Url, objects: Mapping[Url, bytes], *, recursive: bool) -> None:
    expected: set[tuple[type, Url]] = set()
    for url in objects:
        if prefix.contains(url):
            child, deeper, _ = url.key.removeprefix(prefix.stem).partition("/")
            whole = recursive or not deeper
            expected.add((ObjectInfo, url) if whole else (Prefix, prefix.child(child)))
    seen = {(type(item), item.url) for item in kit.listed(prefix, recursive=recursive)}
    kit.expect(
        seen == expected,
        did=f"list({prefix}, recursive={recursive})",
        expected=_names(expected),
        seen=_names(seen),
    )


def _expect_picked(kit: Kit, prefix: Url, start: str, *, recursive: bool) -> None:
    expected = {
        (type(item), item.url)
        for item in kit.listed(prefix, recursive=recursive)
        if item.url.key.startswith(prefix.stem + start)
    }
    asked = {
        f"list_starting({prefix}, {start!r}, recursive={recursive})": kit.store.list_starting(
            prefix, start, recursive=recursive
        )
    }
    if recursive:
        asked[f"list_all({prefix}, {start!r})"] = kit.store.list_all(prefix, start)
    for did, found in asked.items():
        seen = _names((type(item), item.url) for item in found)
        kit.expect(seen == _names(expected), did=did, expected=_names(expected), seen=seen)


def _names(items: Iterable[tuple[type, Url]]) -> list[str]:
    return sorted(f"{kind.__name__} {url}" for kind, url in items)


def _refuses_to_list(kit: Kit) -> None:
    for recursive in (True, False):
        try:
            seen: object = list(kit.store.list(kit.root, recursive=recursive))
        except UnsupportedError:
            continue
        raise kit.broken("list again", expected="UnsupportedError, as before", seen=seen)


def sizes_agree(kit: Kit) -> None:
    """Law 11: stat, read, list and download agree on an object, also after it has changed."""
    objects = dict(kit.given(0, 1, 1000, 100_000))
    _expect_sizes(kit, objects)
    if kit.writable:
        urls = list(objects)
        objects |= {url: body(9 + n, 500 * n) for n, url in enumerate(urls[:3])}
        kit.put_all(objects)
        _expect_sizes(kit, objects)
        if kit.can(Delete):
            kit.do(Delete(urls[0]))
            del objects[urls[0]]
            kit.expect_missing(urls[0], did="Delete")
            _expect_sizes(kit, objects)


def _expect_sizes(kit: Kit, objects: Mapping[Url, bytes]) -> None:
    listed: dict[Url, ObjectInfo | Prefix] = {}
    if kit.lists:
        top = kit.root if not kit.writable else parent(next(iter(objects)))
        listed = {item.url: item for item in kit.listed(top)}
        kit.expect(
            set(listed) == set(objects),
            did=f"list({top})",
            expected=sorted(map(str, objects)),
            seen=sorted(map(str, listed)),
        )
    for url, data in objects.items():
        kit.expect_bytes(url, data, did="an object")
        infos = {f"list below {url}": listed[url]} if kit.lists else {}
        if kit.can(Stat):
            infos[f"Stat({url})"] = kit.do(Stat(url))
        if kit.can(Download):
            infos[f"Download({url})"] = _downloaded(kit, url, data)
        for did, info in infos.items():
            seen = (info.url, info.size) if isinstance(info, ObjectInfo) else None
            expected = f"an ObjectInfo of {url} with size {len(data)}"
            kit.expect(seen == (url, len(data)), did=did, expected=expected, seen=info)
        tags = {info.etag for info in infos.values() if isinstance(info, ObjectInfo)} - {None}
        kit.expect(len(tags) < 2, did=" and ".join(infos), expected="one etag", seen=tags)


def _downloaded(kit: Kit, url: Url, data: bytes) -> ObjectInfo:
    """What a store says of an object that it downloads, whose bytes are these."""
    request = Download(url, kit.unused_path())
    info = kit.do(request)
    seen = request.path.read_bytes()
    kit.expect(seen == data, did=request, expected=data, seen=seen)
    return info
