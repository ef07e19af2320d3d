"""The law about keys: 12."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from file_dataset.domain.errors import InvalidUrlError, NotFoundError, UnsupportedError
from file_dataset.domain.objects import Prefix
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.requests import Copy, Delete, Stat
from file_dataset.domain.store import Verb
from file_dataset.domain.url import Url
from file_dataset.testing._keys import NASTY_KEYS, below, clash
from file_dataset.testing._kit import Kit, body
from file_dataset.testing.strategies import keys

_EXAMPLES = 25


def keys_are_opaque(kit: Kit) -> None:
    """Law 12: a list of keys that have caused trouble, and keys that Hypothesis thinks of."""
    if not kit.writable:
        _neighbours_are_missing(kit, kit.contents)
        kit.expect_objects(kit.root, kit.contents, did="the contents")
        return
    _round_trip(kit, NASTY_KEYS)
    for maker in kit.makers:
        for pair in (("a/b", "a"), ("a", "a/b"), ("a/b/c", "a"), ("a", "a/b/c")):
            _neither_destroys_the_other(kit, *pair, by=maker)

    # Explicit settings, so that the caller's profile changes neither the duration nor the answer.
    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        verbosity=Verbosity.quiet,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(keys(), min_size=1, max_size=4, unique=True))
    def keys_round_trip(some: list[str]) -> None:
        _round_trip(kit, some)

    keys_round_trip()


def _round_trip(kit: Kit, keys: Iterable[str]) -> None:
    """Write, list, read, copy and delete objects of these keys, except those that are refused."""
    place = kit.fresh()
    prefix = place.joined("in")
    objects = _accepted(kit, prefix, keys)
    kit.expect_objects(place, objects, did="write these keys and no others")
    if kit.lists:
        walked = set(_walk(kit, prefix, deepest=200))
        kit.expect(
            walked == set(objects),
            did=f"walk down from {prefix}",
            expected=sorted(map(str, objects)),
            seen=sorted(map(str, walked)),
        )
    _neighbours_are_missing(kit, objects)
    if kit.can(Stat):
        infos = kit.do_all([Stat(url) for url in objects])
        named = [info.url for info in infos]
        kit.expect(named == [*objects], did="Stat of each", expected=[*objects], seen=named)
    if kit.can(Copy):
        place = kit.fresh()
        copies = {below(place, url.key.removeprefix(prefix.stem)): url for url in objects}
        kit.do_all([Copy(source, url) for url, source in copies.items()])
        expected = {url: objects[source] for url, source in copies.items()}
        kit.expect_objects(place, expected, did="copies of these keys and no others")
    if kit.can(Delete):
        for gone in ([*objects][::2], [*objects][1::2]):
            kit.do_all([Delete(url) for url in gone])
            objects = {url: data for url, data in objects.items() if url not in gone}
            kit.expect_objects(prefix, objects, did=f"delete {len(gone)} of these keys")


def _neither_destroys_the_other(kit: Kit, first: str, second: str, *, by: Verb) -> None:
    """An object beside a directory of its name is made or refused; the other one stays."""
    prefix = kit.fresh()
    objects = {below(prefix, first): body(1)}
    kit.put_all(objects)
    request = kit.making(below(prefix, second), body(2), by=by)
    (outcome,) = kit.run([request])
    if not isinstance(outcome, Failed):
        objects[request.url] = body(2)
    kit.expect_objects(prefix, objects, did=f"{request} beside {first!r}")


def _accepted(kit: Kit, prefix: Url, keys: Iterable[str]) -> dict[Url, bytes]:
    """Objects made below a prefix, without those whose keys the store does not take."""
    objects: dict[str, bytes] = {}
    for number, key in enumerate(keys):
        data = body(number, 20)
        try:
            request = kit.making(below(prefix, key), data)
        except InvalidUrlError:
            continue
        (outcome,) = kit.run([request])
        if not isinstance(outcome, Failed):
            objects[key] = data
        elif not isinstance(outcome.error, InvalidUrlError) and not clash(key, objects):
            raise kit.broken(request, expected="done, or InvalidUrlError", seen=outcome)
    return {below(prefix, key): data for key, data in objects.items()}


def _neighbours_are_missing(kit: Kit, objects: Mapping[Url, bytes]) -> None:
    """What a store might take for one of these objects is not there."""
    requests = [kit.looking(url) for url in set(_neighbours(objects)) - set(objects) if url.name]
    for request, outcome in zip(requests, kit.run(requests), strict=True):
        refused = isinstance(outcome, Failed) and isinstance(
            outcome.error, NotFoundError | InvalidUrlError | UnsupportedError
        )
        kit.expect(refused, did=request, expected="NotFoundError", seen=outcome)


def _neighbours(objects: Iterable[Url]) -> Iterable[Url]:
    for url in objects:
        stem, slash, name = url.key.rpartition("/")
        for changed in (
            unquote(name),
            quote(name, safe=""),
            name.replace("+", " "),
            name.replace(" ", "+"),
            name.strip(),
            name.rstrip("."),
            name.swapcase(),
            name.partition("#")[0],
            name.partition("?")[0],
            unicodedata.normalize("NFC", name),
            unicodedata.normalize("NFD", name),
            name.replace("\\", "/"),
        ):
            try:
                yield Url(url.scheme, url.authority, f"{stem}{slash}{changed or name}")
            except InvalidUrlError:
                continue


def _walk(kit: Kit, prefix: Url, *, deepest: int) -> Iterable[Url]:
    """The objects below a prefix, found one level at a time."""
    kit.expect(deepest > 0, did=f"walk to {prefix}", expected="an end", seen="always deeper")
    for item in kit.listed(prefix, recursive=False):
        if isinstance(item, Prefix):
            yield from _walk(kit, item.url, deepest=deepest - 1)
        else:
            yield item.url
