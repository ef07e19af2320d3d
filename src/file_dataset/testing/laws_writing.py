"""The laws about writing and deleting: 5 to 8."""

from __future__ import annotations

import functools
from collections.abc import Callable

from file_dataset.domain.errors import (
    AlreadyExistsError,
    NotFoundError,
    PreconditionFailedError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.objects import CREATE, IfMatch, ObjectInfo, WriteMode
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import Complete, Delete, Stat
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.url import Url
from file_dataset.testing._keys import parent
from file_dataset.testing._kit import Kit, body
from file_dataset.testing.laws_batches import SETTLING

_RACERS = 6
# Large enough that the others begin before the first has ended.
_RACED = 1 << 18


def later_reads_see_it(kit: Kit) -> None:
    """Law 5: through every client, also in another process."""
    url = kit.fresh().joined("seen")
    clients = [kit.store, kit.another()]
    _expect_everywhere(kit, url, None, clients, did="nothing yet")
    for number, maker in enumerate(kit.makers * 2):
        data = body(number, 100 - number)
        kit.do(kit.making(url, data, by=maker), on=clients[number % 2])
        _expect_everywhere(kit, url, data, clients, did=f"{maker.__name__} to {url}")
    if kit.can(*SETTLING):
        kit.do(Complete(kit.prepare(url, body(99))))
        _expect_everywhere(kit, url, body(99), clients, did="Complete")
    if kit.can(Delete):
        kit.do(Delete(url))
        _expect_everywhere(kit, url, None, clients, did=f"Delete({url})")
        kit.put(url, body(98))
        _expect_everywhere(kit, url, body(98), clients, did="a write after a Delete")


def _expect_everywhere(
    kit: Kit, url: Url, data: bytes | None, clients: list[Store], *, did: str
) -> None:
    for store in clients:
        if data is None:
            kit.expect_missing(url, did=did, on=store)
        objects = {} if data is None else {url: data}
        kit.expect_objects(parent(url), objects, did=did, on=store)
    peer = kit.peer()
    if peer is not None:
        seen = kit.look_from(peer, url)
        kit.expect(
            isinstance(seen, NotFoundError) if data is None else seen == data,
            did=f"{did}; read {url} in another process",
            expected="NotFoundError" if data is None else data,
            seen=seen,
        )


def deleting_what_is_missing(kit: Kit) -> None:
    """Law 6: Delete leaves nothing to delete, whatever was there, and nothing else changes."""
    prefix = kit.fresh()
    url = prefix.joined("ab")
    others = {prefix.joined("abc"): body(1), prefix.joined("abd", "e"): body(2)}
    missing = [prefix.joined("a"), prefix.joined("no", "such", "place")]
    if kit.writable:
        kit.put_all({url: body(3), **others})
    else:
        others = {}
    for gone in [*missing, url, url]:
        kit.do(Delete(gone))
        kit.expect_missing(gone, did=f"Delete({gone})")
    kit.do_all([Delete(gone) for gone in [*missing, url] * 5])
    kit.expect_objects(prefix, others, did="Delete of others")


def one_creator_wins(kit: Kit) -> None:
    """Law 7: CREATE never replaces, however many try, here and in another process."""
    for maker in kit.makers:
        prefix = kit.fresh()
        url = prefix.joined("old")
        kit.put(url, body(1))
        kit.error(kit.making(url, body(2), CREATE, by=maker), AlreadyExistsError)
        kit.expect_objects(prefix, {url: body(1)}, did=f"{maker.__name__} with CREATE")
        urls = [kit.fresh().joined(f"{number}") for number in range(8)]
        _race(kit, urls, maker, lambda _: CREATE, AlreadyExistsError)
        if kit.can(Delete):
            kit.do(Delete(url))
            kit.do(kit.making(url, body(3), CREATE, by=maker))
            kit.expect_objects(prefix, {url: body(3)}, did="CREATE after Delete")


def stale_etags_are_refused(kit: Kit) -> None:
    """Law 8: IfMatch replaces the version it names, or nothing."""
    for maker in kit.makers:
        prefix = kit.fresh()
        url = prefix.joined("old")
        kit.put(url, body(0))
        for number in range(1, 9):
            stale = _tag(kit, url)
            if stale is None:
                _refuses_every_etag(kit, url, maker)
                return
            # Of one size and one moment, so that only the contents tell the versions apart.
            kit.put(url, body(number))
            kit.error(kit.making(url, body(99), IfMatch(stale), by=maker), PreconditionFailedError)
            kit.expect_objects(prefix, {url: body(number)}, did=f"IfMatch({stale!r}), stale")
        kit.do(kit.making(url, body(10), IfMatch(_tag(kit, url) or ""), by=maker))
        kit.expect_objects(prefix, {url: body(10)}, did="IfMatch of what is there")
        urls = [kit.fresh().joined(f"{number}") for number in range(4)]
        kit.put_all({url: body(11 + number) for number, url in enumerate(urls)})
        tags = {url: IfMatch(_tag(kit, url) or "") for url in urls}
        _race(kit, urls, maker, tags.__getitem__, PreconditionFailedError)
        if kit.can(Delete):
            mode = IfMatch(_tag(kit, url) or "")
            kit.do(Delete(url))
            kit.error(kit.making(url, body(12), mode, by=maker), PreconditionFailedError)
            kit.expect_missing(url, did="IfMatch of what is deleted")


def _tag(kit: Kit, url: Url) -> str | None:
    if kit.can(Stat):
        return kit.do(Stat(url)).etag
    if kit.lists:
        return next(x.etag for x in kit.listed(parent(url)) if isinstance(x, ObjectInfo))
    return None


def _refuses_every_etag(kit: Kit, url: Url, maker: Verb) -> None:
    """A store without etags has no version that one could name."""
    request = kit.making(url, body(99), IfMatch("no such etag"), by=maker)
    kit.error(request, PreconditionFailedError, UnsupportedError)
    kit.expect_bytes(url, body(0), did=request)


def _race(
    kit: Kit,
    urls: list[Url],
    maker: Verb,
    mode: Callable[[Url], WriteMode],
    lost: type[StoreError],
) -> None:
    """Of those who make these objects at the same time exactly one wins, object by object."""
    bodies = [body(100 + number, _RACED) for number in range(_RACERS)]
    batches = [[kit.making(url, each, mode(url), by=maker) for url in urls] for each in bodies]
    runs: list[Callable[[], list[Outcome[None]]]] = [
        functools.partial(kit.run, batch, on=kit.another()) for batch in batches
    ]
    peer = kit.peer()
    if peer is not None:
        far = batches[-1]
        runs[-1] = lambda: kit.in_peer(lambda: peer.run(far))
    outcomes = kit.together(runs)
    for number, url in enumerate(urls):
        of_url = [racer[number] for racer in outcomes]
        winners = [racer for racer, each in enumerate(of_url) if isinstance(each, Done)]
        losers = [each for each in of_url if isinstance(each, Failed)]
        did = f"{len(of_url)} at once: {batches[0][number]}"
        kit.expect(len(winners) == 1, did=did, expected="one winner", seen=of_url)
        kit.expect(
            all(isinstance(each.error, lost) for each in losers),
            did=did,
            expected=f"{lost.__name__} for the others",
            seen=losers,
        )
        kit.expect_bytes(url, bodies[winners[0]], did=did)
