"""The laws about other processes: 14 and 15."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Mapping

from file_dataset.domain.errors import UnsupportedError
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url
from file_dataset.testing._keys import parent
from file_dataset.testing._kit import Kit, body
from file_dataset.testing._processes import in_fork
from file_dataset.testing._words import shown

_FORKS = 3
_READS = 3
_LARGE = 1 << 16


def pickles_do_the_work(kit: Kit) -> None:
    """Law 14: a store that was used is pickled, and serves another process as it does this one."""
    kit.expect_objects(kit.fresh(), {}, did="use the store")
    kit.peer()


def forks_are_safe(kit: Kit) -> None:
    """Law 15: fork while threads use the store; the child and the parent both get their own."""
    objects = kit.given(*range(_LARGE, _LARGE + 6))
    wrong = _wrong(kit, kit.store, objects)
    kit.expect(not wrong, did="use the store", expected="its answers", seen=wrong)
    stop = threading.Event()
    using = threading.Barrier(5)

    def use(mine: Mapping[Url, bytes]) -> None:
        try:
            for number in itertools.count():
                wrong.extend(_wrong(kit, kit.store, mine))
                if number == 0:
                    using.wait(kit.patience)
                if stop.is_set() or wrong:
                    break
        except Exception as error:  # noqa: BLE001 - raised again below, by its words
            wrong.append(f"{type(error).__name__}: {error}")
            using.abort()

    pairs = list(objects.items())
    threads = [
        threading.Thread(target=use, args=(dict(pairs[n::2]),), daemon=True) for n in (0, 1, 0, 1)
    ]
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        using.wait(kit.patience)
    try:
        said = ""
        for _ in range(_FORKS):
            said = said or in_fork(lambda: _child(kit, objects), patience=kit.patience)
    finally:
        stop.set()
        for thread in threads:
            thread.join(kit.patience)
    did = "fork while four threads use the store"
    kit.expect(not said, did=f"{did}; use it in the child", expected="its answers", seen=said)
    hanging = [thread.name for thread in threads if thread.is_alive()]
    wrong += _wrong(kit, kit.store, objects)
    kit.expect(not hanging, did=f"{did}; go on in the parent", expected="an end", seen=hanging)
    kit.expect(not wrong, did=f"{did}; go on in the parent", expected="its answers", seen=wrong)


def _child(kit: Kit, objects: Mapping[Url, bytes]) -> str:
    """What is wrong in a forked process; a refusal in words is right."""
    for _ in range(_READS):
        if wrong := _wrong(kit, kit.store, objects, may_refuse=True):
            return shown(wrong)
    if kit.lists:
        with contextlib.suppress(UnsupportedError):
            top = parent(next(iter(objects))) if kit.writable else kit.root
            seen = {item.url for item in kit.store.list(top)}
            if not seen.issuperset(objects):
                return f"it lists {shown(seen)}"
    if kit.writable:
        url = kit.fresh().joined("from the child")
        (outcome,) = kit.run([kit.making(url, body(1))])
        refused = isinstance(outcome, Failed) and isinstance(outcome.error, UnsupportedError)
        if not refused and kit.look(url) != body(1):
            return f"what the child wrote at {url} is not there: {shown(outcome)}"
    # What is closed here must not be taken from the parent.
    kit.store.close()
    return ""


def _wrong(
    kit: Kit, store: Store, objects: Mapping[Url, bytes], *, may_refuse: bool = False
) -> list[str]:
    """What is wrong with what the store says of these objects."""
    found: list[str] = []
    for url, seen in kit.look_at(objects, on=store).items():
        if seen != objects[url] and not (may_refuse and isinstance(seen, UnsupportedError)):
            found.append(f"{url}: {shown(seen)}")
    return found
