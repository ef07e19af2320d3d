"""The law about whole objects, 4, as far as it is about drafts."""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable, Mapping
from typing import cast

from file_dataset.domain.errors import PreconditionFailedError, StoreError
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import Abort, Complete, Draft, Prepare, Prepared
from file_dataset.domain.url import Url
from file_dataset.testing._kit import Kit, body

_COMPLETERS = 4

_Prepared = tuple[Prepared, ...]


def drafts_are_seen_together(kit: Kit) -> None:
    """Law 4: what is prepared together is seen together, whoever completes it, and how often."""
    _is_seen_once_it_is_complete(kit)
    _replaces_what_it_names(kit)
    _is_completed_by_many(kit)
    _is_named_until_it_is_aborted(kit)


def _is_seen_once_it_is_complete(kit: Kit) -> None:
    prefix = kit.fresh()
    objects = _below(prefix.joined("row"), {"a": body(1), "deep/b": body(2)})
    prepared = _drafted(kit, prefix.joined("row"), objects)
    kit.expect_objects(prefix, {}, did="Prepare for a draft", on=kit.another())
    kit.expect_missing(prepared[0].url, did="Prepare for a draft")
    _expect_pending(kit, prefix, prepared, named=True)
    _complete_elsewhere(kit, prepared)
    kit.expect_objects(prefix, objects, did="Complete a draft", on=kit.another())
    _expect_pending(kit, prefix, prepared, named=False)
    kit.do(Complete(prepared))
    kit.expect_objects(prefix, objects, did="Complete a draft twice", on=kit.another())


def _replaces_what_it_names(kit: Kit) -> None:
    prefix = kit.fresh()
    root = prefix.joined("row")
    objects = _below(root, {"a": body(1), "kept": body(2), "deep/kept": body(3)})
    kit.put_all(objects)
    new = _below(root, {"a": body(4), "deep/new": body(5)})
    winner = _drafted(kit, root, new)
    loser = _drafted(kit, root, _below(root, {"a": body(6), "lost": body(7)}))
    for _ in range(2):
        kit.do(Abort(loser))
    kit.error(Complete(loser), PreconditionFailedError)
    kit.expect_objects(prefix, objects, did="Abort a draft, and Complete it", on=kit.another())
    _expect_pending(kit, prefix, winner, named=True)
    kit.do(Complete(winner))
    kit.do(Abort(winner))
    objects |= new
    did = "Complete one draft of two, and Abort it after that"
    kit.expect_objects(prefix, objects, did=did, on=kit.another())
    newer = _below(root, {"a": body(8)})
    kit.do(Complete(_drafted(kit, root, newer)))
    _expect_not_back(kit, prefix, winner, objects | newer, did="by another draft")
    newest = _below(root, {"a": body(9), "deep/new": body(10)})
    kit.put_all(newest)
    _expect_not_back(kit, prefix, winner, objects | newest, did="by other writers")


def _expect_not_back(
    kit: Kit, prefix: Url, prepared: _Prepared, objects: Mapping[Url, bytes], *, did: str
) -> None:
    """What was written over stays as it is when the draft is completed once more."""
    request = Complete(prepared)
    (outcome,) = kit.run([request])
    did = f"{request} once it was written over {did}"
    kit.expect(
        isinstance(outcome, Done) or isinstance(outcome.error, PreconditionFailedError),
        did=did,
        expected="done, or PreconditionFailedError",
        seen=outcome,
    )
    kit.expect_objects(prefix, objects, did=did, on=kit.another())


def _is_completed_by_many(kit: Kit) -> None:
    prefix = kit.fresh()
    root = prefix.joined("row")
    objects = _below(root, {"a": body(1), "kept": body(2)})
    kit.put_all(objects)
    new = _below(root, {"a": body(3), "new": body(4)})
    prepared = _drafted(kit, root, new)
    runs: list[Callable[[], list[Outcome[None]]]] = [
        functools.partial(kit.run, [Complete(prepared)], on=kit.another())
        for _ in range(_COMPLETERS)
    ]
    outcomes = [outcome for run in kit.together(runs) for outcome in run]
    did = f"Complete one draft, {_COMPLETERS} at once"
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    kit.expect(not failed, did=did, expected="done by each", seen=failed)
    kit.expect_objects(prefix, objects | new, did=did, on=kit.another())


def _is_named_until_it_is_aborted(kit: Kit) -> None:
    prefix = kit.fresh()
    row, other = prefix.joined("row"), prefix.joined("row-2")
    first = _drafted(kit, row, _below(row, {"a": body(1), "deep/b": body(2)}))
    second = _drafted(kit, other, _below(other, {"a": body(3)}))
    rival = _drafted(kit, row, _below(row, {"a": body(5)}))
    alone = kit.prepare(prefix.joined("alone"), body(4))
    tokens = [{each.token for each in draft} for draft in (first, rival)]
    kit.expect(
        not tokens[0] & tokens[1],
        did="Prepare two drafts for one root",
        expected="tokens that tell them apart",
        seen=tokens,
    )
    _expect_pending(kit, row, rival, named=True)
    _expect_pending(kit, row, first, named=True)
    _expect_pending(kit, row, second, named=False)
    _expect_pending(kit, row.joined("deep"), first[1:], named=True)
    _expect_pending(kit, row.joined("deep"), first[:1], named=False)
    for each in kit.pending(prefix):
        kit.do(Abort(each.prepared))
    left = kit.pending(prefix)
    kit.expect(not left, did="Abort all that is pending", expected="nothing pending", seen=left)
    for prepared in (first, rival, second):
        kit.error(Complete(prepared), PreconditionFailedError)
    kit.error(Complete(alone), StoreError)
    kit.expect_objects(prefix, {}, did="Abort all that is pending")


def _below(root: Url, files: Mapping[str, bytes]) -> dict[Url, bytes]:
    return {root.joined(*name.split("/")): data for name, data in files.items()}


def _drafted(kit: Kit, root: Url, objects: Mapping[Url, bytes]) -> _Prepared:
    """The objects of a new draft: the first made of another object, the others of files."""
    draft = Draft(root, uuid.uuid4().hex)
    source = kit.fresh().joined("source")
    kit.put(source, next(iter(objects.values())))
    files = [Url.local(kit.file(data)) for data in [*objects.values()][1:]]
    requests = [
        Prepare(each, url, draft) for each, url in zip([source, *files], objects, strict=True)
    ]
    prepared = kit.do_all(requests)
    for request, each in zip(requests, prepared, strict=True):
        kit.expect(
            (each.url, each.draft) == (request.url, draft)
            and each.size in (None, len(objects[request.url])),
            did=request,
            expected=f"{request.url} of the draft, and its size",
            seen=each,
        )
    return tuple(prepared)


def _complete_elsewhere(kit: Kit, prepared: _Prepared) -> None:
    """Complete a draft as somebody does who has read of it, in another process if there is one."""
    request = Complete([_from_json(_to_json(each)) for each in prepared])
    peer = kit.peer()
    if peer is None:
        kit.do(request, on=kit.another())
    else:
        (outcome,) = kit.in_peer(lambda: peer.run([request]))
        kit.value(request, outcome)


def _to_json(prepared: Prepared) -> str:
    draft = cast(Draft, prepared.draft)
    urls = str(prepared.url), str(draft.root)
    return json.dumps([*urls, draft.attempt, prepared.token, prepared.receipt, prepared.size])


def _from_json(text: str) -> Prepared:
    url, root, attempt, token, receipt, size = json.loads(text)
    return Prepared(Url.parse(url), token, Draft(Url.parse(root), attempt), receipt, size)


def _expect_pending(kit: Kit, prefix: Url, prepared: _Prepared, *, named: bool) -> None:
    """All of it is pending below the prefix, or nothing of it."""
    found = {f"{each.prepared.url} ({each.prepared.token})" for each in kit.pending(prefix)}
    wanted = {f"{each.url} ({each.token})" for each in prepared}
    kit.expect(
        wanted <= found if named else not wanted & found,
        did=f"pending({prefix})",
        expected=f"{'all' if named else 'none'} of {sorted(wanted)}",
        seen=sorted(found),
    )
